"""Raw signals of a network that has an encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..network import Network
from ..support.values import as_array
from .lengths import (
    OWN,
    Lengths,
    check_padding,
    chosen_lengths,
    other_steps,
    own_lengths,
)
from .samples import check_time_axis

__all__ = ["EncodedBatch", "SampleEncoder", "check_encoded"]

Bools = npt.NDArray[np.bool_]
Encoded = tuple[npt.NDArray[Any], "npt.NDArray[Any] | None"]


class EncodedBatch(NamedTuple):
    """A batch of a raw signal, encoded.

    Attributes
    ----------
    values : array or list of arrays
        What the network's input takes.
    lengths : array, "own" or None
        The lengths of the samples.
    fresh : array of bool
        (batch,) whether a sample starts afresh.
    state : array or None
        The state of the encoder behind the last sample.
    """

    values: Any
    lengths: Lengths
    fresh: Bools
    state: npt.NDArray[Any] | None


class SampleEncoder:
    """A network's encoder, and the state that the last sample left in it.

    Parameters
    ----------
    network : Network
        A network with or without an encoder.

    Attributes
    ----------
    there : bool
        Whether the network has an encoder.
    shape : tuple of int
        The shape of a step of the raw signal.
    static : bool
        Whether a sample is one value for all of its steps: of the raw signal, or of pixels if there
        is no encoder.
    state : array or None
        What the encoder goes on from; None for a fresh start.
    """

    def __init__(self, network: Network) -> None:
        self._encoder = encoder = network.encoder
        self._shape, self._pixels = network.input.shape, network.input.kind == "pixels"
        self.there = encoder is not None
        self.shape = network.input.shape if encoder is None else encoder.shape
        self.static = self._pixels or (encoder is not None and encoder.static)
        self.state: npt.NDArray[Any] | None = None

    def encode(
        self,
        samples: Any,
        steps: int | None,
        time_axis: int = 1,
        fresh: npt.NDArray[np.bool_] | bool = True,
    ) -> Encoded:
        """Encode a batch of a raw signal.

        Parameters
        ----------
        samples : array_like
            The signal, ``(batch, steps, *shape)`` or ``(batch, *shape)``, as its encoder takes it.
        steps : int or None
            The steps of a sample.
        time_axis : int
            The axis of the steps, 0 or 1.
        fresh : bool, or array of bool
            Whether the samples, or each of them, start afresh rather than from the one before.

        Returns
        -------
        encoded : array
            What the network's input takes.
        state : array or None
            For ``state``, once the samples are accepted.

        Raises
        ------
        TypeError, ValueError
            If the signal does not fit the encoder, or ``time_axis`` is wrong.
        """
        array = self._batch_first(as_array("samples", samples, "numbers"), time_axis)
        count = len(array) if array.ndim else 0
        return self._encode(array, steps, np.broadcast_to(fresh, (count,)), self.state)

    def encode_batch(
        self,
        samples: Any,
        longest: int,
        time_axis: int,
        lengths_of: Callable[[int], Lengths],
        fresh_of: Callable[[int], Bools],
    ) -> EncodedBatch:
        """Encode a batch whose samples may have lengths of their own.

        Parameters
        ----------
        samples : array_like
            As for ``encode``; or a list of signals ``(steps, *shape)`` whose numbers of steps
            differ.
        longest : int
            The most steps of a sample, and those that it has without ``lengths``.
        time_axis : int
            The axis of the steps, 0 or 1.
        lengths_of, fresh_of : callable
            Return the ``lengths`` of so many samples, and whether they start afresh.

        Raises
        ------
        TypeError, ValueError
            As ``encode``; or if lengths do not fit the samples.
        """
        own = None if self.static else own_lengths(samples, time_axis)
        if own is None:
            samples = as_array("samples", samples, "numbers")
            samples = self._batch_first(samples, time_axis)
        count = len(samples) if own is not None or samples.ndim else 0
        fresh, given = fresh_of(count), lengths_of(count)
        stepped = own is None and not self.static and samples.ndim == 2 + len(self.shape)
        if stepped and given is None and samples.shape[1] != longest:
            raise ValueError(other_steps(samples.shape[1], longest))
        if own is None and (given is None or self._pixels or samples.ndim < 2 or not count):
            encoded, state = self._encode(samples, longest, fresh, self.state)
            return EncodedBatch(encoded, given, fresh, state)
        steps = longest if own is not None or self.static else samples.shape[1]
        lengths = chosen_lengths(given, own, count, steps, self.static)
        if own is None and not self.static:
            check_padding(samples.reshape(count, steps, -1), lengths)
            samples = [sample[:n] for sample, n in zip(samples, lengths, strict=True)]
        parts, state = [], self.state
        for i, n in enumerate(lengths.tolist()):
            one = as_array(f"samples[{i}]", samples[i], "numbers")[None]
            try:
                part, state = self._encode(one, n, fresh[i : i + 1], state)
            except (TypeError, ValueError) as error:
                raise type(error)(f"samples[{i}]: {error}") from None
            parts.append(part[0])
        return EncodedBatch(parts, OWN, fresh, state)

    def _batch_first(self, array: npt.NDArray[Any], time_axis: int) -> npt.NDArray[Any]:
        check_time_axis(time_axis)
        if time_axis == 1:
            return array
        if self.static:
            raise ValueError(
                "time_axis must be 1 for samples without steps, which the network's "
                f"{type(self._encoder).__name__} takes, not 0"
            )
        return array.swapaxes(0, 1) if array.ndim > 1 else array

    def _encode(
        self,
        array: npt.NDArray[Any],
        steps: int | None,
        fresh: Bools,
        state: npt.NDArray[Any] | None,
    ) -> Encoded:
        assert self._encoder is not None
        encoded, state = self._encoder.encode_from(array, steps, fresh, state)
        axes = encoded.ndim - len(self._encoder.output_shape)
        return encoded.reshape(*encoded.shape[:axes], *self._shape), state


def check_encoded(encoded: Any, there: bool) -> bool:
    """Whether samples are encoded already, as ``encoded`` says.

    Parameters
    ----------
    encoded : bool
        What a user says: the samples are what the input takes, not a raw signal.
    there : bool
        Whether the network has an encoder.

    Raises
    ------
    TypeError, ValueError
        If it is neither True nor False; or True for a network without an encoder.
    """
    if not isinstance(encoded, (bool, np.bool_)):
        raise TypeError(f"encoded must be True or False, not {encoded!r}")
    if encoded and not there:
        raise ValueError(
            "encoded is for networks with an encoder, which this one has not: leave it out"
        )
    return bool(encoded)
