"""The host's driver alone: MNIST images a second against a device that takes no time.

    python benchmarks/host.py [--against FOLDER] [-o docs/results/host.json]

The device answers as ``spec.link`` says, with the reports of a simulated board that were recorded
before, and within the credits of its array. Its own time is subtracted. Images come in batches of
1,000, as uint8. Rates are those of the fastest of many short runs, so that other work on the
machine disturbs them little. Where the time goes is taken in further runs with clocks around each
stage, which cost time themselves.

A ``+`` behind an array's name gives it the largest buffers of the link that an array may have; its
reports are the same.

``--against`` names a folder with another ``stablespike`` package, such as an older one: both run in
turns, in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from null_device import NullTransport, recorded
from stablespike.cli.demo import shipped_program
from stablespike.datasets import shipped_mnist
from stablespike.datasets.shipped import pixels
from stablespike.device import device, link_device, reports
from stablespike.device.link_device import LinkDevice
from stablespike.link import session
from stablespike.program.program import Program
from stablespike.spec.array import LIMITS, preset
from turns import environments, in_turns

ARRAYS = ("icebreaker", "ecp5-25f", "ecp5-25f+")
RUNS, TURNS = 20, 3
STAGES: dict[str, list[tuple[Any, str]]] = {
    "checks of samples": [(device, "check_batch")],
    "windows, encoded": [(link_device, "input_commands")],
    "frames, COBS and CRC": [(session, "encode_frame"), (session, "decode_frame")],
    "session": [(session.Session, "step"), (session.Session, "offer")],
    "reports, parsed": [(reports.Collector, "feed")],
    "results, assembled": [(reports.Collector, "take")],
}


class Clocks:
    """Seconds by stage; a stage inside another stops the clock of the outer one."""

    def __init__(self, null: NullTransport) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._null, self._inner = null, [0.0]

    def wrapped(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with a clock; an iterator that it returns is timed at each step."""

        def timed(*args: Any, **named: Any) -> Any:
            found = self._timed(stage, function, args, named)
            return self._steps(stage, found) if isinstance(found, Iterator) else found

        return timed

    def _steps(self, stage: str, steps: Iterator[Any]) -> Iterator[Any]:
        while (item := self._timed(stage, next, (steps, None), {})) is not None:
            yield item

    def _timed(
        self, stage: str, function: Callable[..., Any], args: Any, named: dict[str, Any]
    ) -> Any:
        began, device = time.perf_counter(), self._null.seconds
        self._inner.append(0.0)
        try:
            return function(*args, **named)
        finally:
            took = time.perf_counter() - began - (self._null.seconds - device)
            self.seconds[stage] += took - self._inner.pop()
            self._inner[-1] += took


@contextmanager
def clocks(null: NullTransport) -> Iterator[Clocks]:
    """Put a clock around each stage of the driver."""
    found, kept = Clocks(null), []
    for stage, places in STAGES.items():
        for owner, name in places:
            kept.append((owner, name, getattr(owner, name)))
            setattr(owner, name, found.wrapped(stage, getattr(owner, name)))
    try:
        yield found
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)


def program_of(array: str) -> Program:
    """The program for an array."""
    config = preset(array.removesuffix("+"))
    if array.endswith("+"):
        most = {name: LIMITS[name][1] for name in ("receive_bytes", "result_bytes")}
        config = replace(config, **most)
    return shipped_program(config)[1]


def one(array: str, counters: bool, records: Path, images: int) -> dict[str, Any]:
    """Time the driver of the package that this process imported."""
    program = program_of(array)
    samples = pixels(shipped_mnist()[0], program.network)
    stored = np.load(records)
    null = NullTransport(program.config, stored["reports"], stored["ends"], stored["inputs"])
    expected = stored["prediction"]
    batches = max(1, images // len(samples))
    with LinkDevice("null:", lambda: null) as driver:
        driver.load(program)

        def run() -> float:
            null.restart()
            began, device = time.perf_counter(), null.seconds
            results = list(driver.run((samples for _ in range(batches)), counters=counters))
            took = time.perf_counter() - began - (null.seconds - device)
            for result in results:
                np.testing.assert_array_equal(result.prediction, expected)
            return took

        fastest = min(run() for _ in range(RUNS))
        timed, clocked = [], {}
        for _ in range(RUNS):
            with clocks(null) as clocked_run:
                timed.append(run())
            if timed[-1] == min(timed):
                clocked = clocked_run.seconds
    shares = {stage: seconds / min(timed) for stage, seconds in clocked.items()}
    shares["the rest"] = 1 - sum(shares.values())
    return {"images_per_second": batches * len(samples) / fastest, "shares": shares}


def measured(array: str, against: Path | None, images: int, folder: Path) -> dict[str, Any]:
    """Time the packages in turns, each with reports that were recorded once."""
    name = array.removesuffix("+")
    program = program_of(name)
    samples = pixels(shipped_mnist()[0], program.network)
    packages = environments(against, OMP_NUM_THREADS="1")
    figures: dict[str, Any] = {"array": array, "images": len(samples)}
    for counters in (False, True):
        records = folder / f"{name}-{counters}.npz"
        if not records.exists():
            np.savez(records, **recorded(name, program, samples, counters))
        runs = in_turns(
            (__file__, "--one", array, int(counters), records, "--images", images), packages, TURNS
        )
        figures["with counters" if counters else "without"] = {
            package: max(each, key=lambda row: row["images_per_second"])
            for package, each in runs.items()
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("arrays", nargs="*", default=ARRAYS, help="Arrays; by default three.")
    parser.add_argument("--images", type=int, default=2000, help="Images of a run; 2,000.")
    parser.add_argument("--against", type=Path, help="A folder with another stablespike package.")
    parser.add_argument("--records", type=Path, help="A folder that keeps recorded reports.")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write.")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        array, counters, records = given.one
        print(json.dumps(one(array, bool(int(counters)), Path(records), given.images)))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for array in given.arrays:
            rows.append(measured(array, given.against, given.images, given.records or Path(folder)))
            print(json.dumps(rows[-1], indent=2), flush=True)
    if given.output:
        load = os.getloadavg()[0]
        given.output.write_text(json.dumps({"load": load, "arrays": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
