"""The verbs train, import, compile and report: from a model to a program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import named, print_json, say, table
from .options import Json, Quiet, Verbose, naming, needs, taking

if TYPE_CHECKING:
    from ..program.program import Program

__all__ = ["compile_", "import_", "report", "train"]


@dataclass(frozen=True)
class Importing:
    """What is asked of whoever imports a model."""

    dt: Annotated[float | None, typer.Option(help="NIR: length of a step.")] = None
    reset: Annotated[str | None, typer.Option(help="NIR: subtract, zero or none.")] = None
    reset_timing: Annotated[
        str | None, typer.Option(help="NIR, subtract: same_step or next_step.")
    ] = None
    cuba_current: Annotated[str | None, typer.Option(help="NIR, CubaLIF: new.")] = None
    v_init: Annotated[str | None, typer.Option(help="NIR: v_leak, v_reset or a number.")] = None
    compare: Annotated[str | None, typer.Option(help="NIR: gt (its own) or ge.")] = None
    sample_shape: Annotated[
        str | None, typer.Option(help="Modules: sizes of a sample, such as 1,28,28.")
    ] = None
    weight_bits: Annotated[int | None, typer.Option(help="4 (the default) or 8.")] = None
    fraction_bits: Annotated[int | None, typer.Option(help="Of the array; 4 by default.")] = None
    pixels: Annotated[int | None, typer.Option(help="Bits of pixels; else spikes come in.")] = None
    input_scale: Annotated[
        float | None, typer.Option(help="What the model is given for an input of 1.")
    ] = None
    scale: Annotated[float | None, typer.Option(help="Of one weight step.")] = None
    steps: Annotated[int | None, typer.Option(help="Steps of a sample.")] = None
    time_axis: Annotated[int, typer.Option(help="0 if samples are (steps, batch, ...).")] = 1
    readout: Annotated[str | None, typer.Option(help="counts, words or membrane.")] = None
    calibration: Annotated[
        Path | None, typer.Option(help="Samples (and labels) to calibrate and measure with.")
    ] = None
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Take the nearest rule, and measure it.")
    ] = False


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Such as mnist-mlp.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for what is written.")] = Path(),
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the images.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of torch.")] = 1,
    torch_device: Annotated[str, typer.Option(help="Of torch: cpu, cuda.")] = "cpu",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Train, quantize, evaluate and save a network."""
    with needs("train"):
        from ..train import train as run

    with naming({"resume=True": "--resume", "path=": "--data"}):
        result = run(
            recipe, epochs=epochs, seed=seed, data=data, out=out, progress=say, resume=resume,
            threads=threads, torch_device=torch_device,
        )
    figures = {
        name: value
        for name, value in vars(result).items()
        if isinstance(value, (bool, int, float, str))
    }
    figures |= {name: str(path) for name, path in result.files.items()}
    if as_json:
        print_json(figures)
    else:
        table(recipe, named(figures))


@taking(Importing)
def import_(
    given: Importing,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A NIR file, or FILE.py:NAME of a module.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The network to write.")],
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Quantize a model of another framework, and say how close it is."""
    from ..importers.models import import_model
    from ..network.files import check_place, save

    check_place(out)
    with needs("import"):
        network = import_model(model, vars(given))
    save(network, out)
    if as_json and network.fidelity is not None:
        print_json({**network.fidelity.as_dict(), "network": str(out)})
    else:
        print(network.fidelity)
    say(f"wrote {out}")


def compile_(
    network: Annotated[Path, typer.Argument(metavar="NET", help="A saved network.")],
    array: Annotated[str, typer.Option(help="Preset of the array.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The program to write.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of a sample.")],
    device: Annotated[
        str | None, typer.Option(help="golden: for a network only the golden model runs.")
    ] = None,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Map a network onto an array."""
    from ..network.files import check_place, load
    from ..program.compiler import compile
    from ..program.files import save_program

    check_place(out)
    program = compile(load(network), array=array, steps=steps, device=device)
    save_program(program, out)
    _report(program, as_json)
    say(f"wrote {out}")


def report(
    program: Annotated[Path, typer.Argument(metavar="PROGRAM", help="A compiled program.")],
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Say what a program needs, how it is split, and what it is estimated to take."""
    from ..program.files import load_program

    _report(load_program(program), as_json)


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
