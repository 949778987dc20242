"""Whether an array can run a network exactly: everything that keeps it, and what would do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from ..network.network import Conv2d, Network
from ..spec import PRESETS, ArrayConfig
from ..spec.array import LIMITS
from ..spec.task import PLACE_BITS, POSITIONS_HIGH, STEP_BITS
from ..support.values import signed_bits, signed_range
from .maps import lanes_each
from .plan import Plan, make_plans
from .tasks import task_fields, tasks

__all__ = ["Problem", "complaint", "problems", "width_problems"]


class Problem(NamedTuple):
    """Why an array cannot run a network exactly, and its fields' values that would do."""

    text: str
    remedy: dict[str, int]


_FIXED = {
    "height": ("map height", PLACE_BITS),
    "columns": ("positions across", PLACE_BITS),
    "lines": ("positions down", PLACE_BITS),
    "kernel_rows": ("kernel height with its sum pool", STEP_BITS),
    "step_y": ("vertical stride with its sum pool", STEP_BITS),
    "pool": ("max pool size", STEP_BITS),
}
"""Fields of tasks that are of one width in every array: what they hold, and its bits."""

_PLACES = {
    "line": "words of a map row",
    "width": "words of a map row that count",
    "span": "words of a kernel row",
    "step_x": "words the kernel moves on by",
    "first_x": "words of padding",
}
"""Fields of tasks that are as wide as the spike memory is large."""

_POSITIONS = "positions of a core"
_HIGH = {
    **{name: high for name, (_, high) in LIMITS.items()},
    **{what: (1 << bits) - 1 for what, bits in _FIXED.values()},
    _POSITIONS: POSITIONS_HIGH,
}
"""The most of anything that an array can have."""


def complaint(
    found: list[Problem], network: Network, config: ArrayConfig, steps: int
) -> str:
    """What is said of a network's problems on an array: them, and a preset and array that do."""
    others = [
        name for name, other in PRESETS.items()
        if other != config and not any(problems(network, other, steps))
    ]
    fits = f"it fits the preset {others[0]!r}, or" if others else "it fits no preset, but"
    remedy: dict[str, int] = {}
    for problem in found:
        for name, value in problem.remedy.items():
            remedy[name] = max(value, remedy.get(name, value))
    if _beyond(remedy):
        larger = _larger(network, config, steps)
        if larger:
            remedy = {n: v for n, v in remedy.items() if n != _POSITIONS} | larger
    beyond = _beyond(remedy)
    fields = ", ".join(
        f"{name}={remedy[name]}"
        for name, there in config.as_dict().items()
        if remedy.get(name, there) != there
    )
    limits = ", ".join(f"{name} is at most {_HIGH[name]}" for name in beyond)
    hint = f"no array can: {limits}" if beyond else f"{fits} an ArrayConfig like this with {fields}"
    if _able(network, config) != config:
        hint = f"device='golden:' compiles it for the golden model alone; {hint}"
    whole = "; ".join(problem.text for problem in found)
    return f"the network does not fit the array: {whole} ({hint})"


def _beyond(values: dict[str, int]) -> list[str]:
    """What no array has that much of."""
    return [name for name, value in values.items() if name in _HIGH and value > _HIGH[name]]


def _larger(network: Network, config: ArrayConfig, steps: int) -> dict[str, int]:
    """The cores, lanes and memories of an array that holds the network; empty if none does."""
    cores, lanes = (
        [count << by for by in range(6) if count << by <= LIMITS[name][1]]
        for name, count in (("cores", config.cores), ("lanes", config.lanes))
    )
    for wider, more in product(lanes, cores):
        rows = max(wider, config.weight_rows)
        array = _able(network, replace(config, cores=more, lanes=wider, weight_rows=rows))
        [plan] = make_plans(network, array, steps)
        if not _beyond(plan.needed) and not _beyond(_counted(plan)):
            memories = {
                name: max(count, getattr(array, name)) for name, count in plan.needed.items()
            }
            return {"cores": more, "lanes": wider, **memories}
    return {}


def _able(network: Network, config: ArrayConfig) -> ArrayConfig:
    """The array, with the options the network's layers take, and beats that go with those."""
    recurrence = network.recurrent and not config.recurrence
    convolution = not config.convolution and (
        recurrence or any(isinstance(layer, Conv2d) for layer in network.layers)
    )
    if not recurrence and not convolution:
        return config
    return replace(
        config, convolution=True, recurrence=network.recurrent or config.recurrence,
        row_beats=min(config.row_beats, config.row_chunks),
    )


def _counted(plan: Plan) -> dict[str, int]:
    """What a core counts of positions."""
    return {_POSITIONS: max(partitioning.positions for partitioning in plan.partitions)}


def problems(
    network: Network, config: ArrayConfig, steps: int, plan: Plan | None = None
) -> Iterator[Problem]:
    """Everything that keeps the array from running the network exactly.

    Parameters
    ----------
    plan : of the network on the array, if there is one already.
    """
    able = _able(network, config)
    if able != config:
        yield from _unable(network, config, able)
    if plan is None or able != config:
        [plan] = make_plans(network, able, steps)
    for name, needed in plan.needed.items():
        there = getattr(config, name)
        if needed > there:
            yield _too_few(name.replace("_", " "), needed, there, {name: needed})
    for name, needed in _counted(plan).items():
        if needed > _HIGH[name]:
            yield _too_few(name, needed, _HIGH[name], {name: needed})
    if able.convolution:
        yield from _field_problems(network, able, plan)
    yield from width_problems(network, config, steps)


def _too_few(what: str, needed: int, there: int, remedy: dict[str, int]) -> Problem:
    return Problem(f"{what}: {needed} needed, {there} there", remedy)


def _unable(network: Network, config: ArrayConfig, able: ArrayConfig) -> Iterator[Problem]:
    """The layers that take an option which the array lacks."""
    remedy = {
        name: value for name, value in able.as_dict().items() if config.as_dict()[name] != value
    }
    for option, there in (("convolution", config.convolution), ("recurrence", config.recurrence)):
        names = [name for name, each in PRESETS.items() if getattr(each, option)]
        have = f" (the presets {', '.join(map(repr, names))} have it)" if names else ""
        for i, layer in enumerate(network.layers):
            needs = {
                "convolution": isinstance(layer, Conv2d), "recurrence": layer.recurrent is not None,
            }
            if needs[option] and not there:
                yield Problem(f"{network.layer_name(i)}: the array has no {option}{have}", remedy)


def _field_problems(network: Network, config: ArrayConfig, plan: Plan) -> Iterator[Problem]:
    """What the fields of tasks do not hold, once a layer; what memories hold is not looked at."""
    known = task_fields(config)
    told = set()
    listed = [task for core in range(config.cores) for task in tasks(network, config, plan, core)]
    for task in listed:
        layer = min(task["layer"], len(network.layers) - 1)
        for name, value in task.items():
            field = known[name]
            if field.minimum <= value <= field.maximum or (layer, name) in told:
                continue
            told.add((layer, name))
            prefix = network.layer_name(layer)
            if name in _FIXED:
                what, bits = _FIXED[name]
                high = (1 << bits) - 1
                yield _too_few(f"{prefix}: {what}", value, high, {what: value})
            elif name in _PLACES and plan.maps.total <= config.spike_rows:
                yield _too_few(
                    f"{prefix}: {_PLACES[name]}", abs(value), field.maximum,
                    {"spike_rows": -(-abs(value) // config.lanes)},
                )


def width_problems(network: Network, config: ArrayConfig, steps: int) -> Iterator[Problem]:
    """What no amount of memory would change."""
    fraction = network.fraction_bits
    if fraction != config.fraction_bits:
        yield Problem(
            f"fraction_bits: the network has {fraction}, the array {config.fraction_bits}",
            {"fraction_bits": fraction, "state_bits": max(config.state_bits, fraction + 4)},
        )
    if network.input.kind == "pixels" and network.input.bits > config.window:
        yield Problem(
            f"pixels of {network.input.bits} bits, the window takes {config.window}",
            {"window": 1 << (network.input.bits - 1).bit_length()},
        )
    window = network.window(config.window)
    if steps > window and not config.state:
        yield Problem(
            f"{steps} steps: without state memory a sample is one window of {window}",
            {"state": True},
        )
    for i in range(len(network.layers)):
        yield from _layer_problems(network, config, i)


def _layer_problems(network: Network, config: ArrayConfig, index: int) -> Iterator[Problem]:
    layer, name = network.layers[index], network.layer_name(index)
    neuron = layer.neuron
    bits = network.layer_weight_bits(index)
    if bits > config.weight_bits and not config.wide_weights:
        yield Problem(
            f"{name}: weights of {bits} bits, the lanes take {config.weight_bits}",
            {"weight_bits": bits, "acc_bits": max(config.acc_bits, bits + 1)},
        )
    if neuron.synapse_leak is not None and not config.synaptic_current:
        yield Problem(
            f"{name}: synapse_leak, but the array has no synaptic current",
            {"synaptic_current": True},
        )
    low, high = signed_range(config.state_bits)
    values = {"bias": layer.bias, "v_init": np.array([neuron.v_init])}
    if neuron.fires:
        values["threshold"] = layer.threshold
    one = "channel" if isinstance(layer, Conv2d) else "neuron"
    for what, array in values.items():
        outside = np.flatnonzero((array < low) | (array > high))
        if outside.size:
            yield Problem(
                f"{name}: {what} {int(array[outside[0]])} of {one} {int(outside[0])}, "
                f"membranes of {config.state_bits} bits take {low} to {high}",
                {"state_bits": signed_bits(int(array.min()), int(array.max()))},
            )
    if lanes_each(network, config, index) == 2:
        yield from _half_problems(network, config, index)
        return
    low, high = signed_range(config.acc_bits)
    below, above = layer.reach(network.input_shapes[index])
    outside = np.flatnonzero((above > high) | (below < low))
    if outside.size:
        worst = int(outside[0])
        yield Problem(
            f"{name}: the sums of neuron {worst} reach {int(below[worst])} to {int(above[worst])}, "
            f"accumulators of {config.acc_bits} bits hold {low} to {high}",
            {"acc_bits": signed_bits(int(below.min()), int(above.max()))},
        )


def _half_problems(network: Network, config: ArrayConfig, index: int) -> Iterator[Problem]:
    """Of weights on two lanes, sums of the signed high halves and of the low ones without a sign
    are in accumulators of their own."""
    layer, shape, name = (
        network.layers[index], network.input_shapes[index], network.layer_name(index)
    )
    low, high = signed_range(config.acc_bits)
    below, above = layer.reach(shape, lambda weight: weight >> 4)
    _, most = layer.reach(shape, lambda weight: weight & 15)
    room = (1 << config.acc_bits) - 1
    outside = np.flatnonzero((above > high) | (below < low) | (most > room))
    if outside.size:
        worst = int(outside[0])
        yield Problem(
            f"{name}: the sums of neuron {worst} reach {int(below[worst])} to {int(above[worst])} "
            f"over the high halves of its weights and 0 to {int(most[worst])} over the low ones, "
            f"accumulators of {config.acc_bits} bits hold {low} to {high} and 0 to {room}",
            {"acc_bits": max(
                signed_bits(int(below.min()), int(above.max())), int(most.max()).bit_length()
            )},
        )
