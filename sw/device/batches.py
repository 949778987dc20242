"""Checks of the samples that users pass to a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..program.program import Program
from ..samples.binning import binned, check_unused
from ..samples.columns import as_recordings, is_events
from ..samples.encoding import SampleEncoder
from ..samples.events import is_recordings
from ..samples.samples import check_samples
from ..support.values import refuse_masks
from .windows import Batch

__all__ = ["as_batch", "check_batch", "is_batches"]


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
    carry: bool,
    time_axis: int,
    binning: dict[str, Any],
    encoding: SampleEncoder | None = None,
) -> Batch:
    """A batch of samples for a program, checked and flat.

    Parameters
    ----------
    program : Program
        The program that is to run them.
    samples : array_like or list of recordings
        The samples, as for ``Device.run``.
    carry : bool
        Each sample continues from the state that the one before it left.
    time_axis : int
        The axis of the steps, 0 or 1.
    binning : dict
        How events are binned into steps: the keywords of ``events.bin_events``.
    encoding : SampleEncoder or None
        What encodes the samples, if they are a raw signal. It takes their state over.

    Raises
    ------
    TypeError, ValueError
        If samples do not fit the program. The message names the value and what is allowed.
    """
    network, steps = program.network, program.steps
    samples = as_recordings(samples)
    refuse_masks("samples", samples)
    if encoding is not None and is_recordings(samples):
        raise ValueError(
            f"samples are events, but this network's {type(network.encoder).__name__} takes a "
            "raw signal: give that, or encoded=True if the events are the network's input"
        )
    events = binned(network.input, samples, steps, time_axis, binning)
    if events is None:
        check_unused(binning)
    else:
        samples = events
    state = None
    if encoding is not None:
        samples, state = encoding.encode(samples, steps, time_axis, fresh=not carry)
        time_axis = 1
    flat, steps = check_samples(network, samples, steps, time_axis)
    if not len(flat):
        raise ValueError("samples must hold at least 1 sample, not 0")
    if encoding is not None:
        encoding.state = state
    return as_batch(program, flat, steps, np.full(len(flat), not carry))


def as_batch(
    program: Program, flat: npt.NDArray[Any], steps: int, fresh: npt.NDArray[np.bool_]
) -> Batch:
    """The batch made of flat samples that have already been checked."""
    dtype = bool if program.network.input.kind == "spikes" else np.uint16
    return Batch(flat.astype(dtype), steps, fresh)
