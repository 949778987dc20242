"""Fully connected layers, with or without a way back."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..support.immutable import Shape, put
from ..support.values import as_array, exact_integers, signed_range
from .neurons import Neuron
from .pooling import SumPool2d
from .weights import (
    WEIGHT_BITS,
    Positions,
    Transform,
    Weighted,
    check_weights,
    identity,
    split_signs,
)

__all__ = ["Dense"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, init=False)
class Dense(Weighted):
    """A fully connected layer; its input is flattened in C order (after ``pool_before``).

    Parameters
    ----------
    weight : (out, in) signed integers of ``weight_bits``.
    bias : (out,) integers in units of ``2**-fraction_bits`` weight steps; None for zeros.
    neuron : the layer's neurons; a threshold per neuron must be (out,).
    pool_before : sum pooling in front of the layer, or None.
    emit : what the next layer gets, and ``readout`` counts: "spikes", "skeleton", or "both".
    recurrent : (out, out) weights on the layer's own spikes of the step before, whatever it emits,
        or None.
    weight_bits : 4 or 8, of ``weight`` and ``recurrent``; None for the network's.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.
    """

    weight: Integers
    bias: Integers
    neuron: Neuron
    pool_before: SumPool2d | None
    emit: str
    recurrent: Integers | None
    weight_bits: int | None
    kind: ClassVar[str] = "dense"
    pool_after: ClassVar[None] = None

    def __init__(
        self,
        weight: npt.ArrayLike,
        bias: npt.ArrayLike | None = None,
        *,
        neuron: Neuron,
        pool_before: SumPool2d | None = None,
        emit: str = "spikes",
        recurrent: npt.ArrayLike | None = None,
        weight_bits: int | None = None,
    ) -> None:
        self._put(weight, ("out", "in"), bias, neuron, pool_before, emit, weight_bits)
        put(self, recurrent=None if recurrent is None else self._recurrent(recurrent))
        if self.weight_bits is not None:
            self.check_weights("", self.weight_bits)

    def check_weights(self, name: str, bits: int) -> None:
        super().check_weights(name, bits)
        if self.recurrent is not None:
            check_weights(f"{name}recurrent", self.recurrent, bits)

    def _recurrent(self, value: npt.ArrayLike) -> Integers:
        square = (self.outputs, self.outputs)
        given = as_array("recurrent", value).shape
        if given != square:
            raise ValueError(
                f"recurrent must be {square}, weights from every neuron of the layer to every "
                f"one, not {given}"
            )
        if not self.neuron.fires:
            raise ValueError("recurrent must be None for neurons that never fire (fires=False)")
        return exact_integers("recurrent", value, *signed_range(max(WEIGHT_BITS)))

    @property
    def outputs(self) -> int:
        """Neurons of the layer."""
        return self.channels

    @property
    def inputs(self) -> int:
        """Inputs of the weight matrix (after pooling)."""
        return int(self.weight.shape[1])

    def neuron_shape(self, shape: Shape) -> Shape:
        """Shape of the layer's neurons (of traces) for an input of that shape.

        Raises
        ------
        ValueError
            If an input of that shape does not fit the weights.
        """
        pooled = shape if self.pool_before is None else self.pool_before.output_shape(shape)
        if prod(pooled) != self.inputs:
            after = "" if self.pool_before is None else f" (after {self.pool_before})"
            raise ValueError(
                f"weight must be (out, {prod(pooled)}) for an input of {shape}{after}, "
                f"not {self.weight.shape}"
            )
        return (self.outputs,)

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of what the layer emits for an input of that shape."""
        return self.neuron_shape(shape)

    def folded_weight(self, shape: Shape) -> Integers:
        """(out, inputs before pooling) weights for an input of that shape, C order, read-only.

        Each input has the weight of the position it is pooled into; those on dropped edges have 0.
        """
        self.neuron_shape(shape)
        if self.pool_before is None:
            return self.weight
        sources = self.pool_before.sources(shape)
        folded = np.where(sources >= 0, self.weight[:, sources], 0)
        folded.setflags(write=False)
        return folded

    def fan_out(self, shape: Shape, positions: Positions | None = None) -> Integers:
        """(inputs before pooling,) positions, of all or of these, that scan each input: the only
        one does, dropped edges too."""
        return np.full(prod(shape), 1 if positions is None else positions.sum(), dtype=np.int64)

    def sum_bounds(
        self, shape: Shape, transform: Transform = identity
    ) -> tuple[Integers, Integers]:
        """(neurons,) lowest and highest sums of transformed weights, for inputs from 0 to 1."""
        square = 1 if self.pool_before is None else self.pool_before.size**2
        low, high = (square * each.sum(axis=1) for each in split_signs(transform(self.weight)))
        if self.recurrent is not None:
            below, above = split_signs(transform(self.recurrent))
            low, high = low + below.sum(axis=1), high + above.sum(axis=1)
        return low, high

    def describe(self) -> str:
        """Kind and size, for messages."""
        kind = "recurrent Dense" if self.recurrent is not None else "Dense"
        return f"{kind} {self.inputs} -> {self.outputs}"
