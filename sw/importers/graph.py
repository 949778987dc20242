"""A model as a chain of parts, and the chain as float layers: weights, neurons, nothing between.

Every importer turns its model into ``Part`` objects in the order the data passes; ``assemble``
folds scales, batch normalisation and pooling into the weights. What the array has no layer for is
refused in one place, ``_Folding``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from ..errors import NotExpressible
from ..network import SumPool2d
from .semantics import Cell, Floats

__all__ = [
    "Affine", "Conv", "FloatLayer", "FloatNetwork", "Neurons", "Part", "Pool", "Reshape", "Run",
    "Scaling", "assemble",
]

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """One node of a model: its name there, and its type there."""

    name: str
    kind: str


@dataclass(frozen=True, eq=False)
class Affine(Part):
    """(out, in) weights and (out,) biases on a flat input."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class Scaling(Part):
    """``x * factor + offset``, each () or one per element, in C order."""

    factor: Floats
    offset: Floats


@dataclass(frozen=True, eq=False)
class Conv(Part):
    """(out, in, kh, kw) weights and (out,) biases."""

    weight: Floats
    bias: Floats
    stride: Shape
    padding: Shape | str
    dilation: Shape
    groups: int


@dataclass(frozen=True, eq=False)
class Pool(Part):
    """Pooling of a (channels, height, width) map; ``mode`` is "sum", "average" or "max"."""

    mode: str
    size: Shape
    stride: Shape
    padding: Shape


@dataclass(frozen=True, eq=False)
class Reshape(Part):
    """Axes ``start`` to ``end`` (of one sample, both inclusive) as one."""

    start: int = 0
    end: int = -1

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after it.

        Raises
        ------
        ValueError
            If there are no such axes.
        """
        axes = len(shape)
        start, end = (each + axes if each < 0 else each for each in (self.start, self.end))
        if not 0 <= start <= end < axes:
            raise ValueError(
                f"{self.name} ({self.kind}): {shape} has no axes {self.start} to {self.end}"
            )
        return (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :])


@dataclass(frozen=True, eq=False)
class Neurons(Part):
    """A layer of neurons."""

    cell: Cell


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """A layer of real numbers.

    Attributes
    ----------
    name : of its neurons in the model, or of its weights where it has none there.
    weight, bias : (out, in after pooling) and (out,), the cell's bias in it.
    pool : sum pooling in front, its divisor in the weights.
    """

    name: str
    weight: Floats
    bias: Floats
    cell: Cell
    pool: SumPool2d | None = None

    def pooling(self, shape: Shape) -> Floats:
        """(inputs, pooled) ones where an input of that shape adds to a pooled position."""
        assert self.pool is not None
        sources = self.pool.sources(shape)
        onto = np.zeros((len(sources), self.weight.shape[1]))
        kept = np.flatnonzero(sources >= 0)
        onto[kept, sources[kept]] = 1
        return onto

    def current(self, inputs: Floats, shape: Shape) -> Floats:
        """(..., out) currents of (..., *shape) inputs."""
        flat = inputs.reshape(*inputs.shape[: inputs.ndim - len(shape)], -1)
        if self.pool is not None:
            flat = flat @ self.pooling(shape)
        result: Floats = flat @ self.weight.T + self.bias
        return result


@dataclass(frozen=True, eq=False)
class Run:
    """What a float network did: (steps, batch, neurons) bool per layer, and the last membranes."""

    spikes: list[np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]
    membrane: Floats


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """A model ready to be quantized.

    Attributes
    ----------
    source : where it comes from, for reports.
    shape : of one input.
    assumed : the semantics it is read with, a line each.
    reference : runs (steps, batch, *shape) inputs on the model's own neurons; None: on ``Cell``.
    """

    source: str
    shape: Shape
    layers: tuple[FloatLayer, ...]
    assumed: tuple[str, ...] = ()
    reference: Callable[[Floats], Run] | None = field(default=None, repr=False)

    def run(self, inputs: Floats) -> Run:
        """Spikes and last membranes of (steps, batch, *shape) inputs."""
        if self.reference is not None:
            return self.reference(inputs)
        spikes, shape, membrane = [], self.shape, np.zeros(0)
        for layer in self.layers:
            fired, membrane = layer.cell.run(layer.current(inputs, shape))
            spikes.append(fired)
            inputs, shape = fired.astype(float), (layer.weight.shape[0],)
        return Run(spikes, membrane)


def assemble(parts: Sequence[Part], shape: Shape, readout: str | None) -> tuple[FloatLayer, ...]:
    """The layers of a chain of parts.

    Parameters
    ----------
    shape : of one input.
    readout : "membrane" makes neurons without leak of weights that nothing follows.

    Raises
    ------
    NotExpressible
        Naming the part, its type, the reason and the nearest that can.
    ValueError
        If shapes do not fit.
    """
    layers: list[FloatLayer] = []
    fold = _Folding(shape)
    last: Part | None = None
    for part in parts:
        if layers and not layers[-1].cell.fires:
            raise NotExpressible(
                layers[-1].name, layers[-1].cell.source,
                f"its membrane goes on to {part.name} ({part.kind}); layers hand on spikes",
                "neurons that fire, or these as the last layer",
            )
        if isinstance(part, Neurons):
            layers.append(fold.layer(part))
            fold = _Folding((layers[-1].weight.shape[0],))
        else:
            fold.add(part)
        last = part
    if last is None:
        raise ValueError("the model has no layers")
    if fold.weight is not None:
        if readout != "membrane":
            raise NotExpressible(
                last.name, last.kind, "nothing follows it, so it has no neurons that could "
                "spike", "readout='membrane', which sums its output over the steps of a sample",
            )
        summed = Cell(source="the sum over all steps", decay=1.0, threshold=None)
        layers.append(fold.layer(Neurons(last.name, last.kind, summed)))
    elif fold.started:
        raise NotExpressible(
            last.name, last.kind, "it changes the last spikes, which are counted as they are",
            "the model without it",
        )
    return tuple(layers)


class _Folding:
    """Parts between two layers of neurons, folded into one affine map."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.weight: Floats | None = None
        self.bias = np.zeros(())
        self.factor, self.offset = np.ones(()), np.zeros(())
        self.pool: SumPool2d | None = None

    @property
    def started(self) -> bool:
        return (
            self.weight is not None or self.pool is not None or bool((self.factor != 1).any())
            or bool(self.offset.any())
        )

    def add(self, part: Part) -> None:
        if isinstance(part, Reshape):
            self.shape = part.output_shape(self.shape)
        elif isinstance(part, Affine):
            self._affine(part)
        elif isinstance(part, Scaling):
            self._scale(part)
        elif isinstance(part, Pool):
            self._pool(part)
        elif isinstance(part, Conv):
            # The one place that changes when networks have convolutional layers.
            raise NotExpressible(
                part.name, part.kind, "convolution is not runnable on this array yet",
                "fully connected layers (Linear, Affine), with a sum or average pool in front",
            )
        else:
            raise TypeError(f"{part.name} ({part.kind}) is no part of a chain")

    def _affine(self, part: Affine) -> None:
        outputs, inputs = part.weight.shape
        size = prod(self.shape)
        if size != inputs:
            raise ValueError(
                f"{part.name} ({part.kind}): its weight must be (out, {size}) for an input of "
                f"{self.shape}, not {part.weight.shape}"
            )
        if self.weight is None:
            self.weight = part.weight * self.factor
            self.bias = part.weight @ np.broadcast_to(self.offset, (inputs,)) + part.bias
        else:
            self.weight = part.weight @ self.weight
            self.bias = part.weight @ self.bias + part.bias
        self.shape = (outputs,)

    def _scale(self, part: Scaling) -> None:
        size = prod(self.shape)
        for name, values in (("factor", part.factor), ("offset", part.offset)):
            if values.size not in (1, size):
                raise ValueError(
                    f"{part.name} ({part.kind}): its {name} must be one value or {size}, for an "
                    f"input of {self.shape}, not {values.shape}"
                )
        factor, offset = (
            each.reshape(-1) if each.size > 1 else each.reshape(())
            for each in (part.factor, part.offset)
        )
        if self.weight is None:
            self.offset = self.offset * factor + offset
            self.factor = self.factor * factor
        else:
            self.weight = np.broadcast_to(factor, (size,))[:, None] * self.weight
            self.bias = self.bias * factor + offset

    def _pool(self, part: Pool) -> None:
        plain = "sum or average pooling with stride = window, no padding, before the weights"
        if part.mode == "max":
            raise NotExpressible(
                part.name, part.kind, "maximum pooling is not runnable on this array yet", plain
            )
        if self.weight is not None or self.started:
            raise NotExpressible(
                part.name, part.kind, "it pools what weights, scales or another pool made", plain
            )
        if len(set(part.size)) > 1 or part.stride != part.size or any(part.padding):
            raise NotExpressible(
                part.name, part.kind,
                f"window {part.size}, stride {part.stride}, padding {part.padding}", plain,
            )
        pool = SumPool2d(part.size[0])
        try:
            self.shape = pool.output_shape(self.shape)
        except ValueError as error:
            raise ValueError(f"{part.name} ({part.kind}): {error}") from None
        self.pool = pool
        if part.mode == "average":
            self.factor = self.factor / pool.size**2

    def layer(self, part: Neurons) -> FloatLayer:
        if self.weight is None:
            raise NotExpressible(
                part.name, part.kind, "there are no weights in front of these neurons",
                "a fully connected layer in front, of the identity if need be",
            )
        outputs = self.weight.shape[0]
        cell = part.cell
        for name, values in (("threshold", cell.threshold), ("bias", cell.bias)):
            if values is not None and values.ndim and values.shape != (outputs,):
                raise ValueError(
                    f"{part.name} ({part.kind}): its {name} must be one value or ({outputs},), "
                    f"as many as the outputs of its weights, not {values.shape}"
                )
        bias = np.broadcast_to(self.bias, (outputs,)) + cell.bias
        if cell.synapse_decay is not None and cell.bias.any():
            raise NotExpressible(
                part.name, part.kind, "a leak toward a rest other than the reset, behind a "
                "synaptic current", "the same rest and reset",
            )
        cell = replace(cell, bias=np.zeros(()))
        return FloatLayer(part.name, self.weight, bias, cell, self.pool)
