"""The verbs ``run`` and ``verify``, which run samples on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import named, print_json, progress, table
from .options import CHECK_FAILED, Json, Quiet, Timeout, Uri, Verbose, npz_file, taking
from .recordings import Recordings

if TYPE_CHECKING:
    from ..device.result import Result
    from ..program.program import Program
    from ..samples.files import SampleFile

__all__ = ["run", "verify"]

_PRINTED = 16
"""The most samples whose predictions are printed; the file has all of them."""


@dataclass(frozen=True, kw_only=True)
class Running(Recordings):
    """The options that ``run`` and ``verify`` share."""

    program: Annotated[Path, typer.Argument(metavar="PROGRAM", help="A compiled program.")]
    samples: Annotated[
        Path,
        typer.Argument(
            metavar="SAMPLES",
            help="A .npy array, an .npz with 'samples' (and 'labels', 'lengths', 'carry_state') or "
            "of event arrays, or the recording of an event camera.",
        ),
    ]
    device: Uri
    carry_state: Annotated[
        bool,
        typer.Option(
            "--carry-state", help="Let each sample continue from the state of the last one."
        ),
    ] = False
    own_lengths: Annotated[
        bool,
        typer.Option(
            "--own-lengths",
            help="Let each sample have as many steps as the file has of it; a recording, up to "
            "its last event.",
        ),
    ] = False
    time_axis: Annotated[
        int, typer.Option(help="Axis of the steps: 0 if spikes are (steps, batch, ...).")
    ] = 1
    encoded: Annotated[
        bool,
        typer.Option(
            "--encoded", help="Network with an encoder: samples are encoded, not a raw signal."
        ),
    ] = False
    timeout: Timeout = None
    batch: Annotated[int, typer.Option("--batch", min=1, help="Samples per batch.")] = 64

    def first(self, file: SampleFile, program: Program) -> Any:
        """The samples as the network's input takes them; None if they are something else first, or
        do not start afresh."""
        raw = program.network.encoder is not None and not self.encoded
        if raw or isinstance(file.values, list) or self.carry_state or file.carry_state is not None:
            return None
        return file.values.swapaxes(0, 1) if self.time_axis == 0 else file.values

    def options(self, file: SampleFile) -> dict[str, Any]:
        """The keywords of ``Device.run``: those of the command, or those of the file."""
        from ..samples.files import check_per_sample

        options = {
            "carry_state": self.carry_state, "lengths": "own" if self.own_lengths else None,
            "time_axis": self.time_axis, "encoded": self.encoded, **self.binning(),
        }
        for name, option, asked in (
            ("carry_state", "--carry-state", self.carry_state),
            ("lengths", "--own-lengths", self.own_lengths),
        ):
            array = getattr(file, name)
            if array is not None and asked:
                raise ValueError(f"{option} is for files without {name!r}; {self.samples} has it")
            if array is not None:
                check_per_sample(name, array, file.values, self.time_axis, self.samples)
                options[name] = array
        return options


def _of_samples(options: dict[str, Any], first: int, count: int) -> dict[str, Any]:
    """The keywords of ``Device.run`` for some of the samples."""
    import numpy as np

    part = slice(first, first + count)
    return {
        name: value[part] if isinstance(value, np.ndarray) else value
        for name, value in options.items()
    }


@taking(Running)
def run(
    given: Running,
    out: Annotated[Path, typer.Option("-o", "--out", help="The .npz file to write.")],
    trace: Annotated[
        bool, typer.Option("--trace", help="Include the spikes of all layers.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Run samples on a device and write the results."""
    import numpy as np

    from ..device.open import open_device
    from ..device.result import Result
    from ..network.files import atomic_file
    from ..page import run_arrays
    from ..program.files import load_program
    from ..samples.files import count_samples, split_batches
    from ..samples.labels import checked_labels

    loaded = load_program(given.program)
    loaded.check_device(given.device)
    read = given.read_file(given.samples)
    labels, batches = read.labels, split_batches(read.values, given.batch, given.time_axis)
    options = given.options(read)
    if labels is not None:
        labels = checked_labels(
            labels, count_samples(read.values, given.time_axis), loaded.network.outputs,
            f"labels in {given.samples}",
        )
    target = npz_file(out)
    results: list[Result] = []
    # An iterator of batches keeps the link busy while results are computed.
    with (
        progress(len(batches), "batches") as advance,
        open_device(given.device, timeout=given.timeout) as device,
    ):
        device.load(loaded)
        for result in device.run(iter(batches), trace=trace, **options):
            results.append(result)
            advance(1)
    result = Result.joined(results)
    arrays: dict[str, Any] = run_arrays(
        result, given.program, given.device, given.first(read, loaded), labels
    )
    with atomic_file(target) as file:
        np.savez_compressed(file, **arrays)
    figures = _figures(loaded, result)
    if len(result) <= _PRINTED:
        figures["prediction"] = result.prediction.tolist()
    if labels is not None:
        figures["accuracy"] = result.accuracy(labels)
    figures["device"], figures["result"] = given.device, str(target)
    if as_json:
        print_json(figures)
    else:
        table(f"{given.program} on {given.device}", named(figures))


@taking(Running)
def verify(
    given: Running, as_json: Json = False, verbose: Verbose = 0, quiet: Quiet = False
) -> None:
    """Compare a device with the golden model: every spike word, readout and counter."""
    from ..device.open import open_device
    from ..device.verify import Comparison, run_against
    from ..program.files import load_program
    from ..samples.files import split_batches

    loaded = load_program(given.program)
    loaded.check_device(given.device)
    read = given.read_file(given.samples)
    batches = split_batches(read.values, given.batch, given.time_axis)
    options = {"trace": True, **given.options(read)}
    comparison = Comparison()
    with (
        progress(len(batches), "batches") as advance,
        open_device(given.device, timeout=given.timeout) as device,
        open_device("golden:") as golden,
    ):
        device.load(loaded)
        golden.load(loaded)

        def of_batch(number: int) -> dict[str, Any]:
            return _of_samples(options, number * given.batch, given.batch)

        for _ in run_against(golden, device, batches, comparison, options, of_batch):
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


def _figures(program: Program, result: Result) -> dict[str, Any]:
    """The figures of a run."""
    from ..timing.utilization import utilization

    counters = result.counters
    figures: dict[str, Any] = {
        "samples": len(result),
        "spikes": int(counters["spikes"].sum()),
        "stable": int(counters["stable"].sum()),
        "events": int(counters["events"].sum()),
        "sops": int(counters["sops"].sum()),
    }
    if (counters["cycles"] > 0).all():  # golden has no cycles
        figures["cycles_per_sample"] = float(counters["cycles"].mean())
        figures |= utilization(program, result.counters, result.layer_counters)
    if result.link_bytes.total:
        figures["link_bytes_per_sample"] = result.link_bytes.total / len(result)
    return figures
