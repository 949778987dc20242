"""Results out of the raw reports of a batch, when all of them are there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.maps import Map, group_size
from ..program.program import Program
from ..samples.words import pack_steps, predict
from ..spec.report import BUSY_BITS, counter_words
from ..support.errors import LinkError
from .report_plan import TIME_WORDS, written_maps
from .result import LinkBytes, Result, counter_table, with_totals
from .windows import Batch

__all__ = ["Assembler", "Pending"]

_TIME_MASK = (1 << BUSY_BITS) - 1
_TIME_HALF = 1 << (BUSY_BITS - 1)

Stamps = npt.NDArray[np.int64]


class Pending:
    """The raw reports of one batch, gathered until all of them are there."""

    def __init__(self, program: Program, batch: Batch, trace: bool, counters: bool) -> None:
        config, network = program.config, program.network
        neurons, read = written_maps(program)
        self.batch = batch
        self.count, self.windows = len(batch), batch.windows(program.window)
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
        shape_end = (self.count, self.windows, config.cores, TIME_WORDS)
        stores["end"] = [np.zeros(shape_end, dtype=np.uint16)]
        self.stores = stores


class Assembler:
    """Makes results, batch after batch.

    Parameters
    ----------
    name : of the device, for messages.
    trace, counters : what was asked for.
    busy_time : of the device when the first batch begins.

    Attributes
    ----------
    busy_time : of the device at the end of the last batch.
    """

    def __init__(
        self, name: str, program: Program, trace: bool, counters: bool, busy_time: int
    ) -> None:
        self._name, self._program, self.busy_time = name, program, busy_time
        self._trace, self._counters = trace, counters

    def result(self, pending: Pending, link_bytes: LinkBytes) -> Result:
        """The result of a batch whose reports are complete; it took these bytes.

        Raises
        ------
        LinkError
            If the counters of its cores contradict each other.
        """
        network = self._program.network
        steps, stores = pending.batch.steps, pending.stores
        neurons, read = written_maps(self._program)
        if network.readout == "membrane":
            readouts = [
                read.gathered(store.view(np.int16).reshape(pending.count, -1)).astype(np.int64)
                for store in stores["membrane"]
            ]
        else:
            readouts = [self._readout(store, read, steps) for store in stores["words"]]
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
        words = words[..., : self._program.window]
        return np.ascontiguousarray(lying.gathered(np.swapaxes(words, 2, 3))).view(np.bool_)

    def _readout(
        self, store: npt.NDArray[np.uint16], lying: Map, count: int
    ) -> npt.NDArray[np.int64]:
        """Counts, or words, of so many steps."""
        bits = self._bits(store, lying)
        if self._program.network.readout == "counts":
            return np.asarray(np.count_nonzero(bits, axis=(1, 2)), dtype=np.int64)
        # Words of the array, whatever is computed together.
        steps = bits.reshape(len(bits), -1, bits.shape[-1])[:, :count]
        words = pack_steps(steps, self._program.config.window)
        return np.ascontiguousarray(np.swapaxes(words, 1, 2).astype(np.int64))

    def _count(self, pending: Pending, table: npt.NDArray[Any]) -> None:
        """Fill the layer counters."""
        program = self._program
        ends = []
        for i, store in enumerate(pending.stores["counters"]):
            busy = [c for c, share in enumerate(program.tiles[i]) if share.groups]
            by, at = {}, 0
            for name, words in counter_words(program.config):
                by[name] = _number(store[:, :, busy, at : at + words])
                at += words
            shares = [program.tiles[i][c] for c in busy]
            groups = np.array([share.groups for share in shares])
            size = group_size(program.network, program.config, i)
            neurons = np.array([
                min(program.network.layers[i].channels, (share.first_group + share.groups) * size)
                - share.first_group * size
                for share in shares
            ])
            events, odd = np.divmod(by["issued"], groups)
            # The first of the cores of the same positions, whose fields are the same.
            starts = [share.first_cell for share in shares]
            first = [starts.index(start) for start in starts]
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

    def _window_ends(self, pending: Pending) -> Stamps:
        return _number(pending.stores["end"][0])

    def _durations(self, stamps: Stamps) -> Stamps:
        """Busy time from each of a sequence of stamps (modulo 2**32) to the next, the first one
        from the end of the batch before. The first layer of a window may overlap the window before
        on another core: none is negative, and their sum is the time that passed."""
        flat = np.concatenate([[self.busy_time], stamps.reshape(-1)])
        steps = ((np.diff(flat) + _TIME_HALF) & _TIME_MASK) - _TIME_HALF
        passed = np.maximum.accumulate(np.cumsum(steps))
        return np.diff(passed, prepend=0).clip(min=0).reshape(stamps.shape)


def _number(words: npt.NDArray[np.uint16]) -> Stamps:
    """One integer of the words along the last axis, the lowest first."""
    places = 1 << 16 * np.arange(words.shape[-1], dtype=np.int64)
    return np.asarray(words.astype(np.int64) @ places)


def _latest(stamps: Stamps) -> Stamps:
    """The latest of stamps (modulo 2**32, less than 2**31 apart) along the last axis."""
    origin = stamps[..., :1]
    offsets = ((stamps - origin + _TIME_HALF) & _TIME_MASK) - _TIME_HALF
    return np.asarray((origin[..., 0] + offsets.max(axis=-1)) & _TIME_MASK)
