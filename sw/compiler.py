"""From a network to a program: shares, places in memory, tasks; refuses what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .errors import DoesNotFit
from .network import Conv2d, Network
from .program import Image, Program, Share
from .samples import check_steps
from .spec import PRESETS, ArrayConfig, Reset, preset, task_layout
from .spec.array import LIMITS
from .spec.link import Register, Space
from .values import exact_choice, signed_bits, signed_range
from .words import pack_rows

__all__ = ["DEVICES", "compile"]

GOLDEN = "golden:"
DEVICES = (GOLDEN,)
"""Devices a program can be compiled for alone."""

_RESETS = {"none": Reset.NONE, "zero": Reset.ZERO, "subtract": Reset.SUBTRACT}


def compile(
    network: Network, array: str | ArrayConfig, steps: int, device: str | None = None
) -> Program:
    """Map a network onto an array.

    A layer is cut into groups of L outputs (output channels), which are dealt to the cores evenly,
    in order. Every core holds every map it reads; the input map twice.

    Parameters
    ----------
    array : a preset's name, or the configuration itself.
    steps : N, steps per sample, at most ``samples.STEPS_MAX``.
    device : "golden:" for the golden model of that array only: it has its widths, its window and
        its counters, memories without an end, and it runs what the gateware does not run yet. None
        for every device.

    Raises
    ------
    TypeError, ValueError
        For a wrong argument.
    DoesNotFit
        If the gateware does not run a layer yet; names them. If the array cannot run the network
        exactly; names everything that is too large, with what is needed and what is there, a
        preset that would do, and what to change in the array.
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
    not_yet = list(_not_yet(network))
    if not_yet:
        raise DoesNotFit(
            f"the gateware does not run this network yet: {'; '.join(not_yet)}; for the golden "
            f"model compile it with device={GOLDEN!r}"
        )
    problems = list(_problems(network, config, steps))
    if problems:
        raise DoesNotFit(_complaint(problems, network, config, steps))
    groups = _shares(network, config)
    rows = _Rows(network, config)
    return Program(
        network=network,
        config=config,
        steps=steps,
        groups=groups,
        images=tuple(_image(network, config, groups, rows, c) for c in range(config.cores)),
        registers={Register.INPUT_ROWS: rows.inputs, Register.INPUT_BASE: 0},
        needed=_needed(network, config),
    )


def _not_yet(network: Network) -> Iterator[str]:
    """What the gateware has no part for."""
    for i, layer in enumerate(network.layers):
        if isinstance(layer, Conv2d):
            yield f"{network.layer_name(i)}: convolution"
        elif layer.recurrent is not None:
            yield f"{network.layer_name(i)}: recurrence"


def _for_golden(network: Network, config: ArrayConfig, steps: int, device: str) -> Program:
    problems = list(_width_problems(network, config, steps))
    if problems:
        raise DoesNotFit(
            f"the network does not fit the array: {'; '.join(each.text for each in problems)} (an "
            "array of other widths may: array=stablespike.ArrayConfig(...))"
        )
    return Program(network, config, steps, _shares(network, config), (), {}, {}, device)


class _Problem(NamedTuple):
    """Why an array cannot run a network exactly, and its fields' values that would do."""

    text: str
    remedy: dict[str, int]


def _complaint(
    problems: list[_Problem], network: Network, config: ArrayConfig, steps: int
) -> str:
    others = [
        name for name, other in PRESETS.items()
        if other != config and not any(_problems(network, other, steps))
    ]
    fits = f"it fits the preset {others[0]!r}, or" if others else "it fits no preset, but"
    remedy: dict[str, int] = {}
    for problem in problems:
        for name, value in problem.remedy.items():
            remedy[name] = max(value, remedy.get(name, value))
    if _beyond(remedy):
        remedy |= _larger(network, config)
    beyond = _beyond(remedy)
    fields = ", ".join(
        f"{name}={remedy[name]}"
        for name, there in config.as_dict().items()
        if remedy.get(name, there) != there
    )
    limits = ", ".join(f"{name} is at most {LIMITS[name][1]}" for name in beyond)
    hint = f"no array can: {limits}" if beyond else f"{fits} an ArrayConfig like this with {fields}"
    whole = "; ".join(problem.text for problem in problems)
    return f"the network does not fit the array: {whole} ({hint})"


def _beyond(values: dict[str, int]) -> list[str]:
    """Fields whose values no array has."""
    return [name for name, value in values.items() if name in LIMITS and value > LIMITS[name][1]]


def _larger(network: Network, config: ArrayConfig) -> dict[str, int]:
    """The cores, lanes and memories of an array that holds the network; empty if none does."""
    cores, lanes = (
        [count << by for by in range(6) if count << by <= LIMITS[name][1]]
        for name, count in (("cores", config.cores), ("lanes", config.lanes))
    )
    for wider, more in product(lanes, cores):
        rows = max(wider, config.weight_rows)
        array = replace(config, cores=more, lanes=wider, weight_rows=rows)
        needed = _needed(network, array)
        if not _beyond(needed):
            memories = {name: max(count, getattr(array, name)) for name, count in needed.items()}
            return {"cores": more, "lanes": wider, **memories}
    return {}


class _Rows:
    """Where the maps lie: rows of L words, the same in every core and on the bus."""

    def __init__(self, network: Network, config: ArrayConfig) -> None:
        self.inputs = -(-network.input_sizes[0] // config.lanes)
        self.sizes = [-(-size // config.lanes) for size in network.input_sizes]
        at = 2 * self.inputs
        self.spikes, self.skeleton = [0], [0]
        for layer, size in zip(network.layers, self.sizes[1:], strict=False):
            self.spikes.append(at)
            at += size if layer.emit != "skeleton" else 0
            self.skeleton.append(at)
            at += size if layer.emit != "spikes" else 0
        self.total = at


def _shares(network: Network, config: ArrayConfig) -> tuple[tuple[Share, ...], ...]:
    shares = []
    for layer in network.layers:
        total = -(-layer.channels // config.lanes)
        bounds = [total * core // config.cores for core in range(config.cores + 1)]
        shares.append(tuple(Share(a, b - a) for a, b in pairwise(bounds)))
    return tuple(shares)


def _needed(network: Network, config: ArrayConfig) -> dict[str, int]:
    """Entries of each memory that the fullest core needs, by the field that sizes it."""
    groups = _shares(network, config)
    rows = _Rows(network, config)
    runs = len(network.layers) + network.both
    last = groups[-1] if network.both else ()
    cores = range(config.cores)
    return {
        "weight_rows": max(
            sum(g[c].groups * size for g, size in zip(groups, rows.sizes, strict=True))
            * config.lanes
            for c in cores
        ),
        "spike_rows": rows.total,
        "neuron_groups": max(
            sum(g[c].groups for g in groups) + (last[c].groups if last else 0) for c in cores
        ),
        "tasks": runs,
    }


def _problems(network: Network, config: ArrayConfig, steps: int) -> Iterator[_Problem]:
    """Everything that keeps the array from running the network exactly."""
    for name, needed in _needed(network, config).items():
        there = getattr(config, name)
        if needed > there:
            text = f"{name.replace('_', ' ')}: {needed} needed, {there} there"
            yield _Problem(text, {name: needed})
    yield from _width_problems(network, config, steps)


def _width_problems(network: Network, config: ArrayConfig, steps: int) -> Iterator[_Problem]:
    """What no amount of memory would change."""
    fraction = network.fraction_bits
    if fraction != config.fraction_bits:
        yield _Problem(
            f"fraction_bits: the network has {fraction}, the array {config.fraction_bits}",
            {"fraction_bits": fraction, "state_bits": max(config.state_bits, fraction + 4)},
        )
    if network.input.kind == "pixels" and network.input.bits > config.window:
        yield _Problem(
            f"pixels of {network.input.bits} bits, the window takes {config.window}",
            {"window": 1 << (network.input.bits - 1).bit_length()},
        )
    window = network.window(config.window)
    if steps > window and not config.state:
        yield _Problem(
            f"{steps} steps: without state memory a sample is one window of {window}",
            {"state": True},
        )
    for i in range(len(network.layers)):
        yield from _layer_problems(network, config, i)


def _layer_problems(network: Network, config: ArrayConfig, index: int) -> Iterator[_Problem]:
    layer, name = network.layers[index], network.layer_name(index)
    neuron = layer.neuron
    bits = network.layer_weight_bits(index)
    if bits > config.weight_bits:
        yield _Problem(
            f"{name}: weights of {bits} bits, the lanes take {config.weight_bits}",
            {"weight_bits": bits, "acc_bits": max(config.acc_bits, bits + 1)},
        )
    if neuron.synapse_leak is not None and not config.synaptic_current:
        yield _Problem(
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
            yield _Problem(
                f"{name}: {what} {int(array[outside[0]])} of {one} {int(outside[0])}, "
                f"membranes of {config.state_bits} bits take {low} to {high}",
                {"state_bits": signed_bits(int(array.min()), int(array.max()))},
            )
    low, high = signed_range(config.acc_bits)
    below, above = layer.reach(network.input_shapes[index])
    outside = np.flatnonzero((above > high) | (below < low))
    if outside.size:
        worst = int(outside[0])
        yield _Problem(
            f"{name}: the sums of neuron {worst} reach {int(below[worst])} to {int(above[worst])}, "
            f"accumulators of {config.acc_bits} bits hold {low} to {high}",
            {"acc_bits": signed_bits(int(below.min()), int(above.max()))},
        )


def _grouped(values: npt.NDArray[np.int64], lanes: int, share: Share) -> npt.NDArray[np.int64]:
    """(groups * lanes, ...) of a share's outputs, the last group filled with zeros."""
    part = values[share.first * lanes : (share.first + share.groups) * lanes]
    missing = share.groups * lanes - len(part)
    return np.pad(part, [(0, missing)] + [(0, 0)] * (values.ndim - 1))


def _image(
    network: Network,
    config: ArrayConfig,
    groups: tuple[tuple[Share, ...], ...],
    maps: _Rows,
    core: int,
) -> dict[Space, Image]:
    lanes, layout = config.lanes, task_layout(config)
    weights: list[npt.NDArray[np.int64]] = []
    biases: list[npt.NDArray[np.int64]] = []
    thresholds: list[npt.NDArray[np.int64]] = []
    tasks: list[list[int]] = []
    weight_row = group = 0
    runs = [(i, False) for i in range(len(network.layers))]
    if network.both:
        runs.append((len(network.layers) - 1, True))
    spare = sum(shares[core].groups for shares in groups)
    for number, (i, again) in enumerate(runs):
        layer, share, inputs = network.layers[i], groups[i][core], network.input_sizes[i]
        if not again:
            matrix = _grouped(network.folded_weight(i), lanes, share)
            here = weight_row, group
            # Row: input j of group g, one weight for each lane; whole rows of the map.
            there = matrix.reshape(share.groups, lanes, inputs).transpose(0, 2, 1)
            missing = maps.sizes[i] * lanes - inputs
            weights.append(np.pad(there, ((0, 0), (0, missing), (0, 0))).reshape(-1, lanes))
            biases.append(_grouped(layer.bias, lanes, share))
            thresholds.append(np.maximum(1, _grouped(layer.threshold, lanes, share)))
            weight_row += share.groups * maps.sizes[i]
            group += share.groups
        tasks.append(
            layout.pack(
                {
                    **_scan_fields(network, config, groups, maps, i, again),
                    "groups": share.groups,
                    "weights": here[0] if share.groups else 0,
                    "last": number == len(runs) - 1,
                    **_neuron_fields(network, config, i),
                    "parameters": here[1] if share.groups else 0,
                    "state": (spare if again else here[1]) if share.groups else 0,
                    "lanes_last": _lanes_last(layer.channels, share, lanes),
                    **_destinations(network, maps, i, share),
                    "monitor": not again,
                    "layer": number,
                }
            )
        )
    words = np.array(tasks, dtype=np.int64).reshape(-1, 1)
    image = {
        Space.BIASES: pack_rows(np.concatenate(biases).reshape(-1, 1), 16),
        Space.THRESHOLDS: pack_rows(np.concatenate(thresholds).reshape(-1, 1), 16),
        Space.WEIGHTS: pack_rows(np.concatenate(weights), config.weight_bits),
        Space.TASKS: pack_rows(words, 32),
    }
    return {space: rows for space, rows in image.items() if len(rows)}


def _lanes_last(outputs: int, share: Share, lanes: int) -> int:
    """Neurons in the last group of a share."""
    return max(0, min(lanes, outputs - (share.first + share.groups - 1) * lanes))


def _scan_fields(
    network: Network,
    config: ArrayConfig,
    groups: tuple[tuple[Share, ...], ...],
    maps: _Rows,
    index: int,
    again: bool,
) -> dict[str, int]:
    """How the run of a layer reads its map. Rows are waited for once, before the first run."""
    external = index == 0
    emit = "spikes" if external else network.layers[index - 1].emit
    senders = 0 if external else sum(share.groups > 0 for share in groups[index - 1])
    wait = 0 if external or again else maps.sizes[index] * (2 if emit == "both" else 1)
    skeleton = again or emit == "skeleton"
    return {
        "external": external,
        "ordered": senders == 1 and emit != "both",
        "sync": external and config.cores > 1,
        "source": 0 if external else (maps.skeleton if skeleton else maps.spikes)[index],
        "rows": maps.sizes[index],
        "wait": wait,
    }


def _destinations(network: Network, maps: _Rows, index: int, share: Share) -> dict[str, int]:
    """Which rows a share sends, and where its first group's go."""
    inner = index < len(network.layers) - 1 and share.groups > 0
    emit = network.layers[index].emit
    fields: dict[str, int] = {}
    for name, starts, other in (
        ("spikes", maps.spikes, "skeleton"),
        ("skeleton", maps.skeleton, "spikes"),
    ):
        sent = inner and emit != other
        fields[f"send_{name}"] = sent
        fields[f"{name}_row"] = starts[index + 1] + share.first if sent else 0
    return fields


def _neuron_fields(network: Network, config: ArrayConfig, index: int) -> dict[str, int]:
    layer = network.layers[index]
    neuron = layer.neuron
    last = index == len(network.layers) - 1

    def leak(prefix: str, shifts: tuple[int | None, int | None] | None) -> dict[str, int]:
        fields = {}
        for name, shift in zip("ac", shifts or (None, None), strict=True):
            fields[f"{prefix}_{name}"] = shift or 0
            fields[f"{prefix}_{name}_on"] = shift is not None
        return fields

    fields: dict[str, int] = leak("leak", neuron.leak)
    if config.synaptic_current:
        fields |= leak("synapse", neuron.synapse_leak)
        fields["synapse_on"] = neuron.synapse_leak is not None
    reports = last and network.readout != "membrane"
    return {
        **fields,
        "reset": _RESETS[neuron.reset],
        "delayed": neuron.reset_timing == "next_step",
        "strict": neuron.compare == "gt",
        "fires": neuron.fires,
        "pixels": index == 0 and network.input.kind == "pixels",
        "v_init": neuron.v_init,
        "report_spikes": reports and layer.emit == "spikes",
        "report_skeleton": reports and layer.emit == "skeleton",
        "report_membrane": last and network.readout == "membrane",
    }
