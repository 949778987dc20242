"""Packets of reports: which of them a program causes, in which order, and where each one goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..mapping.maps import Map, lanes_per_channel, written_map
from ..mapping.partitions import order
from ..program.program import Program
from ..spec.link import ReportFlags
from ..spec.report import BUSY_BITS, HEAD, HEAD_WORDS, PLACE, ReportKind, counter_words

__all__ = [
    "TIME_WORDS", "Came", "Destination", "Packets", "ReportPlan", "WindowPattern", "written_maps",
]

TIME_WORDS = BUSY_BITS // 16
_GROUP_MASK, _CORE_SHIFT = PLACE.fields[0].maximum, PLACE.fields[0].width
_KIND_MASK = HEAD.fields[0].maximum
_LENGTH_SHIFT, _LENGTH_MASK = HEAD.fields[0].width, HEAD.fields[1].maximum

_Packets = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Destination:
    """The destinations of the packets of one kind, run and core, in the order in which they come.

    Attributes
    ----------
    store : str
        The name of a store of ``Pending``.
    index : int
        The number of the store among those of that name.
    rows : list of int
        The row that each packet goes to; for counters, the number of its task.
    groups : list of int
        The group that each packet names; empty for counters, which name none.
    """

    store: str
    index: int
    rows: list[int]
    groups: list[int]


@dataclass(frozen=True)
class Came:
    """A packet that came, and where it went.

    Attributes
    ----------
    head : int
        Its first two words, the first in the low bits.
    length : int
        The words behind them.
    store, index, row
        Where they went, as in ``Destination``.
    """

    head: int
    length: int
    store: str
    index: int
    row: int


class WindowPattern:
    """The packets of a window of a core, as they came once. Packets with the same heads in the same
    order go to the same places, so that many windows can be taken at once.

    Parameters
    ----------
    came : list of Came
        The packets of the window, in the order in which they came.

    Attributes
    ----------
    heads : array of uint32
        The first two words of each packet.
    size : int
        The words of all packets.
    places : dict
        By store, index and length, the numbers of the packets that went there, and their rows.
    """

    def __init__(self, came: list[Came]) -> None:
        self.heads = np.array([each.head for each in came], dtype=np.uint32)
        self.size = sum(HEAD_WORDS + each.length for each in came)
        found: dict[tuple[str, int, int], list[tuple[int, int]]] = {}
        for number, each in enumerate(came):
            found.setdefault((each.store, each.index, each.length), []).append((number, each.row))
        self.places = {key: np.array(value).T for key, value in found.items()}

    def __len__(self) -> int:
        return len(self.heads)


class Packets:
    """The packets at the beginning of a stream of words.

    Attributes
    ----------
    words : array of uint16
        The stream.
    starts, stops : array of int64
        (packets,) the first word of each packet, and the word behind its last one.
    heads : array of uint32
        (packets,) the first two words of each, the first in the low bits.
    kinds, cores : array
        (packets,) fields of these.
    end : int
        The words of all packets; those behind them are of a packet of which more is to come.
    """

    def __init__(self, words: npt.NDArray[np.uint16]) -> None:
        count = len(words)
        lengths = words.astype(np.int64) >> _LENGTH_SHIFT & _LENGTH_MASK
        # The word behind the packet that would start at a word. One that is too long, or has no
        # second word, leads to ``over``, and so does ``over``.
        over = count + 1
        hop = np.append(np.minimum(np.arange(count) + HEAD_WORDS + lengths, over), [over, over])
        # The number of starts doubles with every turn; ``stride`` leaps over as many packets.
        starts, stride = np.zeros(1, np.int64), hop
        while stride[0] < count:
            further = stride[starts]
            starts = np.concatenate([starts, further[further < count]])
            stride = stride[stride]
        starts = starts[hop[starts] <= count]
        self.words, self.starts, self.stops = words, starts, hop[starts]
        self.end = int(self.stops[-1]) if len(starts) else 0
        self.heads = words[starts] | words[starts + 1].astype(np.uint32) << np.uint32(16)
        self.kinds, self.cores = words[starts] & _KIND_MASK, words[starts + 1] >> _CORE_SHIFT

    def body(self, number: int) -> npt.NDArray[np.uint16]:
        """The words of a packet behind its head."""
        return self.words[self.starts[number] + HEAD_WORDS : self.stops[number]]

    def bodies(self, numbers: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.uint16]:
        """(..., length) the words behind the heads of packets that have so many."""
        at = self.starts[numbers] + HEAD_WORDS
        return np.asarray(self.words[at[..., None] + np.arange(length)])

    def stream(self, numbers: npt.NDArray[np.int64]) -> bytes:
        """The bytes of some packets."""
        spans = zip(self.starts[numbers].tolist(), self.stops[numbers].tolist(), strict=True)
        return b"".join(self.words[start:stop].tobytes() for start, stop in spans)


class ReportPlan:
    """The packets of one window, by core.

    Parameters
    ----------
    program : Program
        The program that is loaded.
    flags : ReportFlags
        The reports that are requested; TIMES with COUNTERS, because they are compared.
    only_traces : bool
        The packets of traces alone, which come beside the others.

    Attributes
    ----------
    flags : ReportFlags
        The same.
    lengths : dict of int
        The words of a packet by its kind. Those of membranes differ, so they are not included.
    destinations : dict of Destination
        Where packets go, by kind, tag and core.
    expected : list of int
        Per core, the packets of a window, without END.
    expected_last : list of int
        Per core, the packets of the last window of a sample, without END.
    """

    def __init__(
        self, program: Program, flags: ReportFlags, only_traces: bool = False
    ) -> None:
        assert flags & ReportFlags.TIMES or not flags & ReportFlags.COUNTERS
        self._program, self.flags, self._only_traces = program, flags, only_traces
        self.destinations: dict[tuple[int, int, int], Destination] = {}
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

    def silent(self, core: int) -> bool:
        """Whether a core sends nothing in any window."""
        return not (self.flags & ReportFlags.TIMES or self.expected_last[core])

    def reported(self, core: int, last: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """The numbers of the windows in which a core sends packets, of windows of which ``last``
        says whether they are the last one of their sample."""
        if self.flags & ReportFlags.TIMES or self.expected[core]:
            return np.arange(len(last))
        return np.flatnonzero(last) if self.expected_last[core] else np.arange(0)

    def _core(self, core: int) -> tuple[int, int]:
        """The number of packets of a core in every window, and the number of additional ones in the
        last window."""
        network = self._program.network
        last, membrane = len(network.layers) - 1, network.readout == "membrane"
        always = at_last = 0
        for tag, (layer, run) in self._program.layer_tags.items():
            computed, emitted = self._orders(layer, core)
            again = run == "skeleton"
            found: dict[int, Destination] = {}
            if self.flags & ReportFlags.TRACE and not again:
                for kind, store in (
                    (ReportKind.TRACE_SPIKES, "spikes"), (ReportKind.TRACE_SKELETON, "skeleton")
                ):
                    found[kind] = Destination(store, layer, *computed)
                    always += len(computed[0])
            if self._only_traces:
                pass
            elif layer == last and membrane:
                found[ReportKind.MEMBRANE] = Destination("membrane", again, *computed)
                at_last += len(computed[0])
            elif layer == last:
                found[ReportKind.WORDS] = Destination("words", again, *emitted)
                always += len(emitted[0])
            if self.flags & ReportFlags.COUNTERS and not again:
                parts = len(self._program.parts(layer, core))
                found[ReportKind.COUNTERS] = Destination(
                    "counters", layer, list(range(parts)), []
                )
                # A core without groups may report its counters or not, so they are not expected.
                always += parts if self._program.tiles[layer][core].groups else 0
            for cause, destination in found.items():
                self.destinations[cause, tag, core] = destination
        return always, at_last

    def _orders(self, layer: int, core: int) -> tuple[_Packets, _Packets]:
        """The rows and the group numbers of the packets, in the order in which they come: for all
        rows of a layer that a core computes, and for those that it emits."""
        program, network = self._program, self._program.computed
        computed: _Packets = ([], [])
        emitted: _Packets = ([], [])
        for part, _ in program.parts(layer, core):
            runs = order(
                part, network.layers[layer], network.input_shapes[layer],
                program.groups[layer].count,
            )
            # Every task counts its groups for itself.
            numbers = np.arange(len(runs.rows)) & _GROUP_MASK
            computed[0].extend(runs.rows.tolist())
            computed[1].extend(numbers.tolist())
            emitted[0].extend(runs.emitted_rows.tolist())
            emitted[1].extend(numbers[runs.emitted].tolist())
        return computed, emitted


def written_maps(program: Program) -> tuple[list[Map], Map]:
    """The layouts of the rows of every layer's neurons, and that of the readout's."""
    network, config = program.computed, program.config
    each = [lanes_per_channel(network, config, i) for i in range(len(network.layers))]
    neurons = [
        written_map(shape, config.lanes, lanes, groups)
        for shape, lanes, groups in zip(
            network.neuron_shapes, each, program.groups, strict=True
        )
    ]
    if network.readout == "membrane":
        return neurons, neurons[-1]
    shape = network.layers[-1].output_shape(network.input_shapes[-1])
    return neurons, written_map(shape, config.lanes, each[-1], program.groups[-1])
