"""Checks of the samples that users pass to a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..program.program import Program
from ..samples.binning import binned, check_unused
from ..samples.columns import as_recordings, is_events
from ..samples.encoding import SampleEncoder
from ..samples.events import is_recordings
from ..samples.lengths import Lengths, check_sequences, event_lengths
from ..samples.per_sample import CarryFlags, SampleLengths
from ..support.values import refuse_masks
from .windows import Batch

__all__ = ["SampleOptions", "check_batch", "is_batches"]

_Values = TypeVar("_Values")


@dataclass(frozen=True)
class SampleOptions:
    """What a user says about samples.

    Attributes
    ----------
    carry : CarryFlags
        Whether samples continue from the state that the one before them left.
    lengths : SampleLengths
        The steps of the samples.
    time_axis : int
        The axis of the steps, 0 or 1.
    binning : dict
        How events are binned into steps: the keywords of ``events.bin_events``.
    """

    carry: CarryFlags
    lengths: SampleLengths
    time_axis: int
    binning: dict[str, Any]

    def finish(self) -> None:
        """Refuse flags and lengths that no sample took, with a ValueError."""
        self.carry.finish()
        self.lengths.finish()


def is_batches(samples: Any) -> bool:
    """Whether ``samples`` is an iterator of batches rather than one batch."""
    if isinstance(samples, (list, tuple, np.ndarray)) or hasattr(samples, "__array__"):
        return False
    if is_events(samples):
        return False
    return isinstance(samples, Iterable) and not isinstance(samples, (str, bytes, dict))


def check_batch(
    program: Program,
    samples: Any,
    options: SampleOptions,
    *,
    longest: int | None = None,
    encoding: SampleEncoder | None = None,
) -> Batch:
    """A batch of samples for a program, checked and flat.

    Parameters
    ----------
    program : Program
        The program that is to run them.
    samples : array_like or list of recordings
        The samples, as for ``Device.run``.
    options : SampleOptions
        What a user says about them.
    longest : int or None
        The most steps of a sample that says itself how many it has; None for the program's.
    encoding : SampleEncoder or None
        What encodes the samples, if they are a raw signal. It takes their state over.

    Raises
    ------
    TypeError, ValueError
        If samples do not fit the program. The message names the value and what is allowed.
    """
    network, binning, time_axis = program.network, options.binning, options.time_axis
    longest = longest or program.steps
    fresh: Callable[[int], npt.NDArray[np.bool_]] = options.carry.fresh
    lengths: Callable[[int], Lengths] = options.lengths.take
    samples = as_recordings(samples)
    refuse_masks("samples", samples)
    if encoding is not None and is_recordings(samples):
        raise ValueError(
            f"samples are events, but this network's {type(network.encoder).__name__} takes a "
            "raw signal: give that, or encoded=True if the events are the network's input"
        )
    own = options.lengths.take(len(samples)) if is_recordings(samples) else None
    ends = own.tolist() if isinstance(own, np.ndarray) else None
    events = binned(network.input, samples, program.steps, time_axis, binning, ends)
    if events is None:
        check_unused(binning)
    else:
        lengths = _always(_event_lengths(samples, program.steps, binning, own))
        samples = events
    state = None
    if encoding is not None:
        signal = encoding.encode_batch(samples, longest, time_axis, lengths, fresh)
        samples, state, time_axis = signal.values, signal.state, 1
        lengths, fresh = _always(signal.lengths), _always(signal.fresh)
    changing = network.input.kind == "pixels" and _is_changing(samples, network.input.shape)
    if changing:
        network = network.with_changing_pixels
    flat, steps = check_sequences(network, samples, longest, time_axis, lengths)
    if not len(flat):
        raise ValueError("samples must hold at least 1 sample, not 0")
    if encoding is not None:
        encoding.state = state
    dtype = bool if network.input.kind == "spikes" else np.uint16
    return Batch(flat.astype(dtype), steps, fresh(len(flat)), changing)


def _is_changing(samples: Any, shape: tuple[int, ...]) -> bool:
    """Whether pixels have an axis of steps in front of their shape."""
    try:
        listed = isinstance(samples, (list, tuple)) and len(samples)
        first = tuple(np.shape(samples[0]) if listed else np.shape(samples)[1:])
    except ValueError:  # ragged, which check_sequences says
        return False
    return len(first) == 1 + len(shape) and first[1:] == shape


def _always(values: _Values) -> Callable[[int], _Values]:
    """A function that returns these values, which are known to be those of the samples."""
    return lambda count: values


def _event_lengths(
    recordings: Any, steps: int, binning: dict[str, Any], own: Lengths
) -> npt.NDArray[np.int64]:
    """The lengths of recordings that were binned."""
    count = len(recordings)
    if own is None:
        return np.full(count, steps, dtype=np.int64)
    if not isinstance(own, str):
        return own
    if binning["bin_time"] is None:
        raise ValueError(
            "lengths is for events with bin_time: bin_count divides every recording into all steps"
        )
    start = binning["start"]
    starts = start if isinstance(start, (list, tuple, np.ndarray)) else [start] * count
    return event_lengths(recordings, steps, binning["bin_time"], list(starts))
