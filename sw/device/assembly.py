"""Results from the raw reports of a batch, once all of them have come."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.maps import Map
from ..program.program import Program
from ..samples.words import pack_steps, predict
from ..spec.link import ReportFlags
from ..spec.report import BUSY_BITS, counter_words
from ..support.errors import LinkError
from .report_plan import TIME_WORDS, ReportPlan, written_maps
from .result import LinkBytes, Result, counter_table, with_totals
from .windows import Batch

__all__ = ["Assembler", "Pending"]

_TIME_MASK = (1 << BUSY_BITS) - 1
_TIME_HALF = 1 << (BUSY_BITS - 1)  # stamps wrap, so only stamps closer than this can be compared

Stamps = npt.NDArray[np.int64]


class Pending:
    """The raw reports of one batch, collected until all of them have come.

    Parameters
    ----------
    program : Program
        The program that is loaded.
    batch : Batch
        The samples.
    plan : ReportPlan
        The packets of its windows.

    Attributes
    ----------
    batch : Batch
        The samples.
    count : int
        The number of samples.
    window : int
        The steps of a window.
    windows : list of int
        The windows of each sample.
    starts : array of int64
        (batch,) the windows of the batch before each sample.
    sample_of, window_of : array of int64
        (windows,) the sample of each window of the batch, and its number in that sample.
    last : array of bool
        (windows,) whether it is the last one of its sample.
    reported : list of array of int64
        Per core, the windows of the batch in which it sends packets.
    missing : int
        The number of these windows, over all cores, whose packets have not all come yet.
    stores : dict of list of array
        The words of the reports, by the kind of report, in the rows of the array.
    """

    def __init__(self, program: Program, batch: Batch, plan: ReportPlan) -> None:
        config, network = program.config, program.network
        neurons, read = written_maps(program)
        self.batch = batch
        self.window = batch.window(program.window)
        self.count, self.windows = len(batch), batch.windows(self.window).tolist()
        counts = np.array(self.windows)
        self.sample_of = np.repeat(np.arange(self.count), counts)
        self.starts = np.cumsum(counts) - counts
        self.window_of = np.arange(len(self.sample_of)) - self.starts[self.sample_of]
        self.last = self.window_of == counts[self.sample_of] - 1
        self.reported = [plan.reported(core, self.last) for core in range(config.cores)]
        self.missing = sum(map(len, self.reported))
        most = max(self.windows)  # what a shorter sample lacks stays 0

        def rows(layout: Map) -> npt.NDArray[np.uint16]:
            shape = (self.count, most, layout.rows(config.lanes), config.row_chunks)
            return np.zeros(shape, dtype=np.uint16)

        runs = range(2 if network.both else 1)
        stores: dict[str, list[npt.NDArray[Any]]] = {"spikes": [], "skeleton": []}
        if plan.flags & ReportFlags.TRACE:
            stores = {name: [rows(layout) for layout in neurons] for name in stores}
        if network.readout == "membrane":
            shape = (self.count, read.rows(config.lanes), config.lanes)
            stores["membrane"] = [np.zeros(shape, dtype=np.uint16) for _ in runs]
        else:
            stores["words"] = [rows(read) for _ in runs]
        length = sum(count for _, count in counter_words(config))
        stores["counters"] = []
        counted = plan.flags & ReportFlags.COUNTERS
        for i in range(len(network.layers)) if counted else ():
            tasks = max(len(program.parts(i, core)) for core in range(config.cores))
            shape_counters = (self.count, most, config.cores, tasks, length)
            stores["counters"].append(np.zeros(shape_counters, dtype=np.uint16))
        if plan.flags & ReportFlags.TIMES:
            shape_end = (self.count, most, config.cores, TIME_WORDS)
            stores["end"] = [np.zeros(shape_end, dtype=np.uint16)]
        self.stores = stores

    def put(
        self, name: str, index: int, core: int, windows: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64], words: npt.NDArray[np.uint16],
    ) -> None:
        """Store the (windows, rows, length) words of the packets of a core in some windows."""
        sample, window = self.sample_of[windows, None], self.window_of[windows, None]
        store = self.stores[name][index]
        if name == "membrane":
            store[sample, rows, : words.shape[2]] = words
        elif name == "counters":
            store[sample, window, core, rows] = words
        elif name == "end":
            store[sample, window, core] = words
        else:
            store[sample, window, rows] = words


class Assembler:
    """Assembles results, batch after batch.

    Parameters
    ----------
    name : str
        The name of the device, for messages.
    program : Program
        The program that is loaded there.
    flags : ReportFlags
        The reports that were requested.
    busy_time : int
        The busy time of the device, in cycles, when the first batch begins.

    Attributes
    ----------
    busy_time : int
        The busy time of the device at the end of the last batch. It stands still without TIMES.
    """

    def __init__(
        self, name: str, program: Program, flags: ReportFlags, busy_time: int
    ) -> None:
        self._name, self._program, self.busy_time = name, program, busy_time
        self._flags = flags

    def result(self, pending: Pending, link_bytes: LinkBytes) -> Result:
        """The result of a batch whose reports are complete.

        Parameters
        ----------
        pending : Pending
            The reports.
        link_bytes : LinkBytes
            The bytes that the batch took on the link.

        Raises
        ------
        LinkError
            If the counters of its cores contradict each other.
        """
        network = self._program.network
        steps, stores = pending.batch.steps, pending.stores  # of the longest sample
        neurons, read = written_maps(self._program)
        if network.readout == "membrane":
            readouts = [
                # Words of membranes are two's complement numbers.
                read.gathered(store.view(np.int16).reshape(pending.count, -1)).astype(np.int64)
                for store in stores["membrane"]
            ]
        else:
            readouts = [self._readout(pending, store, read) for store in stores["words"]]
        predictions = [predict(readout, network.readout) for readout in readouts]
        table = counter_table(pending.count, len(network.layers))
        if self._flags & ReportFlags.COUNTERS:
            self._count(pending, table)
        if self._flags & ReportFlags.TIMES:
            last = pending.windows[-1] - 1
            self.busy_time = int(_latest(self._window_ends(pending)[-1, last]))
        counters, ratios = with_totals(table, pending.batch.lengths, pending.batch.fresh)
        shapes, traced = network.neuron_shapes, bool(self._flags & ReportFlags.TRACE)
        traces = [
            tuple(
                self._bits(pending, store, layout).reshape(pending.count, -1, *shape)[:, :steps]
                for store, layout, shape in zip(stores[name], neurons, shapes, strict=traced)
            )
            for name in ("spikes", "skeleton")
        ]
        return Result(
            readout=readouts[0],
            prediction=predictions[0],
            counters=counters,
            layer_counters=table,
            consistency=ratios,
            lengths=pending.batch.lengths,
            trace=traces[0],
            skeleton=traces[1],
            readout_skeleton=readouts[1] if network.both else None,
            agreement=predictions[0] == predictions[1] if network.both else None,
            link_bytes=link_bytes,
        )

    def _bits(
        self, pending: Pending, store: npt.NDArray[np.uint16], layout: Map
    ) -> npt.NDArray[np.bool_]:
        """(batch, windows, window, flat) spikes for (batch, windows, rows, chunks) words."""
        config = self._program.config
        count, windows, rows, _ = store.shape
        octets = np.ascontiguousarray(store, dtype="<u2").view(np.uint8)
        bits = np.unpackbits(octets, axis=-1, count=config.row_bits, bitorder="little")
        words = bits.reshape(count, windows, rows * config.lanes, config.window)
        words = words[..., : pending.window]
        return np.ascontiguousarray(layout.gathered(np.swapaxes(words, 2, 3))).view(np.bool_)

    def _readout(
        self, pending: Pending, store: npt.NDArray[np.uint16], layout: Map
    ) -> npt.NDArray[np.int64]:
        """The counts, or the words."""
        bits = self._bits(pending, store, layout)
        if self._program.network.readout == "counts":
            return np.asarray(np.count_nonzero(bits, axis=(1, 2)), dtype=np.int64)
        # A word has the steps of the array's window, however many are computed together.
        steps = bits.reshape(len(bits), -1, bits.shape[-1])[:, : pending.batch.steps]
        words = pack_steps(steps, self._program.config.window)
        return np.ascontiguousarray(np.swapaxes(words, 1, 2).astype(np.int64))

    def _count(self, pending: Pending, table: npt.NDArray[Any]) -> None:
        """Fill the layer counters."""
        program = self._program
        ends = []
        for i, store in enumerate(pending.stores["counters"]):
            busy = [c for c, tile in enumerate(program.tiles[i]) if tile.groups]
            by, at = {}, 0
            for name, words in counter_words(program.config):
                by[name] = _number(store[:, :, busy, :, at : at + words])
                at += words
            # A core's layer ends with its last task; of everything else there is a part in each.
            last = [len(program.parts(i, c)) - 1 for c in busy]
            end = by.pop("end")[:, :, np.arange(len(busy)), last]
            by = {name: each.sum(axis=3) for name, each in by.items()}
            tiles = [program.tiles[i][c] for c in busy]
            groups = np.array([tile.groups for tile in tiles])
            neurons = np.array([
                len(program.groups[i].outputs(tile.first_group, tile.groups)) for tile in tiles
            ])
            # A core fetches a row for each of its groups and each event of its positions.
            events, odd = np.divmod(by["issued"], groups)
            # Cores that compute the same positions have the same events: count them once.
            starts = [tile.first_cell for tile in tiles]
            first = [starts.index(start) for start in starts]
            if odd.any() or (events != events[:, :, first]).any():
                raise LinkError(
                    f"{self._name} counted other events on one core than on another in layer {i}: "
                    "its bitstream and this driver do not agree; build the bitstream again"
                )
            row = table[:, i]
            row["events"] = events[:, :, sorted(set(first))].sum(axis=(1, 2))
            row["sops"] = (by["popcount"] // groups * neurons).sum(axis=(1, 2))
            busiest = by["issued"].max(axis=2)
            row["lower_bound"] = (-(-busiest // program.config.banks)).sum(axis=1)
            for name in ("issued", "spikes", "stable", "wait", "drain"):
                row[name] = by[name].sum(axis=(1, 2))
            ends.append(_latest(end))  # a layer ends when its last core does
        # The last layer ends with the window: a run on the skeleton belongs to it.
        ends[-1] = _latest(self._window_ends(pending))
        stamps = np.stack(ends, axis=2)
        there = np.arange(stamps.shape[1]) < np.array(pending.windows)[:, None]
        cycles = np.zeros_like(stamps)
        cycles[there] = self._durations(stamps[there])
        table["cycles"] = cycles.sum(axis=1)

    def _window_ends(self, pending: Pending) -> Stamps:
        return _number(pending.stores["end"][0])

    def _durations(self, stamps: Stamps) -> Stamps:
        """The busy time from each time stamp to the next; the first one counts from the end of the
        batch before. Stamps are modulo 2**32.

        The first layer of a window may overlap the window before on another core. Nevertheless, no
        duration is negative, and their sum is the time that passed.
        """
        flat = np.concatenate([[self.busy_time], stamps.reshape(-1)])
        steps = ((np.diff(flat) + _TIME_HALF) & _TIME_MASK) - _TIME_HALF
        passed = np.maximum.accumulate(np.cumsum(steps))
        return np.diff(passed, prepend=0).clip(min=0).reshape(stamps.shape)


def _number(words: npt.NDArray[np.uint16]) -> Stamps:
    """The words along the last axis, the lowest first, as one integer."""
    weights = 1 << 16 * np.arange(words.shape[-1], dtype=np.int64)
    return np.asarray(words.astype(np.int64) @ weights)


def _latest(stamps: Stamps) -> Stamps:
    """The latest time stamp along the last axis; stamps are modulo 2**32, less than 2**31 apart."""
    origin = stamps[..., :1]
    offsets = ((stamps - origin + _TIME_HALF) & _TIME_MASK) - _TIME_HALF
    return np.asarray((origin[..., 0] + offsets.max(axis=-1)) & _TIME_MASK)
