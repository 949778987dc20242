"""The integer neuron in torch: exact integers forward, real gradients backward.

Every value of the forward pass is a whole number, computed as the numerics page says: floor shifts
in the leak, the clamp of the membrane, both reset timings, both comparisons. Backward, rounding
and shifts pass gradients straight through, the clamp passes none outside its range (the membrane
really does not move there), and a spike has the gradient of a triangle around the threshold.
float32 is exact while the sums of weights stay below ``2**24``: a current beyond that is far
outside what the clamp leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..network import Leak, Neuron
from ..spec.array import LIMITS
from ..support.values import exact_int
from .fused import Subtracting

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
    """1 where the distance to the threshold allows it; backward a triangle."""

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
    """``function(latent)``, with the gradient of ``latent`` itself."""
    exact: torch.Tensor = _Exact.apply(latent, function)  # type: ignore[no-untyped-call, unused-ignore]
    return exact


def spike(distance: torch.Tensor, width: float, compare: str = "ge") -> torch.Tensor:
    """1.0 where ``distance`` to the threshold is >= 0 (``"ge"``) or > 0 (``"gt"``).

    The gradient is ``max(0, 1 - |distance| / width) / width``.
    """
    fired: torch.Tensor = _Spike.apply(distance, width, compare == "gt")  # type: ignore[no-untyped-call, unused-ignore]
    return fired


@dataclass(frozen=True)
class ExactNeuron:
    """Neurons of one layer, as in ``stablespike.Neuron``, over the steps of a sample.

    Parameters
    ----------
    leak, reset, reset_timing, compare, v_init, fires, synapse_leak : as in ``stablespike.Neuron``.
    state_bits : width V of membrane and synapse, clamped to ``-2**(V-1) .. 2**(V-1) - 1``.
    width : half width of the surrogate gradient, in thresholds.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.
    """

    leak: Leak = (None, None)
    reset: str = "subtract"
    reset_timing: str = "same_step"
    compare: str = "ge"
    v_init: int = 0
    fires: bool = True
    synapse_leak: Leak | None = None
    state_bits: int = 16
    width: float = 1.0

    def __post_init__(self) -> None:
        self.neuron(1)
        exact_int("state_bits", self.state_bits, *LIMITS["state_bits"])
        if not 0 < self.width < float("inf"):
            raise ValueError(f"width must be more than 0, not {self.width!r}")

    def neuron(self, threshold: Any) -> Neuron:
        """The same settings in a network, with integer thresholds."""
        return Neuron(
            leak=self.leak, threshold=threshold if self.fires else None, reset=self.reset,
            reset_timing=self.reset_timing, compare=self.compare, v_init=self.v_init,
            fires=self.fires, synapse_leak=self.synapse_leak,
        )

    def __call__(
        self, current: torch.Tensor, threshold: torch.Tensor | float = 1.0, steps: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Spikes (T, batch, neurons), and membranes (batch, neurons) after the last step.

        Parameters
        ----------
        current : whole numbers in units of the state, (T, batch, neurons), or (batch, neurons) for
            the same current in each of ``steps`` steps.
        threshold : (neurons,) or one, whole numbers from 1 on.
        steps : only with (batch, neurons).

        Raises
        ------
        ValueError
            If shapes and ``steps`` do not go together.
        """
        if (current.ndim, steps is None) not in ((3, True), (2, False)):
            raise ValueError(
                "current must be (T, batch, neurons) without steps=, or (batch, neurons) with it; "
                f"not {tuple(current.shape)} with steps={steps}"
            )
        if self.fires and self.synapse_leak is None and not self.v_init and (
            self.reset, self.reset_timing
        ) == ("subtract", "same_step"):
            return self._fused(current, threshold, steps)
        currents = current.unbind(0) if steps is None else (current,) * steps
        v = torch.full_like(currents[0], self.v_init)
        fired, q = torch.zeros_like(v), torch.zeros_like(v)
        spikes = []
        for index, drive in enumerate(currents):
            if self.synapse_leak is not None:
                drive = q = self._clamped(self._leaked(q, self.synapse_leak) + drive)
            d = self._leaked(v, self.leak)
            if index and self.reset == "subtract" and self.reset_timing == "next_step":
                d = d - fired * threshold
            v = self._clamped(d + drive)
            if self.fires:
                fired = spike(v / threshold - 1, self.width, self.compare)
                v = self._after(v, fired, threshold)
            spikes.append(fired)
        return torch.stack(spikes), v

    def _fused(
        self, current: torch.Tensor, threshold: torch.Tensor | float, steps: int | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        pair: tuple[torch.Tensor, torch.Tensor] = Subtracting.apply(  # type: ignore[no-untyped-call, unused-ignore]
            current, torch.as_tensor(threshold, dtype=current.dtype), steps, self.leak,
            self.compare == "gt", self.width, 2.0 ** (self.state_bits - 1),
        )
        return pair

    def _after(
        self, u: torch.Tensor, fired: torch.Tensor, threshold: torch.Tensor | float
    ) -> torch.Tensor:
        if self.reset == "zero":
            return u * (1 - fired)
        if self.reset == "subtract" and self.reset_timing == "same_step":
            return u - fired * threshold
        return u

    def _leaked(self, value: torch.Tensor, leak: Leak) -> torch.Tensor:
        left = value
        for shift in leak:
            if shift is not None:
                left = left - straight_through(value * 2.0**-shift, torch.floor)
        return left

    def _clamped(self, value: torch.Tensor) -> torch.Tensor:
        high = 2.0 ** (self.state_bits - 1)
        return value.clamp(-high, high - 1)
