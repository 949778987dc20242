"""The cycle estimate: how long samples take on an array, without a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.frames import bit_lines
from ..mapping.mapping import Mapping
from ..samples.words import pack_steps
from .estimate_convolution import estimate_convolution
from .estimate_dense import estimate_dense

__all__ = ["TYPICAL_ACTIVITY", "TYPICAL_VALUES", "estimate", "typical_cycles"]

TYPICAL_ACTIVITY = 0.2
"""The share of a layer's inputs that are active in a window, for comparing mappings."""

TYPICAL_VALUES = 0.75
"""The share of the values of a frame that are not 0, for comparing mappings: of mel bands of speech
it was about 0.8 (measurements)."""

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


def typical_cycles(mapping: Mapping, activity: float, values: float | None = None) -> int:
    """Cycles of one sample alone with a share of every layer's inputs active in a window.

    For a long sample the first windows are computed; the others take what the later half of those
    do on average.

    Parameters
    ----------
    mapping : Mapping
        A network on an array, for instance a program.
    activity : float
        The share of inputs, from 0 to 1. With frames, that of the layers behind the first is of a
        window of the array, even if theirs have one step.
    values : float or None
        With frames, the share of values that are not 0 in a step; ``activity`` if None.

    Raises
    ------
    ValueError
        If the mapping is for the golden model only.
    """
    windows = min(mapping.windows, _TYPICAL_WINDOWS)
    rng = np.random.default_rng(0)
    words = []
    if mapping.network.input.kind == "frames":
        words = _frame_words(mapping, activity, values or activity, windows, rng)
    else:
        for size in mapping.computed.input_sizes:
            active = np.arange(size) < round(activity * size)
            words.append(np.array([[rng.permutation(active) for _ in range(windows)]]))
    if windows == mapping.windows:
        return int(estimate(mapping, words)[0])
    half, computed = (
        int(estimate(replace(mapping, steps=n * mapping.window), words)[0])
        for n in (windows // 2, windows)
    )
    mean = (computed - half) / (windows - windows // 2)
    return computed + round(mean * (mapping.windows - windows))


def _frame_words(
    mapping: Mapping, activity: float, values: float, windows: int, rng: np.random.Generator
) -> list[npt.NDArray[Any]]:
    """Per layer (1, windows, inputs) words of frames whose values, and of layers whose spikes, are
    random and independent, so that different ways to compute frames can be compared."""
    network, steps = mapping.network, windows * mapping.window
    inputs = rng.integers(1, 1 << network.input.bits, (1, steps, *network.input.shape))
    inputs = (inputs * (rng.random(inputs.shape) < values)).astype(np.uint16)
    if mapping.planes:
        lines = bit_lines(inputs, mapping.planes).reshape(1, steps, -1)
        words: list[npt.NDArray[Any]] = [pack_steps(lines, mapping.window)]
    else:
        words = [inputs.reshape(1, steps, -1)]
    per_step = 1 - (1 - activity) ** (1 / mapping.config.window)
    for size in mapping.computed.input_sizes[1:]:
        words.append(pack_steps(rng.random((1, steps, size)) < per_step, mapping.window))
    return words
