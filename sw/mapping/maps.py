"""Maps of spike words: the layout of a map, and where the maps are in the spike memory.

A map is stored by height, then width, then channel. A map that a layer writes has whole rows of L
words at each position (lanes behind the last channel are silent), so that a single core computes
and sends the row of a position and a group. If a neuron takes two lanes, its word is on the second
of them and the first is silent. Channels are where their groups have them (``groups``). The input
map of a convolution is packed. The input map of a dense layer is in C order (channel, height,
width), like everything that the host sends and receives.
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
from .frames import PlaneInput
from .groups import Groups, layer_groups

__all__ = ["Map", "Maps", "group_size", "input_map", "lanes_per_channel", "written_map"]


@dataclass(frozen=True)
class Map:
    """The layout of a map's words.

    Attributes
    ----------
    channels, height, width : int
        Shape of the map.
    pitch : int
        Words from one position to the next; words without a channel are silent.
    lanes_per_channel : int
        Words of a channel; the last of them has the spikes, the others are silent.
    places : (channels,) tuple of int or None
        The place of each channel at a position; None for channels that follow each other.
    planes : int
        Bit planes of the map, which have equally many rows.
    """

    channels: int
    height: int
    width: int
    pitch: int
    lanes_per_channel: int = 1
    places: tuple[int, ...] | None = None
    planes: int = 1

    @property
    def words(self) -> int:
        """Words of all positions, silent ones included."""
        return self.height * self.width * self.pitch

    def rows(self, lanes: int) -> int:
        """Rows of ``lanes`` words that the map takes."""
        return -(-self.words // lanes)

    @property
    def channel_words(self) -> slice | npt.NDArray[np.int64]:
        """The words of the channels among those of a position."""
        last = self.lanes_per_channel - 1
        if self.places is None:
            return slice(last, self.channels * self.lanes_per_channel, self.lanes_per_channel)
        return np.array(self.places, dtype=np.int64) * self.lanes_per_channel + last

    def spread(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """From C order to the layout.

        Parameters
        ----------
        values : (..., channels * height * width) array
            Values in C order.

        Returns
        -------
        (..., words) array
            The values in the map's layout, 0 in silent words.
        """
        lead, positions = values.shape[:-1], self.height * self.width
        layout = np.zeros((*lead, positions, self.pitch), dtype=values.dtype)
        # The channel comes first in C order, and last here.
        channels = values.reshape(*lead, self.channels, positions)
        layout[..., self.channel_words] = np.swapaxes(channels, -1, -2)
        return layout.reshape(*lead, self.words)

    def gathered(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """From the layout to C order: the inverse of ``spread``."""
        lead = values.shape[:-1]
        positions = values.reshape(*lead, self.height * self.width, self.pitch)
        return np.swapaxes(positions[..., self.channel_words], -1, -2).reshape(*lead, -1)


def lanes_per_channel(network: Network, config: ArrayConfig, index: int) -> int:
    """Lanes of a neuron of a layer: 2 if its weights are too wide for one and the array can split
    them over two, else 1."""
    # Neurons with narrow weights take one lane each, whatever the network.
    wide = network.layer_weight_bits(index) > config.weight_bits
    return 2 if config.wide_weights and wide else 1


def group_size(network: Network, config: ArrayConfig, index: int) -> int:
    """Outputs (output channels) in a group of a layer."""
    return config.lanes // lanes_per_channel(network, config, index)


def input_map(network: Network, lanes: int) -> Map:
    """The layout of the words that the host sends, in rows of ``lanes`` words."""
    source = network.input
    shape = source.shape
    if isinstance(source, PlaneInput):
        planes = len(source.shifts)
        inputs = source.size // planes
        pitch = -(-inputs // lanes) * lanes
        places = (plane * pitch + i for plane in range(planes) for i in range(inputs))
        return Map(source.size, 1, 1, planes * pitch, places=tuple(places), planes=planes)
    if isinstance(network.layers[0], Conv2d):
        channels, height, width = shape
        return Map(channels, height, width, channels)
    return Map(prod(shape), 1, 1, prod(shape))


def written_map(
    shape: Shape, lanes: int, lanes_per_channel: int = 1, groups: Groups | None = None
) -> Map:
    """The layout of what a layer writes.

    Parameters
    ----------
    shape : tuple of int
        (channels,), or (channels, height, width).
    lanes : int
        L of the array.
    lanes_per_channel : int
        Lanes of a neuron.
    groups : Groups or None
        The groups of the layer; None for a layer of one leak.
    """
    channels, height, width = (*shape, 1, 1)[:3]
    if groups is None or len(groups.kinds) == 1:
        pitch = -(-channels * lanes_per_channel // lanes) * lanes
        return Map(channels, height, width, pitch, lanes_per_channel)
    places = tuple(groups.places.tolist())
    return Map(channels, height, width, groups.count * lanes, lanes_per_channel, places)


class Maps:
    """Where the maps between the layers are: rows of L words, the same in every core and on the
    bus.

    The input map is stored twice: one copy is filled while the other is read. A recurrent map (a
    layer's own spikes, which it reads) is also stored twice for each run of the layer: it is read
    from the copy that the window before wrote. The next layer reads the recurrent map, too. All
    other maps alternate between two addresses.

    Parameters
    ----------
    network : Network
        The network.
    config : ArrayConfig
        The array.

    Attributes
    ----------
    lanes : int
        L of the array.
    read : tuple of Map
        Per layer, the map it reads.
    recurrent : tuple of Map or None
        Per layer, the map of its own spikes; None for a layer that is not recurrent.
    inputs : int
        Rows of the input map.
    spikes, skeleton : list of int
        Per layer, the first row of the spikes, or of the skeleton, that it reads.
    recurrent_spikes : list of int
        Per run of a layer, the first row of its recurrent map.
    total : int
        Rows of all maps together.
    """

    def __init__(self, network: Network, config: ArrayConfig) -> None:
        self.lanes = lanes = config.lanes
        layers = network.layers
        written = [
            written_map(
                layer.output_shape(shape), lanes, lanes_per_channel(network, config, i),
                layer_groups(layer, group_size(network, config, i)),
            )
            for i, (layer, shape) in enumerate(zip(layers, network.input_shapes, strict=True))
        ]
        self.read = (input_map(network, lanes), *written[:-1])
        self.recurrent = tuple(
            None if layer.recurrent is None else map_
            for layer, map_ in zip(layers, written, strict=True)
        )
        self.inputs = self.read[0].rows(lanes)
        at = 2 * self.inputs
        self.recurrent_spikes = []
        for i in range(len(layers)):
            self.recurrent_spikes.append(at)
            at += 2 * self.recurrent_rows(i)
        # When a layer writes, the map from which its own input was computed is no longer read, so
        # every other map can be at the same address.
        rows = [map_.rows(lanes) for map_ in written[:-1]]
        spikes = [
            count * (layer.recurrent is None and layer.emit != "skeleton")
            for count, layer in zip(rows, layers, strict=False)
        ]
        skeleton = [
            count * (layer.emit != "spikes") for count, layer in zip(rows, layers, strict=False)
        ]
        both = [sum(pair) for pair in zip(spikes, skeleton, strict=True)]
        even = at
        odd = even + max(both[::2], default=0)
        at = odd + max(both[1::2], default=0)
        self.spikes, self.skeleton = [0], [0]
        for i, count in enumerate(spikes):
            address = odd if i % 2 else even
            recurrent = self.recurrent[i] is not None
            self.spikes.append(self.recurrent_spikes[i] if recurrent else address)
            self.skeleton.append(address + count)
        if network.both:
            self.recurrent_spikes.append(at)
            at += 2 * self.recurrent_rows(-1)
        self.total = at

    def recurrent_rows(self, index: int) -> int:
        """Rows of a layer's recurrent map; 0 if the layer has none."""
        recurrent = self.recurrent[index]
        return 0 if recurrent is None else recurrent.rows(self.lanes)
