"""The tasks of a core: one for each run of a layer, as values of the fields of ``spec.task``."""

from __future__ import annotations

from .maps import Map, Maps
from .network import Conv2d, Network
from .plan import Plan, field_size, state_groups
from .shares import Share, pool_size
from .spec.array import ArrayConfig
from .spec.layout import Field
from .spec.task import Reset, task_layout

__all__ = ["runs", "task_fields", "tasks"]

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
    order = runs(network)
    for number, (i, again) in enumerate(order):
        layer, share = network.layers[i], plan.splits[i].shares[core]
        rows, words = field_size(layer, plan.maps.read[i], config.lanes)
        if not again:
            here = weight_row, group
            weight_row += share.groups * rows * words
            group += share.groups
        weights, parameters = here if share.groups else (0, 0)
        fields = {
            **_source_fields(network, config, plan, i, again),
            "groups": share.groups,
            "weights": weights,
            "last": number == len(order) - 1,
            **_neuron_fields(network, config, i),
            "parameters": parameters,
            "state": state if share.groups and _has_state(config) else 0,
            "lanes_last": _lanes_last(layer.channels, share, config.lanes),
            **_destinations(network, plan.maps, i, share),
            "monitor": not again,
            "layer": number,
        }
        if config.convolution:
            fields |= _field_fields(network, config, plan, i, share)
            fields |= {"gap": _gap(network, config, i, share), "stateless": plan.stateless}
            fields |= dict.fromkeys(_unused(config), 0)
        else:
            fields |= {"rows": plan.maps.read[i].rows(config.lanes)}
            # The scanner counts runs of L weight rows.
            fields["weights"] //= config.lanes
        listed.append(fields)
        state += state_groups(share, plan.splits[i].columns, plan.stateless)
    return listed


def _unused(config: ArrayConfig) -> list[str]:
    """Fields of what no layer makes use of yet: its own spikes, and weights on pairs of lanes."""
    own = ["own", "flip", "own_rows", "flip_spikes"] if config.recurrence else []
    return own + (["paired", "halves"] if config.wide_weights else [])


def _has_state(config: ArrayConfig) -> bool:
    """Whether the place of a state means anything; dense arrays are told one in any case."""
    return config.state or not config.convolution


def _lanes_last(outputs: int, share: Share, lanes: int) -> int:
    """Neurons in the last group of a share."""
    return max(0, min(lanes, outputs - (share.first + share.groups - 1) * lanes))


def _source_fields(
    network: Network, config: ArrayConfig, plan: Plan, index: int, again: bool
) -> dict[str, int]:
    """Which map the run of a layer reads, and when. Rows are waited for once, before the first
    run. A convolution waits for the whole map; a dense layer reads one core's as they come."""
    external, dense = index == 0, not isinstance(network.layers[index], Conv2d)
    emit = "spikes" if external else network.layers[index - 1].emit
    senders = 0 if external else sum(s.groups > 0 for s in plan.splits[index - 1].shares)
    rows = plan.maps.read[index].rows(config.lanes)
    skeleton = again or emit == "skeleton"
    places = plan.maps.skeleton if skeleton else plan.maps.spikes
    return {
        "external": external,
        "ordered": dense and senders == 1 and emit != "both",
        "sync": external and config.cores > 1,
        "source": 0 if external else places[index],
        "wait": 0 if external or again else rows * (2 if emit == "both" else 1),
    }


def _field_fields(
    network: Network, config: ArrayConfig, plan: Plan, index: int, share: Share
) -> dict[str, int]:
    """The receptive fields of a share: where they lie on the map, and how they move."""
    layer, read = network.layers[index], plan.maps.read[index]
    if not isinstance(layer, Conv2d) or not share.groups:
        _, words = field_size(layer, read, config.lanes)
        return _one_field(words if share.groups else 1)
    square = 1 if layer.pool_before is None else layer.pool_before.size
    (down, across), line = layer.axes(network.input_shapes[index]), read.width * read.pitch
    rows, words = field_size(layer, read, config.lanes)
    step, first = down.stride * square, (share.top * down.stride - down.padding) * square
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
        "start_columns": across.positions,
        "start_x": -across.padding * square * read.pitch,
        "windows": -(-across.positions // pool_size(layer)) * -(-share.lines // pool_size(layer)),
        "lines": share.lines,
        "pool": pool_size(layer),
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


def _inner(network: Network, index: int, share: Share) -> bool:
    """Whether a share's rows go to other layers."""
    return index < len(network.layers) - 1 and share.groups > 0


def _gap(network: Network, config: ArrayConfig, index: int, share: Share) -> int:
    """Rows between those of one pooled position and of the next."""
    groups = -(-network.layers[index].channels // config.lanes)
    return groups - share.groups if _inner(network, index, share) else 0


def _destinations(network: Network, maps: Maps, index: int, share: Share) -> dict[str, int]:
    """Which rows a share sends, and where the first one goes."""
    inner = _inner(network, index, share)
    emit = network.layers[index].emit
    fields: dict[str, int] = {}
    for name, starts, other in (
        ("spikes", maps.spikes, "skeleton"),
        ("skeleton", maps.skeleton, "spikes"),
    ):
        sent = inner and emit != other
        fields[f"send_{name}"] = sent
        fields[f"{name}_row"] = 0
        if sent:
            written: Map = maps.read[index + 1]
            top = share.top // pool_size(network.layers[index]) * written.width
            groups = written.pitch // maps.lanes
            fields[f"{name}_row"] = starts[index + 1] + top * groups + share.first
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
