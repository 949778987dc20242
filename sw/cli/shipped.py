"""The verbs ``demo`` and ``bench``, which run shipped networks."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .console import named, print_json, progress, table
from .options import ARRAY_HELP, CHECK_FAILED, Json, Quiet, Timeout, Uri, Verbose, pasting

__all__ = ["bench", "demo"]


def demo(
    images: Annotated[int, typer.Option(min=1, help="Number of images, at most 1,000.")] = 1000,
    array: Annotated[str, typer.Option(help=f"The simulated array: {ARRAY_HELP}.")] = "icebreaker",
    picture: Annotated[
        Path | None, typer.Option(help="File for a picture of a digit's spikes.")
    ] = Path("demo.png"),
    report: Annotated[
        Path | None, typer.Option(help="HTML file for a page about the run.")
    ] = None,
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Draw no picture.")] = False,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Run a shipped network on the simulated board, and compare it with the golden model."""
    from .demo import run_demo

    def command(name: str) -> str:
        return shlex.join(["stablespike", "demo", "--images", str(images), "--array", name])

    with pasting(command), progress(2 * images, "images") as advance:
        result = run_demo(
            images, array, None if no_picture else picture, advance, report=report
        )
    if as_json:
        print_json(result.as_dict())
    else:
        table(
            f"{result.network} on the simulated board",
            {
                "images": f"{result.images:,}",
                "accuracy": f"{result.accuracy:.2%}",
                "differences from golden": f"{result.mismatches} in {result.words:,} spike words",
                "cycles per image": f"{result.cycles_per_image:,.0f}",
                "utilization": f"{result.utilization:.1%}",
                "utilization, one image alone": f"{result.utilization_alone:.1%}",
                "link bytes per image": f"{result.link_bytes_per_image:,.0f}",
                "consistency of the hidden layer": f"{result.consistency:.3f}",
                "array": result.array,
                "images per second here": f"{result.images / result.seconds:,.0f}",
                **({"picture": result.picture} if result.picture else {}),
                **({"report": str(report)} if report else {}),
            },
        )
    if result.mismatches:
        raise typer.Exit(CHECK_FAILED)


def bench(
    device: Uri = "sim:icebreaker",
    images: Annotated[int, typer.Option(min=1, help="Number of images, at most 1,000.")] = 200,
    timeout: Timeout = None,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Measure the speed of a shipped network on a device and on the golden model."""
    from .bench import run_bench

    with progress(2 * images, "images") as advance:
        figures = run_bench(device, images, timeout, advance)
    if as_json:
        print_json(figures)
    else:
        table(f"mnist-mlp on {device}", named(figures))
