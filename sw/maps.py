"""Maps of spike words: the order their words lie in, and the rows they take.

A map is stored height, width, channel. What a layer writes has whole rows of L words at each place
(the lanes behind its last channel are silent), so that the row of a place and group is one the core
that computes it can send. An input map in front of a convolution is packed; one in front of a dense
layer, like everything the host sends and gets, is in C order (channel, height, width).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from .immutable import Shape
from .network import Conv2d, Network
from .spec.array import ArrayConfig

__all__ = ["Map", "Maps", "input_map", "written_map"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Map:
    """How the words of a map lie.

    Attributes
    ----------
    channels, height, width : of the map.
    pitch : words from one place to the next, at least ``channels``; the others are silent.
    """

    channels: int
    height: int
    width: int
    pitch: int

    @property
    def words(self) -> int:
        """Of all its places, silent ones included."""
        return self.height * self.width * self.pitch

    def rows(self, lanes: int) -> int:
        """Rows of L words it takes."""
        return -(-self.words // lanes)

    def spread(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(..., words) as they lie, 0 where they are silent, of (..., flat) values in C order."""
        lead = values.shape[:-1]
        places = values.reshape(*lead, self.channels, self.height * self.width)
        silent = self.pitch - self.channels
        lying = np.pad(np.swapaxes(places, -1, -2), [(0, 0)] * (len(lead) + 1) + [(0, silent)])
        return lying.reshape(*lead, self.words)

    def gathered(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(..., flat) values in C order of (..., words) as they lie: the way back."""
        lead = values.shape[:-1]
        places = values.reshape(*lead, self.height * self.width, self.pitch)
        return np.swapaxes(places[..., : self.channels], -1, -2).reshape(*lead, -1)


def input_map(network: Network) -> Map:
    """How the words the host sends lie."""
    shape = network.input.shape
    if isinstance(network.layers[0], Conv2d):
        channels, height, width = shape
        return Map(channels, height, width, channels)
    return Map(prod(shape), 1, 1, prod(shape))


def written_map(shape: Shape, lanes: int) -> Map:
    """How what a layer writes lies: (channels,), or (channels, height, width)."""
    channels, height, width = (*shape, 1, 1)[:3]
    return Map(channels, height, width, -(-channels // lanes) * lanes)


class Maps:
    """Where the maps between the layers lie: rows of L words, the same in every core and on the
    bus. The input map lies there twice (one buffer is filled while the other is read).

    Attributes
    ----------
    lanes : L.
    read : per layer, the map it reads.
    inputs : rows of the input map.
    spikes, skeleton : per layer, the first row of what it reads of either kind.
    total : rows of all of them.
    """

    def __init__(self, network: Network, config: ArrayConfig) -> None:
        self.lanes = lanes = config.lanes
        inner = [written_map(shape, lanes) for shape in network.input_shapes[1:]]
        self.read = (input_map(network), *inner)
        self.inputs = self.read[0].rows(lanes)
        at = 2 * self.inputs
        self.spikes, self.skeleton = [0], [0]
        for layer, each in zip(network.layers, inner, strict=False):
            rows = each.rows(lanes)
            self.spikes.append(at)
            at += rows if layer.emit != "skeleton" else 0
            self.skeleton.append(at)
            at += rows if layer.emit != "spikes" else 0
        self.total = at
