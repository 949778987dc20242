"""Fully connected layers."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from .immutable import Equal, Shape, put
from .neurons import STATE_HIGH, STATE_LOW, Neuron
from .pooling import SumPool2d
from .values import as_array, exact_choice, exact_integers, signed_range
from .weights import WEIGHT_BITS, check_weights, checked_weight_bits

__all__ = ["EMITS", "Dense"]

EMITS = ("spikes", "skeleton", "both")


@dataclass(frozen=True, eq=False, init=False)
class Dense(Equal):
    """A fully connected layer; its input is flattened in C order (after ``pool_before``).

    Parameters
    ----------
    weight : (out, in) signed integers of ``weight_bits``.
    bias : (out,) integers in units of ``2**-fraction_bits`` weight steps; None for zeros.
    neuron : the layer's neurons; a threshold per neuron must be (out,).
    pool_before : sum pooling in front of the layer, or None.
    emit : what the next layer gets, and ``readout`` counts: "spikes", "skeleton", or "both".
    recurrent : must be None in this version.
    weight_bits : 4 or 8; None for the network's.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.
    """

    weight: npt.NDArray[np.int64]
    bias: npt.NDArray[np.int64]
    neuron: Neuron
    pool_before: SumPool2d | None
    emit: str
    recurrent: None
    weight_bits: int | None
    kind: ClassVar[str] = "dense"

    def __init__(
        self,
        weight: npt.ArrayLike,
        bias: npt.ArrayLike | None = None,
        *,
        neuron: Neuron,
        pool_before: SumPool2d | None = None,
        emit: str = "spikes",
        recurrent: None = None,
        weight_bits: int | None = None,
    ) -> None:
        if as_array("weight", weight).ndim != 2:
            raise ValueError(f"weight must be (out, in), not {as_array('weight', weight).shape}")
        matrix = exact_integers("weight", weight, *signed_range(max(WEIGHT_BITS)))
        if not matrix.size:
            raise ValueError(f"weight must have at least one output and input, not {matrix.shape}")
        outputs = matrix.shape[0]
        offsets = exact_integers(
            "bias", np.zeros(outputs) if bias is None else bias, STATE_LOW, STATE_HIGH
        )
        if offsets.shape != (outputs,):
            raise ValueError(f"bias must be ({outputs},), one per output, not {offsets.shape}")
        if not isinstance(neuron, Neuron):
            raise TypeError(f"neuron must be a Neuron, not {neuron!r}")
        neuron.thresholds(outputs)
        if pool_before is not None and not isinstance(pool_before, SumPool2d):
            raise TypeError(f"pool_before must be a SumPool2d or None, not {pool_before!r}")
        exact_choice("emit", emit, EMITS)
        if recurrent is not None:
            raise ValueError(
                "recurrent must be None: recurrence is not supported by this version of stablespike"
            )
        if weight_bits is not None:
            weight_bits = checked_weight_bits("weight_bits", weight_bits)
            check_weights("weight", matrix, weight_bits)
        put(
            self, weight=matrix, bias=offsets, neuron=neuron, pool_before=pool_before, emit=emit,
            recurrent=None, weight_bits=weight_bits,
        )

    @property
    def outputs(self) -> int:
        """Neurons of the layer."""
        return int(self.weight.shape[0])

    @property
    def inputs(self) -> int:
        """Inputs of the weight matrix (after pooling)."""
        return int(self.weight.shape[1])

    @property
    def threshold(self) -> npt.NDArray[np.int64]:
        """(out,) thresholds."""
        return self.neuron.thresholds(self.outputs)

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

    def folded_weight(self, shape: Shape) -> npt.NDArray[np.int64]:
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
