"""A mapping: a network on an array, each layer partitioned over the cores."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from ..network import Conv2d, Network, Neuron
from ..spec import ArrayConfig
from .frames import STEPS, computed_network, frame_planes
from .groups import Groups, layer_groups
from .maps import group_size
from .partitions import Grid, Partitioning, Tile, grid

__all__ = ["Mapping"]


@dataclass(frozen=True)
class Mapping:
    """A network on an array: everything that its cycles depend on, besides the samples.

    Attributes
    ----------
    network : Network
        The network.
    config : ArrayConfig
        The array.
    steps : int
        Steps of a sample.
    partitions : tuple of Partitioning
        Per layer, how it is partitioned over the cores.
    frames : str
        How frames are computed, one of ``frames.FRAMES``.
    device : str or None
        ``"golden:"`` if the golden model is the only device it is for: the array may lack what the
        network needs, so there are no cycles. None if it is for every device.
    """

    network: Network
    config: ArrayConfig
    steps: int
    partitions: tuple[Partitioning, ...]
    frames: str = field(default=STEPS, kw_only=True)
    device: str | None = field(default=None, kw_only=True)

    @cached_property
    def computed(self) -> Network:
        """The network as the array computes it: equal in every spike, but without a zero point, and
        perhaps with the bits of frames as lines of spikes."""
        return computed_network(self.network, self.frames, self.config.planes)

    @cached_property
    def planes(self) -> tuple[int, ...]:
        """The bit of each line of a frame's value; none unless frames are lines of spikes."""
        return frame_planes(self.network, self.frames, self.config.planes)

    @property
    def window(self) -> int:
        """Steps computed together: the steps of a word of the array, or 1 with a recurrent
        layer."""
        return self.computed.window(self.config.window)

    @property
    def windows(self) -> int:
        """Windows of a sample."""
        return -(-self.steps // self.window)

    @property
    def tiles(self) -> tuple[tuple[Tile, ...], ...]:
        """Per layer, the tile of each core."""
        return tuple(partitioning.tiles for partitioning in self.partitions)

    @cached_property
    def groups(self) -> tuple[Groups, ...]:
        """Per layer, its groups."""
        return tuple(
            layer_groups(layer, group_size(self.computed, self.config, i))
            for i, layer in enumerate(self.computed.layers)
        )

    def parts(self, index: int, core: int) -> list[tuple[Tile, Neuron]]:
        """What the tasks of a core compute of a layer, with the settings of the neurons: its tile,
        divided by leaks."""
        return self.groups[index].parts(self.tiles[index][core])

    @property
    def group_counts(self) -> list[list[int]]:
        """Per layer, the number of groups of each core."""
        return [[tile.groups for tile in tiles] for tiles in self.tiles]

    @property
    def layer_tags(self) -> dict[int, tuple[int, str]]:
        """The meaning of the layer field of a report: a layer, and which of its runs it is."""
        tags = {i: (i, "spikes") for i in range(len(self.computed.layers))}
        if self.computed.both:
            tags[len(tags)] = (len(tags) - 1, "skeleton")
        return tags

    def grid(self, index: int) -> Grid:
        """The positions of a layer."""
        return grid(self.computed.layers[index], self.computed.input_shapes[index])

    def sent_kinds(self, index: int) -> tuple[str, ...]:
        """The kinds of rows that a layer sends: those that the next layer reads, and those that it
        reads itself."""
        layer, inner = self.computed.layers[index], index < len(self.computed.layers) - 1
        spikes = layer.recurrent is not None or (inner and layer.emit != "skeleton")
        skeleton = inner and layer.emit != "spikes"
        return (("spikes",) if spikes else ()) + (("skeleton",) if skeleton else ())

    def reads_in_order(self, index: int) -> bool:
        """Whether a layer reads the rows of its map as they come. A dense layer that is not
        recurrent does, if a single core sends the rows and they are of a single kind."""
        layer = self.computed.layers[index]
        if index == 0 or isinstance(layer, Conv2d) or layer.recurrent is not None:
            return False
        senders = [core for core, tile in enumerate(self.tiles[index - 1]) if tile.groups]
        if len(senders) > 1 or len(self.sent_kinds(index - 1)) > 1:
            return False
        # The tasks of a convolution go over its positions one after another.
        parts = self.parts(index - 1, senders[0])
        return len(parts) == 1 or not isinstance(self.computed.layers[index - 1], Conv2d)
