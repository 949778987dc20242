"""How an array computes values of several bits that change from step to step: frame by frame as
pixels, or all steps of a window at once, bit plane by bit plane.

steps
    Windows of one step. The bits of a value take the place of the steps of a word, as with pixels.
lines
    The bits of a value are as many inputs of spikes, so windows have all the steps of the array and
    a bit that is silent costs nothing. The weights of bit ``b`` are those of the value times
    ``2**b``, in 8 bits. Where that does not fit, there are several lines of the bit.
narrow
    The same within the width of the layer's own weights, with more lines.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import WEIGHT_BITS, FrameInput, Network, SpikeInput
from ..support.values import signed_bits

__all__ = ["FRAMES", "STEPS", "bit_lines", "computed_network", "frame_planes", "frame_ways"]

STEPS = "steps"
LINES = "lines"
NARROW = "narrow"
FRAMES = (STEPS, LINES, NARROW)
"""The ways, as this module's text describes them. Networks without frames have the first."""

_PLANES_HIGH = 256
_WEIGHTS_HIGH = 1 << 26
"""The most lines of a value, and the most weights of the first layer: no array is so large."""


def frame_ways(network: Network) -> tuple[str, ...]:
    """The ways in which the values of a network's input can be given to an array."""
    if not isinstance(network.input, FrameInput):
        return (STEPS,)
    found: dict[str, tuple[tuple[int, int], ...]] = {STEPS: ()}
    for way in (LINES, NARROW):
        shifts = _shifts(network, way)
        small = len(shifts) * network.layers[0].weight.size <= _WEIGHTS_HIGH
        if small and len(shifts) <= _PLANES_HIGH and shifts not in found.values():
            found[way] = shifts
    return tuple(found)


def _shifts(network: Network, frames: str) -> tuple[tuple[int, int], ...]:
    """Per line of a value, its bit and the shift of its weights."""
    first = network.layers[0]
    width = max(WEIGHT_BITS) if frames == LINES else network.layer_weight_bits(0)
    room = width - signed_bits(int(first.weight.min()), int(first.weight.max()))
    return tuple(
        (bit, min(bit, room))
        for bit in range(network.input.bits)
        for _ in range(1 << max(0, bit - room))
    )


def frame_planes(network: Network, frames: str) -> tuple[int, ...]:
    """The bit of each line of a value; none if frames are computed step by step.

    Parameters
    ----------
    network : Network
        The network.
    frames : str
        One of its ``frame_ways``.
    """
    return () if frames == STEPS else tuple(bit for bit, _ in _shifts(network, frames))


def computed_network(network: Network, frames: str) -> Network:
    """The network as an array computes it: without a zero point, and perhaps with lines.

    Parameters
    ----------
    network : Network
        The network.
    frames : str
        One of its ``frame_ways``.
    """
    network = network.without_zero
    if frames == STEPS:
        return network
    source, first = network.input, network.layers[0]
    shifts = _shifts(network, frames)
    weight = np.concatenate([first.weight << shift for _, shift in shifts], axis=1)
    width = network.layer_weight_bits(0)
    wide = signed_bits(int(weight.min()), int(weight.max())) > width
    lines = replace(first, weight=weight, weight_bits=8 if wide else first.weight_bits)
    shape = (len(shifts) * source.shape[0], *source.shape[1:])
    return replace(network, input=SpikeInput(shape), layers=(lines, *network.layers[1:]))


def bit_lines(values: npt.NDArray[Any], planes: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """The bits of values as spikes.

    Parameters
    ----------
    values : (batch, steps, *shape) integer array
        The values.
    planes : tuple of int
        The bit of each line (``frame_planes``).

    Returns
    -------
    (batch, steps, len(planes) * shape[0], *shape[1:]) bool array
        The first lines of all values, then the second ones, and so on.
    """
    return np.concatenate(
        [(values & np.asarray(1 << plane, values.dtype)).astype(bool) for plane in planes], axis=2
    )
