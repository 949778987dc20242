"""Integer weights, and what all layers that have them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..support.immutable import Equal, put
from ..support.values import as_array, exact_choice, exact_integers, signed_range
from .neurons import STATE_HIGH, STATE_LOW, Neuron
from .pooling import SumPool2d

__all__ = [
    "EMITS",
    "WEIGHT_BITS",
    "Positions",
    "Transform",
    "Weighted",
    "check_weights",
    "checked_weight_bits",
    "identity",
    "split_signs",
]

EMITS = ("spikes", "skeleton", "both")
WEIGHT_BITS = (4, 8)

Integers = npt.NDArray[np.int64]
Positions = npt.NDArray[np.bool_]
"""(rows, columns) which positions of a layer are meant."""
Transform = Callable[[Integers], Integers]
"""What is taken of weights."""


def identity(weight: Integers) -> Integers:
    """All of it."""
    return weight


def checked_weight_bits(name: str, value: Any) -> int:
    """A width of weights.

    Raises
    ------
    ValueError
        If it is none there is.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value not in WEIGHT_BITS:
        raise ValueError(f"{name} must be 4 or 8, not {value!r}")
    return int(value)


def check_weights(name: str, weight: Integers, bits: int) -> None:
    """Refuse weights wider than ``bits``.

    Raises
    ------
    ValueError
        Naming the first of them, and its place.
    """
    low, high = signed_range(bits)
    if weight.size and not low <= weight.min() <= weight.max() <= high:
        place = tuple(int(i) for i in np.argwhere((weight < low) | (weight > high))[0])
        raise ValueError(
            f"{name} must be from {low} to {high} ({bits}-bit weights), not {weight[place]} "
            f"(at {list(place)}); quantize to {bits} bits"
            + (", or set weight_bits=8" if bits < 8 else "")
        )


class Weighted(Equal):
    """What layers with weights have in common."""

    weight: Integers
    bias: Integers
    neuron: Neuron
    pool_before: SumPool2d | None
    emit: str
    weight_bits: int | None

    @property
    def channels(self) -> int:
        """Outputs with weights of their own: those of one position."""
        return int(self.weight.shape[0])

    @property
    def threshold(self) -> Integers:
        """(out,) thresholds."""
        return self.neuron.thresholds(self.channels)

    def check_weights(self, name: str, bits: int) -> None:
        """Refuse weights wider than ``bits``; messages call them by ``name`` and what they are.

        Raises
        ------
        ValueError
            Naming the first of them, and its place.
        """
        check_weights(f"{name}weight", self.weight, bits)

    def _put(
        self,
        weight: Any,
        axes: tuple[str, ...],
        bias: Any,
        neuron: Any,
        pool_before: Any,
        emit: Any,
        weight_bits: Any,
    ) -> None:
        """Check and set the fields that all of them have."""
        given = as_array("weight", weight).shape
        if len(given) != len(axes):
            raise ValueError(f"weight must be ({', '.join(axes)}), not {given}")
        array = exact_integers("weight", weight, *signed_range(max(WEIGHT_BITS)))
        if not array.size:
            raise ValueError(f"weight must have at least one output and input, not {given}")
        outputs = given[0]
        offsets = exact_integers(
            "bias", np.zeros(outputs) if bias is None else bias, STATE_LOW, STATE_HIGH
        )
        one = "output channel" if len(axes) > 2 else "output"
        if offsets.shape != (outputs,):
            raise ValueError(f"bias must be ({outputs},), one per {one}, not {offsets.shape}")
        if not isinstance(neuron, Neuron):
            raise TypeError(f"neuron must be a Neuron, not {neuron!r}")
        neuron.thresholds(outputs, one)
        if pool_before is not None and not isinstance(pool_before, SumPool2d):
            raise TypeError(f"pool_before must be a SumPool2d or None, not {pool_before!r}")
        exact_choice("emit", emit, EMITS)
        if weight_bits is not None:
            weight_bits = checked_weight_bits("weight_bits", weight_bits)
        put(
            self, weight=array, bias=offsets, neuron=neuron, pool_before=pool_before, emit=emit,
            weight_bits=weight_bits,
        )


def split_signs(weight: Integers) -> tuple[Integers, Integers]:
    """The negative weights and the positive ones, 0 in the place of the others."""
    return np.minimum(weight, 0), np.maximum(weight, 0)
