"""Data sets: read from a folder or from the user's cache, or downloaded into the cache and checked.

This package may import ``samples``, ``network``, ``support`` and ``spec``.
"""

from .files import DATA_VARIABLE, DatasetError, data_folder
from .folds import folds
from .images import fashion_mnist, mnist, mnist_folder, pixels, shipped_mnist, shipped_path
from .nmnist import EVENT_DTYPE, NMNIST_SHAPE, nmnist, nmnist_small, parse_events

__all__ = [
    "DATA_VARIABLE", "EVENT_DTYPE", "NMNIST_SHAPE", "DatasetError", "data_folder",
    "fashion_mnist", "folds", "mnist", "mnist_folder", "nmnist", "nmnist_small", "parse_events",
    "pixels", "shipped_mnist", "shipped_path",
]
