"""What all encoders have in common: the checks of a signal, and the state that is carried."""

from __future__ import annotations

import abc
from math import prod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..support.immutable import Equal, Shape
from ..support.steps import check_steps
from ..support.values import exact_floats

__all__ = [
    "Bools", "Encoder", "Floats", "PerValue", "first_of", "frozen", "one_hot_steps", "per_value",
]

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
PerValue = float | Floats
"""One number for all values of a step, or an array with the shape of the signal."""

_MISSING = "fill in missing values first, or leave such samples out"


class Encoder(Equal, abc.ABC):
    """Turns a raw signal into samples of a network's input.

    A network that has an encoder (``Network(..., encoder=...)``) takes the raw signal where others
    take spikes, pixels or frames. ``encode`` gives the same samples to a training.

    Attributes
    ----------
    shape : tuple of int
        The shape of the raw signal: of one step, or of one sample if it does not change.
    """

    kind: ClassVar[str]
    """The name of the encoder in files."""
    inputs: ClassVar[tuple[str, ...]] = ("spikes",)
    """The kinds of network inputs that it encodes for."""
    shape: Shape

    @property
    @abc.abstractmethod
    def output_shape(self) -> Shape:
        """The shape of one step of the encoded signal."""

    @property
    @abc.abstractmethod
    def static(self) -> bool:
        """Whether a sample is one value for all steps, ``(batch, *shape)``, rather than one for
        each step, ``(batch, steps, *shape)``."""

    def check_input(self, kind: str, shape: Shape, bits: int) -> None:
        """Refuse the input of a network that does not take what this encoder gives.

        Parameters
        ----------
        kind : str
            The kind of the input.
        shape : tuple of int
            Its shape: ``output_shape``, or that with neighbouring axes made one (in C order).
        bits : int
            The bits of its values.

        Raises
        ------
        ValueError
            Saying what the encoder gives and what the input takes.
        """
        name = type(self).__name__
        if kind not in self.inputs:
            raise ValueError(
                f"encoder must give what the network's input takes: a {name} gives "
                f"{' or '.join(self.inputs)}, and the input is {kind}"
            )
        if not _merged(self.output_shape, shape):
            raise ValueError(
                f"encoder must give the shape of the network's input: a {name} gives "
                f"{self.output_shape} for a signal of {self.shape}, and the input is {shape}; "
                "neighbouring axes may be made one"
            )

    def encode(self, samples: Any, steps: int | None = None) -> npt.NDArray[Any]:
        """Encode a batch of samples, each from a fresh start.

        A sample is encoded to the same spikes whatever else is in its batch.

        Parameters
        ----------
        samples : array_like
            ``(batch, steps, *shape)``, or ``(batch, *shape)`` for an encoder of values that do not
            change (``static``). A list, array or tensor of finite numbers, taken exactly.
        steps : int or None
            The steps to make of values that do not change. Otherwise checked if it is given.

        Returns
        -------
        array
            ``(batch, steps, *output_shape)`` of bool; of uint16 from a ``QuantizeEncoder``, with
            the axes of the samples.

        Raises
        ------
        TypeError, ValueError
            Naming the shape or the first value at fault, and what is allowed.
        """
        values, steps = self._checked(samples, steps)
        return self._encode(values, steps, None)[0]

    def encode_from(
        self,
        samples: Any,
        steps: int | None,
        fresh: npt.NDArray[np.bool_],
        state: npt.NDArray[Any] | None,
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
        """Encode a batch of samples, some of which go on from the sample before.

        Parameters
        ----------
        samples, steps
            As for ``encode``.
        fresh : array of bool
            (batch,) whether a sample starts afresh rather than from the state of the one before.
        state : array or None
            The state that the sample before the first one left; None for a fresh start.

        Returns
        -------
        encoded : array
            As from ``encode``.
        state : array or None
            The state that the last sample left; None for an encoder without state.
        """
        values, steps = self._checked(samples, steps)
        if fresh.all():
            encoded, states = self._encode(values, steps, None)
            return encoded, None if states is None else states[-1:]
        parts = []
        for row, starts in zip(range(len(values)), fresh, strict=True):
            part, state = self._encode(values[row : row + 1], steps, None if starts else state)
            parts.append(part)
        return np.concatenate(parts), state

    @abc.abstractmethod
    def _encode(
        self, values: Floats, steps: int, state: npt.NDArray[Any] | None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
        """Encode checked values, and return the state of each sample after it.

        With a state there is one sample, which goes on from it.
        """

    def _fits(self, axes: int) -> bool:
        """Whether samples may have so many axes in front of those of the signal."""
        return axes == (1 if self.static else 2)

    def _checked(self, samples: Any, steps: int | None) -> tuple[Floats, int]:
        name = type(self).__name__
        values = exact_floats("samples", samples, _MISSING)
        axes = values.ndim - len(self.shape)
        if not self._fits(axes) or values.shape[axes:] != self.shape:
            wanted = ", ".join(["batch", *([] if self._fits(1) else ["steps"])])
            raise ValueError(
                f"samples must be ({wanted}, {', '.join(map(str, self.shape))}), the raw signal "
                f"that the {name} takes, not {values.shape}"
            )
        if axes == 2:
            if steps is not None and values.shape[1] != steps:
                raise ValueError(f"samples must have {steps} steps, not {values.shape[1]}")
            if not values.shape[1]:
                raise ValueError("samples must have at least 1 step, not 0")
            steps = values.shape[1]
        elif steps is None and not self.static:
            steps = 1  # one value for all steps, whatever their number
        elif steps is None:
            raise ValueError(
                f"steps must be given for a {name}: how many steps to make of each sample, from 1 "
                "on"
            )
        return values, check_steps(steps)


def _merged(shape: Shape, into: Shape) -> bool:
    """Whether one shape is another with some neighbouring axes made one."""
    ends = {prod(shape[: i + 1]) for i in range(len(shape))}
    return prod(shape) == prod(into) and all(
        prod(into[: i + 1]) in ends for i in range(len(into))
    )


def per_value(name: str, value: Any, shape: Shape, above_zero: bool = False) -> PerValue:
    """A number, or one for each value of a step, checked and read-only.

    Raises
    ------
    TypeError, ValueError
        If it is neither a number nor an array of that shape; or not positive if it must be.
    """
    array = exact_floats(name, value)
    if array.shape not in ((), shape):
        raise ValueError(
            f"{name} must be one number, or an array of the signal's shape {shape}, not an array "
            f"of shape {array.shape}"
        )
    if above_zero and not (array > 0).all():
        raise ValueError(f"{name} must be above 0, not {first_of(array, array <= 0)}")
    return frozen(array) if array.ndim else float(array)


def frozen(array: Floats) -> Floats:
    """A read-only copy, in C order."""
    copy = np.array(array, order="C")
    copy.setflags(write=False)
    return copy


def first_of(array: npt.NDArray[Any], bad: Bools) -> str:
    """The first bad value and its index, for messages."""
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{array[index]}" + (f" (at {list(index)})" if index else "")


def one_hot_steps(times: npt.NDArray[np.int64], steps: int) -> Bools:
    """(batch, steps, ...) spikes, one at each of the (batch, ...) steps; none at ``steps``."""
    spikes = np.zeros((len(times), steps + 1, *times.shape[1:]), dtype=bool)
    np.put_along_axis(spikes, times[:, None], True, axis=1)
    return spikes[:, :steps]
