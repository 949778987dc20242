"""The cycle estimate: how long samples take on an array, without a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.mapping import Mapping
from .estimate_convolution import estimate_convolution
from .estimate_dense import estimate_dense

__all__ = ["TYPICAL_ACTIVITY", "estimate", "typical_cycles"]

TYPICAL_ACTIVITY = 0.2
"""The share of a layer's inputs that are active in a window, for comparing mappings."""

_TYPICAL_WINDOWS = 32  # computed of a long sample; the others take as long on average


def estimate(
    mapping: Mapping, words: Sequence[npt.NDArray[Any]], *, counters: bool = True
) -> npt.NDArray[np.int64]:
    """Cycles of samples that follow each other.

    Parameters
    ----------
    mapping : Mapping
        A network on an array, for instance a program.
    words : sequence of (batch, windows, inputs) arrays
        Per layer, the words it reads (``counters.source_words``).
    counters : bool
        Whether counter packets are sent, as for ``Device.run``.

    Returns
    -------
    (batch,) int64 array
        Cycles from the end of the sample before to the end of each sample; for the first one, from
        its own start.

    Raises
    ------
    ValueError
        If the mapping is for the golden model only.
    """
    if mapping.device is not None:
        raise ValueError(
            f"the program is for {mapping.device} only, which takes no cycles: compile its network "
            "without device="
        )
    if mapping.config.convolution:
        return estimate_convolution(mapping, words, counters)
    return estimate_dense(mapping, words, counters)


def typical_cycles(mapping: Mapping, activity: float) -> int:
    """Cycles of one sample alone with a share of every layer's inputs active in a window.

    For a long sample the first windows are computed; the others take what the later half of those
    do on average.

    Parameters
    ----------
    mapping : Mapping
        A network on an array, for instance a program.
    activity : float
        The share of inputs, from 0 to 1.

    Raises
    ------
    ValueError
        If the mapping is for the golden model only.
    """
    windows = min(mapping.windows, _TYPICAL_WINDOWS)
    rng = np.random.default_rng(0)
    words = []
    for size in mapping.network.input_sizes:
        active = np.arange(size) < round(activity * size)
        words.append(np.array([[rng.permutation(active) for _ in range(windows)]]))
    if windows == mapping.windows:
        return int(estimate(mapping, words)[0])
    half, computed = (
        int(estimate(replace(mapping, steps=n * mapping.config.window), words)[0])
        for n in (windows // 2, windows)
    )
    mean = (computed - half) / (windows - windows // 2)
    return computed + round(mean * (mapping.windows - windows))
