"""The MNIST networks that come with the package, and their images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..network.network import Network
from ..support.values import exact_int
from . import images as mnist

__all__ = ["NETWORK", "NETWORKS", "STEPS", "pixels", "shipped_images"]

NETWORK = "mnist-mlp.safetensors"
STEPS = 4
"""Steps of a sample that they were trained for."""
NETWORKS = {
    "mnist-conv.safetensors": STEPS,
    NETWORK: STEPS,
    "mnist-mlp-small.safetensors": STEPS,
    "mnist-mlp-tiny.safetensors": STEPS,
}
"""The shipped networks of MNIST and their steps: first the one with convolutions, then the largest
first."""


def pixels(images: npt.NDArray[np.uint8], network: Network) -> npt.NDArray[np.uint8]:
    """8-bit images as a network reads them.

    Parameters
    ----------
    images : array of uint8
        Images of shape (count, height, width).
    network : Network
        The network that reads them; its input is a square of pixels.

    Returns
    -------
    array of uint8
        (count, *shape), with as many pixels as the network has inputs, and the highest bits of each
        pixel.
    """
    read = mnist.pixels(images, network.input.shape[-1], network.input.bits)
    return read.reshape(len(images), *network.input.shape)


def shipped_images(images: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The first ``images`` shipped images, and their labels.

    Raises
    ------
    TypeError, ValueError
        If there are fewer.
    """
    shipped, labels = mnist.shipped_mnist()
    count = exact_int("images", images, 1, len(shipped))
    return shipped[:count], labels[:count]
