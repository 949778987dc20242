"""A model as a chain of operations, and the chain as layers of weights and neurons.

Every importer turns its model into ``Operation`` objects in the order in which data passes them.
``assemble`` makes layers of them: ``folding`` turns the operations between two layers of neurons
into the weights of the second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..network import MaxPool2d
from ..support.errors import NotExpressible
from .folding import Folding
from .layers import FloatLayer
from .maps.pooling import square_cells
from .maps.shapes import map_cells
from .operations import AdaptivePool, Neurons, Operation, Pool, Shape
from .semantics import Cell, Floats

__all__ = ["FloatNetwork", "Run", "assemble"]

_NO_LAYERS = "the model has no layers of weights or neurons"


@dataclass(frozen=True, eq=False)
class Run:
    """The run of a network of real numbers.

    Attributes
    ----------
    spikes : list of (steps, batch, neurons) bool
        Spikes of each layer.
    membrane : (batch, neurons) float64
        Membranes of the last layer after the last step.
    """

    spikes: list[np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]
    membrane: Floats


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """A model ready to be quantized.

    Attributes
    ----------
    source : str
        The name of its origin, for reports.
    shape : tuple of int
        Shape of one step of one sample.
    layers : tuple of FloatLayer
        Its layers.
    assumed : tuple of str
        The semantics with which it was read, one line each.
    reference : callable or None
        Runs ``(steps, batch, *shape)`` inputs on the model's own layers; None to run ``layers``.
    """

    source: str
    shape: Shape
    layers: tuple[FloatLayer, ...]
    assumed: tuple[str, ...] = ()
    reference: Callable[[Floats], Run] | None = field(default=None, repr=False)

    def run(self, inputs: Floats) -> Run:
        """Run ``(steps, batch, *shape)`` inputs."""
        if self.reference is not None:
            return self.reference(inputs)
        spikes, membrane = [], np.zeros(0)
        for layer in self.layers:
            fired, membrane = layer.run(inputs.reshape(*inputs.shape[:2], *layer.shape))
            spikes.append(layer.as_in_model(fired))
            inputs = layer.output(fired).astype(float)
        return Run(spikes, membrane)


def assemble(ops: Sequence[Operation], shape: Shape, readout: str | None) -> tuple[FloatLayer, ...]:
    """Make layers of a chain of operations.

    Parameters
    ----------
    ops : sequence of Operation
        The operations in order.
    shape : tuple of int
        Shape of one step of one sample.
    readout : str or None
        With "membrane", weights that no neurons follow get neurons that sum without leak.

    Raises
    ------
    NotExpressible
        Naming the operation, its type, the reason and the nearest rule that can be expressed.
    ValueError
        If shapes do not fit.
    """
    layers: list[FloatLayer] = []
    fold = Folding(shape)
    last: Operation | None = None
    for op in ops:
        if layers and not layers[-1].cell.fires:
            raise NotExpressible(
                layers[-1].name, layers[-1].cell.source,
                f"its membrane goes on to {op.name} ({op.kind}); layers emit spikes",
                "neurons that fire, or these as the last layer",
            )
        if isinstance(op, Neurons):
            layers.append(fold.layer(op))
            fold = Folding(fold.shape, layers[-1].output_shape)
        elif isinstance(op, (Pool, AdaptivePool)) and op.mode == "max" and not fold.weighted:
            pooled, after = _or_pooled(op, layers, fold)
            layers[-1] = pooled
            fold = Folding(after, pooled.output_shape)
        else:
            fold.add(op)
        last = op
    if last is None:
        raise ValueError(_NO_LAYERS)
    if fold.weighted:
        if readout != "membrane" and not (layers and fold.only_votes):
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
    if not layers:
        raise ValueError(_NO_LAYERS)
    return tuple(layers)


def _or_pooled(
    op: Pool | AdaptivePool, layers: Sequence[FloatLayer], fold: Folding
) -> tuple[FloatLayer, Shape]:
    """Return the last layer with max pooling of its spikes, and the shape behind it."""
    where = "maximum pooling of spikes, right behind the neurons of a convolution"
    if not layers or layers[-1].conv is None or layers[-1].pools_currents:
        raise NotExpressible(op.name, op.kind, "there is no convolution it belongs to", where)
    layer = layers[-1]
    shape, down, across = map_cells(op, fold.shape)
    if fold.started or shape != layer.output_shape:
        raise NotExpressible(op.name, op.kind, "something else comes before it", where)
    size = square_cells(down, across)
    if size is None:
        boxes = " and ".join(
            "cells of several sizes" if box is None
            else f"cells of {box[0]}, stride {box[1]}, padding {box[2]}"
            for box in (down.box, across.box)
        )
        raise NotExpressible(
            op.name, op.kind, f"it has {boxes}, down and across",
            "square cells side by side, without padding or ceil_mode; a stride of the convolution; "
            "an average pool, which is folded into the weights behind it",
        )
    before = 1 if layer.pool_after is None else layer.pool_after.size
    after = (*fold.shape[:1], *(each // size for each in fold.shape[1:]))
    if size == 1:
        return layer, fold.shape
    return replace(layer, pool_after=MaxPool2d(before * size)), after
