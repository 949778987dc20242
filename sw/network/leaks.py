"""The leaks of neurons: pairs of shifts, those closest to a decay, and when they round."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..spec.task import LEAK_BITS
from ..support.values import exact_int

__all__ = [
    "Leak", "Leaks", "Shifts", "closest_leak", "exact_steps", "leaks_of", "plain_leaks",
]

_HIGH = (1 << LEAK_BITS) - 1
_ADD = "add"

Shifts = tuple[int | None, int | None]
"""Two shifts (a, c), or a ``Leak`` of them."""


class Leak(Shifts):
    """What a state loses in each step: ``d = v - (v >> a) - (v >> c)``.

    It is a pair of shifts, ``(a, c)``, and equals a plain pair. With ``add``, the second term is
    added, ``d = v - (v >> a) + (v >> c)``, and it equals only another such leak.

    Parameters
    ----------
    a, c : int or None
        Shifts from 0 to 15. A term is absent if its shift is None.
    add : bool
        Whether the second term is added. Both shifts must be given then, with ``c > a``.

    Raises
    ------
    TypeError, ValueError
        Naming the shift, the value and what is allowed.
    """

    add: bool

    def __new__(cls, a: int | None = None, c: int | None = None, *, add: bool = False) -> Leak:
        shifts = (
            None if shift is None else exact_int(name, shift, 0, _HIGH)
            for name, shift in (("a", a), ("c", c))
        )
        leak = super().__new__(cls, shifts)
        if not isinstance(add, bool):
            raise TypeError(f"add must be True or False, not {add!r}")
        if add and (leak[0] is None or leak[1] is None or leak[1] <= leak[0]):
            raise ValueError(f"add=True must have two shifts (a, c) with c > a, not {tuple(leak)}")
        leak.add = add
        return leak

    def __getnewargs_ex__(self) -> tuple[tuple[int | None, ...], dict[str, bool]]:  # copy, pickle
        return tuple(self), {"add": self.add}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple):
            return NotImplemented
        return super().__eq__(other) and self.add == getattr(other, "add", False)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        # As a plain pair that it equals.
        return hash((*self, True)) if self.add else super().__hash__()

    def __repr__(self) -> str:
        return f"Leak({self[0]}, {self[1]}, add=True)" if self.add else super().__repr__()

    @property
    def terms(self) -> tuple[tuple[int, int], ...]:
        """The sign, -1 or 1, and the shift of every term that is not absent."""
        signs = zip((-1, 1 if self.add else -1), self, strict=True)
        return tuple((sign, shift) for sign, shift in signs if shift is not None)

    @property
    def factor(self) -> float:
        """The share of a state that stays, before rounding: ``1 - 2**-a - 2**-c``, and with ``add``
        ``1 - 2**-a + 2**-c``."""
        return 1.0 + sum(sign * 2.0**-shift for sign, shift in self.terms)

    @property
    def plain(self) -> tuple[int | str | None, ...]:
        """Values that JSON can hold, from which ``of`` makes the leak again.

        They are ``(a, c)``, or ``(a, c, "add")``.
        """
        return (*self, _ADD) if self.add else tuple(self)

    @classmethod
    def of(cls, value: Any, name: str = "leak") -> Leak:
        """Return a pair of shifts, or ``(a, c, "add")``, as a ``Leak``.

        Raises
        ------
        TypeError, ValueError
            If it is none; ``name`` is its name in messages.
        """
        if isinstance(value, Leak):
            return value
        if _per_neuron(value):
            raise TypeError(f"{name} must be one leak (a, c) here, not one per neuron")
        add = isinstance(value, (tuple, list)) and len(value) == 3 and value[2] == _ADD
        if not isinstance(value, (tuple, list)) or len(value) != 2 + add:
            raise TypeError(
                f"{name} must be two shifts (a, c), each 0 to {_HIGH} or None, not {value!r}"
                + ("; (None, None) is no leak" if value is None else "")
            )
        a, c = (
            None if shift is None else exact_int(f"{name}[{i}]", shift, 0, _HIGH)
            for i, shift in enumerate(value[:2])
        )
        try:
            return cls(a, c, add=add)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


Leaks = Leak | tuple[Leak, ...]
"""The leak of all neurons of a layer, or one for each of them."""


def plain_leaks(leaks: Shifts | Sequence[Shifts] | None) -> Any:
    """Return values that JSON can hold, from which ``Neuron`` makes the leaks again."""
    if leaks is None:
        return None
    if _per_neuron(leaks):
        return tuple(Leak.of(each).plain for each in leaks)
    return Leak.of(leaks).plain


def leaks_of(name: str, value: Any) -> Leaks:
    """Return one leak, or one per neuron."""
    if not _per_neuron(value):
        return Leak.of(value, name)
    return tuple(Leak.of(each, f"{name}[{i}]") for i, each in enumerate(value))


def _per_neuron(value: Any) -> bool:
    """Whether a value is a sequence of leaks, rather than one."""
    return isinstance(value, (tuple, list)) and any(isinstance(v, (tuple, list)) for v in value)


def closest_leak(decay: float) -> Leak:
    """Return the shifts with the factor closest to ``decay``.

    One term is preferred to two, and two that are subtracted to one that is added.

    Parameters
    ----------
    decay : float
        Share of the state that stays from one step to the next.

    Raises
    ------
    ValueError
        If ``decay`` is not from 0 to 1.
    """
    if not 0 <= decay <= 1:
        raise ValueError(f"decay must be from 0 to 1, not {decay}")
    leak, _ = min(_factors(), key=lambda choice: abs(choice[1] - decay))
    return leak


@cache
def _factors() -> list[tuple[Leak, float]]:
    """Return the leaks to choose from with their factors, the preferred ones first."""
    # (0, c) would leave less than nothing, and (c, a) leaves what (a, c) does.
    shifts = range(1 << LEAK_BITS)
    choices = [Leak(), *(Leak(a) for a in shifts)]
    choices += [Leak(a, c) for a in shifts for c in shifts if 0 < a <= c]
    choices += [Leak(a, c, add=True) for a in shifts for c in shifts if a < c]
    return [(leak, leak.factor) for leak in choices]


def exact_steps(
    leak: Shifts, synapse_leak: Shifts | None, values: npt.ArrayLike, fraction_bits: int
) -> int | None:
    """Return the number of steps of a sample in which no leak can round a state.

    Each step may add as many fraction bits to a membrane as the largest shift. The leak rounds
    when the membrane has more of them than ``fraction_bits``.

    Parameters
    ----------
    leak : Leak or (int or None, int or None)
        Shifts of the membrane.
    synapse_leak : Leak or (int or None, int or None) or None
        Shifts of the synaptic current.
    values : array_like of int
        Thresholds, biases and ``v_init``, in units of the state.
    fraction_bits : int
        Fraction bits of the state.

    Returns
    -------
    int or None
        None for any number of steps.
    """
    shifts = [s for s in (*leak, *(synapse_leak or ())) if s is not None]
    largest = max(shifts, default=0)
    if not largest:
        return None
    free = fraction_bits
    for value in np.unique(np.asarray(values, dtype=np.int64)):
        if value:
            free = min(free, (int(value) & -int(value)).bit_length() - 1)
    return 1 + free // largest
