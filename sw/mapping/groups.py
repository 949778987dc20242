"""Groups: which neurons of a layer an array computes together.

The lanes of a core compute a group at a time, and a task of a core has one leak. So neurons of
equal leak are gathered: a layer has groups of its first kind of neurons, then those of its second
kind, and so on. The last group of each kind may have lanes without a neuron.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import Layer, Network, Neuron
from .partitions import Tile

__all__ = ["Groups", "layer_groups", "with_one_leak"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of a layer.

    Attributes
    ----------
    size : int
        Outputs (output channels) of a group.
    slots : (count * size,) int64 array
        The output at each place of the groups, one group after another; -1 for none.
    kinds : tuple of Neuron
        The kinds of neurons of the layer (``Neuron.kinds``).
    bounds : tuple of int
        The first group of each kind, and at the end the number of groups.
    """

    size: int
    slots: Integers
    kinds: tuple[Neuron, ...]
    bounds: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of groups."""
        return self.bounds[-1]

    @property
    def places(self) -> Integers:
        """(outputs,) the place of each output in the groups."""
        there = np.flatnonzero(self.slots >= 0)
        places = np.empty_like(there)
        places[self.slots[there]] = there
        return places

    @property
    def extra(self) -> int:
        """Groups beyond those that neurons of a single leak would take."""
        return self.count - -(-int((self.slots >= 0).sum()) // self.size)

    def outputs(self, first: int, count: int = 1) -> Integers:
        """The outputs in some consecutive groups."""
        slots = self.slots[first * self.size : (first + count) * self.size]
        return slots[slots >= 0]

    def laid_out(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(count * size, ...) values of the groups, for (outputs, ...) values; 0 where there is no
        output."""
        layout = np.zeros((len(self.slots), *values.shape[1:]), dtype=values.dtype)
        layout[self.places] = values
        return layout

    def parts(self, tile: Tile) -> list[tuple[Tile, Neuron]]:
        """A tile by kinds of neurons: the part of each kind that it has, with its settings. A task
        computes one part. A tile without groups is a part without groups."""
        if not tile.groups:
            return [(tile, self.kinds[0])]
        found = []
        end = tile.first_group + tile.groups
        for neuron, first, last in zip(self.kinds, self.bounds, self.bounds[1:], strict=False):
            begin, stop = max(first, tile.first_group), min(last, end)
            if begin < stop:
                part = tile._replace(first_group=begin, groups=stop - begin)
                found.append((part, neuron))
        return found


def layer_groups(layer: Layer, size: int) -> Groups:
    """The groups of a layer, with that many outputs (output channels) in each."""
    kinds, kind = layer.neuron.kinds(layer.channels)
    slots, bounds = [], [0]
    for number in range(len(kinds)):
        outputs = np.flatnonzero(kind == number)
        groups = -(-len(outputs) // size)
        slots.append(np.pad(outputs, (0, groups * size - len(outputs)), constant_values=-1))
        bounds.append(bounds[-1] + groups)
    return Groups(size, np.concatenate(slots), kinds, tuple(bounds))


def with_one_leak(network: Network) -> Network:
    """The network if all neurons of a layer were of its first kind, to see what its leaks cost."""
    layers = [
        replace(layer, neuron=layer.neuron.kinds(layer.channels)[0][0]) for layer in network.layers
    ]
    return replace(network, layers=tuple(layers))
