"""The command line. Nothing but typer is imported before a verb is known."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
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

_state: dict[str, int] = {"verbosity": 0}


def _louder(count: int) -> int:
    if count:
        _state["verbosity"] = max(_state["verbosity"], count)
    return count


def _quieter(quiet: bool) -> bool:
    if quiet:
        _state["verbosity"] = -1
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
BatchSize = Annotated[int, typer.Option("--batch", min=1, help="Samples per batch.")]
ProgramFile = Annotated[Path, typer.Argument(metavar="PROGRAM", help="A compiled program.")]
SamplesFile = Annotated[
    Path,
    typer.Argument(
        metavar="SAMPLES",
        help="A .npy array, or an .npz with 'samples' (and 'labels'), or of event arrays.",
    ),
]
TimeAxis = Annotated[int, typer.Option(help="0 if spikes are (steps, batch, ...).")]
BinTime = Annotated[float | None, typer.Option(help="Events: length of a step, in units of t.")]
BinCount = Annotated[int | None, typer.Option(help="Events: steps a recording is cut into.")]
Start = Annotated[float, typer.Option(help="Events: where the first step begins.")]
Late = Annotated[str, typer.Option(help="Events behind the last step: refuse or drop.")]


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

    with _progress(2 * images, "images") as advance:
        result = run_demo(images, array, None if no_picture else picture, advance)
    if as_json:
        _print_json(result.as_dict())
    else:
        _table(
            "mnist-mlp on the simulated board",
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
        recipe, epochs=epochs, seed=seed, data=data, out=out, progress=_say, resume=resume,
        threads=threads,
    )
    figures = {
        name: value
        for name, value in vars(result).items()
        if isinstance(value, (bool, int, float, str))
    }
    figures |= {name: str(path) for name, path in result.files.items()}
    if as_json:
        _print_json(figures)
    else:
        _table(recipe, _named(figures))


@app.command("compile")
def compile_(
    network: Annotated[Path, typer.Argument(metavar="NET", help="A saved network.")],
    array: Annotated[str, typer.Option(help="Preset of the array.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The program to write.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of a sample.")],
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Map a network onto an array."""
    from .compile import compile
    from .files import load
    from .program import save_program

    program = compile(load(network), array=array, steps=steps)
    save_program(program, out)
    _report(program, as_json)
    _say(f"wrote {out}")


@app.command()
def report(
    program: ProgramFile, as_json: Json = False, verbose: Verbose = 0, quiet: Quiet = False
) -> None:
    """Say what a program needs, how it is split, and what it is estimated to take."""
    from .program import load_program

    _report(load_program(program), as_json)


@app.command()
def run(
    program: ProgramFile,
    samples: SamplesFile,
    device: Uri,
    out: Annotated[Path, typer.Option("-o", "--out", help="The .npz to write.")],
    trace: Annotated[bool, typer.Option("--trace", help="Write the spikes of all layers.")] = False,
    carry_state: Annotated[
        bool, typer.Option("--carry-state", help="Each sample goes on where the last one ended.")
    ] = False,
    time_axis: TimeAxis = 1,
    bin_time: BinTime = None,
    bin_count: BinCount = None,
    start: Start = 0,
    late: Late = "refuse",
    timeout: Timeout = None,
    batch: BatchSize = 64,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Run samples on a device and write the results."""
    import numpy as np

    from .device import open_device
    from .errors import FileError
    from .program import load_program
    from .result import Result

    loaded = load_program(program)
    values, labels = _samples(samples)
    batches = _batches(values, batch, time_axis)
    if labels is not None and labels.dtype.kind not in "iu":
        raise TypeError(f"labels in {samples} must be integers, not {labels.dtype}")
    options: dict[str, Any] = {
        "carry_state": carry_state, "time_axis": time_axis, "bin_time": bin_time,
        "bin_count": bin_count, "start": start, "late": late,
    }
    results: list[Result] = []
    with _progress(len(batches), "batches") as advance, open_device(device, timeout=timeout) as dev:
        dev.load(loaded)
        for result in dev.run(iter(batches), trace=trace, **options):
            results.append(result)
            advance(1)
    result = Result.joined(results)
    target = out if out.suffix == ".npz" else out.with_name(out.name + ".npz")
    try:
        arrays: dict[str, Any] = result.arrays()
        np.savez_compressed(target, **arrays)
    except OSError as error:
        raise FileError(f"{target} cannot be written: {error.strerror or error}") from error
    figures = _figures(result)
    if labels is not None:
        if labels.shape != (len(result),):
            raise ValueError(
                f"labels in {samples} must be ({len(result)},), one per sample, not {labels.shape}"
            )
        figures["accuracy"] = float((result.prediction == labels).mean())
    figures["device"], figures["result"] = device, str(target)
    if as_json:
        _print_json(figures)
    else:
        _table(f"{program} on {device}", _named(figures))


@app.command()
def verify(
    program: ProgramFile,
    samples: SamplesFile,
    device: Uri,
    carry_state: Annotated[
        bool, typer.Option("--carry-state", help="Each sample goes on where the last one ended.")
    ] = False,
    time_axis: TimeAxis = 1,
    bin_time: BinTime = None,
    bin_count: BinCount = None,
    start: Start = 0,
    late: Late = "refuse",
    timeout: Timeout = None,
    batch: BatchSize = 64,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Compare a device with the golden model: every spike word, readout and counter."""
    from .device import open_device
    from .program import load_program
    from .verify import Comparison, compare

    loaded = load_program(program)
    values, _ = _samples(samples)
    batches = _batches(values, batch, time_axis)
    options: dict[str, Any] = {
        "trace": True, "carry_state": carry_state, "time_axis": time_axis, "bin_time": bin_time,
        "bin_count": bin_count, "start": start, "late": late,
    }
    comparison = Comparison()
    with (
        _progress(len(batches), "batches") as advance,
        open_device(device, timeout=timeout) as dev,
        open_device("golden:") as golden,
    ):
        dev.load(loaded)
        golden.load(loaded)
        for part, result in zip(batches, dev.run(iter(batches), **options), strict=True):
            compare(golden.run(part, **options), result, loaded, comparison)
            advance(1)
    if as_json:
        _print_json({**comparison.as_dict(), "device": device})
    else:
        _table(
            f"{device} against golden:",
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

    with _progress(2 * images, "images") as advance:
        figures = run_bench(device, images, timeout, advance)
    if as_json:
        _print_json(figures)
    else:
        _table(f"mnist-mlp on {device}", _named(figures))


@app.command()
def doctor(as_json: Json = False, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """Say what is installed here, what is missing, and what for."""
    from .doctor import examine

    checks = examine()
    if as_json:
        _print_json({"checks": [check.as_dict() for check in checks]})
    else:
        for check in checks:
            mark = "ok     " if check.found else "MISSING" if check.needed else "absent "
            print(f"{mark}  {check.name:<18} {check.detail}")
            if not check.found:
                print(f"         {'':<18} for {check.purpose}: {check.remedy}")
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
    from .estimate import typical_cycles

    config = program.config
    _print_json({
        "steps": program.steps,
        "windows": program.windows,
        "array": config.as_dict(),
        "needed": program.needed,
        "there": {name: getattr(config, name) for name in program.needed},
        "groups": program.group_counts,
        "cycles": {str(a): int(typical_cycles(program, a)) for a in (0.05, 0.2, 1.0)},
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


def _samples(path: Path) -> tuple[Any, Any]:
    """Samples, and labels or None, from a file."""
    import zipfile

    import numpy as np

    from .errors import FileError

    try:
        loaded = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise FileError(f"there is no file {path}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileError(
            f"{path} is no array of numpy's ({error}): save samples with numpy.save or savez"
        ) from error
    if isinstance(loaded, np.ndarray):
        return ([loaded] if loaded.dtype.names else loaded), None
    with loaded:
        try:
            arrays = {name: loaded[name] for name in loaded.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise FileError(f"{path} is damaged ({error}): save it again") from error
    labels = arrays.pop("labels", None)
    if "samples" in arrays:
        return arrays["samples"], labels
    if arrays and all(array.dtype.names for array in arrays.values()):
        return list(arrays.values()), labels
    if len(arrays) == 1:
        return next(iter(arrays.values())), labels
    raise FileError(
        f"{path} must have an array 'samples', or event arrays only; it has {', '.join(arrays)}"
        if arrays
        else f"{path} has no arrays in it"
    )


def _batches(values: Any, size: int, time_axis: int) -> list[Any]:
    axis = 1 if time_axis == 0 and not isinstance(values, list) else 0
    if axis and values.ndim < 2:
        raise ValueError(
            f"samples must be (steps, batch, ...) with time_axis 0, not {values.shape}"
        )
    count = values.shape[axis] if axis else len(values) if getattr(values, "ndim", 1) else 0
    if not count:
        raise ValueError("samples must hold at least 1 sample, not 0")
    spans = [slice(at, at + size) for at in range(0, count, size)]
    return [values[:, span] if axis else values[span] for span in spans]


def _say(line: str) -> None:
    """A line for people, kept away from results."""
    if _state["verbosity"] >= 0:
        print(line, file=sys.stderr)


def _print_json(values: dict[str, Any]) -> None:
    print(json.dumps(values, allow_nan=False, default=str, indent=2))


def _named(figures: dict[str, Any]) -> dict[str, str]:
    """Rows of a table."""
    return {name.replace("_", " "): _plain(value) for name, value in figures.items()}


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(title: str, rows: dict[str, str]) -> None:
    if not sys.stdout.isatty():
        print(title)
        width = max(map(len, rows))
        for name, value in rows.items():
            print(f"  {name:<{width}}  {value}")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, show_header=False)
    table.add_column(style="cyan")
    table.add_column(justify="right")
    for name, value in rows.items():
        table.add_row(name, value)
    Console().print(table)


@contextmanager
def _progress(total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, a line for every quarter elsewhere, nothing with -q."""
    if _state["verbosity"] < 0:
        yield lambda count: None
        return
    if not sys.stderr.isatty():
        done = 0

        def line(count: int) -> None:
            nonlocal done
            before, done = done, done + count
            if 4 * before // total != 4 * done // total:
                print(f"{done} of {total} {unit}", file=sys.stderr)

        yield line
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(unit, total=total)
        yield lambda count: bar.advance(task, count)


class _ToStandardError(logging.Handler):
    """Log lines on whatever standard error is when they come, none with -q."""

    def emit(self, record: logging.LogRecord) -> None:
        wanted = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}
        if record.levelno >= wanted.get(_state["verbosity"], logging.DEBUG):
            print(self.format(record), file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; its exit code: 0 done, 1 a check failed, 2 wrong use or bad input, 3 the
    device or a tool failed, 130 interrupted."""
    from .errors import DeviceError, StableSpikeError, ToolError

    _state["verbosity"] = 0
    logger, handler = logging.getLogger("stablespike"), _ToStandardError()
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
    if _state["verbosity"] >= 2:
        import traceback

        traceback.print_exception(error)
    else:
        print(f"error: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
