"""A shipped network on a device, compared with the golden model: figures and a picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import shipped_path
from ..datasets.shipped import NETWORKS, pixels, shipped_images
from ..device.open import Device, open_device
from ..device.result import Result
from ..device.verify import Comparison, run_against
from ..network import Network
from ..network.files import check_writable, load
from ..page import Run
from ..page.run import SHOWN
from ..program.program import Program
from ..support.arrays import AnyArray
from ..support.errors import DoesNotFit, FileError, ToolError
from .pages import write_page

__all__ = ["DemoResult", "draw", "run_demo", "shipped_program"]

_BATCH = 50
_ALONE = 20  # images that are run one at a time, for the utilization of one alone
_PICTURE_STEPS = 16

_COLOURS = ("#ffffff", "#f0a35e", "#1f4e79")
_NAMES = ("spikes", "stable spikes: the step before fired too")

Advance = Callable[[int], None]


@dataclass(frozen=True)
class DemoResult:
    """The figures of the demo.

    Attributes
    ----------
    network : str
        The name of the network.
    images : int
        The number of images that were run.
    accuracy : float
        The share of them that were classified as labelled.
    mismatches : int
        Differences from the golden model: in spike words and stable spike words of every layer, in
        readouts, and in counters.
    words : int
        The spike words and stable spike words that were compared.
    cycles_per_image : float
        Mean cycles of an image, with images following each other.
    utilization : float
        The lower bound divided by the cycles, with images following each other.
    utilization_alone : float
        The same with one image at a time on the device.
    link_bytes_per_image : float
        Bytes in both directions, with all framing.
    array : str
        The name of the array.
    seconds : float
        The time of the run without traces, of host and simulation together.
    consistency : float
        The mean consistency of the first layer.
    picture : str or None
        The file of the picture; None if there is none.
    """

    network: str
    images: int
    accuracy: float
    mismatches: int
    words: int
    cycles_per_image: float
    utilization: float
    utilization_alone: float
    link_bytes_per_image: float
    array: str
    seconds: float
    consistency: float
    picture: str | None

    def as_dict(self) -> dict[str, Any]:
        """The figures by name, as ``--json`` prints them."""
        return asdict(self)


def shipped_program(array: AnyArray) -> tuple[str, Program]:
    """The largest shipped network that the array holds: its name, and its program.

    Parameters
    ----------
    array : ArrayConfig, str or path-like
        The array, as ``compile`` takes it.

    Raises
    ------
    DoesNotFit
        If it holds none of them. The message says what the smallest one needs.
    """
    from ..program.compiler import compile

    # The largest comes first; the last refusal, of the smallest, says what is missing.
    refused: DoesNotFit | None = None
    for name, steps in NETWORKS.items():
        try:
            return Path(name).stem, compile(load(shipped_path(name)), array=array, steps=steps)
        except DoesNotFit as error:
            refused = error
    assert refused is not None
    raise refused


def run_demo(
    images: int = 1000,
    array: str = "icebreaker",
    picture: str | Path | None = None,
    advance: Advance | None = None,
    device: Device | None = None,
    report: Path | None = None,
) -> DemoResult:
    """Run the largest shipped network that the array holds on shipped images.

    Parameters
    ----------
    images : int
        The number of images, 1 to 1,000.
    array : str
        The name of an array, as ``compile`` takes it. Its simulated board is the device.
    picture : str, Path or None
        The file for a picture of one digit's spikes; None for no picture.
    advance : callable or None
        Called with a number of images whenever so many are done. Each is run twice.
    device : Device or None
        Another device of the same array; None for the simulated board.
    report : Path or None
        The HTML file for the page of the run; None for no page.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above.
    FileError
        If the picture cannot be written. This is found out before anything is run.
    DeviceError, ToolError
        If the device fails, or something that is needed is not installed.
    """
    shipped, labels = shipped_images(images)
    name, program = shipped_program(array)
    network = program.network
    samples = pixels(shipped, network)
    if picture is not None:
        _check_picture(picture)
    if report is not None:
        check_writable(report)
    step = advance or (lambda count: None)
    with device or open_device(f"sim:{array}") as board, open_device("golden:") as golden:
        board.load(program)
        golden.load(program)
        comparison, traced = _against(board, golden, samples, True, step)
        # Traces change the cycles, so figures come from a second run without them.
        began = time.monotonic()
        untraced, results = _against(board, golden, samples, False, step)
        seconds = time.monotonic() - began
        result = Result.joined(results)
        alone = Result.joined([board.run(sample[None]) for sample in samples[:_ALONE]])
        if picture is not None:
            _picture(board, network, array, samples, labels, picture)
    if report is not None:
        run = Run(
            program, result, board.uri, traced[0].first(SHOWN), samples[:SHOWN],
            labels.astype(np.int64),
        )
        write_page(run, report, f"{name} on the array {array}")
    return DemoResult(
        network=name,
        images=len(samples),
        accuracy=float((result.prediction == labels).mean()),
        mismatches=comparison.mismatches + untraced.mismatches,
        words=comparison.words,
        cycles_per_image=float(result.counters["cycles"].mean()),
        utilization=_utilization(result),
        utilization_alone=_utilization(alone),
        link_bytes_per_image=result.link_bytes.total / len(samples),
        array=array,
        seconds=seconds,
        consistency=float(result.consistency[:, 0].mean()),
        picture=None if picture is None else str(picture),
    )


def _against(
    board: Device,
    golden: Device,
    samples: npt.NDArray[np.uint8],
    trace: bool,
    advance: Advance,
) -> tuple[Comparison, list[Result]]:
    """Run all samples in batches, and compare each batch with the golden model as it comes."""
    batches = [samples[at : at + _BATCH] for at in range(0, len(samples), _BATCH)]
    comparison, results = Comparison(), []
    for result in run_against(golden, board, batches, comparison, {"trace": trace}):
        results.append(result)
        advance(len(result))
    return comparison, results


def _utilization(result: Result) -> float:
    return float(result.counters["lower_bound"].sum() / result.counters["cycles"].sum())


def _picture(
    board: Device,
    network: Network,
    array: str,
    samples: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    path: str | Path,
) -> None:
    """Draw the first digit, run for more steps than classification needs, so that more can be
    seen."""
    from ..program.compiler import compile

    board.load(compile(network, array=array, steps=_PICTURE_STEPS))
    draw(board.run(samples[:1], trace=True), samples[0, 0], int(labels[0]), path)


def _matplotlib() -> tuple[Any, Any]:
    """The classes ``Figure`` and ``ListedColormap``."""
    try:
        from matplotlib.colors import ListedColormap
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ToolError(
            f"a picture needs matplotlib ({error}): pip install 'stablespike[sim]'"
        ) from error
    return Figure, ListedColormap


def _check_picture(path: str | Path) -> None:
    """Refuse a picture that cannot be drawn or written, before anything is run."""
    figure_class, _ = _matplotlib()
    known = figure_class().canvas.get_supported_filetypes()
    if Path(path).suffix[1:].lower() not in known:
        raise ValueError(f"picture must end in one of .{', .'.join(sorted(known))}, not {path}")
    check_writable(path)


def draw(result: Result, image: npt.NDArray[Any], label: int, path: str | Path) -> None:
    """Draw a picture of a sample: image, spikes and stable spikes of the first layer, readout.

    Parameters
    ----------
    result : Result
        The result of one sample, with traces.
    image : array
        (height, width) the image.
    label : int
        The digit that it shows.
    path : str or Path
        The file, whose ending says the format.

    Raises
    ------
    ToolError
        If matplotlib is not installed.
    FileError
        If the file cannot be written.
    """
    figure_class, colormap = _matplotlib()
    figure = figure_class(figsize=(11, 6), layout="constrained")
    digit, raster, bars = figure.subplots(1, 3, width_ratios=(1, 3, 1))
    digit.imshow(image, cmap="gray_r")
    digit.set(title=f"a {label}", xticks=[], yticks=[])
    spikes = result.trace[0][0].reshape(result.steps, -1)
    stable = result.skeleton[0][0].reshape(spikes.shape)
    steps, neurons = spikes.shape
    raster.imshow(
        (spikes.astype(int) + stable).T, cmap=colormap(_COLOURS), vmin=0, vmax=2, aspect="auto",
        interpolation="none",
    )
    for name, colour in zip(_NAMES, _COLOURS[1:], strict=True):
        raster.scatter([], [], s=40, c=colour, marker="s", label=name)
    raster.set(
        xlabel="time step",
        ylabel="neuron of the first layer",
        title=(
            f"{int(spikes.sum())} spikes, {int(stable.sum())} stable, "
            f"consistency {result.consistency[0, 0]:.2f}"
        ),
        xlim=(-0.5, steps - 0.5),
        ylim=(neurons - 0.5, -0.5),
    )
    figure.legend(*raster.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    readout = result.readout[0]
    colours = [_COLOURS[2] if i == result.prediction[0] else "#b8c4d0" for i in range(len(readout))]
    bars.barh(range(len(readout)), readout, color=colours)
    bars.set(
        title=f"readout: {int(result.prediction[0])}", yticks=range(len(readout)), xlabel="value"
    )
    bars.invert_yaxis()
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise FileError(
            f"{path} cannot be written ({error}): give the picture another name"
        ) from error
