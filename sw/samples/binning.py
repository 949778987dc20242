"""Recordings as samples of an input: spikes, or frames of counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from ..network.inputs import Input
from .columns import is_events
from .events import bin_events, is_recordings

__all__ = ["BINNING", "binned", "check_unused"]

BINNING: dict[str, Any] = {
    "bin_time": None, "bin_count": None, "start": None, "late": "refuse", "excess": "refuse",
}
"""The options of binning, and what each is where it is not given."""


def binned(
    source: Input,
    samples: Any,
    steps: int,
    time_axis: int,
    options: Mapping[str, Any],
    lengths: Sequence[int] | None = None,
) -> npt.NDArray[Any] | None:
    """Recordings as (batch, steps, ...) spikes or counts; None if the samples are no events.

    Parameters
    ----------
    source : Input
        The input of the network.
    samples : object
        Samples of any kind.
    steps : int
        Steps of a sample.
    time_axis : int
        The axis of the steps, 0 or 1.
    options : mapping
        ``BINNING``, as ``bin_events`` describes it.
    lengths : sequence of int or None
        The steps of each recording, as for ``bin_events``.

    Raises
    ------
    TypeError, ValueError
        If the input takes no events, or some samples are events and others are not.
    """
    if is_events(samples):
        raise TypeError("samples must be a list of event arrays, one per sample: [events]")
    if not is_recordings(samples):
        if isinstance(samples, (list, tuple)) and any(map(is_events, samples)):
            other = next(i for i, each in enumerate(samples) if not is_events(each))
            raise TypeError(
                "samples must all be event arrays, or none of them: "
                f"samples[{other}] is not, others are"
            )
        return None
    if source.kind == "pixels":
        raise ValueError(
            "samples are events, but the network's input is pixels: give (batch, *shape)"
        )
    if source.zero:
        raise ValueError(
            "samples are events, counts of which begin at 0, but the network's input has "
            f"zero={source.zero}: give frames, (batch, steps, *shape); bin_events counts events"
        )
    if time_axis != 1:
        raise ValueError(f"time_axis must be 1 for events, not {time_axis!r}")
    bits = source.bits if source.kind == "frames" else None
    return bin_events(samples, source.shape, steps, bits=bits, lengths=lengths, **options)


def check_unused(options: Mapping[str, Any]) -> None:
    """Refuse options of binning for samples that are no events.

    Raises
    ------
    ValueError
        Naming the option.
    """
    for name, usual in BINNING.items():
        given = options[name]
        if given is not usual and not (isinstance(given, str) and given == usual):
            raise ValueError(
                f"{name} is for event arrays, which these samples are not: leave it out"
            )
