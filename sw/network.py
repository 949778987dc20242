"""The network: integer layers exactly as the numerics page defines them, checked when made.

All objects are immutable, and their arrays are read-only int64. Ranges that depend on the array
(membrane width, accumulators, window, memory) are checked by ``compile``; here only what no array
could hold is refused: biases and ``v_init`` outside 16 bits signed, thresholds outside
1 .. 2**15 - 1, pixels wider than 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from .spec.array import LIMITS
from .spec.task import LEAK_BITS
from .values import as_array, exact_choice, exact_int, exact_integers, signed_range

if TYPE_CHECKING:
    from .fidelity import Fidelity

__all__ = [
    "COMPARES", "EMITS", "READOUTS", "RESETS", "RESET_TIMINGS", "WEIGHT_BITS",
    "Dense", "Layer", "Network", "Neuron", "PixelInput", "SpikeInput", "SumPool2d",
]

RESETS = ("subtract", "zero", "none")
RESET_TIMINGS = ("same_step", "next_step")
COMPARES = ("ge", "gt")
EMITS = ("spikes", "skeleton", "both")
READOUTS = ("counts", "words", "membrane")
WEIGHT_BITS = (4, 8)

_STATE_LOW, _STATE_HIGH = signed_range(LIMITS["state_bits"][1])
_LEAK_HIGH = (1 << LEAK_BITS) - 1
_SIZE_HIGH = (1 << 31) - 1

Shape = tuple[int, ...]
Leak = tuple[int | None, int | None]


def _set(item: object, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(item, name, value)


def _shape(name: str, value: Any) -> Shape:
    if not isinstance(value, (tuple, list)) or not value:
        raise TypeError(f"{name} must be a tuple of at least one size, not {value!r}")
    return tuple(exact_int(f"{name}[{i}]", size, 1, _SIZE_HIGH) for i, size in enumerate(value))


def _leak(name: str, value: Any) -> Leak:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(
            f"{name} must be two shifts (a, c), each 0 to {_LEAK_HIGH} or None, not {value!r}"
            + ("; (None, None) is no leak" if value is None else "")
        )
    a, c = (
        None if shift is None else exact_int(f"{name}[{i}]", shift, 0, _LEAK_HIGH)
        for i, shift in enumerate(value)
    )
    return a, c


def _weight_bits(name: str, value: Any) -> int:
    if isinstance(value, bool) or value not in WEIGHT_BITS:
        raise ValueError(f"{name} must be 4 or 8, not {value!r}")
    return int(value)


def _check_weight(name: str, weight: npt.NDArray[np.int64], bits: int) -> None:
    low, high = signed_range(bits)
    if weight.size and not low <= weight.min() <= weight.max() <= high:
        place = tuple(int(i) for i in np.argwhere((weight < low) | (weight > high))[0])
        raise ValueError(
            f"{name} must be from {low} to {high} ({bits}-bit weights), not {weight[place]} "
            f"(at {list(place)}); quantize to {bits} bits"
            + (", or set weight_bits=8" if bits < 8 else "")
        )


class _Equal:
    """Equality of dataclasses that hold arrays: same type, and every field equal."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = [each.name for each in fields(self) if each.compare]  # type: ignore[arg-type]
        pairs = ((getattr(self, name), getattr(other, name)) for name in names)
        return all(
            np.array_equal(a, b)
            if isinstance(a, np.ndarray) or isinstance(b, np.ndarray)
            else a == b
            for a, b in pairs
        )


@dataclass(frozen=True)
class SpikeInput:
    """Spikes as input: samples are (batch, steps, *shape), every value 0 or 1."""

    shape: Shape
    kind: ClassVar[str] = "spikes"
    bits: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _set(self, shape=_shape("shape", self.shape))

    @property
    def size(self) -> int:
        """Input neurons."""
        return prod(self.shape)


@dataclass(frozen=True)
class PixelInput:
    """Unsigned pixels of ``bits`` bits as a constant input current: samples are (batch, *shape)."""

    shape: Shape
    bits: int = 4
    kind: ClassVar[str] = "pixels"

    def __post_init__(self) -> None:
        _set(
            self,
            shape=_shape("shape", self.shape),
            bits=exact_int("bits", self.bits, 1, LIMITS["window"][1]),
        )

    @property
    def size(self) -> int:
        """Pixels of a sample."""
        return prod(self.shape)


@dataclass(frozen=True, eq=False)
class Neuron(_Equal):
    """The neurons of one layer.

    Parameters
    ----------
    leak : two shifts (a, c): each step takes ``v >> a`` and ``v >> c`` off the membrane. A term is
        absent where its shift is None; (None, None) integrates without leak.
    threshold : an integer, or one per neuron, in units of ``2**-fraction_bits`` weight steps.
        None only where ``fires`` is False.
    reset : what a spike does to the membrane: "subtract" the threshold, set it to "zero", "none".
    reset_timing : "same_step" as the spike, or the "next_step".
    compare : "ge" fires at the threshold, "gt" above it.
    v_init : membrane at the start of a sample.
    fires : False for a layer read by its membrane only.
    synapse_leak : shifts of a synaptic current in front of the membrane; None for none.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.
    """

    leak: Leak = (None, None)
    threshold: npt.ArrayLike | None = None
    reset: str = "subtract"
    reset_timing: str = "same_step"
    compare: str = "ge"
    v_init: int = 0
    fires: bool = True
    synapse_leak: Leak | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.fires, bool):
            raise TypeError(f"fires must be True or False, not {self.fires!r}")
        exact_choice("reset", self.reset, RESETS)
        exact_choice("reset_timing", self.reset_timing, RESET_TIMINGS)
        exact_choice("compare", self.compare, COMPARES)
        _set(
            self,
            leak=_leak("leak", self.leak),
            threshold=self._threshold(),
            v_init=exact_int("v_init", self.v_init, _STATE_LOW, _STATE_HIGH),
            synapse_leak=(
                None if self.synapse_leak is None else _leak("synapse_leak", self.synapse_leak)
            ),
        )

    def _threshold(self) -> int | npt.NDArray[np.int64] | None:
        if self.threshold is None:
            if self.fires:
                raise ValueError(
                    f"threshold must be given (1 to {_STATE_HIGH}, one or per neuron); "
                    "only a layer with fires=False has none"
                )
            return None
        array = exact_integers("threshold", self.threshold, 1, _STATE_HIGH)
        if array.ndim > 1:
            raise ValueError(f"threshold must be one integer or (out,) integers, not {array.shape}")
        return array if array.ndim else int(array)

    def thresholds(self, neurons: int) -> npt.NDArray[np.int64]:
        """(neurons,) thresholds, read-only; 1 where the layer has none because it never fires.

        Raises
        ------
        ValueError
            If there is one per neuron, for another number of neurons.
        """
        array = np.asarray(1 if self.threshold is None else self.threshold, dtype=np.int64)
        if array.ndim and array.shape != (neurons,):
            raise ValueError(
                f"threshold must be one integer or ({neurons},) integers, not {array.shape}"
            )
        return np.broadcast_to(array, (neurons,))


@dataclass(frozen=True)
class SumPool2d:
    """Sum pooling of a (channels, height, width) map in windows of ``size``; drops odd edges."""

    size: int

    def __post_init__(self) -> None:
        _set(self, size=exact_int("size", self.size, 1, _SIZE_HIGH))

    def output_shape(self, shape: Shape) -> Shape:
        """Shape after pooling.

        Raises
        ------
        ValueError
            If the map has not three axes, or is smaller than one pool.
        """
        if len(shape) != 3:
            raise ValueError(f"SumPool2d needs a (channels, height, width) map, not {shape}")
        channels, height, width = shape
        if min(height, width) < self.size:
            raise ValueError(
                f"SumPool2d({self.size}) needs a map of at least its size, not {shape}"
            )
        return channels, height // self.size, width // self.size

    def sources(self, shape: Shape) -> npt.NDArray[np.int64]:
        """For every input of a map, in C order, the pooled position it adds to; -1 if dropped."""
        channels, height, width = self.output_shape(shape)
        pooled = np.full(shape, -1, dtype=np.int64)
        c, y, x = np.indices((channels, height * self.size, width * self.size))
        pooled[:, : height * self.size, : width * self.size] = np.ravel_multi_index(
            (c, y // self.size, x // self.size), (channels, height, width)
        )
        return pooled.reshape(-1)


@dataclass(frozen=True, eq=False, init=False)
class Dense(_Equal):
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
            "bias", np.zeros(outputs) if bias is None else bias, _STATE_LOW, _STATE_HIGH
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
            weight_bits = _weight_bits("weight_bits", weight_bits)
            _check_weight("weight", matrix, weight_bits)
        _set(
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


Layer = Dense
"""Any layer of a network."""


@dataclass(frozen=True, eq=False)
class Network(_Equal):
    """Layers from an input to a readout.

    Parameters
    ----------
    input : ``SpikeInput`` or ``PixelInput``.
    layers : at least one layer; ``emit="both"`` only on the layer before the last.
    readout : "counts" (spikes per neuron), "words" (spike words), both of what the last layer
        emits, or "membrane" (v after the last step).
    weight_bits : 4 or 8, of layers that name none.
    fraction_bits : F, fraction bits of membranes, biases and thresholds; the array's must be equal.
    fidelity : the report of the import that made it, or None; files do not keep it.

    Raises
    ------
    TypeError, ValueError
        Naming the argument (for a layer: its place), the value and what is allowed.
    """

    input: SpikeInput | PixelInput
    layers: tuple[Layer, ...]
    readout: str = "counts"
    weight_bits: int = 4
    fraction_bits: int = 4
    fidelity: Fidelity | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.input, (SpikeInput, PixelInput)):
            raise TypeError(f"input must be a SpikeInput or a PixelInput, not {self.input!r}")
        if not isinstance(self.layers, (tuple, list)) or not self.layers:
            raise TypeError(f"layers must be a list of at least one layer, not {self.layers!r}")
        exact_choice("readout", self.readout, READOUTS)
        _set(
            self,
            layers=tuple(self.layers),
            weight_bits=_weight_bits("weight_bits", self.weight_bits),
            fraction_bits=exact_int("fraction_bits", self.fraction_bits, *LIMITS["fraction_bits"]),
        )
        shape = self.input.shape
        for i, layer in enumerate(self.layers):
            if not isinstance(layer, Dense):
                raise TypeError(f"layers[{i}] must be a Dense, not {layer!r}")
            if layer.weight_bits is None:
                _check_weight(f"layers[{i}].weight", layer.weight, self.weight_bits)
            if layer.emit == "both" and i != len(self.layers) - 2:
                raise ValueError(
                    f"layers[{i}].emit must be 'spikes' or 'skeleton': 'both' is for the layer "
                    f"before the last of the {len(self.layers)}"
                )
            try:
                shape = layer.output_shape(shape)
            except ValueError as error:
                raise ValueError(f"layers[{i}]: {error}") from None

    @property
    def both(self) -> bool:
        """Whether the last layer runs twice, on spikes and on the skeleton."""
        return len(self.layers) > 1 and self.layers[-2].emit == "both"

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """Shape of every layer's input, before pooling."""
        shapes = [self.input.shape]
        for layer in self.layers[:-1]:
            shapes.append(layer.output_shape(shapes[-1]))
        return tuple(shapes)

    @property
    def neuron_shapes(self) -> tuple[Shape, ...]:
        """Shape of every layer's neurons, as traces have it."""
        pairs = zip(self.layers, self.input_shapes, strict=True)
        return tuple(layer.neuron_shape(shape) for layer, shape in pairs)

    @property
    def input_sizes(self) -> tuple[int, ...]:
        """Source words of every layer, before pooling."""
        return tuple(prod(shape) for shape in self.input_shapes)

    @property
    def outputs(self) -> int:
        """Neurons of the readout."""
        return prod(self.layers[-1].output_shape(self.input_shapes[-1]))

    def layer_weight_bits(self, index: int) -> int:
        """Weight width of a layer: its own, or the network's."""
        return self.layers[index].weight_bits or self.weight_bits

    def folded_weight(self, index: int) -> npt.NDArray[np.int64]:
        """(out, flat inputs) weights of a layer with its pooling folded in."""
        return self.layers[index].folded_weight(self.input_shapes[index])

    def layer_name(self, index: int) -> str:
        """How messages call a layer: its place, kind and size."""
        layer = self.layers[index]
        return f"layers[{index}] ({type(layer).__name__} {layer.inputs} -> {layer.outputs})"
