"""The report of a program as text."""

from __future__ import annotations

from ..mapping.groups import with_one_leak
from ..mapping.mapping import Mapping
from ..mapping.partitions import Partitioning, partitionings
from ..mapping.plan import make_plans
from ..network import Conv2d
from ..timing.estimate import TYPICAL_ACTIVITY, typical_cycles

__all__ = ["report_text"]

_NAME_COLUMNS = 40


def report_text(
    mapping: Mapping, needed: dict[str, int], state_needed: int, cycles: dict[float, int]
) -> str:
    """The memory needed and available, the tiles of the cores, and cycles; the rest is as in
    ``Program``.

    Parameters
    ----------
    mapping : Mapping
        The network on its array.
    needed, state_needed
        As in ``Program``.
    cycles : dict of float to int
        Cycles of a sample by the share of inputs that are active; not used for the golden model.
    """
    config = mapping.config
    lines = [
        (
            f"{len(mapping.network.layers)} layers on {config.cores} core(s) of {config.lanes} "
            f"lanes, window {mapping.window}: {mapping.steps} steps in {mapping.windows} window(s)"
        ),
    ]
    encoder = mapping.network.encoder
    if encoder is not None:
        kind = type(encoder).__name__
        lines.append(f"takes a raw signal of {encoder.shape}, which a {kind} encodes")
    if mapping.planes:
        lines.append(
            f"frames as lines of single bits: {len(mapping.planes)} for each value, of bits "
            f"{' '.join(map(str, mapping.planes))}"
        )
    if needed:
        lines += ["", f"{'memory of a core':<18}{'needed':>10}{'there':>10}"]
        lines += [
            f"{name.replace('_', ' '):<18}{count:>10}{getattr(config, name):>10}"
            for name, count in needed.items()
        ]
    if state_needed:
        lines.append(f"no membranes are kept: {state_needed} state groups would be needed")
    lines += ["", f"{'layer':<{_NAME_COLUMNS}}groups per core"]
    lines += [
        f"{mapping.network.layer_name(i):<{_NAME_COLUMNS}}{' '.join(map(str, counts))}"
        f"{_partitioning_text(mapping, i)}"
        for i, counts in enumerate(mapping.group_counts)
    ]
    lines += _leak_lines(mapping)
    lines.append("")
    if mapping.device is not None:
        lines.append(f"for the device {mapping.device} only: no memory is laid out, no cycles")
    else:
        lines += [
            f"about {count:,} cycles per sample with {activity:.0%} of the inputs of every layer "
            "active in a window"
            for activity, count in cycles.items()
        ]
    return "\n".join(lines)


def _leak_lines(mapping: Mapping) -> list[str]:
    """What it costs that layers have several leaks."""
    network, cores = mapping.network, range(mapping.config.cores)
    lines = []
    for i, groups in enumerate(mapping.groups):
        if len(groups.kinds) > 1:
            tasks = max(len(mapping.parts(i, core)) for core in cores)
            lines.append(
                f"{network.layer_name(i)}: {len(groups.kinds)} leaks, {groups.extra} groups more "
                f"than with one leak, and {tasks} tasks on a core"
            )
    if lines and mapping.device is None:
        [other] = make_plans(with_one_leak(network), mapping.config, mapping.steps)
        before, now = (typical_cycles(each, TYPICAL_ACTIVITY) for each in (other, mapping))
        lines.append(
            f"with one leak per layer: about {before:,} cycles per sample with "
            f"{TYPICAL_ACTIVITY:.0%} of the inputs active, not {now:,}"
        )
    return lines


def _partitioning_text(mapping: Mapping, index: int) -> str:
    """How a convolution is partitioned over several cores, and what the next best partitioning
    would cost; nothing if there is no choice."""
    network, config = mapping.network, mapping.config
    layer = network.layers[index]
    if not isinstance(layer, Conv2d) or config.cores == 1:
        return ""
    groups = mapping.groups[index].count
    ways = partitionings(layer, network.input_shapes[index], config.cores, groups)
    chosen = mapping.partitions[index]
    text = f"{chosen}: {_parts_text(chosen)}, {chosen.load} groups of neurons on the fullest"
    other = next((way for way in ways if way != chosen), None)
    if other is not None:
        text += f"; {other} would be {other.load}"
        if other.load < chosen.load:
            text += ", but does not fit"
        elif mapping.device is None:
            before, behind = mapping.partitions[:index], mapping.partitions[index + 1 :]
            otherwise = Mapping(network, config, mapping.steps, (*before, other, *behind))
            cycles = typical_cycles(otherwise, TYPICAL_ACTIVITY)
            text += f", about {cycles:,} cycles per sample"
    return f"  ({text})"


def _parts_text(partitioning: Partitioning) -> str:
    ways = {"channels": partitioning.channel_parts, "positions": partitioning.position_parts}
    parts = [f"{what} over {count} cores" for what, count in ways.items() if count > 1]
    return " by ".join(parts) or "on one core"
