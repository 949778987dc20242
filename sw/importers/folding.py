"""The operations between two layers of neurons, folded into the weights of the second.

A sequence of affine maps is one affine map, and so is a scaling before or after one: ``w (a x + b)
+ c`` is ``(w a) x + (w b + c)``.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ..network import Conv2d, Neuron, SumPool2d
from ..support.errors import NotExpressible
from .layers import FloatLayer
from .operations import Affine, Conv, Neurons, Operation, Pool, Reshape, Scaling, Shape, Votes
from .semantics import Floats

__all__ = ["Folding", "square_pool"]

_BETWEEN = "neurons between two layers of weights"


def square_pool(op: Pool, where: str) -> int:
    """Return the side of the cells of a pool.

    Raises
    ------
    NotExpressible
        If the cells are not square, not adjacent, or reach into a padding.
    """
    if len(set(op.size)) > 1 or op.stride != op.size or any(op.padding):
        raise NotExpressible(
            op.name, op.kind,
            f"window {op.size}, stride {op.stride}, padding {op.padding}", where,
        )
    return op.size[0]


class Folding:
    """Collects the operations in front of a layer of neurons into one affine map or convolution.

    Parameters
    ----------
    shape : tuple of int
        Shape of the input.

    Attributes
    ----------
    shape : tuple of int
        Shape after the operations so far.
    weight : (out, in) or (out, in, kh, kw) float64, or None
        Weights so far; None before the first.
    only_votes : bool
        Whether the weights so far are means of groups of inputs, and nothing else.
    """

    def __init__(self, shape: Shape) -> None:
        self.inputs = self.shape = shape
        self.weight: Floats | None = None
        self.bias = np.zeros(())
        self.factor, self.offset = np.ones(()), np.zeros(())
        self.pool: SumPool2d | None = None
        self.divisor = 1
        self.conv: Conv2d | None = None
        self.only_votes = False

    @property
    def started(self) -> bool:
        """Whether an operation so far computes something."""
        return (
            self.weight is not None or self.pool is not None or bool((self.factor != 1).any())
            or bool(self.offset.any())
        )

    def add(self, op: Operation) -> None:
        """Add the next operation.

        Raises
        ------
        NotExpressible, ValueError
            Naming it.
        """
        if isinstance(op, Reshape):
            self.shape = op.output_shape(self.shape)
            return
        votes = isinstance(op, Votes) and (self.only_votes or not self.started)
        if isinstance(op, Affine):
            self._affine(op)
        elif isinstance(op, Votes):
            self._vote(op)
        elif isinstance(op, Scaling):
            self._scale(op)
        elif isinstance(op, Pool):
            self._pool(op)
        elif isinstance(op, Conv):
            self._convolve(op)
        else:
            raise TypeError(f"{op.name} ({op.kind}) is not an operation of a chain")
        self.only_votes = votes

    def _vote(self, op: Votes) -> None:
        *lead, last = self.shape
        groups = last // op.size
        if not groups:
            raise ValueError(
                f"{op.name} ({op.kind}): it takes the mean of {op.size} values, but its input of "
                f"{self.shape} has {last}"
            )
        mean = np.zeros((groups, last))
        for group in range(groups):
            mean[group, group * op.size : (group + 1) * op.size] = 1 / op.size
        weight: Floats = np.kron(np.eye(prod(lead)), mean).astype(np.float64)
        self._affine(Affine(op.name, op.kind, weight, np.zeros(len(weight))))
        self.shape = (*lead, groups)

    def _affine(self, op: Affine) -> None:
        if not op.weight.size:
            raise ValueError(f"{op.name} ({op.kind}): its weight is empty, {op.weight.shape}")
        outputs, inputs = op.weight.shape
        size = prod(self.shape)
        if size != inputs:
            raise ValueError(
                f"{op.name} ({op.kind}): its weight must be (out, {size}) for an input of "
                f"{self.shape}, not {op.weight.shape}"
            )
        if self.conv is not None:
            raise NotExpressible(
                op.name, op.kind, "it follows a convolution without neurons", _BETWEEN
            )
        if self.weight is None:
            self.weight = op.weight * self.factor
            self.bias = op.weight @ np.broadcast_to(self.offset, (inputs,)) + op.bias
        else:
            self.weight = op.weight @ self.weight
            self.bias = op.weight @ self.bias + op.bias
        self.shape = (outputs,)

    def _convolve(self, op: Conv) -> None:
        if self.weight is not None:
            raise NotExpressible(
                op.name, op.kind, "it follows weights without neurons", _BETWEEN
            )
        if op.groups != 1 or any(step != 1 for step in op.dilation):
            raise NotExpressible(
                op.name, op.kind, f"groups={op.groups}, dilation={op.dilation}",
                "groups=1, dilation=1",
            )
        if op.weight.ndim != 4:
            raise ValueError(
                f"{op.name} ({op.kind}): weight must be (out, in, kh, kw), not "
                f"{op.weight.shape}"
            )
        # Conv2d pools its input itself, so with a pool its input is the map before pooling.
        shape = self.inputs if self.pool is not None else self.shape
        try:
            self.conv = Conv2d(
                np.zeros(op.weight.shape), stride=_pair(op.stride), padding=_padding(op),
                pool_before=self.pool, neuron=Neuron(fires=False),
            )
            neurons = self.conv.neuron_shape(shape)
        except ValueError as error:
            raise ValueError(f"{op.name} ({op.kind}): {error}") from None
        factor, offset = (
            self._per_channel(op, name, values)
            for name, values in (("factor", self.factor), ("offset", self.offset))
        )
        if offset.any() and any(self.conv.padding):
            raise NotExpressible(
                op.name, op.kind, "its padding is of zeros, but its input was shifted by "
                f"{offset.reshape(-1)[0]:.6g}", "padding=0, or batch normalisation behind it",
            )
        channels = op.weight.shape[1]
        self.bias = op.bias + op.weight.sum((2, 3)) @ np.broadcast_to(offset, (channels,))
        self.weight = op.weight * np.broadcast_to(factor, (channels,))[:, None, None]
        self.inputs, self.shape = shape, neurons

    def _scale(self, op: Scaling) -> None:
        factor = self._elements(op, "factor", op.factor)
        offset = self._elements(op, "offset", op.offset)
        if self.weight is None:
            self.offset = self.offset * factor + offset
            self.factor = self.factor * factor
            return
        if self.conv is not None:
            factor = self._per_channel(op, "factor", factor)
            offset = self._per_channel(op, "offset", offset)
        rows = np.broadcast_to(factor, (len(self.weight),))
        self.weight = rows.reshape(-1, *[1] * (self.weight.ndim - 1)) * self.weight
        self.bias = self.bias * factor + offset

    def _elements(self, op: Scaling, name: str, values: Floats) -> Floats:
        """Return () or (elements,) values in C order; those of a map may be given by channel."""
        size = prod(self.shape)
        if values.size == 1:
            return values.reshape(())
        if len(self.shape) == 3 and values.size == self.shape[0]:
            return np.repeat(values.reshape(-1), size // self.shape[0])
        if values.size != size:
            raise ValueError(
                f"{op.name} ({op.kind}): its {name} must be one value or {size}, for an "
                f"input of {self.shape}, not {values.shape}"
            )
        return values.reshape(-1)

    def _per_channel(self, op: Operation, name: str, values: Floats) -> Floats:
        """Return () or (channels,) values of () or (elements,) values of a map."""
        if not values.ndim:
            return values
        return _channels(op, name, values, self.shape)

    def _pool(self, op: Pool) -> None:
        plain = "sum or average pooling with stride = window, no padding, before the weights"
        if self.weight is not None or self.started:
            raise NotExpressible(
                op.name, op.kind, "it pools the result of weights, scales or another pool", plain
            )
        pool = SumPool2d(square_pool(op, plain))
        try:
            shape = pool.output_shape(self.shape)
        except ValueError as error:
            raise ValueError(f"{op.name} ({op.kind}): {error}") from None
        self.inputs, self.shape, self.pool = self.shape, shape, pool
        if op.mode == "average":
            self.divisor = pool.size**2

    def layer(self, op: Neurons) -> FloatLayer:
        """Return the layer made of the operations so far and these neurons.

        Raises
        ------
        NotExpressible, ValueError
            Naming them.
        """
        if self.weight is None:
            raise NotExpressible(
                op.name, op.kind, "there are no weights in front of these neurons",
                "a fully connected layer in front of them, with the identity as weights if need be",
            )
        cell, outputs = op.cell, len(self.weight)
        shape = self.shape if self.conv is not None else (outputs,)
        if op.size not in (None, outputs, prod(shape)):
            raise ValueError(
                f"{op.name} ({op.kind}): its parameters are of {op.size} neurons, but its "
                f"weights have {prod(shape)} outputs"
            )
        threshold = cell.threshold
        if threshold is not None:
            threshold = _of_neurons(op, "threshold", threshold, shape)
        within = cell.within
        if within is not None:
            low, high = (_of_neurons(op, "range", each, shape) for each in within)
            within = low * self.divisor, high * self.divisor
        own = _of_neurons(op, "bias", cell.bias, shape)
        decays: dict[str, Any] = {
            name: _of_neurons(op, "decay", each, shape)
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
            if self.conv is not None:
                raise NotExpressible(
                    op.name, op.kind, "it is recurrent, behind a convolution",
                    "recurrent neurons behind fully connected weights",
                )
            cell = replace(cell, recurrent=_square(op, cell.recurrent, outputs))
            own = own + cell.recurrent_bias
        bias = np.broadcast_to(self.bias, (outputs,)) + own
        # If the weights were divided by the size of an average pool's cells, few of them would stay
        # exact. So everything else is multiplied by it.
        times = self.divisor
        cell = replace(
            cell,
            **decays,
            threshold=None if threshold is None else threshold * times,
            bias=np.zeros(()),
            within=within,
            v_init=cell.v_init * times,
            recurrent=None if cell.recurrent is None else cell.recurrent * times,
            recurrent_bias=np.zeros(()),
        )
        inputs = self.inputs if self.pool is not None or self.conv is not None else None
        return FloatLayer(
            op.name, self.weight, bias * times, cell, shape=inputs or (prod(self.inputs),),
            pool=self.pool, divisor=times, conv=self.conv,
        )


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


def _of_neurons(op: Neurons, name: str, values: Floats, shape: Shape) -> Floats:
    """Return () or (outputs,) values of a layer of that shape, which broadcast as in torch."""
    outputs = shape[0]
    if not values.ndim:
        return values
    while values.ndim > len(shape) and len(values) == 1:  # an axis of the batch
        values = values[0]
    if len(shape) == 1:
        if values.size != outputs:
            raise ValueError(
                f"{op.name} ({op.kind}): its {name} must be one value or ({outputs},), "
                f"as many as the outputs of its weights, not {values.shape}"
            )
        return values.reshape(-1)
    try:
        full = np.broadcast_to(values, shape)
    except ValueError:
        raise ValueError(
            f"{op.name} ({op.kind}): its {name} must be one value, or broadcast to the map "
            f"{shape}, such as ({outputs}, 1, 1); not {values.shape}"
        ) from None
    return _channels(op, name, full, shape)


def _channels(op: Operation, name: str, values: Floats, shape: Shape) -> Floats:
    """Return (channels,) values of (elements,) values of a map of that shape."""
    by_channel = values.reshape(shape[0], -1)
    if (by_channel != by_channel[:, :1]).any():
        raise NotExpressible(
            op.name, op.kind, f"its {name} differs within a channel", f"one {name} per channel"
        )
    first: Floats = by_channel[:, 0]
    return first


def _pair(values: Shape) -> tuple[int, int]:
    return values[0], values[1]


def _padding(op: Conv) -> tuple[int, int]:
    if not isinstance(op.padding, str):
        return _pair(op.padding)
    kernel = op.weight.shape[2:]
    if op.padding == "valid":
        return 0, 0
    if any(size % 2 == 0 for size in kernel) or any(step != 1 for step in op.stride):
        raise NotExpressible(
            op.name, op.kind, f"padding={op.padding!r} with kernels of {kernel} and stride "
            f"{op.stride}, which pads one side more than the other", "as much on both sides",
        )
    return kernel[0] // 2, kernel[1] // 2
