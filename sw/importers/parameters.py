"""The parameters of neurons, one for each output of the weights in front of them."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ..support.errors import NotExpressible
from .maps.chain import channel_values
from .operations import Neurons, Shape
from .semantics import Cell, Floats

__all__ = ["fitted"]


def fitted(
    op: Neurons, shape: Shape, outputs: int, bias: Floats, on_map: bool
) -> tuple[Cell, Floats]:
    """Return the rule of neurons with one value for each output, and (outputs,) biases.

    Parameters
    ----------
    op : Neurons
        The neurons.
    shape : tuple of int
        Shape of the neurons in the model.
    outputs : int
        Outputs of the weights in front: neurons, or channels of a convolution.
    bias : () or (outputs,) float64
        Biases of the weights.
    on_map : bool
        Whether the weights are a convolution.

    Raises
    ------
    NotExpressible, ValueError
        Naming the neurons.
    """
    cell = op.cell
    if op.size not in (None, outputs, prod(shape)):
        raise ValueError(
            f"{op.name} ({op.kind}): its parameters are of {op.size} neurons, but its "
            f"weights have {prod(shape)} outputs"
        )

    def of_neurons(name: str, values: Floats) -> Floats:
        return _of_neurons(op, name, values, shape, outputs if on_map else None)

    threshold, within = cell.threshold, cell.within
    if threshold is not None:
        threshold = of_neurons("threshold", threshold)
    if within is not None:
        within = of_neurons("range", within[0]), of_neurons("range", within[1])
    own = of_neurons("bias", cell.bias)
    decays: dict[str, Any] = {
        name: of_neurons("decay", each)
        for name in ("decay", "synapse_decay")
        if isinstance(each := getattr(cell, name), np.ndarray)
    }
    # The bias of a cell goes through its synaptic current, but a leak toward a rest does not.
    if cell.synapse_decay is not None and own.any():
        raise NotExpressible(
            op.name, op.kind, "a leak toward a rest other than the reset, behind a "
            "synaptic current", "the same rest and reset",
        )
    if cell.recurrent is not None:
        if on_map:
            raise NotExpressible(
                op.name, op.kind, "it is recurrent, behind a convolution",
                "recurrent neurons behind fully connected weights",
            )
        cell = replace(cell, recurrent=_square(op, cell.recurrent, outputs))
        own = own + cell.recurrent_bias
    cell = replace(cell, threshold=threshold, within=within, **decays)
    return cell, np.broadcast_to(bias, (outputs,)) + own


def _square(op: Neurons, weight: Floats, neurons: int) -> Floats:
    """Return (neurons, neurons) recurrent weights."""
    if weight.shape in ((), (1,), (neurons,)):
        return np.diag(np.broadcast_to(weight, (neurons,)))
    if weight.shape != (neurons, neurons):
        raise ValueError(
            f"{op.name} ({op.kind}): its recurrent weight must be {(neurons, neurons)}, as "
            f"many as the outputs of its weights, not {weight.shape}"
        )
    return weight


def _of_neurons(
    op: Neurons, name: str, values: Floats, shape: Shape, channels: int | None
) -> Floats:
    """Return () or (outputs,) values of neurons of that shape, which broadcast as in torch.

    With ``channels``, those of a convolution, an output is a channel.
    """
    if not values.ndim:
        return values
    while values.ndim > len(shape) and len(values) == 1:  # an axis of the batch
        values = values[0]
    outputs = prod(shape)
    if channels is None and values.size == outputs:
        return values.reshape(-1)
    try:
        full = np.broadcast_to(values, shape)
    except ValueError:
        if len(shape) == 1:
            raise ValueError(
                f"{op.name} ({op.kind}): its {name} must be one value or ({outputs},), "
                f"as many as the outputs of its weights, not {values.shape}"
            ) from None
        example = (shape[0], *[1] * (len(shape) - 1))
        raise ValueError(
            f"{op.name} ({op.kind}): its {name} must be one value, or broadcast to the map "
            f"{shape}, such as {example}; not {values.shape}"
        ) from None
    if channels is None:
        return full.reshape(-1)
    return channel_values(op, name, full, (channels, prod(shape) // channels))
