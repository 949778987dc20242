"""Checks of dense samples against a network's input."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import Network
from ..support.steps import STEPS_MAX, check_steps
from ..support.values import as_array

__all__ = ["STEPS_MAX", "check_samples", "check_steps", "check_time_axis"]

_BLOCK_VALUES = 1 << 16  # values checked at a time, so that they stay in the processor's cache


def check_time_axis(time_axis: Any) -> None:
    """Refuse an axis of the steps other than 0 and 1, with a ValueError."""
    if time_axis not in (0, 1) or isinstance(time_axis, bool):
        raise ValueError(f"time_axis must be 0 or 1, not {time_axis!r}")


def check_samples(
    network: Network, samples: Any, steps: int | None = None, time_axis: int = 1
) -> tuple[npt.NDArray[Any], int]:
    """Samples, checked and flattened, and their steps.

    Parameters
    ----------
    network : Network
        The network.
    samples : array_like
        Zeros and ones for a ``SpikeInput``, or values for a ``FrameInput``, of the shape ``(batch,
        steps, *shape)``, or ``(steps, batch, *shape)`` with a ``time_axis`` of 0; for a
        ``PixelInput`` pixels of the shape ``(batch, *shape)``. A list, array or tensor of bools,
        integers, or floats that are whole numbers.
    steps : int or None
        Steps of a sample; needed for pixels, and checked against other samples if it is given.
    time_axis : int
        0 or 1, the axis of the steps.

    Returns
    -------
    flat : array
        (batch, steps, inputs) spikes or frames, or (batch, inputs) pixels, in the dtype of the
        samples; a view where possible.
    steps : int
        Steps of a sample.

    Raises
    ------
    TypeError, ValueError
        Naming the shape or the first value at fault, and what is allowed.
    """
    check_time_axis(time_axis)
    if steps is not None:
        steps = check_steps(steps)
    array = as_array("samples", samples)
    pixels, shape = network.input.kind == "pixels", network.input.shape
    names = ["batch"] if pixels else ["steps", "batch"] if time_axis == 0 else ["batch", "steps"]
    if array.ndim != len(names) + len(shape) or array.shape[len(names) :] != shape:
        wanted = ", ".join([*names, *map(str, shape)])
        images = not pixels and array.shape[1:] == shape
        hint = f"; {_values_instead(network)}" if images else ""
        if pixels and array.shape[2:] == shape:
            hint = (
                "; for pixels that change from step to step make the network with "
                f"input=stablespike.FrameInput({shape}, bits={network.input.bits})"
            )
        raise ValueError(f"samples must be ({wanted}), not {array.shape}{hint}")
    if not pixels:
        array = array if time_axis == 1 else np.swapaxes(array, 0, 1)
        if steps is not None and array.shape[1] != steps:
            raise ValueError(f"samples must have {steps} steps, not {array.shape[1]}")
        steps = array.shape[1]
        if not steps:
            raise ValueError("samples must have at least 1 step, not 0")
        check_steps(steps)
    elif steps is None:
        raise ValueError("steps must be given for pixels: the steps per sample, at least 1")
    _check_values(array, network)
    return array.reshape(*array.shape[: len(names)], network.input.size), steps


def _allowed(block: npt.NDArray[Any], high: int) -> bool:
    integers = block.dtype.kind != "f" or bool((np.floor(block) == block).all())
    return integers and bool(block.min() >= 0 and block.max() <= high)


def _values_instead(network: Network) -> str:
    """What to do with samples of other values than 0 and 1, for a network whose input is spikes."""
    if network.input.kind == "frames":
        return "frames have an axis of steps behind that of the batch"
    return (
        "the network's input is spikes, 0 or 1 in every step; for images and other values make it "
        f"with input=stablespike.PixelInput({network.input.shape}, bits=4), and an importer also "
        "with input_scale= and steps=; for values that change from step to step "
        f"input=stablespike.FrameInput({network.input.shape}, bits=4)"
    )


def _check_values(array: npt.NDArray[Any], network: Network) -> None:
    """Refuse values that are not integers in the range of the network's input."""
    high = (1 << network.input.bits) - 1
    if array.dtype.kind == "b" or not array.size:
        return
    # Every run of a device comes through here; checking block by block is several times as fast.
    rows = max(1, _BLOCK_VALUES * len(array) // array.size)
    if all(_allowed(array[at : at + rows], high) for at in range(0, len(array), rows)):
        return
    good = (array >= 0) & (array <= high)
    if array.dtype.kind == "f":
        good &= np.floor(array) == array
    index = tuple(int(i) for i in np.argwhere(~good)[0])
    hint, zero = _values_instead(network), network.input.zero
    if network.input.kind != "spikes":
        name = "pixel" if network.input.kind == "pixels" else "value"
        hint = f"a value x from 0 to 1 is the {name} round({high} * x)"
        if zero:
            hint = f"the network's zero is {zero}: a signed value x is the {name} x + {zero}"
    raise ValueError(
        f"samples must be whole numbers from 0 to {high}, not {array[index]} (at {list(index)}): "
        f"{hint}"
    )
