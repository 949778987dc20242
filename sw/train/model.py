"""The model that is trained, and the network it is frozen to: the same integers.

Weights are rounded in the forward pass; thresholds and biases are per neuron, rounded to the
``2**-F`` grid. The forward pass is the integer neuron itself; only gradients are approximated. So
the network exported from a model gives the same membranes and spikes, and nothing is quantized
afterwards. The hidden layer's scale per neuron is in its thresholds; the last layer has one scale
for all classes, outside the network.
"""

from __future__ import annotations

import numpy as np
import torch

from ..network import Dense, Network, Neuron, PixelInput, SpikeInput
from ..quantize import leak_factor
from .exact import ExactNeuron, straight_through
from .recipes import Recipe
from .weights import make_weights

__all__ = ["Model", "exported"]

MOMENTUM = 0.1
SMALLEST_SPREAD = 0.5
"""Of a neuron's current in weight steps, where ``norm`` divides by it."""


class Model(torch.nn.Module):
    """Latent weights, thresholds and biases of a recipe's network.

    Parameters
    ----------
    plan : the recipe.
    mean : (inputs,) mean of what the network reads.
    generator : of the first weights.
    """

    mean: torch.Tensor
    center: torch.Tensor
    spread: torch.Tensor

    def __init__(self, plan: Recipe, mean: torch.Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.plan = plan
        self.one = 2.0**plan.fraction_bits
        self.top = 2.0 ** (plan.state_bits - 1) - 1
        self.hidden = ExactNeuron(
            leak=plan.leak, reset=plan.reset, reset_timing=plan.reset_timing,
            compare=plan.compare, synapse_leak=plan.synapse_leak, state_bits=plan.state_bits,
            width=plan.width,
        )
        self.last = ExactNeuron(leak=plan.readout_leak, fires=False, state_bits=plan.state_bits)
        # What a constant current adds up to in the last membrane.
        factor = leak_factor(plan.readout_leak)
        self.gathered = sum(factor**step for step in range(plan.steps))

        def first(out: int, inputs: int) -> torch.Tensor:
            return 2.0 * torch.randn(out, inputs, generator=generator)

        kind, bits = plan.quantizer, plan.weight_bits
        self.w1 = make_weights(kind, first(plan.hidden, mean.numel()), bits, per_neuron=True)
        self.w2 = make_weights(kind, first(plan.classes, plan.hidden), bits)
        self.log_theta = torch.nn.Parameter(torch.zeros(plan.hidden))
        self.b1 = torch.nn.Parameter(torch.full((plan.hidden,), 0.25))
        self.b2 = torch.nn.Parameter(torch.zeros(plan.classes))
        self.log_gain = torch.nn.Parameter(torch.tensor(-3.0))
        self.register_buffer("mean", mean)
        self.register_buffer("center", torch.zeros(plan.hidden))
        self.register_buffer("spread", torch.ones(plan.hidden))

    def start(self, inputs: torch.Tensor) -> None:
        """First thresholds: the spread of the first currents over some samples."""
        with torch.no_grad():
            whole, scale = self.w1()
            current = ((inputs - self.mean) @ whole.T).flatten(0, -2)
            if self.plan.norm:
                self.center.copy_((inputs @ whole.T).flatten(0, -2).mean(0))
                self.spread.copy_(current.std(0).clamp(min=SMALLEST_SPREAD))
            else:
                spread = current.std(0).clamp(min=1 / self.one)
                self.log_theta.copy_((spread * scale.flatten()).log())

    def bound(self) -> None:
        """Latent weights back to where they are legal and fit the accumulators."""
        for weights in (self.w1, self.w2):
            weights.bound(self.plan.acc_bits)

    def integers(self) -> dict[str, torch.Tensor]:
        """Weights, biases and thresholds as the array gets them (whole numbers, float32)."""
        (w1, scale), (w2, _) = self.w1(), self.w2()
        if self.plan.norm:
            b1, theta = self._folded(self.center, self.spread)
        else:
            b1, theta = self._scaled(w1, scale)
        return {"w1": w1, "b1": b1, "theta1": theta, "w2": w2, "b2": self._last_bias()}

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Membranes (batch, classes) after the last step, and spikes (steps, batch, hidden).

        Parameters
        ----------
        inputs : whole numbers, (batch, inputs) pixels or (steps, batch, inputs) spikes.
        """
        w1, scale = self.w1()
        sums = inputs @ w1.T
        if not self.plan.norm:
            b1, theta = self._scaled(w1, scale)
        elif self.training:
            b1, theta = self._normed(sums)
        else:
            b1, theta = self._folded(self.center, self.spread)
        steps = self.plan.steps if sums.ndim == 2 else None
        spikes, _ = self.hidden(b1 + self.one * sums, theta, steps)
        w2, _ = self.w2()
        _, membranes = self.last(self._last_bias() + self.one * (spikes @ w2.T))
        return membranes, spikes

    def scores(self, membranes: torch.Tensor) -> torch.Tensor:
        """Membranes in the units of the cross-entropy."""
        return membranes * (self.log_gain.exp() / self.one)

    def classify(self, rates: torch.Tensor) -> torch.Tensor:
        """Scores (batch, classes) of hidden rates: the last layer as a linear map.

        Equal to the scores of the spikes where the last layer has neither leak nor saturation.
        """
        w2, _ = self.w2()
        return self.scores(self.gathered * (self._last_bias() + self.one * (rates @ w2.T)))

    def _fixed(self, value: torch.Tensor, least: float) -> torch.Tensor:
        """Weight steps to integers of the state's resolution."""
        return straight_through(value * self.one, lambda v: v.round().clamp(least, self.top))

    def _last_bias(self) -> torch.Tensor:
        return self._fixed(self.b2, -self.top - 1)

    def _scaled(self, w1: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        theta = self.log_theta.exp() / scale.flatten()
        # Biases are learned around the mean input: it conditions the problem, the array sees a sum.
        b1 = self.b1 * theta - w1 @ self.mean
        return self._fixed(b1, -self.top - 1), self._fixed(theta, 1.0)

    def _folded(
        self, center: torch.Tensor, spread: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Bias and threshold to which ``(I - center) / (spread e**log_theta) + b1`` against a
        threshold of 1 is folded."""
        theta = self.log_theta.exp() * spread
        return self._fixed(self.b1 * theta - center, -self.top - 1), self._fixed(theta, 1.0)

    def _normed(self, sums: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The same with the mean and spread of a batch, which the running ones follow."""
        flat = sums.flatten(0, -2)
        center, spread = flat.mean(0), flat.std(0, correction=0).clamp(min=SMALLEST_SPREAD)
        with torch.no_grad():
            self.center.lerp_(center, MOMENTUM)
            self.spread.lerp_(spread, MOMENTUM)
        return self._folded(center, spread)


def exported(model: Model) -> Network:
    """The frozen model's integers as a network, proven to fit the accumulators.

    Raises
    ------
    ValueError
        If a parameter is not finite, or weights do not fit the accumulators.
    """
    plan = model.plan
    for name, value in model.state_dict().items():
        if not bool(value.isfinite().all()):
            raise ValueError(f"{name} is not finite: train again from the last good checkpoint")
    with torch.no_grad():
        n = {key: value.numpy().astype(np.int64) for key, value in model.integers().items()}
    largest = 2 ** (plan.acc_bits - 1)
    for key in ("w1", "w2"):
        high, low = np.maximum(n[key], 0).sum(1), np.minimum(n[key], 0).sum(1)
        for neuron in np.flatnonzero((high >= largest) | (low < -largest)):
            raise ValueError(
                f"the weights {key} of neuron {neuron} sum to {low[neuron]} and {high[neuron]}, "
                f"beyond acc_bits={plan.acc_bits}: train with fewer inputs or wider accumulators"
            )
    source: PixelInput | SpikeInput = (
        SpikeInput(shape=(2, plan.side, plan.side))
        if plan.events
        else PixelInput(shape=(1, plan.side, plan.side), bits=plan.pixel_bits)
    )
    return Network(
        input=source,
        layers=(
            Dense(weight=n["w1"], bias=n["b1"], neuron=model.hidden.neuron(n["theta1"])),
            Dense(weight=n["w2"], bias=n["b2"], neuron=Neuron(
                leak=plan.readout_leak, fires=False)),
        ),
        readout="membrane",
        weight_bits=plan.weight_bits,
        fraction_bits=plan.fraction_bits,
    )
