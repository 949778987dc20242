"""The counters that are the same on every device, computed from spike words, and the consistency of
a layer.

An event is a source neuron with a spike word that is not 0 in a window; a pixel that is not 0 is an
event in every window, and a value of a frame that is not 0 one in its step's. An event counts once
for every position whose receptive field contains it. An SOP (synaptic operation) is one weight that
is added for one bit of the word of an event.

A dense layer has one position. Sources at the edges that a sum pool drops are scanned like all
others, so they count, with weights of 0. The zeros of the padding are not sources. In a network
with a recurrent layer all windows have one step, and the layer's own spikes of the step before are
events too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.partitions import Tile, grid
from ..network import Network
from ..samples.samples import check_samples
from ..samples.words import pack_steps, popcount
from ..spec.array import LIMITS
from ..support.values import exact_int, exact_integers

__all__ = ["COUNTER_DTYPE", "consistency", "count", "source_words", "totals"]

COUNTER_DTYPE = np.dtype(
    [(name, np.int64) for name in ("spikes", "stable", "events", "issued", "sops", "lower_bound")]
)
"""The counters of a layer and sample. ``spikes`` and ``stable``: spikes and stable spikes of its
neurons. ``events``: events. ``issued``: weight rows that all cores fetch, one for every event and
group of L outputs. ``sops``: SOPs. ``lower_bound``: cycles in which the lanes of the busiest core
must be busy, summed over windows."""

_STEPS_HIGH = (1 << 31) - 1

Words = npt.NDArray[np.uint16]


def source_words(
    network: Network,
    samples: Any,
    spikes: Sequence[npt.NDArray[np.bool_]],
    skeleton: Sequence[npt.NDArray[np.bool_]],
    window: int,
) -> list[Words]:
    """The words that each layer reads.

    Parameters
    ----------
    network : Network
        The network.
    samples : array_like
        Spikes or frames of shape ``(batch, steps, *shape)``, or pixels of shape
        ``(batch, *shape)``.
    spikes : sequence of array of bool
        Per layer its spikes, ``(batch, steps, *neurons)``, as traced.
    skeleton : sequence of array of bool
        Per layer its stable spikes, of the same shape.
    window : int
        T, the steps of a window. With a recurrent layer, windows have one step regardless.

    Returns
    -------
    list of array of uint16
        Per layer (batch, windows, inputs), maps in C order. The words of pixels are the pixels, the
        same in every window; those of frames are the values, one step in each window. With
        ``emit="both"``, those of the last layer are the spikes. A recurrent layer's own spikes are
        not included.

    Raises
    ------
    TypeError, ValueError
        If the traces or the samples do not fit the network.
    """
    window = network.window(exact_int("window", window, *LIMITS["window"]))
    if len(spikes) != len(network.layers) or len(skeleton) != len(network.layers):
        raise ValueError(
            f"spikes and skeleton must be of {len(network.layers)} layers (run with trace=True), "
            f"not {len(spikes)} and {len(skeleton)}"
        )
    flat, steps = check_samples(network, samples, spikes[0].shape[1])
    if network.input.kind == "pixels":
        windows = -(-steps // window)
        pixels = flat.astype(np.uint16)[:, None, :]
        words = [np.broadcast_to(pixels, (len(flat), windows, flat.shape[1]))]
    elif network.input.kind == "frames":
        words = [flat.astype(np.uint16)]
    else:
        words = [pack_steps(flat.astype(bool), window)]
    inner = zip(network.layers, network.neuron_shapes, spikes, skeleton, strict=True)
    for layer, shape, s, k in list(inner)[:-1]:
        emitted = k if layer.emit == "skeleton" else s
        each = pack_steps(emitted.reshape(*emitted.shape[:2], -1), window)
        words.append(each if layer.pool_after is None else layer.pool_after.words(each, shape))
    return words


def _own_spikes(
    spikes: npt.NDArray[np.bool_], before: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.int64]:
    """(batch, steps): the number of the layer's own spikes in the step before each step."""
    fired = np.count_nonzero(spikes, axis=2)
    first = np.zeros(len(fired)) if before is None else np.count_nonzero(before, axis=1)
    return np.concatenate([first[:, None], fired[:, :-1]], axis=1).astype(np.int64)


def count(
    network: Network,
    samples: Any,
    spikes: Sequence[npt.NDArray[np.bool_]],
    skeleton: Sequence[npt.NDArray[np.bool_]],
    window: int,
    tiles: Sequence[Sequence[Tile]],
    before: Sequence[npt.NDArray[np.bool_]] | None = None,
    *,
    banks: int = 1,
    lengths: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[Any]:
    """The counters of samples.

    Parameters
    ----------
    network : Network
        The network.
    samples : array_like
        Spikes or frames of shape ``(batch, steps, *shape)``, or pixels of shape
        ``(batch, *shape)``.
    spikes : sequence of array of bool
        Per layer its spikes, ``(batch, steps, *neurons)``, as traced.
    skeleton : sequence of array of bool
        Per layer its stable spikes, of the same shape.
    window : int
        T, the steps of a window. With a recurrent layer, windows have one step regardless.
    tiles : sequence of sequence of Tile
        Per layer, per core, what the core computes (``Program.tiles``).
    before : sequence of array of bool or None
        Per layer (batch, neurons), the spikes of the step before the first: ``r`` of the state that
        the samples continue from. None for samples that start afresh.
    banks : int
        Events that a core adds at once, at best.
    lengths : (batch,) array of int64 or None
        The steps of each sample, behind which samples and traces are 0. None for all steps.

    Returns
    -------
    array of COUNTER_DTYPE
        (batch, layers).

    Raises
    ------
    TypeError, ValueError
        If the traces, the samples or ``tiles`` do not fit the network.
    """
    if len(tiles) != len(network.layers):
        raise ValueError(f"tiles must be of {len(network.layers)} layers, not {len(tiles)}")
    sources = source_words(network, samples, spikes, skeleton, window)
    # Behind its last step a sample has no windows, so neither pixels nor own spikes count there.
    batch, most = sources[0].shape[:2]
    there = np.ones((batch, most), dtype=bool)
    if lengths is not None:
        there = np.arange(most) < (-(-lengths // network.window(window)))[:, None]
        sources[0] = np.where(there[:, :, None], sources[0], np.uint16(0))
    counters = np.zeros((len(spikes[0]), len(network.layers)), dtype=COUNTER_DTYPE)
    for i, (layer, words) in enumerate(zip(network.layers, sources, strict=True)):
        rows = counters[:, i]
        neurons = tuple(range(1, spikes[i].ndim))
        rows["spikes"] = np.count_nonzero(spikes[i], axis=neurons)
        rows["stable"] = np.count_nonzero(skeleton[i], axis=neurons)
        own = np.zeros(words.shape[:2], dtype=np.int64)
        if layer.recurrent is not None:
            own = _own_spikes(spikes[i], None if before is None else before[i]) * there
        shape, active = network.input_shapes[i], words != 0
        readers = layer.fan_out(shape)
        rows["events"] = (active @ readers + own).sum(axis=1)
        rows["sops"] = (popcount(words) @ readers + own).sum(axis=1) * layer.channels
        # Cores compute a window at the same time, so the core with the most rows bounds each
        # window.
        busiest = np.zeros_like(own)
        cells = grid(layer, shape)
        for tile, groups in _parts(tiles[i]).items():
            # Only dense layers, of one position, read their own spikes.
            events = active @ layer.fan_out(shape, cells.computed(tile)) + own
            rows["issued"] += events.sum(axis=1) * sum(groups)
            busiest = np.maximum(busiest, events * max(groups))
        rows["lower_bound"] = (-(-busiest // banks)).sum(axis=1)
    return counters


def _parts(tiles: Sequence[Tile]) -> dict[Tile, list[int]]:
    """The groups of each core, listed once for each range of positions, because cores that compute
    the same positions have the same events."""
    parts: dict[tuple[int, int], tuple[Tile, list[int]]] = {}
    for tile in tiles:
        if tile.groups:
            _, groups = parts.setdefault((tile.first_cell, tile.cells), (tile, []))
            groups.append(tile.groups)
    return dict(parts.values())


def totals(layer_counters: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(batch,) sums over the layers of (batch, layers) counters, with the same dtype."""
    sums = np.zeros(layer_counters.shape[0], dtype=layer_counters.dtype)
    for name in layer_counters.dtype.names or ():
        sums[name] = layer_counters[name].sum(axis=1)
    return sums


def consistency(
    spikes: npt.ArrayLike,
    stable: npt.ArrayLike,
    steps: int | npt.NDArray[np.int64],
    carried: bool | npt.NDArray[np.bool_] = False,
) -> npt.NDArray[np.float64]:
    """Skeleton rate over firing rate: ``(stable / (N - 1)) / (spikes / N)``.

    Parameters
    ----------
    spikes : array_like
        Counts of spikes over one sample, of any shape.
    stable : array_like
        Counts of stable spikes, of the same shape.
    steps : int or array of int64
        N, the steps of the sample; for counts of several samples an array that broadcasts to them.
    carried : bool or array of bool
        The state came from before the sample, so that there are N pairs of steps.

    Returns
    -------
    array of float64
        Of that shape: 1 where there are no spikes; NaN for a single step without carried state,
        because there is no pair of steps to compare.

    Raises
    ------
    TypeError, ValueError
        If ``steps`` is not an integer of at least 1.
    """
    if np.ndim(steps):
        steps = exact_integers("steps", steps, 1, _STEPS_HIGH)
    else:
        steps = exact_int("steps", steps, 1, _STEPS_HIGH)
    fired, stayed = np.asarray(spikes, dtype=np.float64), np.asarray(stable, dtype=np.float64)
    pairs = np.broadcast_to(np.subtract(steps, np.logical_not(carried)), fired.shape)
    ratio = np.ones(fired.shape)
    np.divide(stayed * steps, fired * pairs, out=ratio, where=(fired > 0) & (pairs > 0))
    ratio[pairs == 0] = np.nan
    return ratio
