"""Maps of spike words: the order their words lie in, and the rows they take.

A map is stored height, width, channel. What a layer writes has whole rows of L words at each place
(the lanes behind its last channel are silent), so that the row of a place and group is one the core
that computes it can send. Where a neuron takes two lanes, its word is on the second of them, and
the first is silent. An input map in front of a convolution is packed; one in front of a dense
layer, like everything the host sends and gets, is in C order (channel, height, width).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import Conv2d, Network
from ..spec.array import ArrayConfig
from ..support.immutable import Shape

__all__ = ["Map", "Maps", "group_size", "input_map", "lanes_each", "written_map"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Map:
    """How the words of a map lie.

    Attributes
    ----------
    channels, height, width : of the map.
    pitch : words from one place to the next; those without a channel are silent.
    each : words of a channel, of which the last is its own.
    """

    channels: int
    height: int
    width: int
    pitch: int
    each: int = 1

    @property
    def words(self) -> int:
        """Of all its places, silent ones included."""
        return self.height * self.width * self.pitch

    def rows(self, lanes: int) -> int:
        """Rows of L words it takes."""
        return -(-self.words // lanes)

    @property
    def heard(self) -> slice:
        """Words of the channels, among those of a place."""
        return slice(self.each - 1, self.channels * self.each, self.each)

    def spread(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(..., words) as they lie, 0 where they are silent, of (..., flat) values in C order."""
        lead, places = values.shape[:-1], self.height * self.width
        lying = np.zeros((*lead, places, self.pitch), dtype=values.dtype)
        channels = values.reshape(*lead, self.channels, places)
        lying[..., self.heard] = np.swapaxes(channels, -1, -2)
        return lying.reshape(*lead, self.words)

    def gathered(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(..., flat) values in C order of (..., words) as they lie: the way back."""
        lead = values.shape[:-1]
        places = values.reshape(*lead, self.height * self.width, self.pitch)
        return np.swapaxes(places[..., self.heard], -1, -2).reshape(*lead, -1)


def lanes_each(network: Network, config: ArrayConfig, index: int) -> int:
    """Lanes of a neuron of a layer: two where the array has those for weights that are too wide."""
    wide = network.layer_weight_bits(index) > config.weight_bits
    return 2 if config.wide_weights and wide else 1


def group_size(network: Network, config: ArrayConfig, index: int) -> int:
    """Output channels of a group of a layer."""
    return config.lanes // lanes_each(network, config, index)


def input_map(network: Network) -> Map:
    """How the words the host sends lie."""
    shape = network.input.shape
    if isinstance(network.layers[0], Conv2d):
        channels, height, width = shape
        return Map(channels, height, width, channels)
    return Map(prod(shape), 1, 1, prod(shape))


def written_map(shape: Shape, lanes: int, each: int = 1) -> Map:
    """How what a layer writes lies: (channels,), or (channels, height, width)."""
    channels, height, width = (*shape, 1, 1)[:3]
    return Map(channels, height, width, -(-channels * each // lanes) * lanes, each)


class Maps:
    """Where the maps between the layers lie: rows of L words, the same in every core and on the
    bus. The input map lies there twice (one buffer is filled while the other is read), and so does
    that of a recurrent layer's spikes, once for each of its runs: what it writes in windows of even
    number, and behind that in those of odd number. Layers behind it read the same one. All others
    take turns in two places.

    Attributes
    ----------
    lanes : L.
    read : per layer, the map it reads.
    own : per layer, the map of its own spikes that it reads; None of one that is not recurrent.
    inputs : rows of the input map.
    spikes, skeleton : per layer, the first row of what it reads of either kind.
    own_spikes : per run of a layer, the first row of its own spikes, if it reads them.
    total : rows of all of them.
    """

    def __init__(self, network: Network, config: ArrayConfig) -> None:
        self.lanes = lanes = config.lanes
        written = [
            written_map(layer.output_shape(shape), lanes, lanes_each(network, config, i))
            for i, (layer, shape) in enumerate(
                zip(network.layers, network.input_shapes, strict=True)
            )
        ]
        self.read = (input_map(network), *written[:-1])
        self.own = tuple(
            None if layer.recurrent is None else lying
            for layer, lying in zip(network.layers, written, strict=True)
        )
        self.inputs = self.read[0].rows(lanes)
        at = 2 * self.inputs
        own = []  # first row of each layer's own spikes
        for i, _ in enumerate(network.layers):
            own.append(at)
            at += 2 * self.own_rows(i)
        # A layer writes when nobody reads any more what its input was made of: every other map
        # lies in the same place.
        inner = list(zip(network.layers[:-1], written, strict=False))
        emitted = [
            {"spikes": lying.rows(lanes) * (layer.recurrent is None and layer.emit != "skeleton"),
             "skeleton": lying.rows(lanes) * (layer.emit != "spikes")}
            for layer, lying in inner
        ]
        places = [at, at + max((sum(rows.values()) for rows in emitted[::2]), default=0)]
        self.spikes, self.skeleton = [0], [0]
        for i, rows in enumerate(emitted):
            place = places[i % 2]
            self.spikes.append(place if self.own[i] is None else own[i])
            self.skeleton.append(place + rows["spikes"])
        at = places[1] + max((sum(rows.values()) for rows in emitted[1::2]), default=0)
        self.own_spikes = own
        if network.both:
            self.own_spikes.append(at)
            at += 2 * self.own_rows(-1)
        self.total = at

    def own_rows(self, index: int) -> int:
        """Rows of a layer's own spikes in a window; 0 if it does not read them."""
        own = self.own[index]
        return 0 if own is None else own.rows(self.lanes)
