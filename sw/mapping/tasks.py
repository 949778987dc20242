"""The tasks of a core: one for each run of a layer, as values of the fields of ``spec.task``.

Every row that is sent is waited for in its window: by the layer behind, which reads it, or by a
task at the end that does nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..network.network import Conv2d, Network
from ..spec.array import ArrayConfig
from ..spec.layout import Field
from ..spec.task import Reset, task_layout
from .maps import Maps, group_size, lanes_each
from .partitions import Tile, grid
from .plan import Plan, field_size, group_rows, state_groups

__all__ = ["in_order", "runs", "sent_kinds", "task_fields", "tasks"]

_RESETS = {"none": Reset.NONE, "zero": Reset.ZERO, "subtract": Reset.SUBTRACT}


def runs(network: Network) -> list[tuple[int, bool]]:
    """The layers as they run, and whether one runs again, on the skeleton."""
    last = len(network.layers) - 1
    return [*((i, False) for i in range(last + 1)), *([(last, True)] if network.both else [])]


def task_fields(config: ArrayConfig) -> dict[str, Field]:
    """The fields of an array's tasks, by name."""
    return {field.name: field for word in task_layout(config).words for field in word.fields}


def tasks(network: Network, config: ArrayConfig, plan: Plan, core: int) -> list[dict[str, int]]:
    """The values of every field, for each task of a core."""
    listed = []
    weight_row = group = state = 0
    here = (0, 0)
    for number, (i, again) in enumerate(runs(network)):
        layer, tile = network.layers[i], plan.partitions[i].tiles[core]
        if not again:
            here = weight_row, group
            weight_row += tile.groups * group_rows(layer, plan.maps, i)
            group += tile.groups
        weights, parameters = here if tile.groups else (0, 0)
        fields = {
            **_source_fields(network, config, plan, i, again),
            "groups": tile.groups,
            "weights": weights,
            "last": 0,
            **_neuron_fields(network, config, i),
            "parameters": parameters,
            "state": state if tile.groups and _has_state(config) else 0,
            "lanes_last": _lanes_last(network, config, i, tile),
            **_destinations(network, plan.maps, i, number, tile),
            "monitor": not again,
            "layer": number,
        }
        if config.convolution:
            fields |= _field_fields(network, config, plan, i, tile)
            fields |= {"gap": _gap(network, plan.maps, i, tile), "stateless": plan.stateless}
            fields |= _own_fields(network, config, plan.maps, number, tile, again)
            if config.wide_weights:
                fields |= dict.fromkeys(("paired", "halves"), lanes_each(network, config, i) == 2)
        else:
            fields |= {"rows": plan.maps.read[i].rows(config.lanes)}
            # The scanner counts runs of L weight rows.
            fields["weights"] //= config.lanes
        listed.append(fields)
        there = grid(layer, network.input_shapes[i])
        state += state_groups(tile, there, plan.stateless)
    own = plan.maps.own_rows(-1)
    if own:
        nothing = dict.fromkeys(listed[-1], 0)
        listed.append(nothing | _one_field(1) | {
            "wait": own * (2 if network.both else 1), "layer": listed[-1]["layer"],
        })
    listed[-1]["last"] = 1
    return listed


def _has_state(config: ArrayConfig) -> bool:
    """Whether the place of a state means anything; dense arrays are told one in any case."""
    return config.state or not config.convolution


def _lanes_last(network: Network, config: ArrayConfig, index: int, tile: Tile) -> int:
    """Lanes of the neurons in the last group of a tile."""
    size, each = group_size(network, config, index), lanes_each(network, config, index)
    before = (tile.first_group + tile.groups - 1) * size
    return each * max(0, min(size, network.layers[index].channels - before))


def in_order(network: Network, tiles: Sequence[Sequence[Tile]], index: int) -> bool:
    """Whether a layer reads the rows of its map as they come: a dense layer that is not recurrent,
    if a single core sends them, of a single kind."""
    layer = network.layers[index]
    if index == 0 or isinstance(layer, Conv2d) or layer.recurrent is not None:
        return False
    senders = sum(tile.groups > 0 for tile in tiles[index - 1])
    return senders == 1 and len(sent_kinds(network, index - 1)) == 1


def _source_fields(
    network: Network, config: ArrayConfig, plan: Plan, index: int, again: bool
) -> dict[str, int]:
    """Which map the run of a layer reads, and when. Rows are waited for once, before the first
    run."""
    external = index == 0
    emit = "spikes" if external else network.layers[index - 1].emit
    rows = plan.maps.read[index].rows(config.lanes)
    skeleton = again or emit == "skeleton"
    places = plan.maps.skeleton if skeleton else plan.maps.spikes
    kinds = 1 if external else len(sent_kinds(network, index - 1))
    return {
        "external": external,
        "ordered": in_order(network, plan.tiles, index),
        "sync": external and config.cores > 1,
        "source": 0 if external else places[index],
        "wait": 0 if external or again else rows * kinds,
    }


def _own_fields(
    network: Network, config: ArrayConfig, maps: Maps, number: int, tile: Tile, again: bool
) -> dict[str, int]:
    """Where the own spikes of a run of a layer lie, and those of the layer in front, if it is
    recurrent: there are two maps of either, for windows of even and of odd number."""
    if not config.recurrence:
        return {}
    index, before = min(number, len(network.layers) - 1), 0
    if index and not again and network.layers[index - 1].emit != "skeleton":
        before = maps.own_rows(index - 1)
    own = maps.own_rows(index) if tile.groups else 0
    return {
        "own": maps.own_spikes[number] if own else 0,
        "own_rows": own,
        "flip_spikes": own,
        "flip": before if tile.groups else 0,
    }


def _field_fields(
    network: Network, config: ArrayConfig, plan: Plan, index: int, tile: Tile
) -> dict[str, int]:
    """The receptive fields of a tile: where they lie on the map, and how they move."""
    layer, read = network.layers[index], plan.maps.read[index]
    if not isinstance(layer, Conv2d) or not tile.groups:
        _, words = field_size(layer, read, config.lanes)
        return _one_field(words if tile.groups else 1)
    square = 1 if layer.pool_before is None else layer.pool_before.size
    (down, across), line = layer.axes(network.input_shapes[index]), read.width * read.pitch
    rows, words = field_size(layer, read, config.lanes)
    there = grid(layer, network.input_shapes[index])
    top, left = there.corner(tile.first_cell)
    step, first = down.stride * square, (top * down.stride - down.padding) * square
    places = 1 << task_fields(config)["line"].width
    return {
        "line": line,
        "width": across.places * square * read.pitch,
        "height": down.places * square,
        "span": words,
        "kernel_rows": rows,
        "first_x": -across.padding * square * read.pitch,
        "step_x": across.stride * square * read.pitch,
        "first_y": first,
        "first_line": first * line % places,
        "step_y": step,
        "step_line": step * line % places,
        "columns": across.positions,
        "start_columns": across.positions - left,
        "start_x": (left * across.stride - across.padding) * square * read.pitch,
        "windows": tile.cells,
        "lines": there.lines - top,
        "pool": there.pool,
    }


def _one_field(words: int) -> dict[str, int]:
    """A single position, whose field is all of a map of one row."""
    still = ("first_x", "start_x", "first_y", "first_line", "step_x", "step_y", "step_line")
    return {
        **dict.fromkeys(("line", "width", "span"), words),
        **dict.fromkeys(
            ("height", "kernel_rows", "columns", "start_columns", "lines", "windows", "pool"), 1
        ),
        **dict.fromkeys(still, 0),
    }


def _inner(network: Network, index: int, tile: Tile) -> bool:
    """Whether a tile's rows go to other layers."""
    return index < len(network.layers) - 1 and tile.groups > 0


def _gap(network: Network, maps: Maps, index: int, tile: Tile) -> int:
    """Rows between those of one pooled position and of the next."""
    if not _inner(network, index, tile):
        return 0
    return maps.read[index + 1].pitch // maps.lanes - tile.groups


def sent_kinds(network: Network, index: int) -> tuple[str, ...]:
    """The kinds of rows a layer sends: those the layer behind reads, and those it reads itself."""
    layer, inner = network.layers[index], index < len(network.layers) - 1
    spikes = layer.recurrent is not None or (inner and layer.emit != "skeleton")
    skeleton = inner and layer.emit != "spikes"
    return (("spikes",) if spikes else ()) + (("skeleton",) if skeleton else ())


def _destinations(
    network: Network, maps: Maps, index: int, number: int, tile: Tile
) -> dict[str, int]:
    """Which rows a run of a layer sends of a tile, and where the first one goes."""
    sent = sent_kinds(network, index) if tile.groups else ()
    fields = {f"send_{kind}": int(kind in sent) for kind in ("spikes", "skeleton")}
    fields |= dict.fromkeys(("spikes_row", "skeleton_row"), 0)
    if index < len(network.layers) - 1:
        written = maps.read[index + 1]
        there = grid(network.layers[index], network.input_shapes[index])
        before = min(there.complete_before(tile.first_cell), written.height * written.width - 1)
        first = before * (written.pitch // maps.lanes) + tile.first_group
        starts = {"spikes": maps.spikes[index + 1], "skeleton": maps.skeleton[index + 1]}
    else:
        first, starts = tile.first_group, {"spikes": maps.own_spikes[number]}
    return fields | {f"{kind}_row": starts[kind] + first for kind in sent}


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
