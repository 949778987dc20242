"""Layers whose framework emits every spike one step late, as they are here.

A network without biases does the same whenever its inputs come, so the steps by which a layer is
late can be left out. A bias acts from the first step on, before the layer's late inputs: its
membrane has already moved when they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..layers import FloatLayer

__all__ = ["with_late_spikes"]


def with_late_spikes(
    layers: Sequence[FloatLayer], late: Sequence[bool], release: str
) -> tuple[FloatLayer, ...]:
    """Return layers that start where their biases have brought them when their inputs come.

    Parameters
    ----------
    layers : sequence of FloatLayer
        The layers.
    late : sequence of bool
        Whether each layer's spikes come one step late. The last layer may have none.
    release : str
        The framework, for messages.

    Returns
    -------
    tuple of FloatLayer
        A layer that cannot start there has an ``inexact`` cell, which only ``approximate`` takes.
    """
    steps = np.concatenate([[0], np.cumsum(np.asarray(late, dtype=int))])
    return tuple(
        layer if not steps[index] else _started(layer, int(steps[index]), release)
        for index, layer in enumerate(layers)
    )


def _started(layer: FloatLayer, steps: int, release: str) -> FloatLayer:
    own = layer.bias + layer.cell.recurrent_bias
    if not own.any():
        return layer
    current = np.broadcast_to(own, (steps, 1, len(layer.weight)))
    # The recurrent bias is in ``own``, and no spikes mean no recurrent input.
    cell = replace(layer.cell, recurrent=None, recurrent_bias=np.zeros(()))
    spikes, membrane = cell.run(current)
    if not spikes.any() and np.ptp(membrane) == 0 and cell.synapse_decay is None:
        return replace(layer, cell=replace(layer.cell, v_init=float(membrane.flat[0])))
    inexact = (
        f"its biases act {steps} steps before its first inputs come, which {release} emits one "
        "step late in each layer, and a layer here has one v_init"
    )
    return replace(
        layer,
        cell=replace(
            layer.cell, inexact=inexact, nearest="biases from the first inputs on (bias=False, or "
            "biases of 0, are exact)",
        ),
    )
