"""Cycle estimate for arrays with convolution: what each task takes of the part that is slowest.

A core's task takes the longest of what its three parts do: the scanner looks at a row of flags a
cycle, the lanes take an event a cycle and one more at the end of a field, and the neuron unit takes
L neurons of a group in each of its passes. The tasks of a window follow one another, and so do its
cores where they wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .maps import Map, Maps
from .network import Conv2d, Layer
from .shares import Share, grid

if TYPE_CHECKING:
    from .immutable import Shape
    from .program import Program

__all__ = ["estimate_maps"]

Integers = npt.NDArray[np.int64]


def estimate_maps(program: Program, words: Sequence[npt.NDArray[Any]]) -> Integers:
    """(batch,) cycles of samples that follow each other.

    Parameters
    ----------
    words : per layer the (batch, windows, inputs) words it reads (``counters.source_words``), of at
        least the program's windows.
    """
    network, config = program.network, program.config
    maps = Maps(network, config)
    cycles = np.zeros((len(words[0]), program.windows), dtype=np.int64)
    for i, _ in program.layer_tags.values():
        layer, shape = network.layers[i], network.input_shapes[i]
        active = words[i][:, : program.windows] != 0
        slowest = np.zeros_like(cycles)
        for share in set(program.groups[i]):
            there = grid(layer, shape)
            runs = share.groups * there.positions(share)
            readers = layer.readers(shape, there.computed(share))
            issued = active @ readers * share.groups + runs
            found = share.groups * _flag_rows(layer, shape, maps.read[i], share, config.lanes)
            neurons = runs * config.lanes * config.passes
            slowest = np.maximum(slowest, np.maximum(issued, max(found, neurons)))
        cycles += slowest
    return np.asarray(cycles.sum(axis=1))


def _flag_rows(layer: Layer, shape: Shape, read: Map, share: Share, lanes: int) -> int:
    """Rows of flags that the fields of a share's positions touch."""
    if not isinstance(layer, Conv2d):
        return read.rows(lanes)
    down, across = layer.axes(shape)
    (top, bottom), (left, right) = (
        (np.maximum(0, axis.starts()) * axis.pool, (axis.starts() + axis.inside()[1]) * axis.pool)
        for axis in (down, across)
    )
    total = 0
    for y, columns in enumerate(grid(layer, shape).computed(share)):
        places = np.arange(top[y], bottom[y])[:, None] * read.width
        begin, end = ((places + each[columns]) * read.pitch for each in (left, right))
        total += int(np.where(begin < end, (end - 1) // lanes - begin // lanes + 1, 0).sum())
    return total
