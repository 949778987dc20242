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
from .folding import Folding, square_pool
from .layers import FloatLayer
from .operations import Neurons, Operation, Pool, Shape
from .semantics import Cell, Floats

__all__ = ["FloatNetwork", "Run", "assemble"]


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
            spikes.append(fired)
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
            fold = Folding(layers[-1].neuron_shape)
        elif isinstance(op, Pool) and op.mode == "max":
            layers[-1:] = [_or_pooled(op, layers, fold)]
            fold = Folding(layers[-1].output_shape)
        else:
            fold.add(op)
        last = op
    if last is None:
        raise ValueError("the model has no layers")
    if fold.weight is not None:
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
    return tuple(layers)


def _or_pooled(op: Pool, layers: Sequence[FloatLayer], fold: Folding) -> FloatLayer:
    """Return the last layer with max pooling of its spikes."""
    where = "maximum pooling of spikes, right behind the neurons of a convolution"
    if fold.weight is not None:
        raise NotExpressible(
            op.name, op.kind, "it takes the maximum of currents, in front of the neurons", where
        )
    if not layers or layers[-1].conv is None or layers[-1].pool_after is not None:
        raise NotExpressible(op.name, op.kind, "there is no convolution it belongs to", where)
    if fold.started or fold.shape != layers[-1].neuron_shape:
        raise NotExpressible(op.name, op.kind, "something else comes before it", where)
    pool = MaxPool2d(square_pool(op, "windows with stride = window and no padding"))
    try:
        pool.output_shape(fold.shape)
    except ValueError as error:
        raise ValueError(f"{op.name} ({op.kind}): {error}") from None
    return replace(layers[-1], pool_after=pool)
