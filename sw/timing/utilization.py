"""Utilization: how much of the time an array was busy with necessary work, and where the rest
went."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.mapping import Mapping

__all__ = ["neuron_bound", "utilization"]

Table = npt.NDArray[Any]


def neuron_bound(mapping: Mapping) -> npt.NDArray[np.int64]:
    """The neuron bound: the fewest cycles that a layer takes for its neurons.

    A neuron unit takes one neuron per cycle, for ``neuron_steps`` steps of it.

    Parameters
    ----------
    mapping : Mapping
        A network on an array, for instance a program.

    Returns
    -------
    (layers,) int64 array
        Cycles of a sample in which the neuron unit of the fullest core is busy. A run on the
        skeleton is not counted.
    """
    network, config = mapping.computed, mapping.config
    full, rest = divmod(mapping.steps, mapping.window)
    passes = full * -(-mapping.window // config.neuron_steps) + -(-rest // config.neuron_steps)
    fullest = []
    for i in range(len(network.layers)):
        positions, groups = mapping.grid(i), mapping.groups[i]
        fullest.append(max(
            positions.positions(tile) * len(groups.outputs(tile.first_group, tile.groups))
            for tile in mapping.tiles[i] if tile.groups
        ))
    return np.array(fullest, dtype=np.int64) * passes


def _swap_cycles(mapping: Mapping) -> int:
    """Cycles of a sample in which a group leaves the lanes, over all cores."""
    groups = sum(
        tile.groups * mapping.grid(i).positions(tile)
        for i, _ in mapping.layer_tags.values() for tile in mapping.tiles[i]
    )
    return mapping.windows * groups * mapping.config.chain


def utilization(mapping: Mapping, counters: Table, layer_counters: Table) -> dict[str, float]:
    """Shares of the cycles of a run.

    Parameters
    ----------
    mapping : Mapping
        The program that ran.
    counters, layer_counters : structured array
        The counters of the result, (batch,) and (batch, layers).

    Returns
    -------
    dict of str to float
        ``utilization``: cycles that the lanes of the busiest core need, layer by layer.
        ``utilization_bound``: the same, or the cycles that its neuron unit needs, whichever is
        more. The others are the shares in which the lanes of the cores did not add: ``lost_wait``
        while they waited for rows or other cores, ``lost_drain`` for the neuron unit, ``lost_swap``
        while a group left them, and ``lost_rest`` between tasks, or with several banks because some
        of them had no event.
    """
    cycles = int(counters["cycles"].sum())
    bound = np.maximum(layer_counters["lower_bound"], neuron_bound(mapping))
    everywhere = cycles * mapping.config.cores
    lost = {name: int(counters[name].sum()) for name in ("wait", "drain")}
    lost["swap"] = len(counters) * _swap_cycles(mapping)
    added = int(counters["issued"].sum()) / mapping.config.banks
    rest = everywhere - added - sum(lost.values())
    return {
        "utilization": float(counters["lower_bound"].sum() / cycles),
        "utilization_bound": float(bound.sum() / cycles),
        **{f"lost_{name}": count / everywhere for name, count in lost.items()},
        "lost_rest": max(0, rest) / everywhere,
    }
