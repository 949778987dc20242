"""Constraints: everything that keeps an array from running a network exactly, and what would
help."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..network import Conv2d, Network
from ..network.weights import high_half, low_half
from ..spec import PRESETS, ArrayConfig
from ..spec.array import LIMITS
from ..spec.task import PLACE_BITS, POSITIONS_HIGH, STEP_BITS
from ..support.values import signed_bits, signed_range
from .frames import place_values
from .groups import with_one_leak
from .maps import lanes_per_channel
from .plan import Plan, make_plans
from .tasks import task_fields, tasks

__all__ = [
    "COARSER", "Violation", "changed_array", "describe", "joint_remedy", "violations",
    "width_violations",
]


COARSER = (
    "imported with array=, or with a larger scale=, it has smaller integers: array= chooses scales "
    "at which the sums fit"
)
"""What an importer can do about violations whose ``scale`` is True."""


class Violation(NamedTuple):
    """A constraint that a network violates on an array.

    Attributes
    ----------
    text : str
        What is too large, with what is needed and what is available.
    remedy : dict of str to int
        Fields of ``ArrayConfig`` and the values they would have to have.
    scale : bool
        Whether an importer could avoid it by a larger scale, which makes all integers smaller.
    """

    text: str
    remedy: dict[str, int]
    scale: bool = False


_FIXED = {
    "height": ("map height", PLACE_BITS),
    "columns": ("positions across", PLACE_BITS),
    "lines": ("positions down", PLACE_BITS),
    "kernel_rows": ("kernel height with its sum pool", STEP_BITS),
    "step_y": ("vertical stride with its sum pool", STEP_BITS),
    "pool": ("max pool size", STEP_BITS),
}
"""Fields of tasks that have the same width in every array, with their meaning and their bits."""

_ADDRESSES = {
    "line": "words of a map row",
    "width": "words of a map row that count",
    "span": "words of a kernel row",
    "step_x": "words the kernel moves on by",
    "first_x": "words of padding",
}
"""Fields of tasks with a width that follows from the size of the spike memory."""

_ONE_LEAK = "with one leak per layer"
_POSITIONS = "positions of a core"
_HIGH = {
    **{name: high for name, (_, high) in LIMITS.items()},
    **{what: (1 << bits) - 1 for what, bits in _FIXED.values()},
    _POSITIONS: POSITIONS_HIGH,
}
"""The largest value of each parameter of an array."""


def describe(
    found: list[Violation], network: Network, config: ArrayConfig, steps: int
) -> tuple[str, ArrayConfig | None]:
    """The message about a network's violations on an array: what they are, a preset that fits, and
    what to change in the array. And an array that it fits: that preset, or the changed array; None
    if neither is there.

    Parameters
    ----------
    found : list of Violation
        At least one.
    network : Network
        The network.
    config : ArrayConfig
        The array.
    steps : int
        Steps of a sample.
    """
    others = [
        name for name, other in PRESETS.items()
        if other != config and not any(violations(network, other, steps))
    ]
    fits = f"it fits the preset {others[0]!r}, or" if others else "it fits no preset, but"
    remedy = joint_remedy(found)
    # If no array has memories that large, more cores and lanes may divide their contents.
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
    if _with_options(network, config) != config:
        hint = f"device='golden:' compiles it for the golden model alone; {hint}"
    if any(violation.scale for violation in found):
        hint = f"{COARSER}; {hint}"
    texts = "; ".join(violation.text for violation in found) + _leaks_text(network, found)
    fitting = PRESETS[others[0]] if others else changed_array(network, config, steps, remedy)
    return f"the network does not fit the array: {texts} ({hint})", fitting


def changed_array(
    network: Network,
    config: ArrayConfig,
    steps: int,
    remedy: dict[str, int],
    check: Callable[[Network, ArrayConfig, int], Iterable[Violation]] | None = None,
) -> ArrayConfig | None:
    """The array with other values of some fields; None if the network does not fit that either.

    Parameters
    ----------
    network, config, steps
        As for ``violations``.
    remedy : dict of str to int
        The fields and their values. What is no field has no effect.
    check : callable
        What the network must not violate; ``violations`` by default.
    """
    values: dict[str, Any] = config.as_dict()
    values |= {name: value for name, value in remedy.items() if name in values}
    try:
        changed = ArrayConfig(**values)
    except (TypeError, ValueError):  # a field is beyond every array, or contradicts another one
        return None
    return None if any((check or violations)(network, changed, steps)) else changed


def joint_remedy(found: Iterable[Violation]) -> dict[str, int]:
    """The fields and values that all violations ask for."""
    remedy: dict[str, int] = {}
    for violation in found:
        for name, value in violation.remedy.items():
            remedy[name] = max(value, remedy.get(name, value))
    return remedy


def _leaks_text(network: Network, found: list[Violation]) -> str:
    """Which layers have several leaks, if that is why a memory is too small."""
    if not any(_ONE_LEAK in violation.text for violation in found):
        return ""
    several = [
        f"{network.layer_name(i)} has {count} leaks"
        for i, layer in enumerate(network.layers)
        if (count := len(layer.neuron.kinds(layer.channels)[0])) > 1
    ]
    return f"; {' and '.join(several)}: give it fewer, or import it with leaks="


def _beyond(values: dict[str, int]) -> list[str]:
    """The names of the parameters that exceed every possible array."""
    return [name for name, value in values.items() if name in _HIGH and value > _HIGH[name]]


def _larger(network: Network, config: ArrayConfig, steps: int) -> dict[str, int]:
    """The cores, lanes and memories of an array that holds the network; empty if none does."""
    cores, lanes = (
        [count << by for by in range(6) if count << by <= LIMITS[name][1]]
        for name, count in (("cores", config.cores), ("lanes", config.lanes))
    )
    for wider, more in product(lanes, cores):
        rows = max(wider, config.weight_rows)
        array = _with_options(
            network, replace(config, cores=more, lanes=wider, weight_rows=rows)
        )
        [plan] = make_plans(network, array, steps)
        if not _beyond(plan.needed) and not _beyond({_POSITIONS: _positions(plan)}):
            memories = {
                name: max(count, getattr(array, name)) for name, count in plan.needed.items()
            }
            return {"cores": more, "lanes": wider, **memories}
    return {}


def _with_options(network: Network, config: ArrayConfig) -> ArrayConfig:
    """The array with the options that the network's layers need, and no more beats, banks and
    planes than those allow."""
    convolution = any(isinstance(layer, Conv2d) for layer in network.layers)
    synapse = any(layer.neuron.synapse_leak is not None for layer in network.layers)
    config = replace(
        config, synaptic_current=synapse or config.synaptic_current,
        recurrence=network.recurrent or config.recurrence,
        planes=1 if convolution or network.recurrent else config.planes,
    )
    if config.convolution or not convolution:
        return config
    return replace(
        config, convolution=True, row_beats=min(config.row_beats, config.row_chunks), banks=1
    )


def _positions(plan: Plan) -> int:
    """Positions of the largest tile."""
    return max(partitioning.positions for partitioning in plan.partitions)


def violations(
    network: Network, config: ArrayConfig, steps: int, plan: Plan | None = None
) -> Iterator[Violation]:
    """Everything that keeps the array from running the network exactly.

    Parameters
    ----------
    network : Network
        The network.
    config : ArrayConfig
        The array.
    steps : int
        Steps of a sample.
    plan : Plan or None
        A plan for the network on the array, if there is one already.
    """
    # If options are missing, everything else is checked on the array with them, because one message
    # with all the changes is better than one after another.
    able = _with_options(network, config)
    if able != config:
        yield from _option_violations(network, config, able)
    if plan is None or able != config:
        [plan] = make_plans(network, able, steps)
    for name, needed in plan.needed.items():
        there = getattr(config, name)
        if needed > there:
            violation = _too_few(name.replace("_", " "), needed, there, {name: needed})
            yield violation._replace(text=violation.text + _one_leak_text(plan, name))
    positions = _positions(plan)
    if positions > POSITIONS_HIGH:
        yield _too_few(_POSITIONS, positions, POSITIONS_HIGH, {_POSITIONS: positions})
    if able.convolution:
        yield from _field_violations(plan)
    yield from width_violations(network, config, steps)


def _too_few(what: str, needed: int, there: int, remedy: dict[str, int]) -> Violation:
    return Violation(f"{what}: {needed} needed, {there} there", remedy)


def _one_leak_text(plan: Plan, name: str) -> str:
    """How much of a memory would be enough if no layer had several leaks, where that is less."""
    if all(len(groups.kinds) == 1 for groups in plan.groups):
        return ""
    [other] = make_plans(with_one_leak(plan.network), plan.config, plan.steps)
    needed = other.needed[name]
    return f", {needed} {_ONE_LEAK}" if needed < plan.needed[name] else ""


def _option_violations(
    network: Network, config: ArrayConfig, able: ArrayConfig
) -> Iterator[Violation]:
    """The layers that need an option which the array lacks."""
    there = config.as_dict()
    remedy = {name: value for name, value in able.as_dict().items() if there[name] != value}
    for option in ("convolution", "recurrence", "synaptic_current"):
        if there[option]:
            continue
        names = [name for name, other in PRESETS.items() if getattr(other, option)]
        have = f" (the presets {', '.join(map(repr, names))} have it)" if names else ""
        for i, layer in enumerate(network.layers):
            takes = {
                "convolution": isinstance(layer, Conv2d), "recurrence": layer.recurrent is not None,
                "synaptic_current": layer.neuron.synapse_leak is not None,
            }
            if takes[option]:
                kind = option.replace("_", " ")
                text = f"{network.layer_name(i)}: the array has no {kind}{have}"
                yield Violation(text, remedy)


def _field_violations(plan: Plan) -> Iterator[Violation]:
    """The values that do not fit their fields of tasks, each once per layer. Addresses of rows are
    not checked: they follow from the memories, which have their own checks."""
    network, config = plan.network, plan.config
    known = task_fields(config)
    told = set()
    for task in (task for core in range(config.cores) for task in tasks(plan, core)):
        layer, _ = plan.layer_tags[task["layer"]]
        for name, value in task.items():
            field = known[name]
            if field.minimum <= value <= field.maximum or (layer, name) in told:
                continue
            told.add((layer, name))  # every core has the same value
            prefix = network.layer_name(layer)
            if name in _FIXED:
                what, bits = _FIXED[name]
                yield _too_few(f"{prefix}: {what}", value, (1 << bits) - 1, {what: value})
            elif name in _ADDRESSES and plan.maps.total <= config.spike_rows:
                yield _too_few(
                    f"{prefix}: {_ADDRESSES[name]}", abs(value), field.maximum,
                    {"spike_rows": -(-abs(value) // config.lanes)},
                )


def width_violations(
    network: Network, config: ArrayConfig, steps: int
) -> Iterator[Violation]:
    """Violations that no amount of memory would remove: widths, and samples longer than a window on
    an array without state memory.

    Parameters
    ----------
    network : Network
        The network.
    config : ArrayConfig
        The array.
    steps : int
        Steps of a sample.
    """
    fraction = network.fraction_bits
    if fraction != config.fraction_bits:
        yield Violation(
            f"fraction_bits: the network has {fraction}, the array {config.fraction_bits}",
            {"fraction_bits": fraction, "state_bits": max(config.state_bits, fraction + 4)},
        )
    if network.input.kind != "spikes" and network.input.bits > config.window:
        yield Violation(
            f"{network.input.kind} of {network.input.bits} bits, the window takes "
            f"{config.window}",
            {"window": 1 << (network.input.bits - 1).bit_length()},
        )
    window = network.window(config.window)
    if steps > window and not config.state:
        yield Violation(
            f"{steps} steps: without state memory a sample is one window of {window}",
            {"state": True},
        )
    for i in range(len(network.layers)):
        yield from _weight_violations(network, config, i)
        yield from _neuron_violations(network, config, i)
        if lanes_per_channel(network, config, i) == 2:
            yield from _split_sum_violations(network, config, i)
        else:
            yield from _sum_violations(network, config, i)


def _weight_violations(
    network: Network, config: ArrayConfig, index: int
) -> Iterator[Violation]:
    bits = network.layer_weight_bits(index)
    if bits > config.weight_bits and not config.wide_weights:
        yield Violation(
            f"{network.layer_name(index)}: weights of {bits} bits, the lanes take "
            f"{config.weight_bits}",
            {"weight_bits": bits, "acc_bits": max(config.acc_bits, bits + 1)},
        )


def _neuron_violations(
    network: Network, config: ArrayConfig, index: int
) -> Iterator[Violation]:
    layer, name = network.layers[index], network.layer_name(index)
    neuron = layer.neuron
    low, high = signed_range(config.state_bits)
    # A threshold that is never compared may have any value.
    values = {"bias": layer.bias, "v_init": np.array([neuron.v_init])}
    if neuron.fires:
        values["threshold"] = layer.threshold
    one = "channel" if isinstance(layer, Conv2d) else "neuron"
    for what, array in values.items():
        outside = np.flatnonzero((array < low) | (array > high))
        if outside.size:
            yield Violation(
                f"{name}: {what} {int(array[outside[0]])} of {one} {int(outside[0])}, "
                f"membranes of {config.state_bits} bits take {low} to {high}",
                {"state_bits": signed_bits(int(array.min()), int(array.max()))},
                scale=True,
            )


def _first(wrong: npt.NDArray[np.bool_]) -> int | None:
    """The first neuron for which the condition holds."""
    return int(wrong.argmax()) if wrong.any() else None


def _sum_violations(network: Network, config: ArrayConfig, index: int) -> Iterator[Violation]:
    low, high = signed_range(config.acc_bits)
    below, above = network.layers[index].sum_bounds(
        network.input_shapes[index], place_values(network, index)
    )
    neuron = _first((above > high) | (below < low))
    if neuron is not None:
        yield Violation(
            f"{network.layer_name(index)}: the sums of neuron {neuron} reach {int(below[neuron])} "
            f"to {int(above[neuron])}, accumulators of {config.acc_bits} bits hold {low} to {high}",
            {"acc_bits": signed_bits(int(below.min()), int(above.max()))},
            scale=True,
        )


def _split_sum_violations(
    network: Network, config: ArrayConfig, index: int
) -> Iterator[Violation]:
    """Weights that are split over two lanes have two sums, each in its own accumulator: that of the
    signed high halves, and that of the unsigned low halves."""
    layer, shape = network.layers[index], network.input_shapes[index]
    low, high = signed_range(config.acc_bits)
    below, above = layer.sum_bounds(shape, high_half)
    _, most = layer.sum_bounds(shape, low_half)
    room = (1 << config.acc_bits) - 1
    neuron = _first((above > high) | (below < low) | (most > room))
    if neuron is not None:
        yield Violation(
            f"{network.layer_name(index)}: the sums of neuron {neuron} reach {int(below[neuron])} "
            f"to {int(above[neuron])} over the high halves of its weights and 0 to "
            f"{int(most[neuron])} over the low ones, accumulators of {config.acc_bits} bits hold "
            f"{low} to {high} and 0 to {room}",
            {"acc_bits": max(
                signed_bits(int(below.min()), int(above.max())), int(most.max()).bit_length()
            )},
            scale=True,
        )
