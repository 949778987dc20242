"""From a network to a program: a plan, and the memories it fills; refuses what does not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..mapping.constraints import complaint, problems, width_problems
from ..mapping.maps import Map, Maps, group_size, lanes_each
from ..mapping.partitions import Share, splits
from ..mapping.plan import Plan, field_size, make_plans
from ..mapping.tasks import tasks
from ..network import Conv2d, Network
from ..samples.samples import check_steps
from ..samples.words import pack_rows
from ..spec import PRESETS, ArrayConfig, preset, task_layout
from ..spec.link import Register, Space
from ..support.errors import DoesNotFit
from ..support.values import exact_choice
from ..timing.estimate import typical_cycles
from .program import TYPICAL, Image, Program

__all__ = ["DEVICES", "compile"]

GOLDEN = "golden:"
DEVICES = (GOLDEN,)
"""Devices a program can be compiled for alone."""

Integers = npt.NDArray[np.int64]

_COMPARED = 4  # plans


def compile(
    network: Network, array: str | ArrayConfig, steps: int, device: str | None = None
) -> Program:
    """Map a network onto an array.

    A layer is cut into groups of L outputs (output channels), which are dealt to the cores evenly,
    in order; a convolution may be cut into rows of positions too, with its weights in every core
    that has some of them (``shares.splits``). Of the ways that fit, those with the fewest groups of
    neurons on the fullest core are compared by the estimate of their cycles. Every core holds every
    map it reads; the input map twice.

    Parameters
    ----------
    array : a preset's name, or the configuration itself.
    steps : N, steps per sample, at most ``samples.STEPS_MAX``.
    device : "golden:" for the golden model of that array only: it has its widths, its window and
        its counters, memories without an end, and every kind of layer. None for every device.

    Raises
    ------
    TypeError, ValueError
        For a wrong argument.
    DoesNotFit
        If the array cannot run the network exactly; names everything that is too large, with what
        is needed and what is there, a preset that would do, and what to change in the array.
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be a Network, not {network!r}")
    config = preset(array) if isinstance(array, str) else array
    if not isinstance(config, ArrayConfig):
        raise TypeError(
            f"array must be an ArrayConfig or one of {sorted(PRESETS)}, not {array!r}"
        )
    steps = check_steps(steps)
    if device is not None:
        return _for_golden(network, config, steps, exact_choice("device", device, DEVICES))
    plans = make_plans(network, config, steps, _COMPARED)
    found = list(problems(network, config, steps, plans[0]))
    if found:
        raise DoesNotFit(complaint(found, network, config, steps))

    def without_images(plan: Plan) -> Program:
        return Program(
            network=network,
            config=config,
            steps=steps,
            groups=plan.shares,
            images=(),
            registers=_registers(network, config, plan),
            needed=plan.needed,
            state_needed=plan.state_needed,
        )

    best = plans[0]
    if len(plans) > 1:
        best = min(plans, key=lambda plan: typical_cycles(without_images(plan), TYPICAL))
    images = tuple(_image(network, config, best, core) for core in range(config.cores))
    return replace(without_images(best), images=images)


def _registers(network: Network, config: ArrayConfig, plan: Plan) -> dict[Register, int]:
    registers = {Register.INPUT_ROWS: plan.maps.inputs, Register.INPUT_BASE: 0}
    if config.half_words:
        source = network.input
        bits = source.bits if source.kind == "pixels" else network.window(config.window)
        registers[Register.INPUT_HALF] = int(bits <= config.window // 2)
    return registers


def _for_golden(network: Network, config: ArrayConfig, steps: int, device: str) -> Program:
    found = list(width_problems(network, config, steps))
    if found:
        raise DoesNotFit(
            f"the network does not fit the array: {'; '.join(each.text for each in found)} (an "
            "array of other widths may: array=stablespike.ArrayConfig(...))"
        )
    shares = tuple(
        splits(layer, shape, config.cores, group_size(network, config, i))[0].shares
        for i, (layer, shape) in enumerate(
            zip(network.layers, network.input_shapes, strict=True)
        )
    )
    return Program(network, config, steps, shares, (), {}, {}, device=device)


def _grouped(values: Integers, size: int, share: Share) -> Integers:
    """(groups * size, ...) of a share's outputs, the last group filled with zeros."""
    part = values[share.first * size : (share.first + share.groups) * size]
    missing = share.groups * size - len(part)
    return np.pad(part, [(0, missing)] + [(0, 0)] * (values.ndim - 1))


def _on_lanes(values: Integers, each: int) -> Integers:
    """(lanes, ...) of values of neurons, of two lanes each on the second one."""
    lying = np.zeros((len(values) * each, *values.shape[1:]), dtype=np.int64)
    lying[each - 1 :: each] = values
    return lying


def _halves(weights: Integers, each: int) -> Integers:
    """(lanes, ...) of weights of neurons, of two lanes each cut into high half and low half."""
    if each == 1:
        return weights
    low = _on_lanes(weights & 15, each)
    low[::2] = weights >> 4
    return low


def _kernel(network: Network, index: int, read: Map, lanes: int) -> Integers:
    """(channels, words) weights of a layer, for every word of its kernel, row by row; of a dense
    layer for those of the map it reads, whole rows."""
    layer = network.layers[index]
    rows, words = field_size(layer, read, lanes)
    if isinstance(layer, Conv2d):
        square = 1 if layer.pool_before is None else layer.pool_before.size
        kernel = layer.weight.repeat(square, axis=2).repeat(square, axis=3)
        lying = np.zeros((*np.moveaxis(kernel, 1, 3).shape[:3], read.pitch), dtype=np.int64)
        lying[..., read.heard] = np.moveaxis(kernel, 1, 3)
        return lying.reshape(len(lying), -1)
    matrix = read.spread(network.folded_weight(index))
    return np.pad(matrix, ((0, 0), (0, rows * words - matrix.shape[1])))


def _weight_rows(
    network: Network, config: ArrayConfig, index: int, maps: Maps, share: Share
) -> Integers:
    """(rows, lanes) weights of a share: those of a group follow on those of the one before, for
    every word of the layer's own spikes, if it reads them, then for those of its kernel."""
    lanes, own = config.lanes, maps.own[index]
    matrix = _kernel(network, index, maps.read[index], lanes)
    recurrent = network.layers[index].recurrent
    if own is not None and recurrent is not None:
        matrix = np.concatenate([own.spread(recurrent), matrix], axis=1)
    part = _grouped(matrix, group_size(network, config, index), share)
    part = _halves(part, lanes_each(network, config, index))
    # Row: word j of group g, one weight for each lane.
    return part.reshape(share.groups, lanes, part.shape[1]).transpose(0, 2, 1).reshape(-1, lanes)


def _image(network: Network, config: ArrayConfig, plan: Plan, core: int) -> dict[Space, Image]:
    """The memories of a core."""
    layout = task_layout(config)
    weights, biases, thresholds = [], [], []
    for i, (layer, split) in enumerate(zip(network.layers, plan.splits, strict=True)):
        share = split.shares[core]
        size, each = group_size(network, config, i), lanes_each(network, config, i)
        weights.append(_weight_rows(network, config, i, plan.maps, share))
        bias, threshold = (
            _on_lanes(_grouped(values, size, share), each)
            for values in (layer.bias, layer.threshold)
        )
        biases.append(bias)
        thresholds.append(np.maximum(1, threshold))
    listed = [layout.pack(fields) for fields in tasks(network, config, plan, core)]
    words = np.array(listed, dtype=np.int64).reshape(-1, 1)
    image = {
        Space.BIASES: pack_rows(np.concatenate(biases).reshape(-1, 1), 16),
        Space.THRESHOLDS: pack_rows(np.concatenate(thresholds).reshape(-1, 1), 16),
        Space.WEIGHTS: pack_rows(np.concatenate(weights), config.weight_bits),
        Space.TASKS: pack_rows(words, 32),
    }
    return {space: rows for space, rows in image.items() if len(rows)}
