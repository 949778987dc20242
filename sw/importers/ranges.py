"""Membranes that are read and meet the end of their range."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..network.layer_fidelity import LayerFidelity
from .semantics import Floats

__all__ = ["clipped_membranes"]


def clipped_membranes(
    last: LayerFidelity, source: Floats, ours: Any, fraction_bits: int, state_bits: int
) -> tuple[str, ...]:
    """Return a line for the report if last membranes meet the end of their range; else none.

    Parameters
    ----------
    last : LayerFidelity
        The report of the last layer.
    source : (batch, neurons) float64
        The source's membranes.
    ours : (batch, neurons) int
        The network's.
    fraction_bits : int
        Fraction bits of membranes.
    state_bits : int
        Bits of a membrane.
    """
    end = 2.0 ** (state_bits - 1)
    wanted = source * (2.0**fraction_bits / last.scale_low)
    reached = np.asarray(ours).reshape(wanted.shape)
    beyond = (wanted >= end) | (wanted < -end) | (reached == end - 1) | (reached == -end)
    if not beyond.any():
        return ()
    times = max(float(np.abs(wanted).max()) / end, 1.0)
    line = (
        f"{last.name}: {int(beyond.sum())} of {beyond.size} membranes that are read meet the end "
        f"of their range (state_bits {state_bits}), where outputs cannot be compared; the source's "
        f"reach {times:.3g} times as far: give fewer fraction_bits, fewer steps, or a larger "
        "scale= for that layer"
    )
    return (line,)
