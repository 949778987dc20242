"""How many times as fast the package is as an older one, measured in alternating pairs.

    python benchmarks/against_before.py --before FOLDER [-o docs/results/against_before.json]

The folder has an older ``stablespike`` package; the figures are against that of commit ``ff7d374``.
Every measurement is a script here that runs with either package, in a process of its own, and that
ends with one line of JSON, ``{name: seconds}`` or ``{name: rate}``. The processes of a pair follow
each other, so other work on the machine slows both. A ratio above 1 is a gain, of seconds as of
rates. The figure is the median of the pairs' ratios.

The simulated boards of each package have a folder of their own, ``$STABLESPIKE_CACHE``, which
``--cache`` keeps.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from turns import environments, in_turns

HERE = Path(__file__).parent
BEFORE = "ff7d374"


@dataclass(frozen=True)
class Measurement:
    """A script under ``benchmarks`` with its arguments.

    ``rate`` says that its numbers are rates, of which more is faster, and not seconds. Of ``turns``
    pairs, each is two processes.
    """

    script: str
    arguments: tuple[str, ...] = ()
    rate: bool = False
    turns: int = 5


MEASUREMENTS = {
    "golden": Measurement("golden.py", ("--line", "--repeats", "8")),
    "train_step": Measurement("train_step.py", ("--line",)),
}


def ratios(
    runs: dict[str, list[dict[str, float]]], rate: bool
) -> dict[str, dict[str, Any]]:
    """Return the figures of each name that a measurement's lines have."""
    found = {}
    for name in runs["now"][0]:
        before, now = ([line[name] for line in runs[each]] for each in ("before", "now"))
        faster = [
            mine / old if rate else old / mine for old, mine in zip(before, now, strict=True)
        ]
        found[name] = {
            "unit": "a second" if rate else "s",
            "before": median(before),
            "now": median(now),
            "times_as_fast": round(median(faster), 2),
            "lowest": round(min(faster), 2),
            "highest": round(max(faster), 2),
            "pairs": len(faster),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"Of {', '.join(MEASUREMENTS)}; by default all."
    )
    parser.add_argument("--before", type=Path, required=True, help="A folder with the old package.")
    parser.add_argument("--pairs", type=int, help="Pairs of processes of each measurement.")
    parser.add_argument("--cache", type=Path, help="A folder that keeps simulated boards.")
    parser.add_argument("-o", "--output", type=Path, help="JSON file; other rows in it are kept.")
    given = parser.parse_args()
    if unknown := set(given.names) - set(MEASUREMENTS):
        parser.error(f"no measurement {min(unknown)}: choose from {', '.join(MEASUREMENTS)}")
    with tempfile.TemporaryDirectory() as temporary:
        packages = environments(given.before)
        for package, environment in packages.items():
            cache = (given.cache or Path(temporary)).resolve() / package
            environment["STABLESPIKE_CACHE"] = str(cache)
        for name in given.names or MEASUREMENTS:
            each = MEASUREMENTS[name]
            runs = in_turns(
                (HERE / each.script, *each.arguments), packages, given.pairs or each.turns
            )
            row = {"load": round(os.getloadavg()[0], 2), "figures": ratios(runs, each.rate)}
            print(json.dumps({name: row}, indent=2), flush=True)
            if given.output:
                _keep(given.output, name, row)


def _keep(file: Path, name: str, row: dict[str, Any]) -> None:
    """Write a measurement into the file, beside the others there."""
    found = {"before": BEFORE, "processors": os.cpu_count(), "measurements": {}}
    if file.is_file():
        found = json.loads(file.read_text())
    found["measurements"][name] = row
    file.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
