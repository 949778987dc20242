"""Several simulated boards as one device, which run the parts of each batch side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...link.session import DeviceInfo
from ...program.program import Program
from ...spec.array import ArrayConfig
from ...spec.report import BUSY_BITS
from ..device import Device
from ..lease import Lease
from ..link_device import LinkDevice
from ..result import LinkBytes, Result
from ..stream import Stream
from ..windows import Batch

__all__ = ["ParallelDevice", "Transports"]

_AHEAD = 1  # batches that wait while the one before is computed, so that no board is idle


@dataclass(frozen=True)
class Transports:
    """The transports of all boards, for values that only simulations have.

    Attributes
    ----------
    boards : tuple of LinkDevice
        The boards.
    """

    boards: tuple[LinkDevice, ...]

    @property
    def cycles(self) -> int:
        """The clock cycles that were simulated so far, of all boards together."""
        return sum(int(getattr(board.transport, "cycles", 0)) for board in self.boards)


class ParallelDevice(Device):
    """Several boards with the same array, each in a thread of its own.

    A batch is divided among the boards, in parts of consecutive samples, and its results are put
    together in order. A sample that continues from the state of the one before runs on the same
    board as that one, right after it. Each part is a run of its own, so the ``cycles`` of its first
    sample do not overlap with a sample before; all other integers are those of a single board. A
    stream runs on the first board.

    ``link_bytes`` and ``busy_time`` are sums over all boards. When a run ends early, it waits until
    the boards have finished the parts that they are at, and all of them start a new session.

    Parameters
    ----------
    uri : str
        The address, for messages.
    open_board : callable
        Opens a board.
    boards : int
        The number of boards.
    """

    def __init__(self, uri: str, open_board: Callable[[], LinkDevice], boards: int) -> None:
        super().__init__(uri)
        opened: list[LinkDevice] = []
        try:
            for _ in range(boards):
                opened.append(open_board())
        except BaseException:
            for board in opened:
                board.close()
            raise
        self._boards = tuple(opened)
        self._threads = [ThreadPoolExecutor(1, f"board {number}") for number in range(boards)]
        self._under_way: list[Future[Result]] = []
        self._last = 0  # the board of the last sample, whose state is that of the device
        self._state = self._boards[0]._state

    @property
    def config(self) -> ArrayConfig:
        """The array, as the boards report it."""
        return self._boards[0].config

    @property
    def info(self) -> DeviceInfo:
        """The description of a board: array, build and clock."""
        return self._boards[0].info

    @property
    def transport(self) -> Transports:
        """The transports of all boards."""
        return Transports(self._boards)

    @property
    def link_bytes(self) -> LinkBytes:
        sent, received = zip(*(board.link_bytes for board in self._boards), strict=True)
        return LinkBytes(sum(sent), sum(received))

    @property
    def busy_time(self) -> int:
        return sum(board.busy_time for board in self._boards) % (1 << BUSY_BITS)

    @property
    def times(self) -> bool:
        """As ``LinkDevice`` has it."""
        return self._boards[0].times

    @times.setter
    def times(self, times: bool) -> None:
        for board in self._boards:
            board.times = times

    def _load(self, program: Program) -> None:
        loads = [
            thread.submit(board._load, program)
            for board, thread in zip(self._boards, self._threads, strict=True)
        ]
        wait(loads)
        for each in loads:
            each.result()
        for board in self._boards:
            board.program = program
            board._state.clear()

    def _take_lease(self) -> Lease:
        lease = super()._take_lease()
        if self._under_way:
            self._abandon()
        for board in self._boards:
            board._take_lease()
        return lease

    def _run(
        self, lease: Lease, batches: Iterator[Batch], trace: bool, counters: bool
    ) -> Generator[Result, None, None]:
        lease.check()
        waiting: deque[list[Future[Result]]] = deque()
        finished = False
        try:
            for batch in batches:
                waiting.append(self._begin(batch, trace, counters))
                if len(waiting) > _AHEAD:
                    yield self._joined(waiting.popleft())
                    lease.check()
            while waiting:
                yield self._joined(waiting.popleft())
                lease.check()
            finished = True
        finally:
            # Otherwise the device has been closed, or works for somebody else by now.
            if lease.holds and not finished:
                self._abandon()

    def _begin(self, batch: Batch, trace: bool, counters: bool) -> list[Future[Result]]:
        """Give the parts of a batch to the boards."""
        first = 0 if batch.fresh[0] else self._last
        futures = []
        for number, part in enumerate(_parts(batch, len(self._boards))):
            self._last = (first + number) % len(self._boards)
            board, thread = self._boards[self._last], self._threads[self._last]
            futures.append(thread.submit(_one, board, part, trace, counters))
        self._state = self._boards[self._last]._state
        self._under_way += futures
        return futures

    def _joined(self, parts: list[Future[Result]]) -> Result:
        results = [part.result() for part in parts]
        self._under_way = [each for each in self._under_way if each not in parts]
        return results[0] if len(results) == 1 else Result.joined(results)

    def _abandon(self) -> None:
        """Give up what is under way. The device has no state to continue from after that."""
        begun = bool(self._under_way)
        for future in self._under_way:
            future.cancel()
        wait(self._under_way)
        self._under_way = []
        for board in self._boards:
            board._drop()
        if begun:  # the board of the last sample may not have come to it
            self._state.keep()
        self._state.lose()

    def _stream(
        self, lease: Lease, program: Program, trace: bool, counters: bool,
        restart_every: int | None,
    ) -> Stream:
        self._last, board = 0, self._boards[0]
        self._state = board._state
        self._state.clear()
        return board._stream(lease, program, trace, counters, restart_every)

    def _close(self) -> None:
        for future in self._under_way:
            future.cancel()
        for thread in self._threads:
            thread.shutdown()
        for board in self._boards:
            board.close()


def _parts(batch: Batch, most: int) -> list[Batch]:
    """The batch in at most so many parts of similar size; each but the first starts afresh."""
    fresh = np.flatnonzero(batch.fresh)
    at = np.searchsorted(fresh, np.arange(1, most) * len(batch) // most)
    cuts = set(fresh[at[at < len(fresh)]].tolist()) - {0}
    ends = [0, *sorted(cuts), len(batch)]
    return [batch.part(first, stop) for first, stop in pairwise(ends)]


def _one(board: LinkDevice, batch: Batch, trace: bool, counters: bool) -> Result:
    """The result of a part of a batch, on one board."""
    (result,) = board._run(board._take_lease(), iter([batch]), trace, counters)
    return result
