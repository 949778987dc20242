"""The speed of a shipped network on a device and on the golden model."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..datasets.shipped import pixels, shipped_images
from ..device.open import LinkDevice, open_device
from ..device.result import Result
from ..spec.array import preset
from ..timing.utilization import utilization
from .demo import shipped_program

__all__ = ["run_bench"]

_BATCH = 50
_GOLDEN_PRESET = "icebreaker"  # golden: has no array before a program is loaded


def run_bench(
    uri: str,
    images: int = 200,
    timeout: float | None = None,
    advance: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Run shipped images on a device and on the golden model, and measure both.

    Parameters
    ----------
    uri : str
        The address of the device.
    images : int
        The number of images, 1 to 1,000.
    timeout : float or None
        Seconds without an answer after which the device is given up; None for the default.
    advance : callable or None
        Called with a number of images whenever so many are done. Each is run twice.

    Returns
    -------
    dict
        Figures by name. Times are those of this computer, cycles those of the array.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    DeviceError
        If the device is missing or fails.
    """
    step = advance or (lambda count: None)
    shipped, labels = shipped_images(images)
    figures: dict[str, Any] = {"device": uri, "images": len(shipped)}

    def timed(device: Any, counters: bool) -> tuple[Result, float]:
        samples = pixels(shipped, program.network)
        batches = [samples[at : at + _BATCH] for at in range(0, len(samples), _BATCH)]
        results, began = [], time.monotonic()
        for result in device.run(iter(batches), counters=counters):
            results.append(result)
            step(len(result))
        return Result.joined(results), time.monotonic() - began

    began = time.monotonic()
    with open_device(uri, timeout=timeout) as device:
        figures["open_seconds"] = time.monotonic() - began
        figures["network"], program = shipped_program(device.config or preset(_GOLDEN_PRESET))
        began = time.monotonic()
        device.load(program)
        figures["load_seconds"] = time.monotonic() - began
        simulated = getattr(device.transport, "cycles", None) if isinstance(
            device, LinkDevice
        ) else None
        result, seconds = timed(device, counters=True)
        figures["images_per_second"] = len(result) / seconds
        figures["accuracy"] = float((result.prediction == labels).mean())
        if result.link_bytes.total:
            figures["link_bytes_per_image"] = result.link_bytes.total / len(result)
            figures["cycles_per_image"] = float(result.counters["cycles"].mean())
            figures |= utilization(program, result.counters, result.layer_counters)
        if simulated is not None and isinstance(device, LinkDevice):
            ran = int(getattr(device.transport, "cycles", 0)) - simulated
            figures["simulated_cycles_per_second"] = ran / seconds
    # Without counters, so that only the model is measured.
    with open_device("golden:") as golden:
        golden.load(program)
        _, seconds = timed(golden, counters=False)
        figures["golden_images_per_second"] = len(shipped) / seconds
    return figures
