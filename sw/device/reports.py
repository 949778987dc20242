"""The report stream of a run, split into packets and assembled into results."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.maps import lanes_per_channel
from ..program.program import Program
from ..spec.link import ReportFlags
from ..spec.report import END_WORDS, HEAD, HEAD_WORDS, PLACE, ReportKind
from ..support.errors import LinkError
from .assembly import Assembler, Pending
from .report_plan import Came, Packets, ReportPlan, WindowPattern
from .result import LinkBytes, Result
from .windows import Batch

__all__ = ["Collector", "PacketStream"]

_HOLD_BYTES = 1 << 15  # the stream is looked at in pieces of so many bytes, or of a few windows
_HOLD_WINDOWS = 4
_FEW = 32  # packets that are faster taken one by one

_KIND_MASK = HEAD.fields[0].maximum
_LAYER_SHIFT = HEAD.fields[0].width + HEAD.fields[1].width
_LAYER_MASK = HEAD.fields[2].maximum
_GROUP_MASK, _CORE_SHIFT = PLACE.fields[0].maximum, PLACE.fields[0].width

Indices = npt.NDArray[np.int64]


class Collector:
    """Collects the report stream of a run, and returns results batch by batch.

    Parameters
    ----------
    name : str
        The name of the device, for messages.
    program : Program
        The program that is loaded there.
    flags : ReportFlags
        The reports that were requested.
    busy_time : int
        The busy time of the device, in cycles, when the run begins.
    traces_beside : bool
        The packets of traces come beside the stream, by ``feed_traces``.
    """

    def __init__(
        self, name: str, program: Program, flags: ReportFlags, busy_time: int = 0,
        *, traces_beside: bool = False,
    ) -> None:
        self._assembler = Assembler(name, program, flags, busy_time)
        self._traces: PacketStream | None = None
        if traces_beside and flags & ReportFlags.TRACE:
            flags &= ~ReportFlags.TRACE
            self._traces = PacketStream(name, program, ReportPlan(program, ReportFlags.TRACE, True))
        self._reports = PacketStream(name, program, ReportPlan(program, flags))

    @property
    def busy_time(self) -> int:
        """The busy time of the device at the end of the last batch that was taken."""
        return self._assembler.busy_time

    @property
    def pending(self) -> bool:
        """Whether reports of a batch have not come yet."""
        return self._reports.pending

    @property
    def complete(self) -> bool:
        """Whether all reports of the first batch have come."""
        return self._reports.complete

    def add(self, batch: Batch) -> None:
        """Expect the reports of another batch after those that are already expected."""
        self._reports.add(batch)
        if self._traces is not None:
            self._traces.add(batch)

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream, which may end anywhere.

        What cannot complete a batch is kept until there is more. An empty piece says that nothing
        comes at the moment: everything that was kept is looked at.

        Raises
        ------
        LinkError
            If there is a packet that this program cannot cause, or one is missing when its window
            ends with END.
        """
        self._reports.feed(data)

    def feed_traces(self, data: bytes) -> None:
        """Take packets of traces that came beside the stream. Those of a window come before its
        last report.

        Raises
        ------
        LinkError
            As ``feed`` does.
        """
        if self._traces is not None and data:
            self._traces.feed(data)

    def take(self, link_bytes: LinkBytes) -> Result:
        """The result of the first batch, which is complete, and took these bytes.

        Raises
        ------
        LinkError
            If its traces are not complete, or its counters contradict each other.
        """
        pending = self._reports.take()
        if self._traces is not None:
            self._traces.feed(b"")
            pending.stores |= self._traces.take_traces()
        return self._assembler.result(pending, link_bytes)


class PacketStream:
    """The packets of one stream, stored batch by batch. The parameters are those of ``Collector``,
    with the plan of the stream."""

    def __init__(self, name: str, program: Program, plan: ReportPlan) -> None:
        self._name, self._program, self._plan = name, program, plan
        self._times = bool(plan.flags & ReportFlags.TIMES)
        self._batches: deque[Pending] = deque()
        self._first_batch = 0  # the number of the first of these batches
        cores = program.config.cores
        # The batch that each core is at, and which of the windows there in which it sends packets.
        self._at = [(0, 0)] * cores
        self._speaking = {core for core in range(cores) if not self._plan.silent(core)}
        self._came = [0] * cores        # packets of that window so far
        self._seen: list[Counter[tuple[int, int]]] = [Counter() for _ in range(cores)]
        self._bytes = bytearray()
        # The packets of the window under way on each core, as far as they were taken, and those of
        # windows that ended, by core and whether a window is the last one of its sample.
        self._begun: list[list[Came]] = [[] for _ in range(cores)]
        self._patterns: dict[tuple[int, bool], WindowPattern] = {}
        # Bytes of a window, at least.
        self._least = 2 * (HEAD_WORDS + (END_WORDS if self._times else 1))

    @property
    def pending(self) -> bool:
        return bool(self._batches)

    @property
    def complete(self) -> bool:
        return bool(self._batches) and not self._batches[0].missing

    def add(self, batch: Batch) -> None:
        self._batches.append(Pending(self._program, batch, self._plan))

    def take(self) -> Pending:
        """The reports of the first batch, which is complete."""
        self._first_batch += 1
        return self._batches.popleft()

    def take_traces(self) -> dict[str, list[npt.NDArray[Any]]]:
        """The traces of the first batch, which must be complete."""
        if not self.complete:
            raise LinkError(
                f"{self._name} reported a batch before all of its traces: its bitstream and this "
                "driver do not agree; build the bitstream again"
            )
        stores = self.take().stores
        return {name: stores[name] for name in ("spikes", "skeleton")}

    def feed(self, data: bytes) -> None:
        self._bytes += data
        if not self._bytes or (data and len(self._bytes) < self._enough()):
            return
        # The first byte of a word waits for the second, and the words of a packet for the last.
        packets = Packets(np.frombuffer(bytes(self._bytes[: len(self._bytes) & ~1]), dtype="<u2"))
        kept = self._take(packets, np.arange(len(packets.starts)), not data)
        self._bytes = bytearray(packets.stream(kept)) + self._bytes[2 * packets.end :]

    def _enough(self) -> int:
        """The bytes that are looked at: fewer do not complete the first batch."""
        if not self._batches:
            return 0
        many = max(_HOLD_BYTES, _HOLD_WINDOWS * len(self._at) * self._least)
        begun = sum(map(bool, self._begun))  # little may be missing of these windows
        return min(many, max(0, self._batches[0].missing - begun) * self._least)

    def _take(self, packets: Packets, left: Indices, everything: bool) -> Indices:
        """Take packets: whole windows at once where such windows came before, the others one by
        one. Unless ``everything`` is to be taken, those of windows that have not ended are
        returned."""
        if self._patterns and len(left) >= _FEW:
            begun = self._of_begun_windows(packets, left)
            for at in np.flatnonzero(begun).tolist():
                try:
                    self._packet(packets, int(left[at]))
                except LinkError:
                    # Of several errors, the first one in the stream is told.
                    for earlier in left[:at][~begun[:at]].tolist():
                        self._packet(packets, earlier)
                    raise
            taken, odd = begun.copy(), False
            for core in range(len(self._at)):
                own = np.flatnonzero((packets.cores[left] == core) & ~begun)
                count, unlike = self._whole_windows(packets, core, left[own])
                taken[own[:count]] = True
                odd |= unlike
            left = left[~taken]
            if not (odd or everything or (packets.cores[left] >= len(self._at)).any()):
                return left
        known = len(self._patterns)
        for at, number in enumerate(left.tolist(), 1):
            self._packet(packets, number)
            if len(self._patterns) > known:
                return self._take(packets, left[at:], everything)
        return left[:0]

    def _of_begun_windows(self, packets: Packets, left: Indices) -> npt.NDArray[np.bool_]:
        """Which of the packets are of windows that were begun one by one."""
        begun = np.zeros(len(left), np.bool_)
        for core, came in enumerate(self._begun):
            if came:
                own = np.flatnonzero(packets.cores[left] == core)
                if not self._times:
                    begun[own[: self._expected(core) - self._came[core]]] = True
                    continue
                ends = np.flatnonzero(packets.kinds[left[own]] == ReportKind.END)
                begun[own[: ends[0] + 1 if len(ends) else None]] = True
        return begun

    def _whole_windows(self, packets: Packets, core: int, own: Indices) -> tuple[int, bool]:
        """Take the whole windows at the beginning of a core's packets that are like one before.

        Returns
        -------
        count : int
            The number of packets that were taken.
        odd : bool
            Whether those behind them are not of a window as it came before.
        """
        if core not in self._speaking:
            return 0, bool(len(own))
        count, patterns = 0, [self._patterns.get((core, last)) for last in (False, True)]
        sizes = np.array([len(each.heads) if each else len(own) + 1 for each in patterns])
        while count < len(own):
            number, at = self._at[core]
            if number - self._first_batch >= len(self._batches):
                return count, True
            pending = self._batches[number - self._first_batch]
            reported = pending.reported[core][at : at + len(own) - count]
            kinds = pending.last[reported].astype(np.int64)
            ends = count + np.cumsum(sizes[kinds])
            windows = int(np.searchsorted(ends, len(own), side="right"))
            found = []
            for kind, pattern in enumerate(patterns):
                these = np.flatnonzero(kinds[:windows] == kind)
                if pattern and len(these):
                    numbers = own[(ends - sizes[kinds])[these, None] + np.arange(sizes[kind])]
                    found.append((pattern, these, numbers))
            like = np.ones(windows + 1, np.bool_)
            for pattern, these, numbers in found:
                like[these] = (packets.heads[numbers] == pattern.heads).all(axis=1)
            # The window behind those that came has not ended, or is of an unknown kind.
            like[windows] = False
            odd = int(np.argmin(like)) < windows or (
                windows < len(kinds) and patterns[kinds[windows]] is None
            )
            windows = int(np.argmin(like))
            for pattern, these, numbers in found:
                some = these < windows
                for (name, index, length), (positions, rows) in pattern.places.items():
                    words = packets.bodies(numbers[some][:, positions], length)
                    pending.put(name, index, core, reported[these[some]], rows, words)
            if windows:
                count = int(ends[windows - 1])
                pending.missing -= windows
            self._advance(pending, core, windows)
            if self._at[core][0] == number:
                return count, odd
        return count, False

    def _advance(self, pending: Pending, core: int, windows: int) -> None:
        """Go on to the window of a core behind so many, of which the first is under way there."""
        number, at = self._at[core]
        at += windows
        self._at[core] = (number, at) if at < len(pending.reported[core]) else (number + 1, 0)

    def _expected(self, core: int) -> int:
        """The packets, without END, of the window that a core is at."""
        number, at = self._at[core]
        pending = self._batches[number - self._first_batch]
        last = pending.last[pending.reported[core][at]]
        return (self._plan.expected_last if last else self._plan.expected)[core]

    def _packet(self, packets: Packets, packet: int) -> None:
        head, words = int(packets.heads[packet]), packets.body(packet)
        kind, tag = head & _KIND_MASK, head >> _LAYER_SHIFT & _LAYER_MASK
        group, core = head >> 16 & _GROUP_MASK, head >> 16 + _CORE_SHIFT
        if core >= len(self._at):
            raise self._unexpected(kind, tag, group, core, "there is no such core")
        if core not in self._speaking:
            raise self._unexpected(kind, tag, group, core, "this program does not cause it")
        number, at = self._at[core]
        if number - self._first_batch >= len(self._batches):
            raise self._unexpected(kind, tag, group, core, "no window is under way there")
        if kind != ReportKind.MEMBRANE and self._plan.lengths.get(kind) != len(words):
            raise self._unexpected(kind, tag, group, core, f"it has {len(words)} words")
        pending = self._batches[number - self._first_batch]
        reported = int(pending.reported[core][at])
        sample, window = int(pending.sample_of[reported]), int(pending.window_of[reported])
        if kind == ReportKind.END and self._times:
            self._begun[core].append(Came(head, len(words), "end", 0, 0))
            pending.stores["end"][0][sample, window, core] = words
            self._end(pending, core, sample, window)
            return
        target = self._plan.destinations.get((kind, tag, core))
        if target is None:
            raise self._unexpected(kind, tag, group, core, "this program does not cause it")
        store = pending.stores[target.store][target.index]
        if kind == ReportKind.COUNTERS:
            task = self._seen[core][kind, tag]
            if task >= len(target.rows):
                raise self._unexpected(
                    kind, tag, group, core, f"there are {len(target.rows)} tasks"
                )
            store[sample, window, core, task] = words
            self._begun[core].append(Came(head, len(words), target.store, target.index, task))
            self._seen[core][kind, tag] += 1
            self._came[core] += self._program.tiles[target.index][core].groups > 0
            return
        # The packets of a core come in order, so each one's row is known from their count; the
        # group number, which is only its low bits, must agree.
        number = self._seen[core][kind, tag]
        if number >= len(target.rows):
            raise self._unexpected(kind, tag, group, core, f"there are {len(target.rows)} groups")
        if group != target.groups[number]:
            raise self._unexpected(
                kind, tag, group, core, f"group {target.groups[number]} comes next"
            )
        row = target.rows[number]
        if kind == ReportKind.MEMBRANE:
            if window != pending.windows[sample] - 1:
                raise self._unexpected(kind, tag, group, core, "it is not the last window")
            if len(words) != self._lanes_of(row):
                raise self._unexpected(kind, tag, group, core, f"it has {len(words)} words")
            store[sample, row, : len(words)] = words
        else:
            store[sample, window, row] = words
        self._begun[core].append(Came(head, len(words), target.store, target.index, row))
        self._seen[core][kind, tag] += 1
        self._came[core] += 1
        if not self._times and self._came[core] == self._expected(core):
            self._end(pending, core, sample, window)

    def _lanes_of(self, row: int) -> int:
        """The number of neurons in a row of the last layer."""
        groups = self._program.groups[-1]
        lanes = lanes_per_channel(self._program.computed, self._program.config, -1)
        return lanes * len(groups.outputs(row % groups.count))

    def _end(self, pending: Pending, core: int, sample: int, window: int) -> None:
        expected = self._expected(core)
        if self._came[core] != expected:
            raise LinkError(
                f"{self._name} reported {self._came[core]} packets of core {core} in window "
                f"{window} of sample {sample}, not {expected}: its bitstream and this driver do "
                "not agree; build the bitstream again"
            )
        last = window == pending.windows[sample] - 1
        pending.missing -= 1
        self._came[core] = 0
        self._seen[core].clear()
        if (core, last) not in self._patterns:
            self._patterns[core, last] = WindowPattern(self._begun[core])
            known = [each.size for each in self._patterns.values()]
            if {core for core, _ in self._patterns} == self._speaking:
                self._least = 2 * min(known)
        self._begun[core] = []
        self._advance(pending, core, 1)

    def _unexpected(self, kind: int, tag: int, group: int, core: int, why: str) -> LinkError:
        known = kind in set(ReportKind)
        return LinkError(
            f"{self._name} sent an unexpected report "
            f"({ReportKind(kind).name if known else f'kind {kind}'} of layer {tag}, group {group}, "
            f"core {core}: {why}): its bitstream and this driver do not agree; build the bitstream "
            "again"
        )
