"""Counters every device agrees on, derived from spike words, and the consistency of a layer.

An event is a source neuron whose spike word in a window is not 0 (a pixel that is not 0, in every
window); an SOP is one weight added for one bit of an event's word. Sources on the edges a sum pool
drops are scanned like all others: they count, with weights of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .network import Network
from .samples import check_samples
from .spec.array import LIMITS
from .values import exact_int
from .words import pack_steps, popcount

__all__ = ["COUNTER_DTYPE", "consistency", "count", "source_words", "totals"]

COUNTER_DTYPE = np.dtype(
    [(name, np.int64) for name in ("spikes", "stable", "events", "issued", "sops", "lower_bound")]
)
"""Of a layer and sample: spikes and stable spikes of its neurons; events; weight rows fetched on
all cores; SOPs; cycles in which the lanes of the busiest core must be busy, summed over windows."""

Words = npt.NDArray[np.uint16]


def source_words(
    network: Network,
    samples: Any,
    spikes: Sequence[npt.NDArray[np.bool_]],
    skeleton: Sequence[npt.NDArray[np.bool_]],
    window: int,
) -> list[Words]:
    """Per layer the (batch, windows, inputs) words it reads.

    Those of pixels are the pixels, the same in every window. With ``emit="both"`` the last layer's
    are the spikes.

    Parameters
    ----------
    samples : (batch, steps, *shape) spikes, or (batch, *shape) pixels.
    spikes, skeleton : per layer (batch, steps, *neurons), as traced.
    window : T.
    """
    if len(spikes) != len(network.layers) or len(skeleton) != len(network.layers):
        raise ValueError(
            f"spikes and skeleton must be of {len(network.layers)} layers (run with trace=True), "
            f"not {len(spikes)} and {len(skeleton)}"
        )
    flat, steps = check_samples(network, samples, spikes[0].shape[1])
    if network.input.kind == "pixels":
        windows = -(-steps // exact_int("window", window, *LIMITS["window"]))
        pixels = flat.astype(np.uint16)[:, None, :]
        words = [np.broadcast_to(pixels, (len(flat), windows, flat.shape[1]))]
    else:
        words = [pack_steps(flat.astype(bool), window)]
    for layer, s, k in zip(network.layers[:-1], spikes[:-1], skeleton[:-1], strict=True):
        emitted = k if layer.emit == "skeleton" else s
        words.append(pack_steps(emitted.reshape(*emitted.shape[:2], -1), window))
    return words


def count(
    network: Network,
    samples: Any,
    spikes: Sequence[npt.NDArray[np.bool_]],
    skeleton: Sequence[npt.NDArray[np.bool_]],
    window: int,
    groups: Sequence[Sequence[int]],
) -> npt.NDArray[Any]:
    """(batch, layers) counters of ``COUNTER_DTYPE``.

    Parameters
    ----------
    samples, spikes, skeleton, window : as for ``source_words``.
    groups : per layer, per core, the groups of L outputs the core computes.

    Raises
    ------
    TypeError, ValueError
        If the traces, the samples or ``groups`` do not fit the network.
    """
    if len(groups) != len(network.layers):
        raise ValueError(f"groups must be of {len(network.layers)} layers, not {len(groups)}")
    sources = source_words(network, samples, spikes, skeleton, window)
    counters = np.zeros((len(spikes[0]), len(network.layers)), dtype=COUNTER_DTYPE)
    for i, (layer, words) in enumerate(zip(network.layers, sources, strict=True)):
        rows = counters[:, i]
        neurons = tuple(range(1, spikes[i].ndim))
        rows["spikes"] = np.count_nonzero(spikes[i], axis=neurons)
        rows["stable"] = np.count_nonzero(skeleton[i], axis=neurons)
        events = np.count_nonzero(words, axis=2)
        rows["events"] = events.sum(axis=1)
        rows["issued"] = rows["events"] * sum(groups[i])
        rows["sops"] = popcount(words).sum(axis=(1, 2)) * layer.outputs
        rows["lower_bound"] = rows["events"] * max(groups[i])
    return counters


def totals(layer_counters: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(batch,) sums over the layers of (batch, layers) counters, of the same dtype."""
    sums = np.zeros(layer_counters.shape[0], dtype=layer_counters.dtype)
    for name in layer_counters.dtype.names or ():
        sums[name] = layer_counters[name].sum(axis=1)
    return sums


def consistency(
    spikes: npt.ArrayLike, stable: npt.ArrayLike, steps: int, carried: bool = False
) -> npt.NDArray[np.float64]:
    """Skeleton rate over firing rate: ``(stable / (N - 1)) / (spikes / N)``.

    Parameters
    ----------
    spikes, stable : counts over one sample, arrays of any one shape.
    steps : N.
    carried : the state came from before the sample, so that there are N pairs of steps.

    Returns
    -------
    float64 of that shape: 1 without spikes, NaN for a single step without carried state (there is
    no pair of steps to compare).
    """
    steps = exact_int("steps", steps, 1, (1 << 31) - 1)
    fired, stayed = np.asarray(spikes, dtype=np.float64), np.asarray(stable, dtype=np.float64)
    pairs = steps if carried else steps - 1
    if not pairs:
        return np.full(fired.shape, np.nan)
    ratio = np.ones(fired.shape)
    np.divide(stayed * steps, fired * pairs, out=ratio, where=fired > 0)
    return ratio
