"""Arguments with one value for all samples, or one for each: taken batch after batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..support.values import as_array
from .lengths import Lengths, as_lengths

__all__ = ["CarryFlags", "SampleLengths"]


class _PerSample:
    """Values of samples, which run in one batch or in several.

    Parameters
    ----------
    name : str
        The name of the argument, for messages.
    values : array or None
        (samples,) values; None if there is one for all samples.
    """

    def __init__(self, name: str, values: npt.NDArray[Any] | None) -> None:
        self._name, self._values, self._at = name, values, 0

    def _next(self, count: int) -> npt.NDArray[Any] | None:
        """The values of the next samples.

        Raises
        ------
        ValueError
            If there are not as many.
        """
        self._at += count
        if self._values is not None and self._at > len(self._values):
            raise self._wrong("or more ")
        return None if self._values is None else self._values[self._at - count : self._at]

    def finish(self) -> None:
        """Refuse values that no sample took.

        Raises
        ------
        ValueError
            If there are some.
        """
        if self._values is not None and self._at < len(self._values):
            raise self._wrong("")

    def _wrong(self, more: str) -> ValueError:
        assert self._values is not None
        return ValueError(
            f"{self._name} must be one value, or one for each sample: it has {len(self._values)} "
            f"for {self._at} {more}samples"
        )


class CarryFlags(_PerSample):
    """Whether samples continue from the state that the sample before them left.

    Parameters
    ----------
    carry_state : bool or sequence of bool
        One flag for all samples, or one for each.

    Attributes
    ----------
    any : bool
        Whether a sample does.
    first : bool
        Whether the first sample does.

    Raises
    ------
    TypeError, ValueError
        If it is something else.
    """

    def __init__(self, carry_state: Any) -> None:
        allowed = "carry_state must be True, False, or a list with one of these per sample"
        self._same, flags = carry_state, None
        if not isinstance(carry_state, (bool, np.bool_)):
            if not hasattr(carry_state, "__len__") or isinstance(carry_state, (str, bytes, dict)):
                raise TypeError(f"{allowed}, not {carry_state!r}")
            flags = as_array("carry_state", carry_state, "bools")
            if flags.dtype.kind != "b" or flags.ndim != 1:
                raise TypeError(f"{allowed}, not {flags.dtype} of shape {flags.shape}")
        super().__init__("carry_state", flags)
        self.any = bool(carry_state if flags is None else flags.any())
        self.first = bool(carry_state if flags is None else flags[:1].any())

    def fresh(self, count: int) -> npt.NDArray[np.bool_]:
        """(count,) whether each of the next samples starts afresh."""
        flags = self._next(count)
        return np.full(count, not self._same) if flags is None else ~flags


class SampleLengths(_PerSample):
    """The numbers of steps of samples.

    Parameters
    ----------
    lengths : sequence of int, "own" or None
        As for ``Device.run``.

    Raises
    ------
    TypeError, ValueError
        If it is something else.
    """

    def __init__(self, lengths: Any) -> None:
        self._same = as_lengths(lengths)
        super().__init__("lengths", self._same if isinstance(self._same, np.ndarray) else None)

    def take(self, count: int) -> Lengths:
        """The lengths of the next samples."""
        lengths = self._next(count)
        return self._same if lengths is None else lengths
