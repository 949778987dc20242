"""The report stream of a run, taken apart and put together again as results."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import LinkError
from .maps import Map, written_map
from .program import Program
from .result import LinkBytes, Result, counter_table, with_totals
from .shares import order
from .spec.report import BUSY_BITS, HEAD, PLACE, ReportKind, counter_words
from .windows import Batch
from .words import predict

__all__ = ["Collector"]

_HEAD_WORDS = 2
_TIME_MASK = (1 << BUSY_BITS) - 1
_TIME_HALF = 1 << (BUSY_BITS - 1)
_TIME_WORDS = BUSY_BITS // 16
_KIND_MASK = HEAD.fields[0].maximum
_LENGTH_SHIFT, _LENGTH_MASK = HEAD.fields[0].width, HEAD.fields[1].maximum
_LAYER_SHIFT = _LENGTH_SHIFT + HEAD.fields[1].width
_GROUP_MASK, _CORE_SHIFT = PLACE.fields[0].maximum, PLACE.fields[0].width

Stamps = npt.NDArray[np.int64]
_Packets = tuple[list[int], list[int]]

@dataclass(frozen=True)
class _Place:
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


class _Pending:
    """The raw reports of one batch, gathered until all of them are there."""

    def __init__(self, program: Program, batch: Batch, trace: bool, counters: bool) -> None:
        config, network = program.config, program.network
        neurons, read = _written(program)
        self.batch = batch
        self.count, self.windows = len(batch), batch.windows(config.window)
        self.missing = self.count * self.windows * config.cores

        def rows(lying: Map) -> npt.NDArray[np.uint16]:
            shape = (self.count, self.windows, lying.rows(config.lanes), config.row_chunks)
            return np.zeros(shape, dtype=np.uint16)

        layers = range(len(network.layers))
        runs = range(2 if network.both else 1)
        stores: dict[str, list[npt.NDArray[Any]]] = {"spikes": [], "skeleton": []}
        if trace:
            stores = {name: [rows(lying) for lying in neurons] for name in stores}
        if network.readout == "membrane":
            shape = (self.count, read.rows(config.lanes), config.lanes)
            stores["membrane"] = [np.zeros(shape, dtype=np.uint16) for _ in runs]
        else:
            stores["words"] = [rows(read) for _ in runs]
        length = sum(count for _, count in counter_words(config))
        shape_counters = (self.count, self.windows, config.cores, length)
        stores["counters"] = [
            np.zeros(shape_counters, dtype=np.uint16) for _ in (layers if counters else ())
        ]
        shape_end = (self.count, self.windows, config.cores, _TIME_WORDS)
        stores["end"] = [np.zeros(shape_end, dtype=np.uint16)]
        self.stores = stores


class Collector:
    """Puts the report stream of a run together, batch by batch.

    Parameters
    ----------
    name : of the device, for messages.
    program : loaded there.
    trace, counters : what was asked for.
    busy_time : of the device when the run begins.

    Attributes
    ----------
    busy_time : of the device at the end of the last batch taken.

    Raises
    ------
    LinkError
        From ``feed``: a packet this program cannot cause, or one that is missing when its window
        ends.
    """

    def __init__(
        self, name: str, program: Program, trace: bool, counters: bool, busy_time: int = 0
    ) -> None:
        self._name, self._program, self.busy_time = name, program, busy_time
        self._trace, self._counters = trace, counters
        self._batches: deque[_Pending] = deque()
        self._first_batch = 0  # number of the first of them
        cores = program.config.cores
        self._at = [(0, 0, 0)] * cores  # batch, sample, window of each core
        self._came = [0] * cores        # packets of that window so far
        self._bytes = bytearray()
        self._places: dict[tuple[int, int, int], _Place] = {}
        self._seen: list[Counter[tuple[int, int]]] = [Counter() for _ in range(cores)]
        self._lengths: dict[int, int] = {}
        self._expected: list[int] = []       # packets of a core's window
        self._expected_last: list[int] = []  # and of the last one of a sample
        self._plan()

    @property
    def pending(self) -> bool:
        """Whether a batch is not complete."""
        return bool(self._batches)

    def add(self, batch: Batch) -> None:
        """Expect the reports of another batch, behind those expected already."""
        self._batches.append(_Pending(self._program, batch, self._trace, self._counters))

    def take(self, link_bytes: LinkBytes) -> Result | None:
        """The result of the first batch, when it is complete; it took these bytes."""
        if not self._batches or self._batches[0].missing:
            return None
        self._first_batch += 1
        return self._assemble(self._batches.popleft(), link_bytes)

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream; its cuts mean nothing."""
        if not data:
            return
        self._bytes += data
        words = np.frombuffer(bytes(self._bytes[: len(self._bytes) & ~1]), dtype="<u2")
        heads, at = words.tolist(), 0
        while at + _HEAD_WORDS <= len(heads):
            head, place = heads[at], heads[at + 1]
            start = at + _HEAD_WORDS
            stop = start + (head >> _LENGTH_SHIFT & _LENGTH_MASK)
            if stop > len(heads):
                break
            self._packet(
                head & _KIND_MASK, head >> _LAYER_SHIFT, place & _GROUP_MASK, place >> _CORE_SHIFT,
                words[start:stop],
            )
            at = stop
        del self._bytes[: 2 * at]

    def _plan(self) -> None:
        """Which packets may come, from where and where to."""
        config, network = self._program.config, self._program.network
        last = len(network.layers) - 1
        membrane = network.readout == "membrane"
        self._lengths = {
            ReportKind.TRACE_SPIKES: config.row_chunks,
            ReportKind.TRACE_SKELETON: config.row_chunks,
            ReportKind.WORDS: config.row_chunks,
            ReportKind.COUNTERS: sum(count for _, count in counter_words(config)),
            ReportKind.END: _TIME_WORDS,
        }
        for core in range(config.cores):
            every = at_last = 0
            for tag, (layer, run) in self._program.layer_tags.items():
                busy = self._program.groups[layer][core].groups > 0
                computed, emitted = self._orders(layer, core)
                again = run == "skeleton"
                if self._trace and not again:
                    for kind, store in (
                        (ReportKind.TRACE_SPIKES, "spikes"), (ReportKind.TRACE_SKELETON, "skeleton")
                    ):
                        self._places[kind, tag, core] = _Place(store, layer, *computed)
                        every += len(computed[0])
                if layer == last and membrane:
                    self._places[ReportKind.MEMBRANE, tag, core] = _Place(
                        "membrane", again, *computed
                    )
                    at_last += len(computed[0])
                elif layer == last:
                    self._places[ReportKind.WORDS, tag, core] = _Place("words", again, *emitted)
                    every += len(emitted[0])
                if self._counters and not again:
                    self._places[ReportKind.COUNTERS, tag, core] = _Place(
                        "counters", layer, [], []
                    )
                    every += busy
            self._expected.append(every)
            self._expected_last.append(every + at_last)

    def _orders(self, layer: int, core: int) -> tuple[_Packets, _Packets]:
        """Rows and numbers of the packets of what a core computes of a layer, and of what it emits
        of that, in the order in which they come."""
        network, share = self._program.network, self._program.groups[layer][core]
        runs = order(
            share, network.layers[layer], network.input_shapes[layer], self._program.config.lanes
        )
        numbers = np.arange(len(runs.rows)) & _GROUP_MASK
        return (
            (runs.rows.tolist(), numbers.tolist()),
            (runs.emitted_rows.tolist(), numbers[runs.emitted].tolist()),
        )

    def _packet(
        self, kind: int, tag: int, group: int, core: int, words: npt.NDArray[np.uint16]
    ) -> None:
        if core >= len(self._at):
            raise self._foreign(kind, tag, group, core, "there is no such core")
        number, sample, window = self._at[core]
        if number - self._first_batch >= len(self._batches):
            raise self._foreign(kind, tag, group, core, "no window is under way there")
        if kind != ReportKind.MEMBRANE and self._lengths.get(kind) != len(words):
            raise self._foreign(kind, tag, group, core, f"it has {len(words)} words")
        pending = self._batches[number - self._first_batch]
        if kind == ReportKind.END:
            self._end(pending, core, words)
            return
        known = self._places.get((kind, tag, core))
        if known is None:
            raise self._foreign(kind, tag, group, core, "this program does not cause it")
        store = pending.stores[known.store][known.index]
        if kind == ReportKind.COUNTERS:
            store[sample, window, core] = words
            self._came[core] += self._program.groups[known.index][core].groups > 0
            return
        number = self._seen[core][kind, tag]
        if number >= len(known.rows):
            raise self._foreign(kind, tag, group, core, f"there are {len(known.rows)} groups")
        if group != known.groups[number]:
            raise self._foreign(
                kind, tag, group, core, f"group {known.groups[number]} comes next"
            )
        row = known.rows[number]
        if kind == ReportKind.MEMBRANE:
            if window != pending.windows - 1:
                raise self._foreign(kind, tag, group, core, "it is not the last window")
            if len(words) != self._lanes_of(row):
                raise self._foreign(kind, tag, group, core, f"it has {len(words)} words")
            store[sample, row, : len(words)] = words
        else:
            store[sample, window, row] = words
        self._seen[core][kind, tag] += 1
        self._came[core] += 1

    def _lanes_of(self, row: int) -> int:
        """Neurons in a row of the last layer."""
        lanes, channels = self._program.config.lanes, self._program.network.layers[-1].channels
        return min(lanes, channels - row % -(-channels // lanes) * lanes)

    def _end(self, pending: _Pending, core: int, words: npt.NDArray[np.uint16]) -> None:
        number, sample, window = self._at[core]
        last = window == pending.windows - 1
        expected = (self._expected_last if last else self._expected)[core]
        if self._came[core] != expected:
            raise LinkError(
                f"{self._name} reported {self._came[core]} packets of core {core} in window "
                f"{window} of sample {sample}, not {expected}: its bitstream and this driver do "
                "not agree; build the bitstream again"
            )
        pending.stores["end"][0][sample, window, core] = words
        pending.missing -= 1
        self._came[core] = 0
        self._seen[core].clear()
        if not last:
            self._at[core] = number, sample, window + 1
        elif sample + 1 < pending.count:
            self._at[core] = number, sample + 1, 0
        else:
            self._at[core] = number + 1, 0, 0

    def _foreign(self, kind: int, tag: int, group: int, core: int, why: str) -> LinkError:
        known = kind in set(ReportKind)
        return LinkError(
            f"{self._name} sent a report that cannot be "
            f"({ReportKind(kind).name if known else f'kind {kind}'} of layer {tag}, group {group}, "
            f"core {core}: {why}): its bitstream and this driver do not agree; build the bitstream "
            "again"
        )

    def _assemble(self, pending: _Pending, link_bytes: LinkBytes) -> Result:
        network = self._program.network
        steps, stores = pending.batch.steps, pending.stores
        neurons, read = _written(self._program)
        if network.readout == "membrane":
            readouts = [
                read.gathered(store.view(np.int16).reshape(pending.count, -1)).astype(np.int64)
                for store in stores["membrane"]
            ]
        else:
            readouts = [self._readout(store, read) for store in stores["words"]]
        predictions = [predict(readout, network.readout) for readout in readouts]
        table = counter_table(pending.count, len(network.layers))
        if self._counters:
            self._count(pending, table)
        self.busy_time = int(_latest(self._window_ends(pending)[-1, -1]))
        counters, ratios = with_totals(table, steps, pending.batch.fresh)
        shapes = network.neuron_shapes
        traces = [
            tuple(
                self._bits(store, lying).reshape(pending.count, -1, *shape)[:, :steps]
                for store, lying, shape in zip(stores[name], neurons, shapes, strict=self._trace)
            )
            for name in ("spikes", "skeleton")
        ]
        return Result(
            readout=readouts[0],
            prediction=predictions[0],
            counters=counters,
            layer_counters=table,
            consistency=ratios,
            steps=steps,
            trace=traces[0],
            skeleton=traces[1],
            readout_skeleton=readouts[1] if network.both else None,
            agreement=predictions[0] == predictions[1] if network.both else None,
            link_bytes=link_bytes,
        )

    def _bits(self, store: npt.NDArray[np.uint16], lying: Map) -> npt.NDArray[np.bool_]:
        """(batch, windows, T, flat) spikes in C order of (batch, windows, rows, chunks)."""
        config = self._program.config
        count, windows, rows, _ = store.shape
        octets = np.ascontiguousarray(store, dtype="<u2").view(np.uint8)
        bits = np.unpackbits(octets, axis=-1, count=config.row_bits, bitorder="little")
        words = bits.reshape(count, windows, rows * config.lanes, config.window)
        return np.ascontiguousarray(lying.gathered(np.swapaxes(words, 2, 3))).view(np.bool_)

    def _readout(self, store: npt.NDArray[np.uint16], lying: Map) -> npt.NDArray[np.int64]:
        bits = self._bits(store, lying)
        if self._program.network.readout == "counts":
            return np.asarray(np.count_nonzero(bits, axis=(1, 2)), dtype=np.int64)
        weights = 1 << np.arange(bits.shape[2], dtype=np.int64)
        words = (bits * weights[:, None]).sum(axis=2)
        return np.ascontiguousarray(np.swapaxes(words, 1, 2))

    def _count(self, pending: _Pending, table: npt.NDArray[Any]) -> None:
        """Fill the layer counters."""
        program = self._program
        lanes = program.config.lanes
        ends = []
        for i, store in enumerate(pending.stores["counters"]):
            busy = [c for c, share in enumerate(program.groups[i]) if share.groups]
            by, at = {}, 0
            for name, words in counter_words(program.config):
                by[name] = _number(store[:, :, busy, at : at + words])
                at += words
            shares = [program.groups[i][c] for c in busy]
            groups = np.array([share.groups for share in shares])
            neurons = np.array([
                min(program.network.layers[i].channels, (share.first + share.groups) * lanes)
                - share.first * lanes
                for share in shares
            ])
            events, odd = np.divmod(by["issued"], groups)
            # The first of the cores of the same rows, whose fields are the same.
            first = [[s.top for s in shares].index(share.top) for share in shares]
            if odd.any() or (events != events[:, :, first]).any():
                raise LinkError(
                    f"{self._name} counted other events on one core than on another in layer {i}: "
                    "its bitstream and this driver do not agree; build the bitstream again"
                )
            row = table[:, i]
            row["events"] = events[:, :, sorted(set(first))].sum(axis=(1, 2))
            row["sops"] = (by["popcount"] // groups * neurons).sum(axis=(1, 2))
            row["lower_bound"] = by["issued"].max(axis=2).sum(axis=1)
            for name in ("issued", "spikes", "stable", "wait", "drain"):
                row[name] = by[name].sum(axis=(1, 2))
            ends.append(_latest(by["end"]))
        # The last layer ends with the window: its run on the skeleton, if any, is its own.
        ends[-1] = _latest(self._window_ends(pending))
        stamps = np.stack(ends, axis=2)
        table["cycles"] = self._durations(stamps).sum(axis=1)

    def _window_ends(self, pending: _Pending) -> Stamps:
        return _number(pending.stores["end"][0])

    def _durations(self, stamps: Stamps) -> Stamps:
        """Busy time from each of a sequence of stamps (modulo 2**32) to the next, the first one
        from the end of the batch before. The first layer of a window may overlap the window before
        on another core: none is negative, and their sum is the time that passed."""
        flat = np.concatenate([[self.busy_time], stamps.reshape(-1)])
        steps = ((np.diff(flat) + _TIME_HALF) & _TIME_MASK) - _TIME_HALF
        passed = np.maximum.accumulate(np.cumsum(steps))
        return np.diff(passed, prepend=0).clip(min=0).reshape(stamps.shape)


def _written(program: Program) -> tuple[list[Map], Map]:
    """How the rows of every layer's neurons lie here, and those of the readout."""
    network, lanes = program.network, program.config.lanes
    neurons = [written_map(shape, lanes) for shape in network.neuron_shapes]
    if network.readout == "membrane":
        return neurons, neurons[-1]
    return neurons, written_map(network.layers[-1].output_shape(network.input_shapes[-1]), lanes)


def _number(words: npt.NDArray[np.uint16]) -> Stamps:
    """One integer of the words along the last axis, the lowest first."""
    places = 1 << 16 * np.arange(words.shape[-1], dtype=np.int64)
    return np.asarray(words.astype(np.int64) @ places)


def _latest(stamps: Stamps) -> Stamps:
    """The latest of stamps (modulo 2**32, less than 2**31 apart) along the last axis."""
    origin = stamps[..., :1]
    offsets = ((stamps - origin + _TIME_HALF) & _TIME_MASK) - _TIME_HALF
    return np.asarray((origin[..., 0] + offsets.max(axis=-1)) & _TIME_MASK)
