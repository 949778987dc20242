"""Read and bin a recording of many events, beside the library that reads the format alone.

Each run is a process of its own, so that its memory is its own. Recordings are written first, by
their formats' descriptions (EVT2, EVT3, DAT) and by faery (AEDAT 4).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

SIDE, STEPS = 128, 100
LIBRARIES = {"aedat4": "aedat", "evt3": "evt3", "evt2": "faery", "dat": "faery"}
"""Which library reads each format; for those that ours reads by itself, one that does."""
ENDINGS = {"aedat4": "aedat4", "evt3": "raw", "evt2": "raw", "dat": "dat"}
RUNS = ("product", "library")


def write(folder: Path, count: int) -> None:
    """Write the recording in every format."""
    import faery

    random = np.random.default_rng(0)
    events = np.zeros(count, [("t", "u8"), ("x", "u2"), ("y", "u2"), (("p", "on"), "?")])
    events["t"] = np.sort(random.integers(0, 3 * count, count))
    for name in ("x", "y"):
        events[name] = random.integers(0, SIDE, count)
    events["on"] = random.integers(0, 2, count)
    stream = faery.events_stream_from_array(events, dimensions=(SIDE, SIDE))
    for name, ending in ENDINGS.items():
        form = {"version": name} if ending == "raw" else {}
        stream.to_file(folder / f"{name}.{ending}", **form)


def by_product(path: Path) -> int:
    """Read and bin."""
    import stablespike as ss

    events = ss.read_events(path)
    ss.bin_events([events], (2, SIDE, SIDE), STEPS, bin_count=STEPS)
    return len(events)


def by_library(path: Path) -> int:
    """Read alone, into arrays."""
    name = LIBRARIES[path.stem]
    if name == "evt3":
        import evt3

        return len(evt3.decode_file(str(path)))
    if name == "aedat":
        import aedat

        packets = [each["events"] for each in aedat.Decoder(str(path)) if "events" in each]
        return len(np.concatenate(packets))
    import faery

    return len(np.concatenate(list(faery.events_stream_from_file(path))))


def most_memory() -> float:
    """The most memory that this process has had, in MB; unlike getrusage's, not its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def one(run: str, path: Path) -> dict[str, Any]:
    """Time a run after its imports; memory is what it adds to them, in MB."""
    import stablespike as ss

    _ = ss.read_events, ss.bin_events  # imports them
    import_module(LIBRARIES[path.stem])
    function = by_product if run == "product" else by_library
    before = most_memory()
    began = time.perf_counter()
    count = function(path)
    took = time.perf_counter() - began
    return {"events": count, "seconds": took, "MB": most_memory() - before}


def measured(folder: Path, repeats: int) -> dict[str, Any]:
    """Run both, side by side in turns; the fastest of each counts."""
    found: dict[str, Any] = {}
    for name, library in LIBRARIES.items():
        rows: dict[str, list[dict[str, Any]]] = {run: [] for run in RUNS}
        path = str(folder / f"{name}.{ENDINGS[name]}")
        for _ in range(repeats):
            for run in RUNS:
                line = subprocess.run(
                    [sys.executable, __file__, "--one", run, path],
                    check=True, stdout=subprocess.PIPE, text=True,
                ).stdout
                rows[run].append(json.loads(line))
        best = {run: min(rows[run], key=lambda row: row["seconds"]) for run in RUNS}
        if len({row["events"] for row in best.values()}) > 1:
            raise SystemExit(f"{name}: {best}")
        array = best["product"]["events"] * 16 / (1 << 20)
        found[name] = {
            "library": f"{library} {version(library)}", "events": best["product"]["events"],
            "read and binned, s": round(best["product"]["seconds"], 3),
            "library alone, s": round(best["library"]["seconds"], 3),
            "times its time": round(best["product"]["seconds"] / best["library"]["seconds"], 2),
            "memory of the array, MB": round(array),
            "memory, MB": round(best["product"]["MB"]),
            "times the array": round(best["product"]["MB"] / array, 2),
        }
        print(name, found[name], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000_000, help="How many; 10 million.")
    parser.add_argument("--repeats", type=int, default=3, help="Runs of each; 3.")
    parser.add_argument("--out", help="JSON file to write.")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], Path(given.one[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), given.events)
        found = measured(Path(folder), given.repeats)
    if given.out:
        Path(given.out).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
