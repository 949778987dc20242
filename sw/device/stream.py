"""A live stream: samples without a known end, window by window."""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np

from ..program.program import Program
from ..samples.binning import BINNING
from ..samples.columns import is_events
from ..samples.encoding import SampleEncoder, check_encoded
from ..samples.events import is_recordings
from ..samples.lengths import OWN
from ..samples.per_sample import CarryFlags, SampleLengths
from ..samples.words import margins, predict
from ..support.values import as_array, exact_int
from .batches import SampleOptions, check_batch
from .event_windower import EventWindower
from .lease import Lease, taking_turns
from .result import Decision, Result
from .windows import Batch

__all__ = ["Stream"]


class Stream(abc.ABC):
    """Samples without a known end; ``Device.stream`` makes it.

    Use it in a ``with`` block: at the end of the block it waits for all results. Each window that
    is sent has a result of its own, a batch of 1: ``counts`` and ``words`` are those of its steps,
    ``membrane`` is the membrane after its last step. ``Result.decision`` is that of all windows
    since the stream last started afresh.

    Parameters
    ----------
    lease : Lease
        The right to use the device.
    program : Program
        The program that is loaded there.
    restart_every : int or None
        The windows after which the stream starts afresh; None for no such number.

    Attributes
    ----------
    encoding : SampleEncoder
        The network's encoder, with the state that the last window left.
    """

    def __init__(self, lease: Lease, program: Program, restart_every: int | None) -> None:
        self._lease, self._program = lease, program
        self.encoding = SampleEncoder(program.network)
        self._restart_every = restart_every
        self._sent = 0  # windows since the start; 0 if the next one starts afresh
        self._starts: deque[bool] = deque()  # of the windows whose results are still to come
        self._decision: Decision | None = None

    @property
    def turn(self) -> Any:
        """A context manager, held by the thread that uses the device."""
        return self._lease.turn

    @property
    def longest(self) -> int:
        """The most steps of a window: those of the program, or T if that is more."""
        return max(self._program.steps, self._program.window)

    @taking_turns
    def send(
        self,
        window: Any,
        steps: int | str | None = None,
        fresh: bool = False,
        *,
        encoded: bool = False,
        bin_time: float | None = None,
        start: float | str | None = None,
        late: str = "refuse",
        excess: str = "refuse",
    ) -> None:
        """Send one window. Waits while the device has no room for it.

        Parameters
        ----------
        window : array_like or recording
            Spikes of shape ``(steps, *shape)``, which are zeros and ones, or frames of that
            shape, of 1 to ``longest`` steps; or a single step of shape ``shape``; or pixels of
            that shape; or a recording, as ``read_events`` returns it. With a network that has an
            encoder, its raw signal: ``(steps, *shape)``, or ``shape`` for a single step, or for one
            value in all steps of the window.
        steps : int, "own" or None
            For pixels, values of a raw signal that do not change, and recordings: the number of
            steps, by default the program's. "own": those up to a recording's last event.
        fresh : bool
            Start afresh with this window, as after ``reset``.
        encoded : bool
            For a network with an encoder: the window is what its input takes, not a raw signal.
        bin_time : float or None
            For a recording: the length of a step in units of the field ``t``.
        start : float, "first" or None
            For a recording: where its first step begins, as for ``Device.run``.
        late : str
            For events of a recording after the last step: ``"refuse"`` or ``"drop"``.
        excess : str
            For counts of a recording above what the frames hold: ``"refuse"`` or ``"saturate"``.

        Raises
        ------
        TypeError, ValueError
            If the window does not fit the program. The stream goes on without it.
        DeviceError
            If the device or the link failed, or the device has begun something else.
        """
        self._lease.check()
        if not isinstance(fresh, (bool, np.bool_)):
            raise TypeError(f"fresh must be True or False, not {fresh!r}")
        raw = not check_encoded(encoded, self.encoding.there) and self.encoding.there
        starts = bool(fresh) or not self._sent
        binning = BINNING | {
            "bin_time": bin_time, "start": start, "late": late, "excess": excess,
        }
        kind = self._program.network.input.kind
        if bin_time is None and not raw and kind != "pixels" and is_events(window):
            raise ValueError("bin_time must be given for a recording: the length of a step")
        samples, lengths = self._batch_of(window, steps, raw)
        options = SampleOptions(CarryFlags(not starts), SampleLengths(lengths), 1, binning)
        batch = check_batch(
            self._program, samples, options, longest=self.longest,
            encoding=self.encoding if raw else None,
        )
        if not raw:
            self.encoding.state = None
        try:
            self._send(batch)
        except BaseException:  # the window may be under way, and the encoder has taken it
            self._abandon()
            raise
        self._starts.append(starts)
        self._sent = 1 if starts else self._sent + 1
        if self._sent == self._restart_every:
            self._sent = 0

    @taking_turns
    def reset(self) -> None:
        """Start afresh with the next window: with the membranes that a sample begins with, and a
        new decision. What was sent before is not affected."""
        self._lease.check()
        self._sent = 0

    def _batch_of(self, window: Any, steps: int | str | None, raw: bool) -> tuple[Any, Any]:
        """A window as a batch of one sample, and its lengths."""
        source, longest = self._program.network.input, self.longest
        if is_recordings(window):
            raise TypeError(
                f"window must be one recording, not a list of {len(window)}: send them one by one"
            )
        if is_events(window):
            if steps is None or steps == OWN:
                return [window], steps
            return [window], [exact_int("steps", steps, 1, self._program.steps)]
        array = as_array("window", window, "numbers")
        held = self.encoding.static if raw else source.kind == "pixels"
        if held and (raw or array.ndim != 1 + len(source.shape)):  # else these pixels change
            count = self._program.steps if steps is None else steps
            return array[None], [exact_int("steps", count, 1, longest)]
        shape = self.encoding.shape if raw else source.shape
        if array.shape == shape:  # a single step
            array, steps = array[None], None if steps == 1 else steps
        if steps is not None:
            raise ValueError(
                f"steps is for pixels and recordings, not for {source.kind}, whose shape says how "
                f"many steps there are: leave out steps={steps!r}"
            )
        if array.shape[1:] != shape or array.ndim != 1 + len(shape):
            sizes = ", ".join(map(str, shape))
            raise ValueError(
                f"window must be (steps, {sizes}), or ({sizes}) for a single step"
                f"{', of the raw signal' * raw}, not {array.shape}"
            )
        if len(array) > longest:
            raise ValueError(
                f"window must have 1 to {longest} steps, not {len(array)}: send it in parts"
            )
        return array[None], OWN

    def feed(
        self, bin_time: float, start: float | str | None = None, steps: int | None = None
    ) -> EventWindower:
        """Send events as they come, instead of windows.

        Parameters
        ----------
        bin_time : float
            The length of a step in units of the events' field ``t``.
        start : float, "first" or None
            Where the first step begins: at a time, or with the first event ("first"). By default
            as "first", but at 0 if the first event is less than ``bin_time`` after 0.
        steps : int or None
            The steps of a window, and so of a result, at most ``longest``. T if None.

        Returns
        -------
        EventWindower
            The object that takes the events and sends the windows.

        Raises
        ------
        TypeError, ValueError
            If the network's input is pixels, or a parameter is not such a number.
        """
        entry = self._program.network.input
        if entry.kind != "spikes":
            raise ValueError(
                f"events are for networks whose input is spikes; this one's is {entry.kind}: send "
                "windows with stream.send"
            )
        if self.encoding.there:
            raise ValueError(
                "events are for networks without an encoder; this one's takes its raw signal: send "
                "windows with stream.send, or load a program of "
                "dataclasses.replace(network, encoder=None)"
            )
        window = self._program.window
        if steps is not None:
            window = exact_int("steps", steps, 1, self.longest)
        return EventWindower(self.send, entry.shape, window, bin_time, start)

    def results(self, wait: bool = True) -> Iterator[Result]:
        """Results in the order of the windows.

        Parameters
        ----------
        wait : bool
            Wait for the results of all windows that were sent. Otherwise stop at the first result
            that has not come yet.
        """
        while (result := self._next(wait)) is not None:
            yield result

    @taking_turns
    def _next(self, wait: bool) -> Result | None:
        self._lease.check()
        result = self._result(wait)
        return None if result is None else self._decided(result)

    @taking_turns
    def close(self) -> None:
        """End the stream: wait for what is under way, and drop its results."""
        if self._lease.holds:
            for _ in self.results():
                pass
            self._lease.release()

    def __enter__(self) -> Stream:
        return self

    @taking_turns
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    def _decided(self, result: Result) -> Result:
        """The result of the next window, with the decision so far."""
        scores, steps = result.scores, result.steps
        before = None if self._starts.popleft() else self._decision
        if before is not None:
            steps += before.steps
            if self._program.network.readout != "membrane":  # which is the sum of all so far
                scores = scores + before.scores
        self._decision = Decision(
            int(predict(scores, "counts")[0]), int(margins(scores)[0]), scores[0], steps
        )
        return replace(result, decision=self._decision)

    @abc.abstractmethod
    def _send(self, batch: Batch) -> None: ...

    @abc.abstractmethod
    def _result(self, wait: bool) -> Result | None: ...

    @abc.abstractmethod
    def _abandon(self) -> None:
        """Give up what is under way, because nobody will take its results."""
