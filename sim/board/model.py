"""A native library of a Verilog model and a harness in C++, built once and then cached."""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stablespike.support.cache import cache_folder, cached, check_cache, digest
from stablespike.support.errors import ToolError

from .toolchain import compiler, verilator

__all__ = ["COMPILE", "QUICK", "load_library", "model_library"]

_LIBRARY = "board.so"
_VERILATE = (
    "--cc", "-O3",
    # Undefined values may become whatever is fastest: all registers have an initial value.
    "--x-assign", "fast", "--x-initial", "fast", "--noassert",
    # The text is generated; Verilator's style warnings about it would only fill the log.
    "-Wno-fatal", "-Wno-lint",
    "--prefix", "Vboard", "--top-module", "board",
)
# In pieces: compilers take more than linear time for one long function. Small models run a little
# faster in one piece.
_SPLIT = ("--output-split", "40000", "--output-split-cfuncs", "1000")
_SPLIT_FROM = 600_000  # bytes of Verilog
# Symbols are hidden because models with the same class names are loaded into one process.
COMPILE = ("-O2", "-std=c++17", "-fPIC", "-fvisibility=hidden", "-w")
"""Flags of the C++ compiler."""
QUICK = ("-O0", *COMPILE[1:])
"""The same without optimization, for runs shorter than a compilation."""
_UNIT = 2_000_000  # bytes of C++ in one compilation
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")

_log = logging.getLogger(__name__)


def model_library(
    verilog: str,
    harness: dict[str, bytes],
    *,
    defines: tuple[str, ...] = (),
    compile_flags: tuple[str, ...] = COMPILE,
) -> Path:
    """Build the native library of a top module ``board``, or find it in the cache.

    Parameters
    ----------
    verilog : str
        Verilog of the module and of what it is made of.
    harness : dict of str to bytes
        Sources in C++ beside the model, by their names: those that end in ``.cpp`` are compiled,
        the others are there to be included.
    defines : tuple of str
        Macros for the harness, as flags of the C++ compiler.
    compile_flags : tuple of str
        Flags of the C++ compiler.

    Returns
    -------
    Path
        The shared library.

    Raises
    ------
    ToolError
        If Verilator or the compiler is missing or fails.
    """
    tool, cxx = verilator(), compiler()
    sources = [part for name in sorted(harness) for part in (name.encode(), harness[name])]
    whole = len(verilog) < _SPLIT_FROM and compile_flags == COMPILE
    flags = _VERILATE if whole else _VERILATE + _SPLIT
    key = digest(verilog, *sources, " ".join(flags + compile_flags + defines),
                 tool.version, cxx.version)

    def build(folder: Path) -> None:
        _log.warning("building the simulated board, once for this gateware: about a minute")
        began = time.monotonic()
        work = folder / "work"
        work.mkdir()
        (work / "board.v").write_text(verilog)
        for name, source in harness.items():
            (work / name).write_bytes(source)
        _run([str(tool.program), *flags, "-Mdir", ".", "board.v"], work, tool.environment)
        objects = _compile(_units(work), compile_flags + defines, work) + _runtime(compile_flags)
        _run([cxx.path, "-shared", *objects, "-pthread", "-o", str(folder / _LIBRARY)], work)
        shutil.rmtree(work)
        _log.info("built in %.0f s", time.monotonic() - began)

    return cached("board", key, build) / _LIBRARY


def load_library(path: Path) -> ctypes.CDLL:
    """Load a library that ``model_library`` built.

    Raises
    ------
    ToolError
        If the system refuses to.
    """
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ToolError(
            f"the simulated board cannot be loaded ({error}): if {cache_folder()} is on a file "
            "system that runs no programs (noexec), name another folder with $STABLESPIKE_CACHE; "
            f"otherwise delete {path.parent}"
        ) from error


def _units(folder: Path) -> list[Path]:
    """Join the sources of a folder into fewer files.

    Reading Verilator's headers takes longer than compiling most of the sources. Those that
    Verilator calls slow run once per model, so ``_compile`` does not optimize them.
    """
    sources = sorted(folder.glob("*.cpp"))
    units = []
    for kind in ("", "__Slow"):
        parts: list[list[Path]] = []
        room = 0
        for source in sources:
            if ("__Slow" in source.name) == bool(kind):
                room -= source.stat().st_size
                if room < 0:
                    parts.append([])
                    room = _UNIT
                parts[-1].append(source)
        for number, part in enumerate(parts):
            units.append(folder / f"unit{number}{kind}.cpp")
            units[-1].write_text("".join(f'#include "{source.name}"\n' for source in part))
    return units


def _compile(sources: list[Path], flags: tuple[str, ...], folder: Path) -> list[str]:
    """Compile sources into ``folder``, one per processor at a time, and return the objects."""
    include, cxx = verilator().root / "include", compiler().path
    options = [*flags, "-I.", f"-I{include}", f"-I{include / 'vltstd'}"]
    objects = [str(folder / f"{path.stem}.o") for path in sources]
    commands = [
        [cxx, *options, *(["-O0"] if "__Slow" in source.name else []), "-c", str(source),
         "-o", target]
        for source, target in zip(sources, objects, strict=True)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda command: _run(command, folder), commands))
    return objects


def _runtime(flags: tuple[str, ...]) -> list[str]:
    """Objects of Verilator's runtime, which are the same for every model."""
    sources = [verilator().root / "include" / name for name in _RUNTIME]
    key = digest(" ".join(flags), verilator().version, compiler().version)

    def build(folder: Path) -> None:
        _compile(sources, flags, folder)

    folder = cached("board-runtime", key, build)
    return [str(folder / f"{path.stem}.o") for path in sources]


def _run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        log = check_cache() / "failed.log"
        log.write_text(f"{' '.join(command)}\n{done.stdout}")
        tail = "\n".join(done.stdout.splitlines()[-10:])
        raise ToolError(
            f"{Path(command[0]).name} failed with status {done.returncode} "
            f"(its whole output is in {log}):\n{tail}"
        )
