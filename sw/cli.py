"""The command line. Nothing but typer is imported before a verb is known."""

from __future__ import annotations

import functools
import inspect
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from .console import (
    ToStandardError,
    columns,
    level,
    named,
    plain,
    print_json,
    progress,
    say,
    stages,
    table,
)

if TYPE_CHECKING:
    from .boards.build import Build
    from .program import Program
    from .result import Result

__all__ = ["app", "main"]

DONE, CHECK_FAILED, WRONG_USE, DEVICE_FAILED, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    help="Spiking networks trained in PyTorch, bit for bit on a low-cost FPGA.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _louder(count: int) -> int:
    if count:
        level.value = max(level.value, count)
    return count


def _quieter(quiet: bool) -> bool:
    if quiet:
        level.value = -1
    return quiet


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"stablespike {version('stablespike')}")
        raise typer.Exit


Verbose = Annotated[
    int,
    typer.Option("-v", "--verbose", count=True, callback=_louder, help="More; twice: tracebacks."),
]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", callback=_quieter, help="Results and errors only.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Uri = Annotated[
    str,
    typer.Option(
        "--device", help="golden: | sim:<preset> | serial:<port>[?baud=N] | tcp:<host>:<port>"
    ),
]
Timeout = Annotated[
    float | None, typer.Option(help="Seconds without an answer after which a device is given up.")
]


@dataclass(frozen=True)
class _Running:
    """What ``run`` and ``verify`` are told alike."""

    program: Annotated[Path, typer.Argument(metavar="PROGRAM", help="A compiled program.")]
    samples: Annotated[
        Path,
        typer.Argument(
            metavar="SAMPLES",
            help="A .npy array, or an .npz with 'samples' (and 'labels'), or of event arrays.",
        ),
    ]
    device: Uri
    carry_state: Annotated[
        bool, typer.Option("--carry-state", help="Each sample goes on where the last one ended.")
    ] = False
    time_axis: Annotated[int, typer.Option(help="0 if spikes are (steps, batch, ...).")] = 1
    bin_time: Annotated[
        float | None, typer.Option(help="Events: length of a step, in units of t.")
    ] = None
    bin_count: Annotated[
        int | None, typer.Option(help="Events: steps a recording is cut into.")
    ] = None
    start: Annotated[float, typer.Option(help="Events: where the first step begins.")] = 0
    late: Annotated[
        str, typer.Option(help="Events behind the last step: refuse or drop.")
    ] = "refuse"
    timeout: Timeout = None
    batch: Annotated[int, typer.Option("--batch", min=1, help="Samples per batch.")] = 64

    def options(self) -> dict[str, Any]:
        """Keywords of ``Device.run``."""
        names = ("carry_state", "time_axis", "bin_time", "bin_count", "start", "late")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class _Importing:
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


def _taking(group: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes the fields of a dataclass options of a verb, which gets them as its first argument."""
    hints = get_type_hints(group, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]

    def decorated(verb: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(verb, include_extras=True)
        _, *others = inspect.signature(verb).parameters.values()
        own = [
            other.replace(annotation=hints[other.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for other in others
        ]

        @functools.wraps(verb)
        def called(**values: Any) -> None:
            verb(group(**{field.name: values.pop(field.name) for field in fields(group)}), **values)

        parameters = [*shared, *own]
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        return called

    return decorated


@app.callback()
def _all(
    verbose: Verbose = 0,
    quiet: Quiet = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Spiking networks trained in PyTorch, bit for bit on a low-cost FPGA."""


@app.command()
def demo(
    images: Annotated[int, typer.Option(min=1, help="Images, at most 1,000.")] = 1000,
    array: Annotated[str, typer.Option(help="Preset of the simulated board.")] = "icebreaker",
    picture: Annotated[
        Path | None, typer.Option(help="File for the picture of a digit's spikes.")
    ] = Path("demo.png"),
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Draw none.")] = False,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Run the shipped network on the simulated board, against the golden model."""
    from .demo import run_demo

    with progress(2 * images, "images") as advance:
        result = run_demo(images, array, None if no_picture else picture, advance)
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
            },
        )
    if result.mismatches:
        raise typer.Exit(CHECK_FAILED)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Such as mnist-mlp.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for what is written.")] = Path(),
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the images.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    data: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of torch.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Train, quantize, evaluate and save a network."""
    with _needs("train"):
        from .train import train as run

    result = run(
        recipe, epochs=epochs, seed=seed, data=data, out=out, progress=say, resume=resume,
        threads=threads,
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


@app.command("import")
@_taking(_Importing)
def import_(
    given: _Importing,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A NIR file, or FILE.py:NAME of a module.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The network to write.")],
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Quantize a model of another framework, and say how close it is."""
    from .files import check_place, save
    from .importers.models import import_model

    check_place(out)
    with _needs("import"):
        network = import_model(model, vars(given))
    save(network, out)
    if as_json and network.fidelity is not None:
        print_json({**network.fidelity.as_dict(), "network": str(out)})
    else:
        print(network.fidelity)
    say(f"wrote {out}")


@app.command("compile")
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
    from .compiler import compile
    from .files import check_place, load
    from .program import save_program

    check_place(out)
    program = compile(load(network), array=array, steps=steps, device=device)
    save_program(program, out)
    _report(program, as_json)
    say(f"wrote {out}")


@app.command()
def report(
    program: Annotated[Path, typer.Argument(metavar="PROGRAM", help="A compiled program.")],
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Say what a program needs, how it is split, and what it is estimated to take."""
    from .program import load_program

    _report(load_program(program), as_json)


@app.command()
@_taking(_Running)
def run(
    given: _Running,
    out: Annotated[Path, typer.Option("-o", "--out", help="The .npz to write.")],
    trace: Annotated[bool, typer.Option("--trace", help="Write the spikes of all layers.")] = False,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Run samples on a device and write the results."""
    import numpy as np

    from .device import open_device
    from .errors import FileError
    from .files import check_place
    from .program import load_program
    from .result import Result
    from .sample_files import check_labels, read_samples, split_batches

    loaded = load_program(given.program)
    loaded.check_device(given.device)
    values, labels = read_samples(given.samples)
    batches = split_batches(values, given.batch, given.time_axis)
    if labels is not None:
        check_labels(labels, values, given.time_axis, given.samples)
    target = out if out.suffix == ".npz" else out.with_name(out.name + ".npz")
    check_place(target)
    results: list[Result] = []
    with (
        progress(len(batches), "batches") as advance,
        open_device(given.device, timeout=given.timeout) as device,
    ):
        device.load(loaded)
        for result in device.run(iter(batches), trace=trace, **given.options()):
            results.append(result)
            advance(1)
    result = Result.joined(results)
    try:
        arrays: dict[str, Any] = result.arrays()
        np.savez_compressed(target, **arrays)
    except OSError as error:
        raise FileError(f"{target} cannot be written: {error.strerror or error}") from error
    figures = _figures(result)
    if labels is not None:
        figures["accuracy"] = float((result.prediction == labels).mean())
    figures["device"], figures["result"] = given.device, str(target)
    if as_json:
        print_json(figures)
    else:
        table(f"{given.program} on {given.device}", named(figures))


@app.command()
@_taking(_Running)
def verify(
    given: _Running, as_json: Json = False, verbose: Verbose = 0, quiet: Quiet = False
) -> None:
    """Compare a device with the golden model: every spike word, readout and counter."""
    from .device import open_device
    from .program import load_program
    from .sample_files import read_samples, split_batches
    from .verify import Comparison, compare

    loaded = load_program(given.program)
    loaded.check_device(given.device)
    values, _ = read_samples(given.samples)
    batches = split_batches(values, given.batch, given.time_axis)
    options = {"trace": True, **given.options()}
    comparison = Comparison()
    with (
        progress(len(batches), "batches") as advance,
        open_device(given.device, timeout=given.timeout) as device,
        open_device("golden:") as golden,
    ):
        device.load(loaded)
        golden.load(loaded)
        for part, result in zip(batches, device.run(iter(batches), **options), strict=True):
            compare(golden.run(part, **options), result, loaded, comparison)
            advance(1)
    if as_json:
        print_json({**comparison.as_dict(), "device": given.device})
    else:
        table(
            f"{given.device} against golden:",
            {
                "samples": f"{comparison.samples:,}",
                "spike words": f"{comparison.words:,}",
                "different spike words": f"{comparison.word_mismatches:,}",
                "different readouts": f"{comparison.readout_mismatches:,}",
                "different counters": f"{comparison.counter_mismatches:,}",
            },
        )
        if comparison.first is not None:
            print(f"first difference: {comparison.first}")
    if comparison.mismatches:
        raise typer.Exit(CHECK_FAILED)


@app.command()
def bench(
    device: Uri = "sim:icebreaker",
    images: Annotated[int, typer.Option(min=1, help="Images, at most 1,000.")] = 200,
    timeout: Timeout = None,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Time the shipped network on a device and on the golden model."""
    from .bench import run_bench

    with progress(2 * images, "images") as advance:
        figures = run_bench(device, images, timeout, advance)
    if as_json:
        print_json(figures)
    else:
        table(f"mnist-mlp on {device}", named(figures))


BoardName = Annotated[str, typer.Argument(metavar="BOARD", help="As 'stablespike boards' lists.")]
OtherArray = Annotated[
    str | None, typer.Option("--array", help="Another preset than the board's own.")
]


@app.command()
def build(
    board: BoardName,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Where to copy the bitstream.")
    ] = None,
    array: OtherArray = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds to try; the fastest is kept.")] = 1,
    seed: Annotated[int | None, typer.Option(min=1, help="The first of them.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Seeds to try at once.")] = None,
    allow_timing_failure: Annotated[
        bool, typer.Option("--allow-timing-failure", help="Take it though it misses its clock.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Make a board's bitstream with open tools, or the project for its vendor's tool."""
    from .board_files import copy_build

    done = _build(board, array, seeds, seed, jobs, allow_timing_failure)
    figures = done.as_dict()
    if out is not None:
        figures["bitstream"] = str(copy_build(done, out))
    if as_json:
        print_json(figures)
        return
    rows = {
        "device": done.device,
        "array": f"{done.array}, {done.slots_per_cycle} slots per cycle",
        "build": done.build_id,
        "clock": f"{done.clock_mhz:g} MHz",
    }
    for name, (reached, wanted) in done.clocks.items():
        rows[f"fmax of {name}"] = f"{reached:.1f} MHz ({wanted:g} needed)"
    for name in ("logic_cells", "luts", "registers", "block_rams", "dsps"):
        value = getattr(done, name)
        if value is not None:
            rows[name.replace("_", " ")] = f"{value:,}"
    rows |= {kind: f"{used} of {there}" for kind, (used, there) in done.memory.items()}
    if done.critical_path:
        rows["critical path"] = done.critical_path
    if done.seed is not None:
        tried = ", ".join(
            f"{name}: {'failed' if rate is None else f'{rate:.1f}'}"
            for name, rate in done.seeds.items()
        )
        rows["seed"] = f"{done.seed} (MHz by seed {tried})"
    rows["seconds"] = ", ".join(f"{name} {value:g}" for name, value in done.seconds.items())
    rows["tools"] = ", ".join(f"{name} {value}" for name, value in done.versions.items())
    rows["link"] = f"serial:PORT?baud={done.baud}"
    rows["project for Vivado" if done.project else "bitstream"] = figures["bitstream"]
    table(f"{board}: StableSpike", rows)
    if done.project:
        say(
            f"{board} needs its vendor's tool, which is not part of this: run 'vivado -mode batch "
            f"-source top.tcl' in {figures['bitstream']}"
        )


@app.command()
def flash(
    board: BoardName,
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- OPTIONS]", help="More options of openFPGALoader."),
    ] = None,
    bitstream: Annotated[
        Path | None, typer.Option(help="A file to load instead of the one the board builds.")
    ] = None,
    array: OtherArray = None,
    permanent: Annotated[
        bool, typer.Option("--permanent", help="So that it is there after power was off.")
    ] = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Load a board's bitstream, built first if it is not there."""
    with _needs("build"):
        from .boards.flash import flash as load
        from .boards.registry import board as named_board

    there = named_board(board)
    if bitstream is not None and array is not None:
        raise ValueError(f"array {array!r} is of no use with a bitstream of its own, {bitstream}")
    if bitstream is None and not there.project:
        bitstream = Path(_build(board, array, 1, None, None, False).bitstream)
    load(there, bitstream or Path(), permanent=permanent, options=options or ())
    say(f"loaded {bitstream}; its device is serial:PORT?baud={there.baud}")


@app.command()
def boards(as_json: Json = False, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """List the boards: device, array, slots per cycle, clock, link, and what was done with it."""
    from .boards.registry import BOARDS

    rows = [
        {
            "board": each.name,
            "title": each.title,
            "device": each.device,
            "array": each.array,
            "slots_per_cycle": each.config.slots,
            "clock_mhz": each.clock_hz / 1e6,
            "baud": each.baud,
            "link": each.chip.name,
            "state": each.state,
        }
        for each in BOARDS.values()
    ]
    if as_json:
        print_json({"boards": rows})
        return
    columns({
        name.replace("_", " "): [plain(row[name]) for row in rows]
        for name in rows[0]
        if name != "title"
    })


def _build(
    name: str, array: str | None, seeds: int, seed: int | None, jobs: int | None, allow: bool
) -> Build:
    """A board's build, with a line for each stage."""
    from .spec import preset

    with _needs("build"):
        from .boards.build import build as run
        from .boards.registry import board

    there = board(name)
    config = preset(array) if array is not None else None
    with stages() as stage:
        return run(
            there, config=config, array=array, seeds=seeds, first_seed=seed, jobs=jobs,
            allow_timing_failure=allow, progress=stage,
        )


@app.command()
def doctor(as_json: Json = False, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """Say what is installed here, what is missing, and what for."""
    from .doctor import examine

    checks = examine()
    if as_json:
        print_json({"checks": [check.as_dict() for check in checks]})
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            mark = "ok     " if check.found else "MISSING" if check.needed else "absent "
            print(f"{mark}  {check.name:<{width}} {check.detail}")
            if not check.found:
                print(f"         {'':<{width}} for {check.purpose}: {check.remedy}")
    if any(check.needed and not check.found for check in checks):
        raise typer.Exit(CHECK_FAILED)


@contextmanager
def _needs(extra: str) -> Iterator[None]:
    """Imports of something an extra installs."""
    from .errors import ToolError

    try:
        yield
    except ImportError as error:
        raise ToolError(
            f"{error.name or error} is not installed: pip install 'stablespike[{extra}]'"
        ) from error


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


def _figures(result: Result) -> dict[str, Any]:
    """What a run's table says."""
    counters = result.counters
    figures: dict[str, Any] = {
        "samples": len(result),
        "spikes": int(counters["spikes"].sum()),
        "stable": int(counters["stable"].sum()),
        "events": int(counters["events"].sum()),
        "sops": int(counters["sops"].sum()),
    }
    if (counters["cycles"] > 0).all():
        figures["cycles_per_sample"] = float(counters["cycles"].mean())
        figures["utilization"] = float(counters["lower_bound"].sum() / counters["cycles"].sum())
    if result.link_bytes.total:
        figures["link_bytes_per_sample"] = result.link_bytes.total / len(result)
    return figures


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; its exit code: 0 done, 1 a check failed, 2 wrong use or bad input, 3 the
    device or a tool failed, 130 interrupted."""
    from .errors import DeviceError, StableSpikeError, TimingError, ToolError

    level.value = 0
    logger, handler = logging.getLogger("stablespike"), ToStandardError()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        code = typer.main.get_command(app).main(
            arguments, prog_name="stablespike", standalone_mode=False
        )
        if code == INTERRUPTED:
            print("interrupted", file=sys.stderr)
        return int(code or DONE)
    except (DeviceError, ToolError) as error:
        return _failed(error, DEVICE_FAILED)
    except TimingError as error:
        return _failed(error, CHECK_FAILED)
    except (StableSpikeError, TypeError, ValueError) as error:
        return _failed(error, WRONG_USE)
    except MemoryError as error:
        hint = f"out of memory ({error}): give fewer steps or a smaller --batch"
        return _failed(MemoryError(hint), WRONG_USE)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        # Wrong use, told by typer's own exceptions, whatever module of click they come from.
        message = getattr(error, "format_message", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error, file=sys.stderr)
            return WRONG_USE
        if message is not None:
            context = getattr(error, "ctx", None)
            path = context.command_path if context is not None else "stablespike"
            print(f"error: {message()} ({path} --help lists what there is)", file=sys.stderr)
            return WRONG_USE
        if type(error).__name__ == "Abort":
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        raise
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


def _failed(error: Exception, code: int) -> int:
    if level.value >= 2:
        import traceback

        traceback.print_exception(error)
    else:
        print(f"error: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
