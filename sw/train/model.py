"""The model that is trained, and the network that it becomes: the same integers.

Weights are rounded in the forward pass. Thresholds and biases, per neuron or per channel of a
convolution, are rounded to multiples of ``2**-fraction_bits``. The forward pass is the integer
neuron itself, and only gradients are approximated. So the network of a model gives the model's
membranes and spikes, and nothing is quantized afterwards. The scale of a neuron that fires is in
its threshold. The last layer has one scale for all classes, which stays outside of the network.
"""

from __future__ import annotations

from math import prod

import numpy as np
import torch

from ..network import Dense, FrameInput, Input, Leak, Network, Neuron, PixelInput, SpikeInput
from .convolutions import Convolution
from .exact import ExactNeuron, straight_through
from .hidden import Hidden
from .recipe import Recipe
from .weights import make_weights

__all__ = ["Model", "exported"]


class Model(torch.nn.Module):
    """The layers of a recipe's network: those that fire, and the last one.

    Parameters
    ----------
    plan : Recipe
        The recipe.
    mean : (inputs,) tensor
        Mean of the network's input.
    generator : torch.Generator
        Source of the first weights.
    """

    def __init__(self, plan: Recipe, mean: torch.Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.plan = plan
        self.one = 2.0**plan.fraction_bits
        self.top = 2.0 ** (plan.state_bits - 1) - 1
        self.last = ExactNeuron(leak=plan.readout_leak, fires=False, state_bits=plan.state_bits)
        # The factor by which a constant current adds up in the last membrane.
        factor = Leak.of(plan.readout_leak).factor
        self.gathered = sum(factor**step for step in range(plan.steps))

        hidden = []
        kinds: list[Convolution | int] = [*plan.convolutions, *plan.sizes]
        for index, kind in enumerate(kinds):
            shape = plan.shape_at(index)
            around = torch.zeros(prod(shape)) if index else mean
            hidden.append(Hidden(plan, kind, shape, generator, around, first=not index))
        self.hidden = torch.nn.ModuleList(hidden)
        first = 2.0 * torch.randn(plan.classes, plan.features, generator=generator)
        self.weights = make_weights(plan.quantizer, first, plan.weight_bits)
        self.bias = torch.nn.Parameter(torch.zeros(plan.classes))
        self.log_gain = torch.nn.Parameter(torch.tensor(-3.0))

    @property
    def firing(self) -> list[Hidden]:
        """The layers that fire."""
        return [each for each in self.hidden if isinstance(each, Hidden)]

    @property
    def latent(self) -> list[torch.Tensor]:
        """Latent weights of every layer."""
        return [*(each for layer in self.firing for each in layer.latent), self.weights.latent]

    def start(self, inputs: torch.Tensor) -> None:
        """Set the first thresholds, to the spread of the first currents over some samples."""
        training = self.training
        self.eval()  # otherwise the running statistics would follow these samples as a batch
        with torch.no_grad():
            values, steps = self._first(inputs)
            for layer in self.firing:
                layer.start(values)
                values, steps = self._next(layer, values, steps), None
        self.train(training)

    def bound(self) -> None:
        """Move latent weights back to where they are legal and fit the accumulators."""
        for layer in self.firing:
            layer.bound()
        self.weights.bound(self.plan.acc_bits)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the network.

        Parameters
        ----------
        inputs : tensor
            Whole numbers: pixels (batch, inputs), or spikes or frames (steps, batch, inputs), from
            which the zero point has been taken.

        Returns
        -------
        membranes : (batch, classes) tensor
            Membranes of the last layer after the last step.
        spikes : (steps, batch, features) tensor
            The spikes that the last layer reads.
        """
        values, steps = self._first(inputs)
        for layer in self.firing:
            values, steps = self._next(layer, values, steps), None
        weight, _ = self.weights()
        _, membranes = self.last(self._last_bias() + self.one * (values @ weight.T))
        return membranes, values

    def scores(self, membranes: torch.Tensor) -> torch.Tensor:
        """Return membranes in the units of the cross-entropy."""
        return membranes * (self.log_gain.exp() / self.one)

    def classify(self, rates: torch.Tensor) -> torch.Tensor:
        """Return (batch, classes) scores of (batch, features) rates: the last layer, linear.

        They are equal to the scores of the spikes where the last layer neither leaks nor saturates.
        """
        weight, _ = self.weights()
        return self.scores(self.gathered * (self._last_bias() + self.one * (rates @ weight.T)))

    def network(self) -> Network:
        """Return the network."""
        plan = self.plan
        with torch.no_grad():
            parameters = self.weights()[0], self._last_bias()
            weight, bias = (each.cpu().numpy().astype(np.int64) for each in parameters)
        return Network(
            input=self._input(),
            layers=(
                *(each.layer() for each in self.firing),
                Dense(weight=weight, bias=bias, neuron=Neuron(leak=plan.readout_leak, fires=False)),
            ),
            readout="membrane",
            weight_bits=plan.weight_bits,
            fraction_bits=plan.fraction_bits,
            encoder=None if plan.own is None else plan.own.encoder,
        )

    def _input(self) -> Input:
        plan = self.plan
        if plan.binary:
            return SpikeInput(plan.shape)
        kind = FrameInput if plan.stepped else PixelInput
        return kind(plan.shape, bits=plan.pixel_bits, zero=plan.zero)

    def _first(self, inputs: torch.Tensor) -> tuple[torch.Tensor, int | None]:
        """Return the input of the first layer, and the number of steps in which it is the same."""
        steps = None if self.plan.stepped else self.plan.steps
        if not self.plan.convolutions:
            return inputs, steps
        maps = inputs.reshape(*inputs.shape[:-1], *self.plan.shape)
        return maps.movedim(-3, -1).contiguous(), steps

    def _next(
        self, layer: Hidden, values: torch.Tensor, steps: int | None
    ) -> torch.Tensor:
        """Return the input of the next layer, flat in C order after the last convolution."""
        spikes: torch.Tensor = layer(values, steps)
        convolutions = len(self.plan.convolutions)
        if convolutions and layer is self.hidden[convolutions - 1]:
            return spikes.movedim(-1, -3).flatten(-3)
        return spikes

    def _last_bias(self) -> torch.Tensor:
        low, high = -self.top - 1, self.top
        return straight_through(self.bias * self.one, lambda v: v.round().clamp(low, high))


def exported(model: Model) -> Network:
    """Return the network of a model, proven to fit the accumulators.

    Raises
    ------
    ValueError
        If a parameter is not finite, or weights do not fit the accumulators.
    """
    for name, value in model.state_dict().items():
        if not bool(value.isfinite().all()):
            raise ValueError(f"{name} is not finite: train again from the last good checkpoint")
    network, bits = model.network(), model.plan.acc_bits
    largest = 2 ** (bits - 1)
    for index, layer in enumerate(network.layers):
        low, high = layer.sum_bounds(network.input_shapes[index])
        for neuron in np.flatnonzero((high >= largest) | (low < -largest)):
            raise ValueError(
                f"the weights of neuron {neuron} of {network.layer_name(index)} sum to "
                f"{low[neuron]} and {high[neuron]}, beyond acc_bits={bits}: train with fewer "
                "inputs or wider accumulators"
            )
    return network
