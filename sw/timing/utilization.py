"""How much of the time an array was busy with what it must do, and where the rest went."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.mapping import Mapping
from ..mapping.maps import group_size
from ..mapping.partitions import grid

__all__ = ["neuron_bound", "utilization"]

Table = npt.NDArray[Any]


def neuron_bound(mapping: Mapping) -> npt.NDArray[np.int64]:
    """(layers,) cycles of a sample in which the neuron unit of the fullest core must be busy:
    neurons, R steps of one at a time. A run on the skeleton is not among them."""
    network, config = mapping.network, mapping.config
    full, rest = divmod(mapping.steps, mapping.window)
    passes = full * -(-mapping.window // config.neuron_steps) + -(-rest // config.neuron_steps)
    fullest = []
    for i, layer in enumerate(network.layers):
        there, size = grid(layer, network.input_shapes[i]), group_size(network, config, i)
        ends = [(tile, (tile.first_group + tile.groups) * size) for tile in mapping.tiles[i]]
        fullest.append(max(
            there.positions(tile) * (min(layer.channels, end) - tile.first_group * size)
            for tile, end in ends if tile.groups
        ))
    return np.array(fullest, dtype=np.int64) * passes


def _swaps(mapping: Mapping) -> int:
    """Cycles of a sample in which lanes hand over a group, over all cores."""
    network, config = mapping.network, mapping.config
    windows = -(-mapping.steps // mapping.window)
    groups = sum(
        tile.groups * grid(network.layers[i], network.input_shapes[i]).positions(tile)
        for i, _ in mapping.layer_tags.values() for tile in mapping.tiles[i]
    )
    return windows * groups * config.chain


def utilization(mapping: Mapping, counters: Table, layer_counters: Table) -> dict[str, float]:
    """Shares of the cycles of a run with counters: ``utilization`` those the lanes of the busiest
    core of each layer need, ``utilization_bound`` those its lanes or its neuron unit need, the
    larger of both layer by layer. Then where the lanes of all cores were not adding: ``lost_wait``
    for rows or other cores, ``lost_drain`` for the neuron unit, ``lost_swap`` while a group left
    them, ``lost_rest`` between tasks."""
    cycles, layers = int(counters["cycles"].sum()), layer_counters
    bound = np.maximum(layers["lower_bound"], neuron_bound(mapping))
    everywhere = cycles * mapping.config.cores
    lost = {name: int(counters[name].sum()) for name in ("wait", "drain")}
    lost["swap"] = len(counters) * _swaps(mapping)
    rest = everywhere - int(counters["issued"].sum()) - sum(lost.values())
    return {
        "utilization": float(counters["lower_bound"].sum() / cycles),
        "utilization_bound": float(bound.sum() / cycles),
        **{f"lost_{name}": each / everywhere for name, each in lost.items()},
        "lost_rest": max(0, rest) / everywhere,
    }
