"""Integer weights, and the common part of layers with weights."""

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
    "EMITS", "WEIGHT_BITS", "Positions", "Transform", "Weighted", "check_weights",
    "checked_weight_bits", "high_half", "identity", "low_half", "split_signs",
]

EMITS = ("spikes", "skeleton", "both")
WEIGHT_BITS = (4, 8)

Integers = npt.NDArray[np.int64]
Positions = npt.NDArray[np.bool_]
"""(rows, columns) flags that select positions of a layer."""
Transform = Callable[[Integers], Integers]
"""A function of weights, element by element, such as one that takes their upper four bits."""


def identity(weight: Integers) -> Integers:
    """Return the weights unchanged."""
    return weight


def high_half(weight: Integers) -> Integers:
    """Return the upper four bits of weights of eight, signed: a lane of the two of a weight."""
    return weight >> 4


def low_half(weight: Integers) -> Integers:
    """Return the lower four bits of weights of eight, unsigned: the other lane."""
    return weight & 15


def checked_weight_bits(name: str, value: Any) -> int:
    """Return ``value`` as a width of weights.

    Raises
    ------
    ValueError
        If it is neither 4 nor 8.
    """
    integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not integer or value not in WEIGHT_BITS:
        raise ValueError(f"{name} must be 4 or 8, not {value!r}")
    return int(value)


def check_weights(name: str, weight: Integers, bits: int) -> None:
    """Refuse weights that are wider than ``bits``.

    Raises
    ------
    ValueError
        Naming the first such weight and its index.
    """
    low, high = signed_range(bits)
    if weight.size and not low <= weight.min() <= weight.max() <= high:
        index = tuple(int(i) for i in np.argwhere((weight < low) | (weight > high))[0])
        raise ValueError(
            f"{name} must be from {low} to {high} ({bits}-bit weights), not {weight[index]} "
            f"(at {list(index)}); quantize to {bits} bits"
            + (", or set weight_bits=8" if bits < 8 else "")
        )


class Weighted(Equal):
    """The fields and checks that ``Dense`` and ``Conv2d`` share."""

    weight: Integers
    bias: Integers
    neuron: Neuron
    pool_before: SumPool2d | None
    emit: str
    weight_bits: int | None

    @property
    def channels(self) -> int:
        """Number of outputs with their own weights: the neurons of one position."""
        return int(self.weight.shape[0])

    @property
    def threshold(self) -> Integers:
        """(channels,) thresholds."""
        return self.neuron.thresholds(self.channels)

    @property
    def weight_count(self) -> int:
        """Number of weights."""
        return int(self.weight.size)

    def __repr__(self) -> str:
        return f"<{self.describe()}>"

    def describe(self) -> str:
        """Return kind and size, for messages."""
        raise NotImplementedError

    def check_weights(self, name: str, bits: int) -> None:
        """Refuse weights that are wider than ``bits``.

        Parameters
        ----------
        name : str
            Prefix of the field's name in messages, such as ``"layers[0]."``.
        bits : int
            Width of a weight.

        Raises
        ------
        ValueError
            Naming the first such weight and its index.
        """
        check_weights(f"{name}weight", self.weight, bits)

    def _put_weights(self, axes: tuple[str, ...], weight: Any, bias: Any, bits: Any) -> None:
        """Check and set ``weight``, ``bias`` and ``weight_bits``."""
        given = as_array("weight", weight).shape
        if len(given) != len(axes):
            raise ValueError(f"weight must be ({', '.join(axes)}), not {given}")
        # The layer may leave its width to the network, which checks the narrower range.
        array = exact_integers("weight", weight, *signed_range(max(WEIGHT_BITS)))
        if not array.size:
            raise ValueError(f"weight must have at least one output and input, not {given}")
        outputs = given[0]
        offsets = exact_integers(
            "bias", np.zeros(outputs) if bias is None else bias, STATE_LOW, STATE_HIGH
        )
        put(
            self, weight=array, bias=offsets,
            weight_bits=None if bits is None else checked_weight_bits("weight_bits", bits),
        )
        if offsets.shape != (outputs,):
            raise ValueError(
                f"bias must be ({outputs},), one per {self._output}, not {offsets.shape}"
            )

    def _put_neurons(self, neuron: Any, pool_before: Any, emit: Any) -> None:
        """Check and set ``neuron``, ``pool_before`` and ``emit``; weights are set already."""
        if not isinstance(neuron, Neuron):
            raise TypeError(f"neuron must be a Neuron, not {neuron!r}")
        neuron.thresholds(self.channels, self._output)
        neuron.kinds(self.channels, self._output)
        if pool_before is not None and not isinstance(pool_before, SumPool2d):
            raise TypeError(f"pool_before must be a SumPool2d or None, not {pool_before!r}")
        put(
            self, neuron=neuron.merged(), pool_before=pool_before,
            emit=exact_choice("emit", emit, EMITS),
        )

    @property
    def _output(self) -> str:
        """The name of one of the ``channels`` in messages."""
        return "output channel" if self.weight.ndim > 2 else "output"


def split_signs(weight: Integers) -> tuple[Integers, Integers]:
    """Return the negative weights and the positive ones, each with 0 in place of the others."""
    return np.minimum(weight, 0), np.maximum(weight, 0)
