"""Samples that each have a number of steps of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import Network
from ..support.values import as_array, exact_integers
from .events import event_times
from .samples import check_samples
from .times import LAST, bins_of

__all__ = [
    "OWN", "Lengths", "as_lengths", "check_padding", "check_sequences", "chosen_lengths",
    "event_lengths", "other_steps", "own_lengths",
]

OWN = "own"
"""Every sample has the steps that it comes with."""

Integers = npt.NDArray[np.int64]
Lengths = Integers | str | None
"""A number of steps per sample; or "own"; or None, where all samples have those of the program."""


def as_lengths(lengths: Any) -> Lengths:
    """The value of an argument ``lengths``.

    Raises
    ------
    TypeError, ValueError
        If it is neither None, "own", nor a list of integers.
    """
    if lengths is None or (isinstance(lengths, str) and lengths == OWN):
        return lengths
    if isinstance(lengths, str):
        raise ValueError(f"lengths must be {OWN!r}, or the steps of each sample, not {lengths!r}")
    array = as_array("lengths", lengths)
    if array.dtype.kind not in "iu":
        raise TypeError(f"lengths must be integers, the steps of each sample, not {array.dtype}")
    if array.ndim != 1:
        raise ValueError(
            f"lengths must be (batch,), the steps of each sample, not of shape {array.shape}"
        )
    return exact_integers("lengths", array, -LAST, LAST)


def event_lengths(
    recordings: list[Any], steps: int, bin_time: float, starts: list[Any]
) -> Integers:
    """The steps of recordings that end with the step of their last event, at most ``steps``.

    Parameters
    ----------
    recordings : list of structured arrays, mappings or frames
        The recordings, which ``bin_events`` takes.
    steps : int
        The most steps.
    bin_time : float
        The length of a step.
    starts : list of float, "first" or None
        Per recording, where its first step begins.

    Raises
    ------
    ValueError
        If a recording has no event.
    """
    lengths = np.full(len(recordings), steps, dtype=np.int64)
    for i, (events, start) in enumerate(zip(recordings, starts, strict=True)):
        when = event_times(f"samples[{i}]", events)
        if not len(when):
            raise ValueError(
                f"samples[{i}] has no event, so that it has no length of its own: leave it out, or "
                "give lengths as numbers of steps"
            )
        lengths[i] = min(bins_of(when, steps, bin_time, start).step(when[-1]) + 1, steps)
    return lengths


def check_sequences(
    network: Network,
    samples: Any,
    longest: int,
    time_axis: int,
    lengths_of: Callable[[int], Lengths],
) -> tuple[npt.NDArray[Any], Integers]:
    """Samples, checked and flattened, and the steps of each of them.

    Parameters
    ----------
    network : Network
        The network.
    samples : array_like
        As for ``check_samples``; or a list of spikes or frames ``(steps, *shape)`` whose numbers of
        steps differ.
    longest : int
        The most steps of a sample, and those that a sample has without ``lengths``.
    time_axis : int
        0 or 1, the axis of the steps.
    lengths_of : callable
        Returns the ``lengths`` of so many samples.

    Returns
    -------
    flat : array
        (batch, steps, inputs) spikes or frames, or (batch, inputs) pixels; with as many steps as
        the longest sample has, and 0 behind the last step of a shorter one.
    lengths : array of int64
        (batch,) the steps of each sample.

    Raises
    ------
    TypeError, ValueError
        Naming the sample, its steps or the first value at fault, and what is allowed.
    """
    samples, own = _padded(network, samples, time_axis)
    pixels = network.input.kind == "pixels"
    flat, steps = check_samples(network, samples, longest if pixels else None, time_axis)
    given = lengths_of(len(flat))
    if given is None and own is None:
        if steps != longest:
            raise ValueError(other_steps(steps, longest))
        return flat, np.full(len(flat), longest, dtype=np.int64)
    lengths = chosen_lengths(given, own, len(flat), steps, pixels)
    if len(lengths) and lengths.max() > longest:
        first = int(np.argmax(lengths > longest))
        raise ValueError(
            f"samples[{first}] must have at most the program's {longest} steps, not "
            f"{lengths[first]}: compile it with steps={lengths.max()}, or send parts that carry "
            "their state (carry_state, Device.stream)"
        )
    if pixels or (lengths == steps).all():
        return flat, lengths
    behind = check_padding(flat, lengths, network.input.zero)
    if flat[behind].any():
        flat = flat.copy()
        flat[behind] = 0
    return flat[:, : lengths.max()], lengths


def own_lengths(samples: Any, time_axis: int) -> Integers | None:
    """The lengths of a list of samples whose numbers of steps differ; None for anything else.

    Raises
    ------
    ValueError
        If ``time_axis`` is not 1 for such a list.
    """
    if not isinstance(samples, (list, tuple)):
        return None
    found = [_length(each) for each in samples]
    if None in found or len(set(found)) < 2:
        return None
    if time_axis != 1:
        raise ValueError(
            f"time_axis must be 1 for a list of samples of different lengths, not {time_axis!r}"
        )
    return np.array(found, dtype=np.int64)


def _padded(
    network: Network, samples: Any, time_axis: int
) -> tuple[Any, Integers | None]:
    """The samples, and their lengths if they are a list of samples whose steps differ. These become
    one array with zeros behind the shorter ones."""
    shape = network.input.shape
    lengths = None if network.input.kind == "pixels" else own_lengths(samples, time_axis)
    if lengths is None:
        return samples, None
    arrays = [as_array(f"samples[{i}]", each) for i, each in enumerate(samples)]
    for i, array in enumerate(arrays):
        if array.ndim != 1 + len(shape) or array.shape[1:] != shape:
            wanted = ", ".join(["steps", *map(str, shape)])
            raise ValueError(f"samples[{i}] must be ({wanted}), not {array.shape}")
        if not len(array):
            raise ValueError(f"samples[{i}] must have at least 1 step, not 0")
    padded = np.zeros((len(arrays), int(lengths.max()), *shape), np.result_type(*arrays))
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded, lengths


def _length(value: Any) -> int | None:
    """The length of the first axis of an array, tensor or list."""
    if isinstance(value, (list, tuple)):
        return len(value)
    shape: tuple[int, ...] = getattr(value, "shape", ())
    return int(shape[0]) if len(shape) else None


def chosen_lengths(
    given: Lengths, own: Integers | None, batch: int, steps: int, held: bool
) -> Integers:
    """The lengths of samples.

    Parameters
    ----------
    given : array, "own" or None
        What a user says.
    own : array or None
        The lengths that they have, if these differ.
    batch : int
        The number of samples.
    steps : int
        The steps that they have otherwise, or the most of samples that are held.
    held : bool
        Samples are one value, such as an image, which is held.

    Raises
    ------
    ValueError
        If they do not go together.
    """
    if given is None or isinstance(given, str):
        if held:
            raise ValueError(
                f"lengths must be numbers of steps for samples that are held, not {given!r}: they "
                "have no length of their own"
            )
        return np.full(batch, steps, dtype=np.int64) if own is None else own
    if own is not None:
        raise ValueError(
            "lengths must be left out for a list of samples of different lengths, whose shapes say "
            "them"
        )
    wrong = (given < 1) | (given > steps)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(f"lengths[{first}] must be from 1 to {steps}, not {given[first]}")
    return given


def check_padding(
    array: npt.NDArray[Any], lengths: Integers, zero: int = 0
) -> npt.NDArray[np.bool_]:
    """Refuse samples with values behind their ends.

    Parameters
    ----------
    array : (batch, steps, inputs) array
        The samples.
    lengths : array of int64
        (batch,) their steps.
    zero : int
        A value besides 0 that is none.

    Returns
    -------
    array of bool
        (batch, steps) which steps are behind the end of their sample.

    Raises
    ------
    ValueError
        Naming the first value that is behind an end.
    """
    behind = np.arange(array.shape[1]) >= lengths[:, None]
    found = array[behind]
    wrong = (found != 0) & (found != zero)
    if wrong.any():
        row = int(np.argmax(wrong.any(axis=1)))
        sample, step = (int(i) for i in np.argwhere(behind)[row])
        raise ValueError(
            f"samples[{sample}] must be 0 behind its {lengths[sample]} steps, but has "
            f"{found[row][wrong[row]][0]} in step {step}: is its length right? If so, cut it: "
            "[sample[:n] for sample, n in zip(samples, lengths)]"
        )
    return behind


def other_steps(steps: int, longest: int) -> str:
    """The refusal of samples with other steps than the program's."""
    if steps > longest:
        hint = f"compile the program with steps={steps}, or cut them into parts (carry_state)"
    else:
        hint = "lengths='own' runs samples of fewer steps"
    return f"samples must have {longest} steps, not {steps}: {hint}"
