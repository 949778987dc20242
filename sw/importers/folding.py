"""The operations between two layers of neurons, folded into the weights of the second.

A sequence of affine maps is one affine map: ``w (a x + b) + c`` is ``(w a) x + (w b + c)``. The
operations on a map stay a convolution while that can be. With the first dense weights behind them,
they become a matrix.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from ..network import Conv2d, MaxPool2d, Neuron, SumPool2d
from ..support.errors import NotExpressible
from .layers import FloatLayer
from .maps.chain import BETWEEN, MapChain, channel_values
from .maps.kernels import box_kernel, plain_kernel
from .maps.pooling import square_cells
from .maps.shapes import as_map, convolved_shape, in_axes, map_cells
from .maps.steps import Step, through
from .operations import (
    AdaptivePool,
    Affine,
    Conv,
    Neurons,
    Operation,
    Pad,
    Pool,
    Reshape,
    Scaling,
    Shape,
    Votes,
)
from .parameters import fitted
from .semantics import Cell, Floats

__all__ = ["Folding"]

_WEIGHTS_HIGH = 1 << 24  # of a matrix that several operations become, 128 MB
_SMALL_MATRIX = 1 << 16  # weights of one that takes the place of a convolution
_SWAPPED = (
    "the neurons in front of the pool (swap the two lines, and train again), which is then the OR "
    "of their spikes; or an average pool, which is folded into the convolution"
)


class Folding:
    """Collects the operations in front of a layer of neurons into one affine map or convolution.

    Parameters
    ----------
    shape : tuple of int
        Shape of the input in the model.
    emitted : tuple of int or None
        Shape in which the layer before emits it; None for the network's input, whose shape is that
        of the map that the first convolution or pool reads.

    Attributes
    ----------
    shape : tuple of int
        Shape in the model after the operations so far.
    only_votes : bool
        Whether the weights so far are means of groups of inputs, and nothing else.
    """

    def __init__(self, shape: Shape, emitted: Shape | None = None) -> None:
        self.shape = shape
        self._emitted = emitted
        self._inputs: Shape = (prod(shape),)
        self._steps: list[Step] = []
        # What is folded so far: a scale and a plain pool, then either a convolution or a matrix.
        self._factor, self._offset = np.ones(()), np.zeros(())
        self._pool: SumPool2d | None = None
        self._maps: MapChain | None = None
        self._weight: Floats | None = None
        self._bias = np.zeros(())
        self._divisor = 1
        self._step: Floats | None = None
        self.only_votes = False
        self._maximum: tuple[Pool | AdaptivePool, Shape, int | None] | None = None

    @property
    def weighted(self) -> bool:
        """Whether there are weights so far."""
        return self._weight is not None or self._maps is not None

    @property
    def started(self) -> bool:
        """Whether an operation so far computes something."""
        return (
            self.weighted or self._pool is not None or bool((self._factor != 1).any())
            or bool(self._offset.any())
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
        if isinstance(op, Votes):
            self._vote(op)
        elif isinstance(op, Scaling):
            self._scale(op)
        elif self._maximum is not None:
            pool = self._maximum[0]
            raise NotExpressible(
                pool.name, pool.kind, f"it takes the maximum of currents, in front of {op.name} "
                f"({op.kind})", "an average pool, or neurons in front of the pool",
            )
        elif isinstance(op, Affine):
            self._affine(op)
        elif isinstance(op, (Conv, Pad)):
            self._convolve(op)
        elif isinstance(op, (Pool, AdaptivePool)):
            self._pooled(op)
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
        shape = (prod(lead), last) if lead else (last,)
        self.shape = shape
        self._pooled(Pool(op.name, op.kind, "average", (op.size,), (op.size,), (0,)))
        self.shape = (*lead, groups)

    def _affine(self, op: Affine) -> None:
        if not op.weight.size:
            raise ValueError(f"{op.name} ({op.kind}): its weight is empty, {op.weight.shape}")
        outputs, inputs = op.weight.shape
        size = prod(self.shape)
        if size != inputs:
            raise ValueError(
                f"{op.name} ({op.kind}): its weight must be (out, {size}) for an input of "
                f"{self.shape}, not {op.weight.shape}; Flatten in front of it joins axes"
            )
        step = Step(lambda x: x @ op.weight.T, op.bias)
        self._steps.append(step)
        if self._maps is not None:
            self._lower(op, outputs)
        elif self._weight is not None:
            self._multiply(step)
        else:
            self._weight = op.weight * self._factor
            self._bias = op.weight @ np.broadcast_to(self._offset, (inputs,)) + op.bias
            self._step = _stepped(op.step, self._factor)
        self.shape = (outputs,)

    def _multiply(self, step: Step) -> None:
        """Put another step behind the matrix."""
        assert self._weight is not None
        self._bias = step.apply(self._bias[None])[0] / step.divisor + step.offset
        self._weight = step.apply(self._weight.T).T
        self._divisor *= step.divisor
        self._step = None

    def _lower(self, op: Operation, outputs: int) -> None:
        """Make a matrix of all operations so far, which have this many outputs."""
        inputs = prod(self._inputs)
        if outputs * inputs > _WEIGHTS_HIGH:
            raise NotExpressible(
                op.name, op.kind, f"with what is in front of it, it is a matrix of {outputs} by "
                f"{inputs} weights; the limit is {_WEIGHTS_HIGH}",
                BETWEEN,
            )
        self._weight, self._bias, self._divisor = through(self._steps, inputs)
        self._inputs, self._pool, self._maps, self._step = (inputs,), None, None, None

    def _convolve(self, op: Conv | Pad) -> None:
        if isinstance(op, Pad):
            axes, bias, trained = len(op.sides), np.zeros(()), self._step
            sides = ((0, 0), *op.sides) if axes == 1 else op.sides
            kernel = box_kernel(self.shape[0], (1, 1), (1, 1), sides)
        else:
            kernel, axes, bias = plain_kernel(op), op.weight.ndim - 2, op.bias
            trained = None if self.weighted else _stepped(op.step, self._factor)
        shape = as_map(op, self.shape, axes)
        after = convolved_shape(op, kernel, shape)
        step = Step(
            lambda x: kernel.apply(x.reshape(-1, *shape)).reshape(len(x), -1),
            np.repeat(bias, prod(after[1:])) if bias.ndim else bias,
            width=prod(after[1:]) * kernel.weight[0].size,
        )
        self._steps.append(step)
        if self._weight is not None:
            self._multiply(step)
        else:
            self._begin_maps(op, shape).append(op, kernel, bias)
        self._step = trained
        self.shape = in_axes(after, axes)

    def _begin_maps(self, op: Operation, shape: Shape) -> MapChain:
        """Return the convolution so far, on whose result the operation works as on that map."""
        if self._maps is None:
            flaw: NotExpressible | None = None
            factor, offset = np.ones(()), np.zeros(())
            try:
                factor = channel_values(op, "input's factor", self._factor, shape)
                offset = channel_values(op, "input's offset", self._offset, shape)
            except NotExpressible as error:
                flaw = error
            self._maps = MapChain(shape, factor, offset, self._divisor)
            self._maps.problem = flaw
            if not self._readable(shape):
                self._maps.refuse(
                    op, f"it reads a map of {shape}, but what is in front of it gives "
                    f"{self._emitted}", "a convolution in front of it with that map, or Linear in "
                    "its place",
                )
            if self._pool is None:
                self._inputs = shape
        elif self._maps.shape != shape:
            self._maps.refuse(
                op, f"it reads a map of {shape}, which is one of {self._maps.shape} for the "
                "operation in front of it", "no reshaping between them, or neurons",
            )
            self._maps.shape = shape
        return self._maps

    def _readable(self, shape: Shape) -> bool:
        """Whether the layer in front, or the plain pool, gives a map of that shape."""
        return self._emitted in (None, shape)

    def _pooled(self, op: Pool | AdaptivePool) -> None:
        shape, down, across = map_cells(op, self.shape)
        after = (shape[0], len(down.start), len(across.start))
        self.shape = after[2:] if len(self.shape) == 1 else in_axes(after, len(self.shape) - 1)
        if op.mode == "max":
            self._maximum = op, shape, square_cells(down, across)
            return
        divisor = down.divisor * across.divisor
        if isinstance(op, Pool) and op.divisor is not None:
            divisor = op.divisor
        matrices = down.matrix, across.matrix.T
        step = Step(
            lambda x: (matrices[0] @ x.reshape(-1, *shape) @ matrices[1]).reshape(len(x), -1),
            np.zeros(()), divisor, prod(shape),
        )
        self._steps.append(step)
        if self._weight is not None:
            self._multiply(step)
        elif not self._plain_pool(op, shape, square_cells(down, across), divisor):
            maps = self._begin_maps(op, shape)
            if down.box is None or across.box is None:
                maps.refuse(
                    op, f"its cells on {shape} are not all alike", "cells of one size that divides "
                    "the map, without ceil_mode, with count_include_pad; or Linear right behind it",
                )
                maps.shape = after
                return
            (rows, down_by, above), (columns, across_by, beside) = down.box, across.box
            box = box_kernel(shape[0], (rows, columns), (down_by, across_by), (above, beside))
            maps.append(op, box, np.zeros(()), divisor)

    def _plain_pool(
        self, op: Operation, shape: Shape, size: int | None, divisor: int
    ) -> bool:
        """Make a pool of that size part of the layer, if it is one that a layer has."""
        if self._maps is not None or size is None or not self._readable(shape):
            return False
        if size == 1 and divisor == 1:
            return True
        try:
            factor = channel_values(op, "factor", self._factor, shape)
            offset = channel_values(op, "offset", self._offset, shape)
        except NotExpressible:
            return False
        positions = prod(SumPool2d(size).output_shape(shape)[1:])
        self._factor = np.repeat(factor, positions) if factor.ndim else factor
        offset = offset * size**2 / divisor
        self._offset = np.repeat(offset, positions) if offset.ndim else offset
        if self._pool is None:
            self._inputs = shape
        before = 1 if self._pool is None else self._pool.size
        self._pool, self._divisor = SumPool2d(before * size), self._divisor * divisor
        self._emitted = self._pool.output_shape(self._inputs)
        return True

    def _scale(self, op: Scaling) -> None:
        factor = self._elements(op, "factor", op.factor)
        offset = self._elements(op, "offset", op.offset)
        if self._maximum is not None:
            self._scale_maximum(op, factor, offset)
            return
        self._steps.append(Step(lambda x: x * factor, offset))
        if self._maps is not None:
            self._maps.scale(op, factor, offset)
            self._step = self._scaled_step(factor)
        elif self._weight is not None:
            rows = np.broadcast_to(factor, (len(self._weight),))
            self._weight = rows[:, None] * self._weight
            self._bias = self._bias * factor + offset
            self._step = None if self._step is None else self._step * np.abs(factor)
        else:
            self._offset = self._offset * factor + offset
            self._factor = self._factor * factor

    def _scaled_step(self, factor: Floats) -> Floats | None:
        """Return the step of the weights of a map, multiplied by () or (elements,) factors."""
        assert self._maps is not None
        if self._step is None or self._maps.problem is not None:
            return None
        channels = len(self._maps.bias)
        by_channel = factor if not factor.ndim else factor.reshape(channels, -1)[:, 0]
        return self._step * np.abs(by_channel)

    def _scale_maximum(self, op: Scaling, factor: Floats, offset: Floats) -> None:
        """Scale what a maximum is taken of, in place of the maximum."""
        assert self._maximum is not None
        pool, shape, _ = self._maximum
        if (factor < 0).any():
            raise NotExpressible(
                op.name, op.kind, f"its factor of {factor.min():.6g} turns the maximum of "
                f"{pool.name} ({pool.kind}) around", f"{op.kind} in front of the pool",
            )
        if self._maps is None:
            return  # there is no convolution, which is refused in front of the neurons
        pooled = (shape[0], factor.size // shape[0], 1)
        positions = prod(shape[1:])
        rows, added = (
            np.repeat(channel_values(op, name, values, pooled), positions) if values.ndim
            else values
            for name, values in (("factor", factor), ("offset", offset))
        )
        self._maps.scale(op, rows, added)

    def _elements(self, op: Scaling, name: str, values: Floats) -> Floats:
        """Return () or (elements,) values in C order; those of a map may be given by channel."""
        size = prod(self.shape)
        if values.size == 1:
            return values.reshape(())
        if len(self.shape) > 1 and values.size == self.shape[0]:
            return np.repeat(values.reshape(-1), size // self.shape[0])
        if values.size != size:
            raise ValueError(
                f"{op.name} ({op.kind}): its {name} must be one value or {size}, for an "
                f"input of {self.shape}, not {values.shape}"
            )
        return values.reshape(-1)

    def layer(self, op: Neurons) -> FloatLayer:
        """Return the layer made of the operations so far and these neurons.

        Raises
        ------
        NotExpressible, ValueError
            Naming them.
        """
        if not self.weighted:
            self._identity(op)
        pool_after, inexact = self._over_spikes(op.cell)
        maps = self._maps
        if maps is not None and maps.problem is not None:
            outputs, inputs = prod(maps.shape), prod(self._inputs)
            small = prod(maps.shape[1:]) == 1 or outputs * inputs <= _SMALL_MATRIX
            if self._maximum is not None or not small:
                raise maps.problem
            self._lower(op, outputs)
            maps = None
        conv, weight, bias, divisor = None, self._weight, self._bias, self._divisor
        if maps is not None:
            bias, divisor = maps.bias, maps.divisor
            weight, padding = maps.kernel.symmetric()
            conv = Conv2d(
                np.zeros(weight.shape), stride=_pair(maps.kernel.stride), padding=_pair(padding),
                pool_before=self._pool, neuron=Neuron(fires=False),
            )
        assert weight is not None
        cell, bias = fitted(op, self.shape, len(weight), bias, conv is not None)
        # If the weights were divided by the size of an average pool's cells, few of them would stay
        # exact. So everything else is multiplied by it.
        threshold, within = cell.threshold, cell.within
        cell = replace(
            cell,
            within=None if within is None else (within[0] * divisor, within[1] * divisor),
            threshold=None if threshold is None else threshold * divisor,
            bias=np.zeros(()),
            v_init=cell.v_init * divisor,
            recurrent=None if cell.recurrent is None else cell.recurrent * divisor,
            recurrent_bias=np.zeros(()),
        )
        return FloatLayer(
            op.name, weight, bias * divisor, cell, shape=self._inputs, pool=self._pool,
            divisor=divisor, conv=conv, pool_after=pool_after,
            pools_currents=pool_after is not None, inexact=inexact, step=self._step,
        )

    def _identity(self, op: Neurons) -> None:
        """Put weights of 1 in front of neurons that have none."""
        size = prod(self.shape)
        if len(self.shape) in (2, 3):
            shape = as_map(op, self.shape, len(self.shape) - 1)
            if self._pool is not None or self._readable(shape):
                self._begin_maps(op, shape)
                return
        if size * size > _WEIGHTS_HIGH:
            raise NotExpressible(
                op.name, op.kind, f"there are no weights in front of these {size} neurons, and "
                f"an identity of {size} by {size} is more than {_WEIGHTS_HIGH}",
                "a layer of weights in front of them",
            )
        self._weight = np.diag(np.broadcast_to(self._factor, (size,)))
        self._bias = np.broadcast_to(self._offset, (size,))

    def _over_spikes(self, cell: Cell) -> tuple[MaxPool2d | None, NotExpressible | None]:
        """Return the OR of spikes that takes the place of a maximum of currents in front of them.

        The second value says why it is not the same. A larger current never keeps a neuron from
        spiking. So without anything left from the step before, a neuron on the maximum spikes when
        one of the neurons on the currents does.
        """
        if self._maximum is None:
            return None, None
        op, _, size = self._maximum
        reason = "it takes the maximum of currents, in front of the neurons"
        if self._maps is None or size is None:
            raise NotExpressible(op.name, op.kind, reason, _SWAPPED)
        if cell.memoryless:
            return MaxPool2d(size), None
        reason += ", which differs from the OR of their spikes where they keep a membrane"
        nearest = f"{_SWAPPED}; approximate=True takes that OR untrained, measures and reports it"
        return MaxPool2d(size), NotExpressible(op.name, op.kind, reason, nearest)


def _stepped(step: Floats | None, factor: Floats) -> Floats | None:
    """Return the step of weights whose input is multiplied by () or (elements,) factors."""
    if step is None or (factor != factor.reshape(-1)[0]).any():
        return None
    result: Floats = step * np.abs(factor.reshape(-1)[0])
    return result


def _pair(values: Shape) -> tuple[int, int]:
    return values[0], values[1]
