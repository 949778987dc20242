"""One layer of a network, from real numbers to integers, with its report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ..network import Dense, FrameInput, Layer, Neuron
from ..network.layer_fidelity import LayerFidelity
from ..network.leaks import Leak, Leaks, exact_steps
from ..network.quantize import Quantized, RealLayer, quantize_layer, with_thresholds
from .fitting import LayerLimits, StateLimits, array_fit, weight_error
from .layers import FloatLayer, trained_step
from .leaks import factors, layer_leaks
from .measure import Samples
from .semantics import Cell, Decay, Floats
from .settings import Settings

__all__ = ["IntegerLayer"]

# The positions between 1 and its limit at which the factor on thresholds is tried.
_MATCHED = (0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """A layer on its way to integers.

    Attributes
    ----------
    layer : FloatLayer
        The layer of real numbers.
    settings : Settings
        The importer's options.
    measured : Samples
        The samples.
    before : tuple of Layer
        The integer layers in front of it.
    """

    layer: FloatLayer
    settings: Settings
    measured: Samples
    before: tuple[Layer, ...]

    @property
    def _index(self) -> int:
        return len(self.before)

    @property
    def _bits(self) -> int:
        return self.settings.bits(self._index)

    @cached_property
    def _leaks(self) -> tuple[Leaks, Leaks | None]:
        """The leaks of the membranes, and of the synaptic currents where there are some."""
        return layer_leaks(self.layer.cell, len(self.layer.weight), self.settings.leaks)

    @cached_property
    def _limits(self) -> LayerLimits | StateLimits | None:
        """The limits for the layer: the array's; without one, those that a zero folded into its
        biases may pass; else None."""
        array, source = self.settings.array, self.measured.source
        if array is None:
            return StateLimits(self.settings.state_bits) if self._zero else None
        wide = not self.before and isinstance(source, FrameInput) and source.bits > array.window
        return LayerLimits(self.layer, array, self._bits, source.bits if wide else 1)

    @property
    def _zero(self) -> int:
        """The input that stands for 0."""
        return 0 if self.before else self.measured.source.zero

    @property
    def _zeros(self) -> Floats | None:
        """The same for each weight, as ``RealLayer`` has it."""
        if not self._zero:
            return None
        layer, zeros = self.layer, np.zeros(self.layer.matrix.shape[1])
        pooled = 1 if layer.pool is None else layer.pool.size**2
        zeros[: prod(layer.weight.shape[1:])] = self._zero * pooled
        return zeros

    def made(self, scale: Floats | None) -> tuple[Layer, LayerFidelity]:
        """Return the layer of integers, and its report, still without spikes.

        Parameters
        ----------
        scale : () or (out,) float64, or None
            The scale that the caller gave.

        Raises
        ------
        DoesNotFit, ValueError
            If there are no such integers.
        """
        quantized, factor = self._matched(self._quantized(scale))
        return self._with(quantized), self._report(quantized, factor)

    def _quantized(self, scale: Floats | None) -> Quantized:
        """Return the integers: rounded plainly if that is exact, else with the samples."""
        layer = self.layer
        options: dict[str, Any] = {
            "weight_bits": self._bits, "fraction_bits": self.settings.fraction_bits,
            "scale": scale, "limits": self._limits,
        }
        cell = layer.cell
        real = RealLayer(layer.matrix, layer.bias, cell.threshold, cell.v_init, self._zeros)
        plain = quantize_layer(real, **options)
        if scale is not None:
            return plain
        kept = self._as_trained(real, options)
        if kept is not None and (kept.exact or not plain.exact):
            return kept
        if plain.exact or not self.measured.given:
            return plain
        moments = layer.moments(self.measured.inputs(self.before))
        return quantize_layer(real, moments=moments, **options)

    def _as_trained(self, real: RealLayer, options: dict[str, Any]) -> Quantized | None:
        """Return the integers with which the layer was trained, where it was and they fit."""
        step = trained_step(self.layer, self._bits)
        if step is None:
            return None
        try:
            return quantize_layer(real, **{**options, "scale": step})
        except ValueError:  # a bias or threshold is out of range at this scale
            return None

    def _matched(self, quantized: Quantized) -> tuple[Quantized, float]:
        """Return the integers with thresholds that compensate for an inexact leak, and their
        factor.

        A constant current drives a membrane with decay ``d`` to ``1 / (1 - d)`` times the current
        in many steps; in few steps the leak matters less. So the best factor lies between 1 and the
        ratio of the two limits, and the one with the fewest different spikes is taken.
        """
        threshold, decay = self.layer.cell.threshold, np.asarray(self.layer.cell.decay)
        used = np.asarray(factors(self._leaks[0]))
        without = (used == decay) | (used == 1) | (decay == 1)
        ratio = np.where(without, 1.0, (1.0 - decay) / np.where(without, 1.0, 1.0 - used))
        if threshold is None or not self.measured.given or without.all():
            return quantized, 1.0
        best, least = (quantized, 1.0), self._different(quantized)
        for share in _MATCHED:
            factor = 1.0 + share * (ratio - 1.0)
            try:
                other = with_thresholds(
                    quantized, threshold * factor, self.settings.fraction_bits,
                    self.settings.state_bits,
                )
            except ValueError:  # out of range: the other factors are still there
                continue
            different = self._different(other)
            if different < least:
                furthest = factor.reshape(-1)[np.abs(factor - 1.0).argmax()]
                best, least = (other, float(furthest)), different
        return best

    def _different(self, quantized: Quantized) -> int:
        """Count the spikes that differ from the source's with these integers."""
        return self.measured.different((*self.before, self._with(quantized)))

    def _with(self, quantized: Quantized) -> Layer:
        """Return the layer with these integers."""
        layer, cell, settings = self.layer, self.layer.cell, self.settings
        leak, synapse_leak = self._leaks
        neuron = Neuron(
            leak=leak,
            threshold=_plainest(quantized.threshold),
            reset=cell.reset,
            reset_timing=cell.reset_timing,
            compare=cell.compare,
            v_init=quantized.v_init,
            fires=cell.fires,
            synapse_leak=synapse_leak,
        )
        # The recurrent weights are behind the others in the matrix, since they share the neuron's
        # scale.
        inputs = prod(layer.weight.shape[1:])
        weight = quantized.weight[:, :inputs].reshape(layer.weight.shape)
        shared: dict[str, Any] = {
            "neuron": neuron,
            "emit": settings.emits[self._index] if settings.emits else "spikes",
            "weight_bits": settings.layer_bits[self._index] if settings.layer_bits else None,
        }
        if layer.conv is not None:
            return replace(
                layer.conv, weight=weight, bias=quantized.bias, pool_after=layer.pool_after,
                **shared,
            )
        recurrent = None if cell.recurrent is None else quantized.weight[:, inputs:]
        return Dense(
            weight, quantized.bias, pool_before=layer.pool, recurrent=recurrent, **shared
        )

    def _report(self, quantized: Quantized, factor: float) -> LayerFidelity:
        layer, cell, matrix = self.layer, self.layer.cell, self.layer.matrix
        leak, synapse_leak = self._leaks
        column = quantized.scale[:, None] if quantized.scale.ndim else quantized.scale
        ratio = matrix / column
        used = factors(leak)
        synapse_used = None if synapse_leak is None else factors(synapse_leak)
        exact = quantized.exact and np.array_equal(used, cell.decay)
        if synapse_used is not None and cell.synapse_decay is not None:
            exact = exact and np.array_equal(synapse_used, cell.synapse_decay)
        limits = self._limits
        fit = None if limits is None else array_fit(layer, quantized, limits, self._zero)
        half = 1 << (self._bits - 1)  # a ratio beyond -half - 0.5 .. half - 0.5 was clipped
        return LayerFidelity(
            name=layer.name,
            source=cell.source,
            neuron=_described(cell),
            decay_asked=_listed(cell.decay),
            decay_used=_listed(used),
            leak=leak,
            synapse_asked=None if cell.synapse_decay is None else _listed(cell.synapse_decay),
            synapse_used=None if synapse_used is None else _listed(synapse_used),
            synapse_leak=synapse_leak,
            threshold_factor=factor,
            scale_low=float(quantized.scale.min()) / layer.divisor,
            scale_high=float(quantized.scale.max()) / layer.divisor,
            weight_error=weight_error(quantized, matrix),
            clipped=int(((ratio > half - 0.5) | (ratio < -half - 0.5)).sum()),
            nonzero=int(np.count_nonzero(quantized.weight)),
            zeroed=int(np.count_nonzero(matrix[quantized.weight == 0])),
            cut_off=int((matrix.any(1) & ~quantized.weight.any(1)).sum()),
            fit=fit,
            exact=exact,
            exact_steps=self._exact_steps(quantized) if exact else 0,
            spikes=None,
        )

    def _exact_steps(self, quantized: Quantized) -> int | None:
        """Return the steps in which no leak can round a state; None for any number."""
        leak, synapse_leak = self._leaks
        kinds, kind = Neuron(leak=leak, synapse_leak=synapse_leak, fires=False).kinds(
            len(quantized.bias)
        )
        found = []
        for number, neuron in enumerate(kinds):
            values = [quantized.bias[kind == number], np.array([quantized.v_init])]
            if quantized.threshold is not None:
                values.append(quantized.threshold[kind == number])
            one, synapse = cast(Leak, neuron.leak), cast("Leak | None", neuron.synapse_leak)
            fraction = self.settings.fraction_bits
            found.append(exact_steps(one, synapse, np.concatenate(values), fraction))
        return min((steps for steps in found if steps is not None), default=None)


def _listed(decay: Decay) -> float | tuple[float, ...]:
    """Return one decay, or one per neuron, for a report."""
    return tuple(decay.tolist()) if isinstance(decay, np.ndarray) else decay


def _plainest(threshold: npt.NDArray[np.int64] | None) -> Any:
    """Return a single number if all thresholds are the same."""
    if threshold is None or (threshold != threshold[0]).any():
        return threshold
    return int(threshold[0])


def _described(cell: Cell) -> str:
    """Return the settings of a layer's neurons, for reports."""
    if not cell.fires:
        return "read by its membrane"
    timing = f", {cell.reset_timing}" if cell.reset == "subtract" else ""
    return f"{cell.compare}, reset {cell.reset}{timing}"
