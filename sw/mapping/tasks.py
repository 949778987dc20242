"""The tasks of a core, as values of the fields of ``spec.task``: one for each run of a layer and
each leak that the core's tile of it has.

Every row that is sent is waited for in its window: by the next layer, which reads it, or by a task
at the end of the list that does nothing else. So no row of a window arrives in the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..network import Conv2d, Layer, Leak, Network, Neuron
from ..spec.array import ArrayConfig
from ..spec.layout import Field
from ..spec.task import Reset, task_layout
from .maps import Map, lanes_per_channel
from .partitions import Grid, Tile
from .plan import Plan, group_rows, kernel_extent, state_groups

__all__ = ["task_fields", "tasks"]


def task_fields(config: ArrayConfig) -> dict[str, Field]:
    """The fields of an array's tasks, by name."""
    return {field.name: field for word in task_layout(config).words for field in word.fields}


def tasks(plan: Plan, core: int) -> list[dict[str, int]]:
    """The task list of a core.

    Parameters
    ----------
    plan : Plan
        A network laid out on an array.
    core : int
        Number of the core.

    Returns
    -------
    list of dict of str to int
        Per task, the value of every field; values may be too large for their field.
    """
    config = plan.config
    listed = []
    weight_row = group = state = 0
    for number, (index, _) in plan.layer_tags.items():
        tile = plan.tiles[index][core]
        rows = group_rows(plan.computed.layers[index], plan.maps, index)
        if number == index:  # the run on the skeleton has the same weights and parameters
            start = weight_row, group
            weight_row += tile.groups * rows
            group += tile.groups
        for part, neuron in plan.parts(index, core):
            before = part._replace(groups=part.first_group - tile.first_group)
            run = _Run(plan, number, index, part, neuron, leads=not before.groups)
            fields = run.fields() | {
                "weights": start[0] + before.groups * rows if part.groups else 0,
                "parameters": start[1] + before.groups if part.groups else 0,
                # Dense arrays have a state address in any case, others only with a state memory.
                "state": (
                    state + (0 if plan.stateless else state_groups(before, run.grid, False))
                    if part.groups and (config.state or not config.convolution) else 0
                ),
            }
            if not config.convolution:
                fields["weights"] //= config.lanes  # the scanner counts runs of L weight rows
            listed.append(fields)
        state += state_groups(tile, plan.grid(index), plan.stateless)
    recurrent = plan.maps.recurrent_rows(-1)
    if recurrent:
        nothing = dict.fromkeys(listed[-1], 0)
        listed.append(nothing | (_single_position(1) if config.convolution else {"rows": 1}) | {
            "wait": recurrent * (2 if plan.computed.both else 1), "layer": listed[-1]["layer"],
        })
    listed[-1]["last"] = 1
    return listed


@dataclass(frozen=True)
class _Run:
    """A task of a run of a layer on a core.

    Attributes
    ----------
    plan : Plan
        As for ``tasks``.
    number : int
        Number of the run, which reports name.
    index : int
        Number of the layer; with ``emit="both"`` the last layer runs again, on the skeleton.
    tile : Tile
        What the task computes of the layer.
    neuron : Neuron
        The settings of its neurons, with one leak.
    leads : bool
        Whether it is the core's first task of the run, which waits for the map.
    """

    plan: Plan
    number: int
    index: int
    tile: Tile
    neuron: Neuron
    leads: bool

    @property
    def network(self) -> Network:
        return self.plan.computed

    @property
    def config(self) -> ArrayConfig:
        return self.plan.config

    @property
    def again(self) -> bool:
        """Whether it is the run on the skeleton."""
        return self.number > self.index

    @property
    def layer(self) -> Layer:
        return self.network.layers[self.index]

    @property
    def inner(self) -> bool:
        """Whether another layer follows this one."""
        return self.index < len(self.network.layers) - 1

    @property
    def grid(self) -> Grid:
        return self.plan.grid(self.index)

    @property
    def read(self) -> Map:
        return self.plan.maps.read[self.index]

    def fields(self) -> dict[str, int]:
        """All fields but the addresses of the weights, the parameters and the state."""
        fields = {
            **self._source(),
            "groups": self.tile.groups,
            "last": 0,
            **self._neuron(),
            "lanes_last": self._lanes_last(),
            **self._destinations(),
            "monitor": not self.again,
            "layer": self.number,
        }
        if self.config.recurrence:
            fields |= self._recurrent()
        if not self.config.convolution:
            planes = self.read.planes
            fields["rows"] = self.read.rows(self.config.lanes) // planes
            if self.config.planes > 1:
                fields["last_plane"] = planes - 1 if self.tile.groups else 0
            return fields
        fields |= self._receptive_fields()
        fields |= {"gap": self._gap(), "stateless": self.plan.stateless}
        if self.config.wide_weights:
            wide = lanes_per_channel(self.network, self.config, self.index) == 2
            fields |= dict.fromkeys(("wide", "split_weights"), wide)
        return fields

    def _lanes_last(self) -> int:
        """Lanes of the neurons in the tile's last group."""
        if not self.tile.groups:
            return 0
        last = self.tile.first_group + self.tile.groups - 1
        lanes = lanes_per_channel(self.network, self.config, self.index)
        return lanes * len(self.plan.groups[self.index].outputs(last))

    def _source(self) -> dict[str, int]:
        """Which map the task reads, and when. Rows are waited for once, before the first task that
        reads them."""
        network, maps = self.network, self.plan.maps
        if self.index == 0:
            return {
                "external": 1, "ordered": 0, "sync": self.leads and self.config.cores > 1,
                "source": 0, "wait": 0,
            }
        emit = network.layers[self.index - 1].emit
        addresses = maps.skeleton if self.again or emit == "skeleton" else maps.spikes
        rows = self.read.rows(self.config.lanes) * len(self.plan.sent_kinds(self.index - 1))
        return {
            "external": 0,
            "ordered": self.leads and self.plan.reads_in_order(self.index),
            "sync": 0,
            "source": addresses[self.index],
            "wait": rows if self.leads and not self.again else 0,
        }

    def _recurrent(self) -> dict[str, int]:
        """Where the run's recurrent map is, and the ping-pong offsets from the copy for even
        windows to the copy for odd ones: of the layer's own map, and of the map of the layer in
        front if that layer is recurrent and this one reads it."""
        maps, index = self.plan.maps, self.index
        if not self.tile.groups:
            names = ("recurrent", "recurrent_rows", "ping_pong_spikes", "ping_pong")
            return dict.fromkeys(names, 0)
        reads_spikes = not self.again and self.network.layers[index - 1].emit != "skeleton"
        rows = maps.recurrent_rows(index)
        return {
            "recurrent": maps.recurrent_spikes[self.number] if rows else 0,
            "recurrent_rows": rows,
            "ping_pong_spikes": rows,
            "ping_pong": maps.recurrent_rows(index - 1) if index and reads_spikes else 0,
        }

    def _receptive_fields(self) -> dict[str, int]:
        """The receptive fields of the tile: where they are on the map, and how they move."""
        layer, read, tile = self.layer, self.read, self.tile
        rows, words = kernel_extent(layer, read, self.config.lanes)
        if not isinstance(layer, Conv2d) or not tile.groups:
            return _single_position(words if tile.groups else 1)
        square = 1 if layer.pool_before is None else layer.pool_before.size
        (down, across), line = layer.axes(self.network.input_shapes[self.index]), (
            read.width * read.pitch
        )
        top, left = self.grid.corner(tile.first_cell)
        step, first = down.stride * square, (top * down.stride - down.padding) * square
        # Addresses above the map wrap around to it: they are counted modulo the range of the field.
        addresses = 1 << task_fields(self.config)["line"].width
        return {
            "line": line,
            "width": across.pooled_size * square * read.pitch,
            "height": down.pooled_size * square,
            "span": words,
            "kernel_rows": rows,
            "first_x": -across.padding * square * read.pitch,
            "step_x": across.stride * square * read.pitch,
            "first_y": first,
            "first_line": first * line % addresses,
            "step_y": step,
            "step_line": step * line % addresses,
            "columns": across.positions,
            "start_columns": across.positions - left,
            "start_x": (left * across.stride - across.padding) * square * read.pitch,
            "cells": tile.cells,
            "lines": self.grid.lines - top,
            "pool": self.grid.pool,
        }

    def _gap(self) -> int:
        """Rows of other tasks between the last row of a pooled position and the first of the
        next."""
        if not self.inner or not self.tile.groups:
            return 0
        return self.plan.maps.read[self.index + 1].pitch // self.config.lanes - self.tile.groups

    def _destinations(self) -> dict[str, int]:
        """Which rows the run sends, and where the first one goes."""
        maps, tile = self.plan.maps, self.tile
        sent = self.plan.sent_kinds(self.index) if tile.groups else ()
        fields = {f"send_{kind}": int(kind in sent) for kind in ("spikes", "skeleton")}
        fields |= dict.fromkeys(("spikes_row", "skeleton_row"), 0)
        if not self.inner:
            starts, first = {"spikes": maps.recurrent_spikes[self.number]}, tile.first_group
            return fields | {f"{kind}_row": starts[kind] + first for kind in sent}
        written = maps.read[self.index + 1]
        # A tile with only incomplete cells sends no row, but its address must be on the map
        # nevertheless.
        before = min(
            self.grid.complete_before(tile.first_cell), written.height * written.width - 1
        )
        first = before * (written.pitch // self.config.lanes) + tile.first_group
        starts = {"spikes": maps.spikes[self.index + 1], "skeleton": maps.skeleton[self.index + 1]}
        return fields | {f"{kind}_row": starts[kind] + first for kind in sent}

    def _neuron(self) -> dict[str, int]:
        """What a neuron computes, and what is reported about it."""
        layer, readout, neuron = self.layer, self.network.readout, self.neuron
        fields = _leak("leak", neuron.leak)
        if self.config.synaptic_current:
            fields |= _leak("synapse", neuron.synapse_leak)
            fields["synapse_on"] = neuron.synapse_leak is not None
        words = not self.inner and readout != "membrane"
        return {
            **fields,
            "reset": Reset[neuron.reset.upper()],
            "delayed": neuron.reset_timing == "next_step",
            "strict": neuron.compare == "gt",
            "fires": neuron.fires,
            "pixels": self.index == 0 and self.network.input.kind != "spikes",
            "v_init": neuron.v_init,
            "report_spikes": words and layer.emit == "spikes",
            "report_skeleton": words and layer.emit == "skeleton",
            "report_membrane": not self.inner and readout == "membrane",
        }


def _leak(prefix: str, shifts: Any) -> dict[str, int]:
    leak = Leak.of(shifts or (None, None))
    fields = {f"{prefix}_add": int(leak.add)}
    for name, shift in zip("ac", leak, strict=True):
        fields[f"{prefix}_{name}"] = shift or 0
        fields[f"{prefix}_{name}_on"] = shift is not None
    return fields


def _single_position(words: int) -> dict[str, int]:
    """A single position with a receptive field that is a whole map of one row."""
    still = ("first_x", "start_x", "first_y", "first_line", "step_x", "step_y", "step_line")
    return {
        **dict.fromkeys(("line", "width", "span"), words),
        **dict.fromkeys(
            ("height", "kernel_rows", "columns", "start_columns", "lines", "cells", "pool"), 1
        ),
        **dict.fromkeys(still, 0),
    }
