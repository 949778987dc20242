"""The verbs ``import``, ``compile`` and ``report``: from a model to a program."""

from __future__ import annotations

import shlex
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..support.errors import FidelityWarning, FileError
from .console import print_json, say
from .options import ARRAY_HELP, Json, Quiet, Verbose, needs, pasting, taking
from .recordings import Recordings

if TYPE_CHECKING:
    from ..network import Network
    from ..program.program import Program

__all__ = ["compile_", "import_", "report"]


@dataclass(frozen=True, kw_only=True)
class Importing(Recordings):
    """The options of ``import``; those of recordings are for calibration and test."""

    dt: Annotated[
        float | None, typer.Option(help="NIR: length of a step in the unit of its time constants.")
    ] = None
    reset: Annotated[
        str | None, typer.Option(help="NIR: reset, which is subtract, zero or none.")
    ] = None
    reset_timing: Annotated[
        str | None, typer.Option(help="NIR: a reset by subtraction is same_step or next_step.")
    ] = None
    cuba_current: Annotated[
        str | None, typer.Option(help="NIR: current that a CubaLIF takes, which must be new.")
    ] = None
    v_init: Annotated[
        str | None,
        typer.Option(help="NIR: initial membrane, which is v_leak, v_reset or a number."),
    ] = None
    compare: Annotated[
        str | None,
        typer.Option(help="NIR: comparison with the threshold, which is gt (NIR's own) or ge."),
    ] = None
    integration: Annotated[
        str | None,
        typer.Option(help="NIR: how a step solves the equations, euler (default) or exponential."),
    ] = None
    writer: Annotated[
        str | None,
        typer.Option(help="NIR: program that wrote the file, such as rockpool, or plain."),
    ] = None
    sample_shape: Annotated[
        str | None, typer.Option(help="Modules: shape of a sample, such as 1,28,28.")
    ] = None
    array: Annotated[
        str | None, typer.Option(help=f"The array that the network has to fit: {ARRAY_HELP}.")
    ] = None
    weight_bits: Annotated[
        int | None, typer.Option(help="Bits of weights, 4 or 8; the array's, or 4, by default.")
    ] = None
    fraction_bits: Annotated[
        int | None, typer.Option(help="Fraction bits; the array's, or 4, by default.")
    ] = None
    pixels: Annotated[
        int | None,
        typer.Option(help="Bits of a pixel; the input is spikes without it and --frames.")
    ] = None
    frames: Annotated[
        int | None, typer.Option(help="Bits of a value of frames, which are new in every step.")
    ] = None
    input_zero: Annotated[
        int | None, typer.Option(help="Pixel or value of a frame that stands for 0.")
    ] = None
    input_scale: Annotated[
        float | None, typer.Option(help="Value that the model gets for an input of 1 more.")
    ] = None
    leaks: Annotated[
        int | None, typer.Option(help="Most different leaks in a layer; by default, any number.")
    ] = None
    scale: Annotated[float | None, typer.Option(help="Value of one weight step.")] = None
    steps: Annotated[int | None, typer.Option(help="Steps of a sample.")] = None
    time_axis: Annotated[
        int, typer.Option(help="Axis of the steps: 0 if samples are (steps, batch, ...).")
    ] = 1
    readout: Annotated[
        str | None, typer.Option(help="Readout, which is counts, words or membrane.")
    ] = None
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="File of samples (and labels), or of recordings, on which the rounding is chosen."
        ),
    ] = None
    test: Annotated[
        Path | None,
        typer.Option(
            help="File of samples (and labels), or of recordings, on which the report is measured."
        ),
    ] = None
    approximate: Annotated[
        bool,
        typer.Option(
            "--approximate", help="Accept the nearest rule the array has, and measure it."
        ),
    ] = False


@taking(Importing)
def import_(
    given: Importing,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A NIR file, or FILE.py:NAME of a module.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="File of the network to write.")],
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Quantize a model of another framework, and report how close the result is."""
    from ..importers.models import import_model
    from ..network.files import check_writable, save

    check_writable(out)
    with needs("import"), warnings.catch_warnings():
        # The report says them, in its first lines.
        warnings.filterwarnings("ignore", category=FidelityWarning)
        network = import_model(model, {**vars(given), **given.binning()}, given.read)
    save(network, out)
    _fidelity(network, {"network": str(out)} if as_json else None)
    say(f"wrote {out}")


def _fidelity(network: Network, figures: dict[str, str] | None) -> None:
    """Print the report of an import; as JSON with ``figures``, and its warnings for people."""
    fidelity = network.fidelity
    assert fidelity is not None
    if figures is None:
        print(fidelity)
        return
    print_json({**fidelity.as_dict(), **figures})
    for line in fidelity.warnings:
        say(f"warning: {line}")


def compile_(
    network: Annotated[Path, typer.Argument(metavar="NET", help="A saved network.")],
    array: Annotated[str, typer.Option(help=f"The array: {ARRAY_HELP}.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File of the program to write.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of a sample.")],
    device: Annotated[
        str | None, typer.Option(help="golden: for a network that only the golden model can run.")
    ] = None,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Compile a network for an array."""
    from ..network.files import check_writable, load
    from ..program.compiler import compile
    from ..program.files import save_program

    check_writable(out)  # before the work, not after it
    def command(name: str) -> str:
        only = [] if device is None else ["--device", device]
        return shlex.join([
            "stablespike", "compile", str(network), "--array", name, "--steps", str(steps), *only,
            "-o", str(out),
        ])

    with pasting(command):
        program = compile(load(network), array=array, steps=steps, device=device)
    save_program(program, out)
    _report(program, as_json)
    say(f"wrote {out}")


def report(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A compiled program, an imported network, or the result of a run (.npz).",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Result: HTML file to write.")
    ] = None,
    program: Annotated[
        Path | None, typer.Option(help="Result of an older version: the program that ran.")
    ] = None,
    board: Annotated[
        str | None, typer.Option(help="Result: board whose clock and link are meant.")
    ] = None,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Show what a program needs, how it is divided among cores, and how long it should take; how
    close an imported network is to its source; or what a run did, with -o as a page of HTML."""
    from ..network.files import NETWORK_FORMAT, file_format, load
    from ..program.files import load_program
    from ..samples.arrays import ZIP_MAGIC

    if file.is_file() and file.open("rb").read(len(ZIP_MAGIC)) == ZIP_MAGIC:
        _result(file, out, program, board)
        return
    for name, value in (("out", out), ("program", program), ("board", board)):
        if value is not None:
            raise ValueError(f"--{name} is for the result of a run (.npz), and {file} is none")
    if file_format(file) != NETWORK_FORMAT:
        _report(load_program(file), as_json)
        return
    network = load(file)
    if network.fidelity is None:
        raise FileError(
            f"{file} is a network without the report of an import: it was made in another way, or "
            "by an older stablespike; compile it ('stablespike compile') to see what it needs"
        )
    _fidelity(network, {"network": str(file)} if as_json else None)


def _result(file: Path, out: Path | None, program: Path | None, board: str | None) -> None:
    """Print the summary of a run's result, or write its page."""
    from ..network.files import check_writable
    from ..page import load_run
    from .pages import write_page

    if out is not None:
        check_writable(out)
    run = load_run(file, program)
    if out is None:
        print(run.result)
        return
    write_page(run, out, f"Run {file.name}", board)
    say(f"wrote {out}")


def _report(program: Program, as_json: bool) -> None:
    if not as_json:
        print(program.report())
        return
    config = program.config
    print_json({
        "steps": program.steps,
        "windows": program.windows,
        "array": config.as_dict(),
        "needed": program.needed,
        "there": {name: getattr(config, name) for name in program.needed},
        "groups": program.group_counts,
        "device": program.device,
        "cycles": {str(activity): cycles for activity, cycles in program.cycles().items()},
    })
