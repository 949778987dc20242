"""Fully connected layers, with or without recurrent weights."""

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


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Dense(Weighted):
    """A fully connected layer.

    Its input is pooled if there is a ``pool_before``, then flattened in C order.

    Parameters
    ----------
    weight : (out, in) array_like of int
        Signed weights of ``weight_bits`` bits.
    bias : (out,) array_like of int, optional
        Constant current of each neuron, in units of ``2**-fraction_bits`` weight steps. Zeros by
        default.
    neuron : Neuron
        The neurons of the layer. A threshold per neuron must be (out,).
    pool_before : SumPool2d, optional
        Sum pooling of the input map.
    emit : {"spikes", "skeleton", "both"}
        What the next layer receives and the readout counts. The skeleton is the AND of the spikes
        of two consecutive steps.
    recurrent : (out, out) array_like of int, optional
        Weights on the layer's own spikes of the previous step. These are the spikes themselves,
        even if the layer emits its skeleton.
    weight_bits : {4, 8}, optional
        Width of ``weight`` and ``recurrent``. The network's ``weight_bits`` by default.

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
        self._put_weights(("out", "in"), weight, bias, weight_bits)
        self._put_neurons(neuron, pool_before, emit)
        put(self, recurrent=None if recurrent is None else self._checked_recurrent(recurrent))
        if self.weight_bits is not None:
            self.check_weights("", self.weight_bits)

    def check_weights(self, name: str, bits: int) -> None:
        super().check_weights(name, bits)
        if self.recurrent is not None:
            check_weights(f"{name}recurrent", self.recurrent, bits)

    def _checked_recurrent(self, value: npt.ArrayLike) -> Integers:
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
        """Number of neurons."""
        return self.channels

    @property
    def inputs(self) -> int:
        """Number of inputs of the weight matrix, after pooling."""
        return int(self.weight.shape[1])

    @property
    def weight_count(self) -> int:
        """Number of weights, with the recurrent ones."""
        return int(self.weight.size + (0 if self.recurrent is None else self.recurrent.size))

    def neuron_shape(self, shape: Shape) -> Shape:
        """Return the shape of the layer's neurons, as traces have it.

        Parameters
        ----------
        shape : tuple of int
            Shape of the input, before pooling.

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
        """Return the shape of what the layer emits.

        Parameters
        ----------
        shape : tuple of int
            Shape of the input, before pooling.
        """
        return self.neuron_shape(shape)

    def folded_weight(self, shape: Shape) -> Integers:
        """Return (out, inputs) weights on the input before pooling, in C order and read-only.

        Every input has the weight of the pooled position it is added to. An input on an edge that
        pooling drops has weight 0.

        Parameters
        ----------
        shape : tuple of int
            Shape of the input, before pooling.
        """
        self.neuron_shape(shape)
        if self.pool_before is None:
            return self.weight
        sources = self.pool_before.sources(shape)
        folded = np.where(sources >= 0, self.weight[:, sources], 0)
        folded.setflags(write=False)
        return folded

    def fan_out(self, shape: Shape, positions: Positions | None = None) -> Integers:
        """Return (inputs,) the number of positions that scan each input before pooling.

        A dense layer has one position, which scans every input, even one on a dropped edge.

        Parameters
        ----------
        shape : tuple of int
            Shape of the input, before pooling.
        positions : (1, 1) bool, optional
            The positions that count; all of them by default.
        """
        return np.full(prod(shape), 1 if positions is None else positions.sum(), dtype=np.int64)

    def sum_bounds(
        self, shape: Shape, transform: Transform = identity
    ) -> tuple[Integers, Integers]:
        """Return the range of every neuron's sum of weights, for inputs from 0 to 1.

        Parameters
        ----------
        shape : tuple of int
            Shape of the input, before pooling.
        transform : callable
            Applied to the weights first.

        Returns
        -------
        low, high : (neurons,) int64
            The sums of the negative and of the positive weights.
        """
        # Every input in a pool cell has the same weight, so the sum contains that weight size**2
        # times.
        square = 1 if self.pool_before is None else self.pool_before.size**2
        low, high = (square * each.sum(axis=1) for each in split_signs(transform(self.weight)))
        if self.recurrent is not None:
            below, above = split_signs(transform(self.recurrent))
            low, high = low + below.sum(axis=1), high + above.sum(axis=1)
        return low, high

    def describe(self) -> str:
        """Return kind and size, for messages."""
        kind = "recurrent Dense" if self.recurrent is not None else "Dense"
        return f"{kind} {self.inputs} -> {self.outputs}"
