"""Which reports a program causes, in which order, and where each goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..mapping.maps import Map, group_size, lanes_per_channel, written_map
from ..mapping.partitions import order
from ..program.program import Program
from ..spec.report import BUSY_BITS, PLACE, ReportKind, counter_words

__all__ = ["TIME_WORDS", "Place", "ReportPlan", "written_maps"]

TIME_WORDS = BUSY_BITS // 16
_GROUP_MASK = PLACE.fields[0].maximum

_Packets = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Place:
    """Where the packets of a kind, run and core go, in the order in which they come.

    Attributes
    ----------
    store, index : its name, and which one of that name.
    rows, groups : the row each packet goes to, and the group it names; none for counters.
    """

    store: str
    index: int
    rows: list[int]
    groups: list[int]


class ReportPlan:
    """The packets of one window, by core.

    Parameters
    ----------
    trace, counters : what is asked for.

    Attributes
    ----------
    lengths : words of a packet, by kind; those of membranes differ.
    places : by kind, tag and core, where packets go.
    expected, expected_last : per core, the packets of a window, and of the last one of a sample.
    """

    def __init__(self, program: Program, trace: bool, counters: bool) -> None:
        self._program, self._trace, self._counters = program, trace, counters
        self.places: dict[tuple[int, int, int], Place] = {}
        self.expected: list[int] = []
        self.expected_last: list[int] = []
        config = program.config
        self.lengths: dict[int, int] = {
            ReportKind.TRACE_SPIKES: config.row_chunks,
            ReportKind.TRACE_SKELETON: config.row_chunks,
            ReportKind.WORDS: config.row_chunks,
            ReportKind.COUNTERS: sum(count for _, count in counter_words(config)),
            ReportKind.END: TIME_WORDS,
        }
        for core in range(config.cores):
            always, at_last = self._core(core)
            self.expected.append(always)
            self.expected_last.append(always + at_last)

    def _core(self, core: int) -> tuple[int, int]:
        """Packets of a core in every window, and more of them in the last one."""
        network = self._program.network
        last, membrane = len(network.layers) - 1, network.readout == "membrane"
        always = at_last = 0
        for tag, (layer, run) in self._program.layer_tags.items():
            computed, emitted = self._orders(layer, core)
            again = run == "skeleton"
            if self._trace and not again:
                for kind, store in (
                    (ReportKind.TRACE_SPIKES, "spikes"), (ReportKind.TRACE_SKELETON, "skeleton")
                ):
                    self.places[kind, tag, core] = Place(store, layer, *computed)
                    always += len(computed[0])
            if layer == last and membrane:
                self.places[ReportKind.MEMBRANE, tag, core] = Place("membrane", again, *computed)
                at_last += len(computed[0])
            elif layer == last:
                self.places[ReportKind.WORDS, tag, core] = Place("words", again, *emitted)
                always += len(emitted[0])
            if self._counters and not again:
                self.places[ReportKind.COUNTERS, tag, core] = Place("counters", layer, [], [])
                always += self._program.tiles[layer][core].groups > 0
        return always, at_last

    def _orders(self, layer: int, core: int) -> tuple[_Packets, _Packets]:
        """Rows and numbers of the packets of what a core computes of a layer, and of what it emits
        of that, in the order in which they come."""
        network, share = self._program.network, self._program.tiles[layer][core]
        runs = order(
            share, network.layers[layer], network.input_shapes[layer],
            group_size(network, self._program.config, layer),
        )
        numbers = np.arange(len(runs.rows)) & _GROUP_MASK
        return (
            (runs.rows.tolist(), numbers.tolist()),
            (runs.emitted_rows.tolist(), numbers[runs.emitted].tolist()),
        )


def written_maps(program: Program) -> tuple[list[Map], Map]:
    """How the rows of every layer's neurons lie here, and those of the readout."""
    network, config = program.network, program.config
    each = [lanes_per_channel(network, config, i) for i in range(len(network.layers))]
    neurons = [
        written_map(shape, config.lanes, lanes)
        for shape, lanes in zip(network.neuron_shapes, each, strict=True)
    ]
    if network.readout == "membrane":
        return neurons, neurons[-1]
    shape = network.layers[-1].output_shape(network.input_shapes[-1])
    return neurons, written_map(shape, config.lanes, each[-1])
