"""The report stream of a run, split into packets and assembled into results."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
import numpy.typing as npt

from ..mapping.maps import lanes_per_channel
from ..program.program import Program
from ..spec.report import HEAD, PLACE, ReportKind
from ..support.errors import LinkError
from .assembly import Assembler, Pending
from .report_plan import ReportPlan
from .result import LinkBytes, Result
from .windows import Batch

__all__ = ["Collector"]

_HEAD_WORDS = 2
_KIND_MASK = HEAD.fields[0].maximum
_LENGTH_SHIFT, _LENGTH_MASK = HEAD.fields[0].width, HEAD.fields[1].maximum
_LAYER_SHIFT = _LENGTH_SHIFT + HEAD.fields[1].width
_GROUP_MASK, _CORE_SHIFT = PLACE.fields[0].maximum, PLACE.fields[0].width


class Collector:
    """Collects the report stream of a run, and returns results batch by batch.

    Parameters
    ----------
    name : str
        The name of the device, for messages.
    program : Program
        The program that is loaded there.
    trace : bool
        Whether traces were requested.
    counters : bool
        Whether counters were requested.
    busy_time : int
        The busy time of the device, in cycles, when the run begins.
    """

    def __init__(
        self, name: str, program: Program, trace: bool, counters: bool, busy_time: int = 0
    ) -> None:
        self._name, self._program = name, program
        self._trace, self._counters = trace, counters
        self._plan = ReportPlan(program, trace, counters)
        self._assembler = Assembler(name, program, trace, counters, busy_time)
        self._batches: deque[Pending] = deque()
        self._first_batch = 0  # the number of the first of these batches
        cores = program.config.cores
        self._at = [(0, 0, 0)] * cores  # batch, sample, window of each core
        self._came = [0] * cores        # packets of that window so far
        self._seen: list[Counter[tuple[int, int]]] = [Counter() for _ in range(cores)]
        self._bytes = bytearray()

    @property
    def busy_time(self) -> int:
        """The busy time of the device at the end of the last batch that was taken."""
        return self._assembler.busy_time

    @property
    def pending(self) -> bool:
        """Whether reports of a batch have not come yet."""
        return bool(self._batches)

    def add(self, batch: Batch) -> None:
        """Expect the reports of another batch after those that are already expected."""
        self._batches.append(Pending(self._program, batch, self._trace, self._counters))

    def take(self, link_bytes: LinkBytes) -> Result | None:
        """The result of the first batch, which took these bytes; None if it is not complete."""
        if not self._batches or self._batches[0].missing:
            return None
        self._first_batch += 1
        return self._assembler.result(self._batches.popleft(), link_bytes)

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream, which may end anywhere.

        Raises
        ------
        LinkError
            If there is a packet that this program cannot cause, or one is missing when its window
            ends.
        """
        if not data:
            return
        self._bytes += data
        # The first byte of a word waits for the second, and the words of a packet for the last.
        words = np.frombuffer(bytes(self._bytes[: len(self._bytes) & ~1]), dtype="<u2")
        heads, at = words.tolist(), 0
        while at + _HEAD_WORDS <= len(heads):
            head, source = heads[at], heads[at + 1]
            start = at + _HEAD_WORDS
            stop = start + (head >> _LENGTH_SHIFT & _LENGTH_MASK)
            if stop > len(heads):
                break
            self._packet(
                head & _KIND_MASK, head >> _LAYER_SHIFT,
                source & _GROUP_MASK, source >> _CORE_SHIFT,
                words[start:stop],
            )
            at = stop
        del self._bytes[: 2 * at]

    def _packet(
        self, kind: int, tag: int, group: int, core: int, words: npt.NDArray[np.uint16]
    ) -> None:
        if core >= len(self._at):
            raise self._unexpected(kind, tag, group, core, "there is no such core")
        number, sample, window = self._at[core]
        if number - self._first_batch >= len(self._batches):
            raise self._unexpected(kind, tag, group, core, "no window is under way there")
        if kind != ReportKind.MEMBRANE and self._plan.lengths.get(kind) != len(words):
            raise self._unexpected(kind, tag, group, core, f"it has {len(words)} words")
        pending = self._batches[number - self._first_batch]
        if kind == ReportKind.END:
            self._end(pending, core, words)
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
        self._seen[core][kind, tag] += 1
        self._came[core] += 1

    def _lanes_of(self, row: int) -> int:
        """The number of neurons in a row of the last layer."""
        groups = self._program.groups[-1]
        lanes = lanes_per_channel(self._program.computed, self._program.config, -1)
        return lanes * len(groups.outputs(row % groups.count))

    def _end(self, pending: Pending, core: int, words: npt.NDArray[np.uint16]) -> None:
        number, sample, window = self._at[core]
        last = window == pending.windows[sample] - 1
        expected = (self._plan.expected_last if last else self._plan.expected)[core]
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

    def _unexpected(self, kind: int, tag: int, group: int, core: int, why: str) -> LinkError:
        known = kind in set(ReportKind)
        return LinkError(
            f"{self._name} sent an unexpected report "
            f"({ReportKind(kind).name if known else f'kind {kind}'} of layer {tag}, group {group}, "
            f"core {core}: {why}): its bitstream and this driver do not agree; build the bitstream "
            "again"
        )
