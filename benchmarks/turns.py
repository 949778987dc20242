"""Two ``stablespike`` packages, measured in turns in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["environments", "in_turns"]


def environments(before: Path | None, **named: str) -> dict[str, dict[str, str]]:
    """Return the environments of processes: ``now`` imports what this one does.

    Parameters
    ----------
    before : path or None
        The folder with the older package, for ``before``, which comes first. None: ``now`` alone.
    **named : str
        Variables of all of them.

    Raises
    ------
    ValueError
        If the folder has no such package, or both would import the same one.
    """
    folders = {"now": os.environ.get("PYTHONPATH", "")}
    if before is not None:
        folders = {"before": str(before.resolve()), **folders}
    found = {
        name: {**os.environ, **named, "PYTHONPATH": path} for name, path in folders.items()
    }
    places = {name: _package(environment) for name, environment in found.items()}
    if before is not None and before.resolve() not in places["before"].parents:
        raise ValueError(f"{before} has no stablespike: Python imports {places['before']}")
    if len(set(places.values())) < len(places):
        raise ValueError(f"both packages are {places['now']}")
    return found


def in_turns(
    arguments: Sequence[object], packages: Mapping[str, Mapping[str, str]], turns: int
) -> dict[str, list[dict[str, Any]]]:
    """Run a script with each package, one after the other, some times; return what it prints.

    Parameters
    ----------
    arguments : sequence
        The script and its arguments. The last line that it prints is a JSON object.
    packages : mapping
        By name the environment of a process.
    turns : int
        How often each runs.

    Raises
    ------
    CalledProcessError
        If the script fails.
    """
    found: dict[str, list[dict[str, Any]]] = {package: [] for package in packages}
    for _ in range(turns):
        for package, environment in packages.items():
            printed = subprocess.run(
                [sys.executable, *map(str, arguments)], check=True, stdout=subprocess.PIPE,
                text=True, env=dict(environment),
            ).stdout
            found[package].append(json.loads(printed.splitlines()[-1]))
    return found


def _package(environment: Mapping[str, str]) -> Path:
    """The file that such a process imports."""
    show = "import stablespike; print(stablespike.__file__)"
    # Of the folder of this script as of any other: Python puts it in front.
    return Path(subprocess.run(
        [sys.executable, "-c", show], check=True, stdout=subprocess.PIPE, text=True,
        env=dict(environment), cwd=Path(__file__).parent,
    ).stdout.strip())
