"""The memory contents of the cores: weights, biases, thresholds and tasks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..mapping.groups import Groups
from ..mapping.maps import Map, lanes_per_channel
from ..mapping.partitions import Tile
from ..mapping.plan import Plan, kernel_extent
from ..mapping.tasks import tasks
from ..network import Conv2d, Network
from ..network.weights import high_half, low_half
from ..samples.words import pack_rows
from ..spec import task_layout
from ..spec.link import Space
from ..spec.task import TASK_WORD_BITS

__all__ = ["Image", "core_image"]

# Rows of a memory, (rows, 16-bit chunks), the lowest chunk first.
Image = npt.NDArray[np.uint16]

Integers = npt.NDArray[np.int64]

_PARAMETER_BITS = 16


def core_image(plan: Plan, core: int) -> dict[Space, Image]:
    """The contents of a core's memories from row 0 on; memories without contents are left out.

    Parameters
    ----------
    plan : Plan
        A network laid out on an array.
    core : int
        Number of the core.
    """
    network, config = plan.computed, plan.config
    layout = task_layout(config)
    weights, biases, thresholds = [], [], []
    for i, (layer, partitioning) in enumerate(
        zip(network.layers, plan.partitions, strict=True)
    ):
        tile = partitioning.tiles[core]
        groups, lanes = plan.groups[i], lanes_per_channel(network, config, i)
        weights.append(_weight_rows(plan, i, tile))
        bias, threshold = (
            _on_lanes(_groups_of(tile, values, groups), lanes)
            for values in (layer.bias, layer.threshold)
        )
        biases.append(bias)
        # Thresholds are at least 1, even those of lanes without a neuron.
        thresholds.append(np.maximum(1, threshold))
    listed = [layout.pack(fields) for fields in tasks(plan, core)]
    words = np.array(listed, dtype=np.int64).reshape(-1, 1)
    image = {
        Space.BIASES: pack_rows(np.concatenate(biases).reshape(-1, 1), _PARAMETER_BITS),
        Space.THRESHOLDS: pack_rows(np.concatenate(thresholds).reshape(-1, 1), _PARAMETER_BITS),
        Space.WEIGHTS: pack_rows(np.concatenate(weights), config.weight_bits),
        Space.TASKS: pack_rows(words, TASK_WORD_BITS),
    }
    return {space: rows for space, rows in image.items() if len(rows)}


def _groups_of(tile: Tile, values: Integers, groups: Groups) -> Integers:
    """(groups * size, ...) of a tile's outputs, 0 where there is none."""
    first, size = tile.first_group, groups.size
    return groups.laid_out(values)[first * size : (first + tile.groups) * size]


def _on_lanes(values: Integers, lanes: int) -> Integers:
    """(neurons * lanes, ...) with the value of each neuron on the last one of its lanes."""
    layout = np.zeros((len(values) * lanes, *values.shape[1:]), dtype=np.int64)
    layout[lanes - 1 :: lanes] = values
    return layout


def _split_weights(weights: Integers, lanes: int) -> Integers:
    """(neurons * lanes, ...) weights; the first lane of a pair has the signed high half of each
    weight, the second the unsigned low half."""
    if lanes == 1:
        return weights
    split = _on_lanes(low_half(weights), lanes)
    split[::2] = high_half(weights)
    return split


def _kernel(network: Network, index: int, read: Map, lanes: int) -> Integers:
    """(channels, words) weights of a layer for every word of its kernel, row by row; for a dense
    layer, for every word of the map it reads, or of the map's first plane, in whole rows."""
    layer = network.layers[index]
    rows, words = kernel_extent(layer, read, lanes)
    if isinstance(layer, Conv2d):
        # A sum pool in front repeats each weight over the words that are summed.
        square = 1 if layer.pool_before is None else layer.pool_before.size
        kernel = layer.weight.repeat(square, axis=2).repeat(square, axis=3)
        kernel = np.moveaxis(kernel, 1, 3)
        layout = np.zeros((*kernel.shape[:3], read.pitch), dtype=np.int64)
        layout[..., read.channel_words] = kernel
        return layout.reshape(len(layout), -1)
    matrix = read.spread(network.folded_weight(index))[:, : rows * words]
    return np.pad(matrix, ((0, 0), (0, rows * words - matrix.shape[1])))


def _weight_rows(plan: Plan, index: int, tile: Tile) -> Integers:
    """(rows, lanes) weights of a tile, group after group. A group has a row for every word of the
    recurrent map, if the layer reads one, then a row for every word of its kernel."""
    network, config, lanes = plan.computed, plan.config, plan.config.lanes
    matrix = _kernel(network, index, plan.maps.read[index], lanes)
    map_, recurrent = plan.maps.recurrent[index], network.layers[index].recurrent
    if map_ is not None and recurrent is not None:
        matrix = np.concatenate([map_.spread(recurrent), matrix], axis=1)
    part = _groups_of(tile, matrix, plan.groups[index])
    part = _split_weights(part, lanes_per_channel(network, config, index))
    # A row of the memory holds word j of group g: one weight for each lane.
    return part.reshape(tile.groups, lanes, part.shape[1]).transpose(0, 2, 1).reshape(-1, lanes)
