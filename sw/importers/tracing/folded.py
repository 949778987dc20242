"""Compares the layers of real numbers with the layers of a torch module that they were made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...support.errors import NotExpressible
from ..layers import FloatLayer
from ..semantics import Floats
from .comparison import Layer

__all__ = ["INPUT_BITS", "check_folded", "sums_exactly"]

_GRID_BITS = 20
INPUT_BITS = 12
"""Bits of the trials' largest inputs, where those of the samples have no more."""
_TIE = 2.0**-18


def check_folded(
    layer: FloatLayer, each: Layer, given: Floats, spikes: Any, bits: int = INPUT_BITS
) -> None:
    """Refuse a layer that does not fire as the layer of the model that it was made of.

    Parameters
    ----------
    layer : FloatLayer
        What was made of it.
    each : Layer
        The layer of the model.
    given : (steps, batch, *shape) float64
        What it is given.
    spikes : (steps, batch, neurons) bool
        Its spikes.
    bits : int
        Bits that its inputs have at most.

    Raises
    ------
    NotExpressible
        Naming the step, the sample and the neuron.
    """
    found = layer.as_in_model(layer.run(given)[0])
    apart = found != spikes
    threshold = layer.cell.threshold
    exact = not each.tolerance and sums_exactly(layer, steps=len(given), bits=bits)
    if not exact and apart.any() and threshold is not None:
        # A neuron whose membrane meets its threshold within rounding may fire or not.
        for factor in (1 - _TIE, 1 + _TIE):
            other = replace(layer, cell=replace(layer.cell, threshold=threshold * factor))
            apart &= other.as_in_model(other.run(given)[0]) != spikes
    if apart.any():
        step, sample, neuron = (int(i) for i in np.argwhere(apart)[0])
        raise NotExpressible(
            each.name, each.kind,
            f"what was made of it differs from it: neuron {neuron} of sample {sample} fires at "
            f"step {step} in {'the array' if found[step, sample, neuron] else 'the model'} only, "
            "because of a hook on it, or of a fault of this importer", "the layer without hooks",
        )


def sums_exactly(
    layer: FloatLayer, mantissa: int = 52, steps: int = 0, bits: int = INPUT_BITS
) -> bool:
    """Whether nothing is rounded in the inputs of a layer, nor in its membranes over steps.

    Parameters
    ----------
    layer : FloatLayer
        The layer, with inputs on a grid.
    mantissa : int
        Bits of the sums behind the leading one.
    steps : int
        Steps from the start of a sample; 0 for its inputs alone.
    bits : int
        Bits that its inputs have at most.
    """
    cell = layer.cell
    values = [layer.matrix, layer.bias]
    if steps:
        values += [np.asarray(cell.v_init)]
        values += [] if cell.threshold is None else [cell.threshold]
    flat = np.concatenate([np.ravel(each) for each in values])
    fraction = _fraction(flat)
    if fraction is None or layer.divisor & (layer.divisor - 1):
        return False
    lost = [0, 0]
    for index, decay in enumerate((cell.decay, cell.synapse_decay)):
        kept = _fraction(np.asarray(0.0 if decay is None else decay))
        if kept is None:
            return not steps
        lost[index] = kept
    terms = max(float(np.abs(flat).max(initial=1.0)), 1.0) * layer.matrix.shape[1]
    return bool(np.log2(terms) + bits + fraction + sum(lost) * steps <= mantissa)


def _fraction(values: Floats) -> int | None:
    """Return the bits behind the point that values need; None if there are too many."""
    for bits in range(_GRID_BITS + 1):
        scaled = values * 2.0**bits
        if (scaled == np.round(scaled)).all():
            return bits
    return None
