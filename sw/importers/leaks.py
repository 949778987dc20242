"""The leaks of a layer's neurons: the closest ones to the source's decays, or a few of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..network.leaks import Leak, Leaks, Shifts, closest_leak
from .semantics import Cell, Floats

__all__ = ["factors", "layer_leaks"]

_closest = lru_cache(maxsize=1 << 16)(closest_leak)


def layer_leaks(cell: Cell, neurons: int, most: int | None) -> tuple[Leaks, Leaks | None]:
    """Return the leaks of membranes, and of synaptic currents where there are some.

    Leaks that the source pins are kept.

    Parameters
    ----------
    cell : Cell
        The neurons, with () or (neurons,) decays.
    neurons : int
        Their number (of output channels).
    most : int or None
        The most kinds of neurons with different leaks. None for the closest leak to every decay.
    """
    asked = [cell.decay] if cell.synapse_decay is None else [cell.decay, cell.synapse_decay]
    decays: Floats = np.stack([np.broadcast_to(each, (neurons,)) for each in asked], axis=1)
    known = decays
    if most is not None:
        # Decays with the same closest leaks are of one kind already.
        rounded = np.vectorize(lambda decay: _closest(decay).factor, otypes=[float])(decays)
        _, kind = np.unique(rounded, axis=0, return_inverse=True)
        known = _merged(decays, kind.reshape(-1), most)
    chosen: list[Any] = []
    for each, pinned, column in zip(
        asked, (cell.leak, cell.synapse_leak), known.T, strict=False
    ):
        if pinned is not None:
            chosen.append(pinned)
        elif np.ndim(each) == 0:
            chosen.append(_closest(float(each)))
        else:
            leaks = tuple(_closest(decay) for decay in column.tolist())
            chosen.append(leaks[0] if len(set(leaks)) == 1 else leaks)
    return chosen[0], chosen[1] if len(chosen) > 1 else None


def _merged(decays: Floats, kind: Any, most: int) -> Floats:
    """Return (neurons, 1 or 2) decays with at most ``most`` different rows: each the mean of the
    kinds that were merged, those first that changes the decays least (Ward's method)."""
    count = np.bincount(kind).astype(float)
    means = np.stack([np.bincount(kind, column) for column in decays.T], axis=1) / count[:, None]
    while len(count) > most:
        apart = ((means[:, None] - means) ** 2).sum(axis=2)
        cost = apart * count[:, None] * count / (count[:, None] + count)
        np.fill_diagonal(cost, np.inf)
        a, b = sorted(int(i) for i in np.unravel_index(cost.argmin(), cost.shape))
        means[a] = (means[a] * count[a] + means[b] * count[b]) / (count[a] + count[b])
        count[a] += count[b]
        means, count = np.delete(means, b, axis=0), np.delete(count, b)
        kind = np.where(kind == b, a, kind - (kind > b))
    merged: Floats = means[kind]
    return merged


def factors(leaks: Shifts | Sequence[Shifts]) -> float | Floats:
    """Return the decay of each neuron (``Leak.factor``), one number for one leak."""
    if isinstance(leaks, Leak):
        return leaks.factor
    return np.array([Leak.of(leak).factor for leak in leaks])
