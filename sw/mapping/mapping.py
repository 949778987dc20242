"""A mapping: a network on an array, each layer partitioned over the cores."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..network import Network
from ..spec import ArrayConfig
from .partitions import Partitioning, Tile

__all__ = ["Mapping"]


@dataclass(frozen=True)
class Mapping:
    """A network on an array: all that its cycles depend on beside the samples.

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
    device : str or None
        ``"golden:"`` if the golden model is the only device it is for: the array may lack what the
        network takes, so that there are no cycles. None if it is for every device.
    """

    network: Network
    config: ArrayConfig
    steps: int
    partitions: tuple[Partitioning, ...]
    device: str | None = field(default=None, kw_only=True)

    @property
    def window(self) -> int:
        """Steps computed together: those of a word of the array, or 1 with a recurrent layer."""
        return self.network.window(self.config.window)

    @property
    def windows(self) -> int:
        """Windows of a sample."""
        return -(-self.steps // self.window)

    @property
    def tiles(self) -> tuple[tuple[Tile, ...], ...]:
        """Per layer, the tile of each core."""
        return tuple(partitioning.tiles for partitioning in self.partitions)

    @property
    def group_counts(self) -> list[list[int]]:
        """Per layer, the number of groups of each core."""
        return [[tile.groups for tile in tiles] for tiles in self.tiles]

    @property
    def layer_tags(self) -> dict[int, tuple[int, str]]:
        """What the layer field of a report stands for: a layer, and which of its runs it is."""
        tags = {i: (i, "spikes") for i in range(len(self.network.layers))}
        if self.network.both:
            tags[len(tags)] = (len(tags) - 1, "skeleton")
        return tags
