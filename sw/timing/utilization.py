"""How much of the time an array was busy with what it must do, and where the rest went."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..device.result import Result
from ..mapping.maps import group_size
from ..mapping.partitions import grid
from ..program.program import Program

__all__ = ["neuron_bound", "utilization"]


def neuron_bound(program: Program) -> npt.NDArray[np.int64]:
    """(layers,) cycles of a sample in which the neuron unit of the fullest core must be busy:
    neurons, R steps of one at a time. A run on the skeleton is not among them."""
    network, config = program.network, program.config
    full, rest = divmod(program.steps, program.window)
    passes = full * -(-program.window // config.neuron_steps) + -(-rest // config.neuron_steps)
    fullest = []
    for i, layer in enumerate(network.layers):
        there, size = grid(layer, network.input_shapes[i]), group_size(network, config, i)
        ends = [(share, (share.first + share.groups) * size) for share in program.groups[i]]
        fullest.append(max(
            there.positions(share) * (min(layer.channels, end) - share.first * size)
            for share, end in ends if share.groups
        ))
    return np.array(fullest, dtype=np.int64) * passes


def _swaps(program: Program) -> int:
    """Cycles of a sample in which lanes hand over a group, over all cores."""
    network, config = program.network, program.config
    windows = -(-program.steps // program.window)
    groups = sum(
        share.groups * grid(network.layers[i], network.input_shapes[i]).positions(share)
        for i, _ in program.layer_tags.values() for share in program.groups[i]
    )
    return windows * groups * config.chain


def utilization(program: Program, result: Result) -> dict[str, float]:
    """Shares of the cycles of a run with counters: ``utilization`` those the lanes of the busiest
    core of each layer need, ``utilization_bound`` those its lanes or its neuron unit need, the
    larger of both layer by layer. Then where the lanes of all cores were not adding: ``lost_wait``
    for rows or other cores, ``lost_drain`` for the neuron unit, ``lost_swap`` while a group left
    them, ``lost_rest`` between tasks."""
    cycles, layers = int(result.counters["cycles"].sum()), result.layer_counters
    bound = np.maximum(layers["lower_bound"], neuron_bound(program))
    everywhere = cycles * program.config.cores
    lost = {name: int(result.counters[name].sum()) for name in ("wait", "drain")}
    lost["swap"] = len(result.counters) * _swaps(program)
    rest = everywhere - int(result.counters["issued"].sum()) - sum(lost.values())
    return {
        "utilization": float(result.counters["lower_bound"].sum() / cycles),
        "utilization_bound": float(bound.sum() / cycles),
        **{f"lost_{name}": each / everywhere for name, each in lost.items()},
        "lost_rest": max(0, rest) / everywhere,
    }
