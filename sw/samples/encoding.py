"""Raw signals of a network that has an encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import Network
from ..support.values import as_array
from .samples import check_time_axis

__all__ = ["SampleEncoder", "check_encoded"]

Encoded = tuple[npt.NDArray[Any], "npt.NDArray[Any] | None"]


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
    static : bool
        Whether a sample is one value for all of its steps: of the raw signal, or of pixels if there
        is no encoder.
    state : array or None
        What the encoder goes on from; None for a fresh start.
    """

    def __init__(self, network: Network) -> None:
        self._encoder = encoder = network.encoder
        self._shape = network.input.shape
        self.there = encoder is not None
        self.static = network.input.kind == "pixels" or (encoder is not None and encoder.static)
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
        assert self._encoder is not None
        array = as_array("samples", samples, "numbers")
        check_time_axis(time_axis)
        if time_axis == 0:
            if self.static:
                raise ValueError(
                    "time_axis must be 1 for samples without steps, which the network's "
                    f"{type(self._encoder).__name__} takes, not 0"
                )
            array = array.swapaxes(0, 1) if array.ndim > 1 else array
        count = len(array) if array.ndim else 0
        starts = np.broadcast_to(fresh, (count,))
        encoded, state = self._encoder.encode_from(array, steps, starts, self.state)
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
