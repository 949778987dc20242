"""The rule of a neuron of another framework, in real numbers.

A ``Cell`` holds the rule. Each importer builds one per layer, according to the table of dialects in
the documentation, or refuses the neuron by name. If no setting of ``Neuron`` computes the source's
rule, the cell holds the nearest one, and ``inexact`` says how they differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import COMPARES, RESET_TIMINGS, RESETS
from ..network.leaks import Leaks
from ..support.errors import NotExpressible
from ..support.values import as_array, exact_choice

__all__ = [
    "Cell", "Decay", "Floats", "checked_decay", "checked_threshold",
    "described_decay", "finite", "one_value", "shared", "squeezed", "tidy",
]

Floats = npt.NDArray[np.float64]
Decay = float | Floats
"""The decay of all neurons of a layer, or one for each."""

# See tidy().
_TIDY_BITS = 16
_TIDY_ERROR = 2.0**-20


@dataclass(frozen=True, eq=False)
class Cell:
    """The rule of one layer's neurons, in the units of the layer's input.

    In each step the membrane becomes ``v = decay v + i``. With a synaptic current it is
    ``q = synapse_decay q + i`` and ``v = decay v + q``. A neuron fires when ``v`` passes the
    threshold, and is then reset. The input ``i`` is not multiplied by anything.

    Parameters
    ----------
    source : str
        The neuron in the words of its framework, for reports.
    decay : float or (neurons,) float64
        Share of the membrane that stays from one step to the next, 0 to 1.
    threshold : () or (neurons,) float64, or None
        Thresholds; None for neurons that never fire.
    bias : () or (neurons,) float64
        Added to the input in every step, such as by a leak toward a rest other than 0.
    reset : {"subtract", "zero", "none"}
        As in ``Neuron``.
    reset_timing : {"same_step", "next_step"}
        As in ``Neuron``.
    compare : {"ge", "gt"}
        As in ``Neuron``.
    v_init : float
        Membrane at the start of a sample.
    synapse_decay : float, (neurons,) float64 or None
        Share of the synaptic current that stays from one step to the next; None without one.
    recurrent : (neurons, neurons), (neurons,) or () float64, or None
        Weights on the layer's own spikes of the previous step. A single number, or one per neuron,
        is a weight on the neuron's own spikes.
    recurrent_bias : () or (neurons,) float64
        Added to the input in every step, as the recurrent weights' own bias.
    inexact : str
        Why no settings of ``Neuron`` compute the source's rule, or "".
    nearest : str
        With ``inexact``, what is computed instead.
    within : (() or (neurons,) float64, () or (neurons,) float64) or None
        With ``inexact``, the lowest and the highest input of a step between which it makes no
        difference; None if it always may.
    membrane_differs : str
        Why the membrane differs from the source's although the spikes do not, or "".
    leak : Leak, tuple of Leak or None
        Shifts that the source pins; None to choose the closest.
    synapse_leak : Leak, tuple of Leak or None
        The same for the synaptic current.
    summed : bool
        Whether the membrane after a step is the sum of the source's membranes so far.

    Raises
    ------
    ValueError
        If ``reset``, ``reset_timing`` or ``compare`` is none of these.
    """

    source: str
    decay: Decay
    threshold: Floats | None
    bias: Floats = field(default_factory=lambda: np.zeros(()))
    reset: str = "subtract"
    reset_timing: str = "same_step"
    compare: str = "ge"
    v_init: float = 0.0
    synapse_decay: Decay | None = None
    recurrent: Floats | None = None
    recurrent_bias: Floats = field(default_factory=lambda: np.zeros(()))
    inexact: str = ""
    nearest: str = ""
    within: tuple[Floats, Floats] | None = None
    membrane_differs: str = ""
    leak: Leaks | None = None
    synapse_leak: Leaks | None = None
    summed: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (
            ("reset", RESETS), ("reset_timing", RESET_TIMINGS), ("compare", COMPARES),
        ):
            exact_choice(name, getattr(self, name), allowed)

    @property
    def fires(self) -> bool:
        """Whether these neurons spike."""
        return self.threshold is not None

    @property
    def memoryless(self) -> bool:
        """Whether the spikes of a step depend on the input of that step alone, and grow with it."""
        late = self.reset == "subtract" and self.reset_timing == "next_step"
        kept = (self.decay, 0.0 if self.synapse_decay is None else self.synapse_decay)
        nothing = all(bool((np.asarray(each) == 0).all()) for each in kept)
        return self.fires and nothing and not late and self.recurrent is None

    def unless(
        self, inexact: str, nearest: str, within: tuple[Floats, Floats] | None = None
    ) -> Cell:
        """Return the cell with one more reason for which it is not exact.

        Parameters
        ----------
        inexact : str
            The reason.
        nearest : str
            What is computed instead.
        within : (() or (neurons,) float64, () or (neurons,) float64) or None
            The lowest and highest input of a step between which it makes no difference.
        """
        if not self.inexact:
            return replace(self, inexact=inexact, nearest=nearest, within=within)
        both = None
        if self.within is not None and within is not None:
            both = np.maximum(self.within[0], within[0]), np.minimum(self.within[1], within[1])
        return replace(
            self, inexact=f"{self.inexact}, and {inexact}", nearest=f"{self.nearest}, {nearest}",
            within=both,
        )

    def of_several_spikes(self, inexact: str, nearest: str) -> Cell:
        """Return the cell for neurons that spike several times in a step if they pass their
        threshold as often.

        After its reset a membrane is below the threshold. So none passes it twice in a step if its
        input is at most ``(2 - decay)`` thresholds.
        """
        assert self.threshold is not None
        stay = 1.0 if self.synapse_decay is None else 1 - self.synapse_decay
        most = (2 - self.decay) * stay * self.threshold
        # With a decay of 0, nothing is left of what is below the threshold.
        most = np.where(np.asarray(self.decay) == 0, np.nextafter(most, 0), most)
        return self.unless(inexact, nearest, (np.asarray(-np.inf), most))

    def over_steps(self, node: str, kind: str) -> Cell:
        """Return neurons whose membrane is the sum of these neurons' membranes so far.

        A synaptic current with the leak of these membranes is that membrane, and a membrane without
        leak adds it up. So they never fire.

        Parameters
        ----------
        node : str
            Name of these neurons.
        kind : str
            Their type.

        Raises
        ------
        NotExpressible
            If a spike changes the membrane, or there is a synaptic current already.
        """
        reason = ""
        if self.summed:
            reason = "the sum over the steps of a sum over the steps"
        elif self.fires and (self.reset != "none" or self.recurrent is not None):
            reason = "the sum of its membrane over the steps, which its spikes change,"
        elif self.synapse_decay is not None:
            reason = "the sum of its membrane over the steps, behind a synaptic current,"
        elif self.v_init:
            reason = f"the sum of its membrane over the steps, which begins at {self.v_init:.6g},"
        if reason:
            raise NotExpressible(
                node, kind, f"{reason} is more than one synaptic current computes",
                "its membrane after the last step (readout='membrane'), or its spikes "
                "(readout='counts')" if self.fires else "its membrane after the last step",
            )
        return replace(
            self, source=f"{self.source}, summed over the steps", decay=1.0, threshold=None,
            synapse_decay=self.decay, leak=None, synapse_leak=None, summed=True,
        )

    def run(self, current: Floats) -> tuple[npt.NDArray[np.bool_], Floats]:
        """Run the neurons in float64.

        Parameters
        ----------
        current : (steps, batch, neurons) float64
            Their inputs.

        Returns
        -------
        spikes : (steps, batch, neurons) bool
            Their spikes.
        membrane : (batch, neurons) float64
            Their membranes after the last step.
        """
        v = np.full(current.shape[1:], float(self.v_init))
        r, q = np.zeros(v.shape), np.zeros(v.shape)
        spikes = np.zeros(current.shape, dtype=np.bool_)
        # ``r`` holds the spikes of the previous step until the membrane is compared, then those of
        # this step.
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
    """Return ``values``, with float32 rounding errors removed from simple numbers.

    Frameworks derive decays and gains in float32 (``1 - dt / tau``), with errors of about 2**-23: a
    half becomes 0.50000003, which no shift computes. So a value within 2**-20 of a number with at
    most 16 significant bits becomes that number.
    """
    array = np.asarray(values, dtype=np.float64)
    mantissa, exponent = np.frexp(array)
    near = np.ldexp(np.round(mantissa * 2.0**_TIDY_BITS), exponent - _TIDY_BITS)
    result: Floats = np.where(np.abs(array - near) <= _TIDY_ERROR * np.abs(array), near, array)
    return result


def finite(node: str, kind: str, name: str, values: Any) -> Floats:
    """Return ``values`` as float64.

    Raises
    ------
    ValueError
        If one is not finite, naming the node, the parameter, the value and its index.
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
    """Return the value that all neurons of a layer share.

    Raises
    ------
    NotExpressible
        If they differ; ``why`` says what the array has only once.
    ValueError
        If there is none, or one is not finite.
    """
    array = finite(node, kind, name, values).reshape(-1)
    if not array.size:
        raise ValueError(f"{node} ({kind}): {name} is empty")
    if shared(array).ndim:
        raise NotExpressible(
            node, kind, f"{name} differs between neurons, from {array.min():.6g} to "
            f"{array.max():.6g}: {why}", f"one {name} per layer"
        )
    return float(array[0])


def checked_decay(node: str, kind: str, name: str, values: Any) -> Decay:
    """Return ``values`` as decays: one number if they are all the same.

    Raises
    ------
    ValueError
        If there are none, or one is not from 0 to 1.
    """
    decays = tidy(shared(finite(node, kind, name, values)))
    if not decays.size:
        raise ValueError(f"{node} ({kind}): {name} is empty")
    for value in (decays.min(), decays.max()):
        if not 0 <= value <= 1:
            raise ValueError(
                f"{node} ({kind}): {name} must be from 0 to 1 per step, not {value:.6g}"
            )
    return decays if decays.ndim else float(decays)


def described_decay(decay: Decay) -> str:
    """Return decays as text, for reports."""
    if np.ndim(decay) == 0:
        return f"{float(decay):.6g}"
    array = np.asarray(decay)
    return f"{array.min():.6g} to {array.max():.6g}"


def checked_threshold(node: str, kind: str, values: Any) -> Floats:
    """Return ``values`` as thresholds.

    Raises
    ------
    ValueError
        If one is not positive.
    """
    array = finite(node, kind, "threshold", values)
    if array.size and array.min() <= 0:
        raise ValueError(
            f"{node} ({kind}): thresholds above the resting membrane must be positive, "
            f"not {array.min():.6g}"
        )
    return array


def squeezed(values: Floats) -> Floats:
    """Return one number, (), if all ``values`` are the same, else ``values``."""
    flat = values.reshape(-1)
    return np.asarray(flat[0]) if flat.size and (flat == flat[0]).all() else values


def shared(values: Floats) -> Floats:
    """Return one number, (), if all ``values`` are the same but for rounding, else ``values``."""
    if values.size and np.ptp(values) <= _TIDY_ERROR * np.abs(values).max():
        return np.asarray(values.reshape(-1)[0])
    return values
