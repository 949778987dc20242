"""Checks of the samples that users pass to a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..program.program import Program
from ..samples.columns import as_recordings, is_events
from ..samples.events import bin_events, is_recordings
from ..samples.samples import check_samples
from ..support.values import refuse_masks
from .windows import Batch

__all__ = ["as_batch", "check_batch", "is_batches"]

_BINNING = {"bin_time": None, "bin_count": None, "start": None, "late": "refuse"}
"""The defaults of the options for event arrays."""


def is_batches(samples: Any) -> bool:
    """Whether ``samples`` is an iterator of batches rather than one batch."""
    if isinstance(samples, (list, tuple, np.ndarray)) or hasattr(samples, "__array__"):
        return False
    if is_events(samples):
        return False
    return isinstance(samples, Iterable) and not isinstance(samples, (str, bytes, dict))


def check_batch(
    program: Program, samples: Any, carry: bool, time_axis: int, binning: dict[str, Any]
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

    Raises
    ------
    TypeError, ValueError
        If samples do not fit the program. The message names the value and what is allowed.
    """
    network, steps = program.network, program.steps
    samples = as_recordings(samples)
    refuse_masks("samples", samples)
    if is_recordings(samples):
        if network.input.kind != "spikes":
            wanted = "batch" if network.input.kind == "pixels" else "batch, steps"
            raise ValueError(
                f"samples are events, but this program's input is {network.input.kind}: give "
                f"({wanted}, *shape)"
            )
        if time_axis != 1:
            raise ValueError(f"time_axis must be 1 for events, not {time_axis!r}")
        samples = bin_events(samples, network.input.shape, steps, **binning)
    elif is_events(samples):
        raise TypeError("samples must be a list of event arrays, one per sample: [events]")
    elif isinstance(samples, (list, tuple)) and any(map(is_events, samples)):
        other = next(i for i, each in enumerate(samples) if not is_events(each))
        raise TypeError(
            "samples must all be event arrays, or none of them: "
            f"samples[{other}] is not, others are"
        )
    else:
        for name, usual in _BINNING.items():
            if binning[name] is not usual and binning[name] != usual:
                raise ValueError(
                    f"{name} is for event arrays, which these samples are not: leave it out"
                )
    flat, steps = check_samples(network, samples, steps, time_axis)
    if not len(flat):
        raise ValueError("samples must hold at least 1 sample, not 0")
    return as_batch(program, flat, steps, np.full(len(flat), not carry))


def as_batch(
    program: Program, flat: npt.NDArray[Any], steps: int, fresh: npt.NDArray[np.bool_]
) -> Batch:
    """The batch made of flat samples that have already been checked."""
    dtype = bool if program.network.input.kind == "spikes" else np.uint16
    return Batch(flat.astype(dtype), steps, fresh)
