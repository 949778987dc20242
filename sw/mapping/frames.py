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
planes
    The same on lanes that multiply by place values (``ArrayConfig.planes``): one line for each bit
    up to the highest place value, all with the weights of the value itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import WEIGHT_BITS, Dense, FrameInput, Network, SpikeInput
from ..network.weights import identity
from ..spec.task import PLANE_BITS
from ..support.values import signed_bits

__all__ = [
    "FRAMES", "STEPS", "PlaneInput", "bit_lines", "computed_network", "frame_planes", "frame_ways",
    "place_values",
]

STEPS = "steps"
LINES = "lines"
NARROW = "narrow"
PLANES = "planes"
FRAMES = (STEPS, LINES, NARROW, PLANES)
"""The ways, as this module's text describes them. Networks without frames have the first."""

Integers = npt.NDArray[np.int64]

_PLANES_HIGH = 256
_WEIGHTS_HIGH = 1 << 26
"""The most lines of a value, and the most weights of the first layer: no array is so large."""


@dataclass(frozen=True)
class PlaneInput(SpikeInput):
    """Lines of spikes that the lanes multiply by place values.

    Parameters
    ----------
    shape : tuple of int
        Shape of one step of one sample: the channels of the first line, then those of the others.
    shifts : tuple of int
        Per line of a value, the power of two by which it counts.
    """

    shifts: tuple[int, ...]


def frame_ways(network: Network, planes: int = 1) -> tuple[str, ...]:
    """The ways in which the values of a network's input can be given to an array.

    Parameters
    ----------
    network : Network
        The network.
    planes : int
        The place values of the array's lanes (``ArrayConfig.planes``), here and below.
    """
    if not isinstance(network.input, FrameInput):
        return (STEPS,)
    found, most = [STEPS], {LINES: _PLANES_HIGH, NARROW: _PLANES_HIGH}
    # A convolution is computed on arrays without place values only.
    if planes > 1 and isinstance(network.layers[0], Dense):
        most[PLANES] = 1 << PLANE_BITS
    for way, high in most.items():
        shifts = _shifts(network, way, planes)
        small = len(shifts) * network.layers[0].weight.size <= _WEIGHTS_HIGH
        same = way == NARROW and shifts == _shifts(network, LINES)
        if small and len(shifts) <= high and not same:
            found.append(way)
    return tuple(found)


def _shifts(network: Network, frames: str, planes: int = 1) -> tuple[tuple[int, int], ...]:
    """Per line of a value, its bit and the shift of its weights."""
    first = network.layers[0]
    width = max(WEIGHT_BITS) if frames == LINES else network.layer_weight_bits(0)
    room = width - signed_bits(int(first.weight.min()), int(first.weight.max()))
    if frames == PLANES:
        room = planes - 1
    return tuple(
        (bit, min(bit, room))
        for bit in range(network.input.bits)
        for _ in range(1 << max(0, bit - room))
    )


def frame_planes(network: Network, frames: str, planes: int = 1) -> tuple[int, ...]:
    """The bit of each line of a value; none if frames are computed step by step.

    Parameters
    ----------
    network : Network
        The network.
    frames : str
        One of its ``frame_ways``.
    planes : int
        As for ``frame_ways``.
    """
    return () if frames == STEPS else tuple(bit for bit, _ in _shifts(network, frames, planes))


def computed_network(network: Network, frames: str, planes: int = 1) -> Network:
    """The network as an array computes it: without a zero point, and perhaps with lines.

    Parameters
    ----------
    network : Network
        The network.
    frames : str
        One of its ``frame_ways``.
    planes : int
        As for ``frame_ways``.
    """
    network = network.without_zero
    if frames == STEPS:
        return network
    source, first = network.input, network.layers[0]
    shifts = _shifts(network, frames, planes)
    shape = (len(shifts) * source.shape[0], *source.shape[1:])
    if frames == PLANES:
        lines = replace(first, weight=np.concatenate([first.weight] * len(shifts), axis=1))
        shifted = PlaneInput(shape, tuple(shift for _, shift in shifts))
        layers = (lines, *network.layers[1:])
        return replace(network, input=shifted, layers=layers, encoder=None)
    weight = np.concatenate([first.weight << shift for _, shift in shifts], axis=1)
    width = network.layer_weight_bits(0)
    wide = signed_bits(int(weight.min()), int(weight.max())) > width
    lines = replace(first, weight=weight, weight_bits=8 if wide else first.weight_bits)
    layers = (lines, *network.layers[1:])
    return replace(network, input=SpikeInput(shape), layers=layers, encoder=None)


def place_values(network: Network, index: int) -> Callable[[Integers], Integers]:
    """What the lanes make of the weights of a layer: they multiply those of planes by their place
    values."""
    source = network.input
    if index or not isinstance(source, PlaneInput):
        return identity
    return lambda weight: weight << np.repeat(source.shifts, weight.shape[1] // len(source.shifts))


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
