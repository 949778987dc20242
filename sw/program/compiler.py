"""The compiler: turns a network into a program, or refuses it and says what does not fit."""

from __future__ import annotations

import re

from ..mapping.constraints import (
    COARSER,
    changed_array,
    describe,
    joint_remedy,
    violations,
    width_violations,
)
from ..mapping.frames import computed_network, frame_ways
from ..mapping.groups import layer_groups
from ..mapping.mapping import Mapping
from ..mapping.maps import group_size
from ..mapping.partitions import partitionings
from ..mapping.plan import Plan, make_plans
from ..network import Network
from ..samples.samples import check_steps
from ..spec import ArrayConfig
from ..spec.link import Register
from ..support.arrays import AnyArray, array_code, array_config
from ..support.errors import DoesNotFit
from ..support.values import exact_choice
from ..timing.estimate import TYPICAL_ACTIVITY, TYPICAL_VALUES, typical_cycles
from .images import core_image
from .program import Program

__all__ = ["DEVICES", "compile"]

DEVICES = ("golden:",)
"""Devices for which alone a program can be compiled."""

_COMPARED = 4  # plans whose cycles are estimated; an estimate takes longer than making a plan


def compile(
    network: Network,
    array: AnyArray,
    steps: int,
    device: str | None = None,
) -> Program:
    """Map a network onto an array.

    A layer is divided into groups of L outputs (output channels), which are assigned to the cores
    evenly and in order. A convolution may be divided by positions too, with its weights in every
    core that has some of them. Frames are computed step by step or as lines of single bits
    (``mapping.frames``), whichever is estimated to take fewer cycles. Neurons of different leaks
    are in different groups, and a core has a task for each leak of its groups. Of the partitionings
    that fit, those with the fewest groups of neurons on the fullest core are compared by their
    estimated cycles. Every core holds every map that it reads, and the input map twice.

    Parameters
    ----------
    network : Network
        The network.
    array : ArrayConfig, str or path-like
        The array; or the name of a preset or of a board, or a TOML file, as in ``preset``.
    steps : int
        N, the steps of a sample, at most ``samples.STEPS_MAX``.
    device : str or None
        ``"golden:"`` for the golden model of that array only: it has the array's widths, window and
        counters, but unlimited memory and every kind of layer. None for every device.

    Returns
    -------
    Program
        The program, to be loaded by a device or saved.

    Raises
    ------
    TypeError, ValueError
        For a wrong argument.
    DoesNotFit
        If the array cannot run the network exactly. The message names everything that is too large,
        with what is needed and what is available, a preset that fits, and what to change in the
        array. Its last line is a call that would do, if an array that fits is known.
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be a Network, not {network!r}")
    config = array_config(array)
    steps = check_steps(steps)
    if device is not None:
        return _for_golden(network, config, steps, exact_choice("device", device, DEVICES))
    plans: list[tuple[str, Plan]] = []
    refusals: list[str] = []
    fitting: ArrayConfig | None = None
    said: set[str] = set()  # of the first layer, whose inputs are more lines in some ways
    for frames in frame_ways(network, config.planes):
        computed = computed_network(network, frames, config.planes)
        found = make_plans(computed, config, steps, _COMPARED)
        against = list(violations(computed, config, steps, found[0]))
        if not against:
            plans += [(frames, plan) for plan in found]
        elif not refusals:
            text, fitting = describe(against, computed, config, steps)
            refusals.append(text)
        elif new := [each.text for each in against if _without_size(each.text) not in said]:
            refusals.append(f"nor do its frames fit as lines of single bits: {'; '.join(new)}")
        said.update(_without_size(each.text) for each in against)
    if not plans:
        raise _refusal("; ".join(refusals), fitting, steps)
    # The load counts neurons; which plan is the fastest also depends on events and on the bus.
    frames, plan = plans[0]
    if len(plans) > 1:
        def cycles(each: tuple[str, Plan]) -> int:
            way, plan = each
            mapping = Mapping(network, config, steps, plan.partitions, frames=way)
            return typical_cycles(mapping, TYPICAL_ACTIVITY, TYPICAL_VALUES)

        frames, plan = min(plans, key=cycles)
    return Program(
        network, config, steps, plan.partitions, frames=frames,
        images=tuple(core_image(plan, core) for core in range(config.cores)),
        registers=_registers(plan),
        needed=plan.needed,
        state_needed=plan.state_needed,
    )


def _refusal(
    text: str, fitting: ArrayConfig | None, steps: int, device: str | None = None
) -> DoesNotFit:
    """The error, with a line to paste if an array is known that the network fits."""
    if fitting is None:
        return DoesNotFit(text)
    for_device = "" if device is None else f', device="{device}"'
    line = (
        f"program = stablespike.compile(network, array={array_code(fitting)}, steps={steps}"
        f"{for_device})"
    )
    return DoesNotFit(text, line, fitting)


def _without_size(text: str) -> str:
    """A violation's text without the number of inputs, which differs between ways."""
    return re.sub(r"Dense \d+ ->", "Dense", text)


def _registers(plan: Plan) -> dict[Register, int]:
    # The input map is at the start of the spike memory (``Maps``).
    registers = {Register.INPUT_ROWS: plan.maps.inputs, Register.INPUT_BASE: 0}
    if plan.config.half_words:
        source = plan.network.input
        # Spike words have a bit for each step of a window; with a recurrent layer, that is one
        # step.
        bits = plan.window if source.kind == "spikes" else source.bits
        registers[Register.INPUT_HALF] = int(bits <= plan.config.window // 2)
    return registers


def _for_golden(network: Network, config: ArrayConfig, steps: int, device: str) -> Program:
    """A program without memory contents. It is refused only if widths are too small."""
    ways = {
        frames: computed_network(network, frames, config.planes)
        for frames in frame_ways(network, config.planes)
    }
    checks = {way: list(width_violations(each, config, steps)) for way, each in ways.items()}
    frames = min(checks, key=lambda way: len(checks[way]) > 0)
    found, computed = checks[frames], ways[frames]
    if found:
        sums = any(each.scale for each in found)
        text = (
            f"the network does not fit the array: {'; '.join(each.text for each in found)} ("
            + (f"{COARSER}; " if sums else "")
            + "an array of other widths may: array=stablespike.ArrayConfig(...))"
        )
        remedy = joint_remedy(found)
        wider = changed_array(computed, config, steps, remedy, width_violations)
        raise _refusal(text, wider, steps, device)
    layers = zip(computed.layers, computed.input_shapes, strict=True)
    best = tuple(
        partitionings(
            layer, shape, config.cores, layer_groups(layer, group_size(computed, config, i)).count
        )[0]
        for i, (layer, shape) in enumerate(layers)
    )
    return Program(
        network, config, steps, best, images=(), registers={}, needed={}, frames=frames,
        device=device,
    )
