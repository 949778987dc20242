"""What a neuron of another framework computes, and the ``Neuron`` settings that compute the same.

A ``Cell`` holds a neuron's rule as real numbers, one step at a time, its input multiplied by
1. Each builder is one row of the dialect table: it gives the cell, or refuses by name. Where the
source's rule has no equal, the cell says why in ``inexact`` and holds the nearest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..support.errors import NotExpressible
from ..support.values import as_array

__all__ = [
    "Cell", "Floats", "checked_choice", "checked_decay", "checked_threshold", "finite", "one_value",
    "squeezed", "tidy",
]

Floats = npt.NDArray[np.float64]

_TIDY_BITS = 16
_TIDY_ERROR = 2.0**-20


@dataclass(frozen=True, eq=False)
class Cell:
    """The rule of one layer's neurons, in the units of the layer's input.

    Each step ``v = decay v + i`` (with ``synapse_decay``: ``q = synapse_decay q + i`` and
    ``v = decay v + q``), a spike where ``v`` passes the threshold, then the reset.

    Parameters
    ----------
    source : the neuron in the words of its framework, for reports.
    decay : share of the membrane that stays each step, 0 to 1.
    threshold : () or one for each neuron; None for neurons that never fire.
    bias : () or one for each neuron, added to the input each step (a leak toward another rest).
    reset, reset_timing, compare : as in ``Neuron``.
    v_init : membrane at the start of a sample.
    synapse_decay : the same of the synaptic current, None for none.
    recurrent, recurrent_bias : weights on the layer's spikes of the step before, added to the input
        with a bias, () or (neurons,): (neurons, neurons), or () or (neurons,) of each neuron on
        itself; None and 0 for none.
    inexact : why no settings of ``Neuron`` compute the source's rule, or "".
    nearest : with ``inexact``, what the settings here compute instead.
    membrane_differs : why the membrane kept is another than the source's although the spikes
        are the same, or "".
    leak, synapse_leak : exact shifts, where the source pins them; None: the closest are taken.
    """

    source: str
    decay: float
    threshold: Floats | None
    bias: Floats = field(default_factory=lambda: np.zeros(()))
    reset: str = "subtract"
    reset_timing: str = "same_step"
    compare: str = "ge"
    v_init: float = 0.0
    synapse_decay: float | None = None
    recurrent: Floats | None = None
    recurrent_bias: Floats = field(default_factory=lambda: np.zeros(()))
    inexact: str = ""
    nearest: str = ""
    membrane_differs: str = ""
    leak: tuple[int | None, int | None] | None = None
    synapse_leak: tuple[int | None, int | None] | None = None

    @property
    def fires(self) -> bool:
        """Whether these neurons spike."""
        return self.threshold is not None

    def run(self, current: Floats) -> tuple[npt.NDArray[np.bool_], Floats]:
        """Spikes and last membrane of (steps, batch, neurons) currents, in float64.

        Returns
        -------
        (steps, batch, neurons) bool and (batch, neurons).
        """
        v = np.full(current.shape[1:], float(self.v_init))
        r, q = np.zeros(v.shape), np.zeros(v.shape)
        spikes = np.zeros(current.shape, dtype=np.bool_)
        late = self.reset == "subtract" and self.reset_timing == "next_step"
        for t, each in enumerate(current + self.bias + self.recurrent_bias):
            if self.recurrent is not None:
                each = each + r @ self.recurrent.T
            i = each
            if self.synapse_decay is not None:
                i = q = self.synapse_decay * q + each
            v = self.decay * v + i
            if self.threshold is None:
                continue
            if late:
                v = v - r * self.threshold
            fired = v >= self.threshold if self.compare == "ge" else v > self.threshold
            spikes[t], r = fired, fired.astype(float)
            if self.reset == "zero":
                v = np.where(fired, 0.0, v)
            elif self.reset == "subtract" and not late:
                v = v - r * self.threshold
        return spikes, v


def tidy(values: npt.ArrayLike) -> Floats:
    """``values``, those a rounding away from a number of at most 16 significant bits made it.

    Frameworks derive decays and gains in float32 (``1 - dt / tau``), which leaves errors of some
    2**-23: a half comes as 0.50000003.
    """
    array = np.asarray(values, dtype=np.float64)
    mantissa, exponent = np.frexp(array)
    near = np.ldexp(np.round(mantissa * 2.0**_TIDY_BITS), exponent - _TIDY_BITS)
    result: Floats = np.where(np.abs(array - near) <= _TIDY_ERROR * np.abs(array), near, array)
    return result


def finite(node: str, kind: str, name: str, values: Any) -> Floats:
    """``values`` as float64, refused unless all are finite.

    Raises
    ------
    ValueError
        Naming node, parameter, value and place.
    """
    try:
        array = as_array(f"{node} ({kind}) {name}", values, "real numbers").astype(np.float64)
    except TypeError as error:
        raise ValueError(str(error)) from None
    bad = ~np.isfinite(array)
    if bad.any():
        index = [int(i) for i in np.argwhere(bad)[0]]
        raise ValueError(
            f"{node} ({kind}): {name} must be finite, not {array[bad][0]}"
            + (f" (at {index})" if index else "")
            + "; a training that diverged leaves such values"
        )
    return array


def one_value(node: str, kind: str, name: str, values: Any, why: str) -> float:
    """The value all neurons of a layer share.

    Raises
    ------
    NotExpressible
        If they differ; ``why`` says what the array has one of.
    """
    array = finite(node, kind, name, values).reshape(-1)
    if not array.size:
        raise ValueError(f"{node} ({kind}): {name} is empty")
    if np.ptp(array) > _TIDY_ERROR * np.abs(array).max():
        raise NotExpressible(
            node, kind, f"{name} differs between neurons, from {array.min():.6g} to "
            f"{array.max():.6g}: {why}", f"one {name} per layer"
        )
    return float(array[0])


def checked_decay(node: str, kind: str, name: str, value: float) -> float:
    """A decay from 0 to 1.

    Raises
    ------
    ValueError
        If it is another.
    """
    decay = float(tidy(value))
    if not 0 <= decay <= 1:
        raise ValueError(f"{node} ({kind}): {name} must be from 0 to 1 per step, not {decay:.6g}")
    return decay


def checked_threshold(node: str, kind: str, values: Any) -> Floats:
    """Positive thresholds.

    Raises
    ------
    ValueError
        If one is not.
    """
    array = finite(node, kind, "threshold", values)
    if array.size and array.min() <= 0:
        raise ValueError(
            f"{node} ({kind}): thresholds above the resting membrane must be positive, "
            f"not {array.min():.6g}"
        )
    return array


def squeezed(values: Floats) -> Floats:
    """Parameters as () where all are the same, else as they are."""
    flat = values.reshape(-1)
    return np.asarray(flat[0]) if flat.size and (flat == flat[0]).all() else values


def checked_choice(value: Any, allowed: Sequence[str], ask: str) -> str:
    """``value``, which the caller must name.

    Raises
    ------
    ValueError
        If it is missing (``ask`` says what to give) or not allowed.
    """
    if value is None:
        raise ValueError(ask)
    if value not in allowed:
        raise ValueError(
            f"{ask.split(' ')[0]} must be one of {', '.join(map(repr, allowed))}, not {value!r}"
        )
    return str(value)
