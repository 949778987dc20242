"""The neurons of a layer: leak, threshold, reset and comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from ..spec.array import LIMITS
from ..support.immutable import Equal, put
from ..support.values import exact_choice, exact_int, exact_integers, signed_range
from .leaks import Leak, Shifts, leaks_of

__all__ = ["COMPARES", "RESETS", "RESET_TIMINGS", "STATE_HIGH", "STATE_LOW", "Neuron"]

RESETS = ("subtract", "zero", "none")
RESET_TIMINGS = ("same_step", "next_step")
COMPARES = ("ge", "gt")

STATE_LOW, STATE_HIGH = signed_range(LIMITS["state_bits"][1])
@dataclass(frozen=True, eq=False)
class Neuron(Equal):
    """The neurons of one layer.

    Parameters
    ----------
    leak : Leak, (int or None, int or None), or (out,) sequence of these
        Two shifts (a, c) from 0 to 15. Each step subtracts ``v >> a`` and ``v >> c`` from the
        membrane; ``Leak(a, c, add=True)`` adds ``v >> c``. A term is absent if its shift is None.
        (None, None) integrates without leak. There may be one leak per neuron of a
        ``Dense`` and per output channel of a ``Conv2d``. An array computes neurons of equal leak
        together.
    threshold : int or (out,) array_like of int
        One threshold, or one per neuron of a ``Dense`` and per output channel of a ``Conv2d``, in
        units of ``2**-fraction_bits`` weight steps. It is None only where ``fires`` is False.
    reset : {"subtract", "zero", "none"}
        What a spike does to the membrane: it subtracts the threshold, sets it to zero, or does
        nothing.
    reset_timing : {"same_step", "next_step"}
        Whether the membrane is reset in the step of the spike or in the next one.
    compare : {"ge", "gt"}
        A neuron fires at the threshold and above it ("ge"), or only above it ("gt").
    v_init : int
        Membrane at the start of a sample.
    fires : bool
        False for a layer that is read by its membrane only.
    synapse_leak : Leak, (int or None, int or None), or (out,) sequence of these, optional
        Shifts of a synaptic current in front of the membrane, like those of ``leak``. There is no
        such current by default.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed.
    """

    leak: Shifts | Sequence[Shifts] = (None, None)
    threshold: npt.ArrayLike | None = None
    reset: str = "subtract"
    reset_timing: str = "same_step"
    compare: str = "ge"
    v_init: int = 0
    fires: bool = True
    synapse_leak: Shifts | Sequence[Shifts] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.fires, bool):
            raise TypeError(f"fires must be True or False, not {self.fires!r}")
        exact_choice("reset", self.reset, RESETS)
        exact_choice("reset_timing", self.reset_timing, RESET_TIMINGS)
        exact_choice("compare", self.compare, COMPARES)
        put(
            self,
            leak=leaks_of("leak", self.leak),
            threshold=self._threshold(),
            v_init=exact_int("v_init", self.v_init, STATE_LOW, STATE_HIGH),
            synapse_leak=(
                None if self.synapse_leak is None
                else leaks_of("synapse_leak", self.synapse_leak)
            ),
        )

    def _threshold(self) -> int | npt.NDArray[np.int64] | None:
        if self.threshold is None:
            if self.fires:
                raise ValueError(
                    f"threshold must be given (1 to {STATE_HIGH}, one or per neuron); "
                    "only a layer with fires=False has none"
                )
            return None
        array = exact_integers("threshold", self.threshold, 1, STATE_HIGH)
        if array.ndim > 1:
            raise ValueError(
                "threshold must be one integer or (out,) integers, one per output of a Dense or "
                f"output channel of a Conv2d, not {array.shape}"
            )
        return array if array.ndim else int(array)

    def thresholds(self, neurons: int, each: str = "output") -> npt.NDArray[np.int64]:
        """Return (neurons,) thresholds, read-only; 1 for neurons that never fire.

        Parameters
        ----------
        neurons : int
            How many thresholds the layer needs.
        each : str
            What a threshold belongs to, for messages.

        Raises
        ------
        ValueError
            If there are several thresholds, but not ``neurons`` of them.
        """
        array = np.asarray(1 if self.threshold is None else self.threshold, dtype=np.int64)
        if array.ndim and array.shape != (neurons,):
            raise ValueError(
                f"threshold must be one integer or ({neurons},) integers, one per {each}, "
                f"not {array.shape}"
            )
        return np.broadcast_to(array, (neurons,))

    def kinds(
        self, neurons: int, each: str = "output"
    ) -> tuple[tuple[Neuron, ...], npt.NDArray[np.int64]]:
        """Return the kinds of neurons of a layer: those of one kind have equal leaks.

        Parameters
        ----------
        neurons : int
            How many leaks the layer needs.
        each : str
            What a leak belongs to, for messages.

        Returns
        -------
        kinds : tuple of Neuron
            These settings with one ``leak`` and one ``synapse_leak``, once for each kind, in the
            order in which the kinds first occur.
        kind : (neurons,) int64 array
            The kind of each neuron.

        Raises
        ------
        ValueError
            If there are several leaks, but not ``neurons`` of them.
        """
        if not (_several(self.leak) or _several(self.synapse_leak)):
            return (self,), np.zeros(neurons, dtype=np.int64)
        both: list[Sequence[Any]] = []
        for name, leaks in (("leak", self.leak), ("synapse_leak", self.synapse_leak)):
            if _several(leaks) and len(leaks) != neurons:
                raise ValueError(
                    f"{name} must be one leak or {neurons} of them, one per {each}, "
                    f"not {len(leaks)}"
                )
            both.append(leaks if _several(leaks) else (leaks,) * neurons)
        known: dict[Any, int] = {}
        of = [known.setdefault(pair, len(known)) for pair in zip(*both, strict=True)]
        kinds = tuple(replace(self, leak=leak, synapse_leak=synapse) for leak, synapse in known)
        return kinds, np.array(of, dtype=np.int64)

    def merged(self) -> Neuron:
        """Return these settings with one leak in place of several equal ones."""
        one: dict[str, Any] = {
            name: leaks[0] for name in ("leak", "synapse_leak")
            if _several(leaks := getattr(self, name)) and len(set(leaks)) == 1
        }
        return replace(self, **one) if one else self


def _several(leaks: Any) -> TypeGuard[tuple[Leak, ...]]:
    """Whether there is one leak per neuron."""
    return leaks is not None and not isinstance(leaks, Leak)
