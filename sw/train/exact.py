"""The integer neuron in torch: exact integers forward, real gradients backward.

Every value of the forward pass is a whole number, computed as the numerics page says: floor shifts
in the leak, the clamp of the membrane, both reset timings, both comparisons. In the backward pass
rounding and shifts pass gradients straight through. The clamp passes none outside its range, where
the membrane does not change. A spike has the gradient of a triangle around the threshold.

float32 is exact as long as sums of weights stay below ``2**24``. A current beyond that is far
outside the range of the clamp.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..network import Leak, Neuron, Shifts
from ..spec.array import LIMITS
from ..support.values import exact_int
from .operations.fused import Rule, Subtracting

__all__ = ["ExactNeuron", "spike", "straight_through"]


class _Exact(torch.autograd.Function):
    """``function`` forward, the identity backward."""

    @staticmethod
    def forward(
        ctx: Any, latent: torch.Tensor, function: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        return function(latent)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grad, None


class _Spike(torch.autograd.Function):
    """1 where the distance to the threshold is positive (or 0, unless strict), else 0."""

    @staticmethod
    def forward(ctx: Any, distance: torch.Tensor, width: float, strict: bool) -> torch.Tensor:
        ctx.save_for_backward(distance)
        ctx.width = width
        fired = distance > 0 if strict else distance >= 0
        return fired.to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (distance,) = ctx.saved_tensors
        return grad * (1 - distance.abs() / ctx.width).clamp_(min=0) / ctx.width, None, None


def straight_through(
    latent: torch.Tensor, function: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Return ``function(latent)``, with the gradient of ``latent`` itself.

    Parameters
    ----------
    latent : tensor
        Real numbers.
    function : callable
        A function of a tensor, such as ``torch.round``.
    """
    exact: torch.Tensor = _Exact.apply(latent, function)  # type: ignore[no-untyped-call, unused-ignore]
    return exact


def spike(distance: torch.Tensor, width: float, compare: str = "ge") -> torch.Tensor:
    """Return 1.0 where a neuron fires and 0.0 elsewhere.

    The gradient is ``max(0, 1 - |distance| / width) / width``.

    Parameters
    ----------
    distance : tensor
        Distance of the membrane from the threshold, positive above it.
    width : float
        Half width of the triangle.
    compare : {"ge", "gt"}
        Fires where the distance is at least 0 ("ge") or more than 0 ("gt").
    """
    fired: torch.Tensor = _Spike.apply(distance, width, compare == "gt")  # type: ignore[no-untyped-call, unused-ignore]
    return fired


@dataclass(frozen=True)
class ExactNeuron:
    """The neurons of one layer, with gradients, over the steps of a sample.

    Parameters
    ----------
    leak : Leak or (int or None, int or None)
        As in ``stablespike.Neuron``.
    reset : {"subtract", "zero", "none"}
        As in ``stablespike.Neuron``.
    reset_timing : {"same_step", "next_step"}
        As in ``stablespike.Neuron``.
    compare : {"ge", "gt"}
        As in ``stablespike.Neuron``.
    v_init : int
        As in ``stablespike.Neuron``.
    fires : bool
        As in ``stablespike.Neuron``.
    synapse_leak : Leak or (int or None, int or None), optional
        As in ``stablespike.Neuron``.
    state_bits : int
        Width V of membrane and synaptic current, clamped to ``-2**(V-1) .. 2**(V-1) - 1``.
    width : float
        Half width of the surrogate gradient, in thresholds.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.
    """

    leak: Shifts = (None, None)
    reset: str = "subtract"
    reset_timing: str = "same_step"
    compare: str = "ge"
    v_init: int = 0
    fires: bool = True
    synapse_leak: Shifts | None = None
    state_bits: int = 16
    width: float = 1.0

    def __post_init__(self) -> None:
        self.neuron(1)
        exact_int("state_bits", self.state_bits, *LIMITS["state_bits"])
        if not 0 < self.width < float("inf"):
            raise ValueError(f"width must be more than 0, not {self.width!r}")

    def neuron(self, threshold: Any) -> Neuron:
        """Return the neurons of a network with these settings and integer thresholds."""
        return Neuron(
            leak=Leak.of(self.leak), threshold=threshold if self.fires else None, reset=self.reset,
            reset_timing=self.reset_timing, compare=self.compare, v_init=self.v_init,
            fires=self.fires,
            synapse_leak=(
                None if self.synapse_leak is None else Leak.of(self.synapse_leak, "synapse_leak")
            ),
        )

    def __call__(
        self,
        current: torch.Tensor,
        threshold: torch.Tensor | float = 1.0,
        steps: int | None = None,
        recurrent: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the neurons.

        Parameters
        ----------
        current : (T, batch, neurons) or (batch, neurons) tensor
            Whole numbers in units of the state. Without an axis of steps the current is the same
            in each of ``steps`` steps.
        threshold : (neurons,) tensor or float
            Whole numbers of at least 1.
        steps : int, optional
            Number of steps, only with a (batch, neurons) current.
        recurrent : (neurons, neurons) tensor, optional
            Whole numbers in units of the state: what a spike of one neuron (column) in the previous
            step adds to the current of another (row).

        Returns
        -------
        spikes : (T, batch, neurons) tensor
            Spikes, 0 or 1.
        membranes : (batch, neurons) tensor
            Membranes after the last step.

        Raises
        ------
        ValueError
            If the current's shape and ``steps`` do not go together.
        """
        if (current.ndim, steps is None) not in ((3, True), (2, False)):
            raise ValueError(
                "current must be (T, batch, neurons) without steps=, or (batch, neurons) with it; "
                f"not {tuple(current.shape)} with steps={steps}"
            )
        if self._fusible and recurrent is None:
            return self._fused(current, threshold, steps)
        currents = current.unbind(0) if steps is None else (current,) * steps
        v = torch.full_like(currents[0], self.v_init)
        fired, q = torch.zeros_like(v), torch.zeros_like(v)
        spikes = []
        for index, drive in enumerate(currents):
            if index and recurrent is not None:
                drive = drive + fired @ recurrent.T
            if self.synapse_leak is not None:
                drive = q = self._clamped(self._leaked(q, self.synapse_leak) + drive)
            d = self._leaked(v, self.leak)
            # The first step has no spike before it.
            if index and self.reset == "subtract" and self.reset_timing == "next_step":
                d = d - fired * threshold
            v = self._clamped(d + drive)
            if self.fires:
                fired = spike(v / threshold - 1, self.width, self.compare)
                v = self._after(v, fired, threshold)
            spikes.append(fired)
        return torch.stack(spikes), v

    @property
    def _fusible(self) -> bool:
        """Whether the neurons are of the common kind that has a faster implementation."""
        rule = self.reset, self.reset_timing
        plain = self.synapse_leak is None and not self.v_init
        return self.fires and plain and rule == ("subtract", "same_step")

    def _fused(
        self, current: torch.Tensor, threshold: torch.Tensor | float, steps: int | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rule = Rule(self.leak, self.compare == "gt", self.width, 2.0 ** (self.state_bits - 1))
        pair: tuple[torch.Tensor, torch.Tensor] = Subtracting.apply(  # type: ignore[no-untyped-call, unused-ignore]
            current, torch.as_tensor(threshold, dtype=current.dtype), steps, rule
        )
        return pair

    def _after(
        self, u: torch.Tensor, fired: torch.Tensor, threshold: torch.Tensor | float
    ) -> torch.Tensor:
        """Return the membrane after a reset in the step of the spike."""
        if self.reset == "zero":
            return u * (1 - fired)
        if self.reset == "subtract" and self.reset_timing == "same_step":
            return u - fired * threshold
        return u

    def _leaked(self, value: torch.Tensor, leak: Shifts) -> torch.Tensor:
        left = value
        for sign, shift in Leak.of(leak).terms:
            left = left.add(straight_through(value * 2.0**-shift, torch.floor), alpha=sign)
        return left

    def _clamped(self, value: torch.Tensor) -> torch.Tensor:
        high = 2.0 ** (self.state_bits - 1)
        return value.clamp(-high, high - 1)
