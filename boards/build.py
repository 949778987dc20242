"""A build: once for what it is made of, kept in the cache, with its report."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stablespike.spec import ArrayConfig
from stablespike.spec.link import BUILD_ID_BYTES
from stablespike.support.cache import cached, digest, source_digest
from stablespike.support.errors import DoesNotFit, TimingError, ToolError

from .board import Board, Figures
from .flow import project, synthesize
from .memory import check_fit, totals
from .netlist import memories
from .report import fmax, in_words, is_met, overfull
from .tools import Tools, versions

__all__ = ["Build", "build", "build_id"]

Progress = Callable[[str], None]

_PACKAGES = ("amaranth", "amaranth-boards")
_REPORT = "build.json"


@dataclass(frozen=True)
class Build:
    """What a build gave. Clocks in MHz, times in ns and seconds.

    Attributes
    ----------
    board, device, array : names. build_id : hex, what ``hello`` returns.
    slots_per_cycle : of the array.
    clock_mhz : what the array is clocked with. fmax_mhz : what it could be, at most.
    met : whether every clock of ``clocks``, by net (reached, wanted), can be had.
    logic_cells, luts, registers, block_rams, dsps : used. memory : blocks by kind, (used, there).
    used, available : everything the placer counts.
    critical_path : in words.
    baud : the fastest of the link.
    seed : the best one. seeds : fmax of all that were tried; None of those that failed.
    seconds : per stage. versions : of the tools.
    bitstream : the file; of a board with a vendor's tool, the folder of its project.
    project : whether it is such a folder.
    """

    board: str
    device: str
    array: str
    build_id: str
    slots_per_cycle: int
    clock_mhz: float
    fmax_mhz: float | None
    met: bool
    logic_cells: int | None
    luts: int | None
    registers: int | None
    block_rams: int | None
    dsps: int | None
    memory: dict[str, list[int]]
    clocks: dict[str, list[float]]
    used: dict[str, int]
    available: dict[str, int]
    critical_path: str
    baud: int
    seed: int | None
    seeds: dict[str, float | None]
    seconds: dict[str, float]
    versions: dict[str, str]
    bitstream: str
    project: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def build_id(board: Board, config: ArrayConfig) -> bytes:
    """What ``hello`` returns: a hash of configuration, sources, options and tool versions.

    Raises
    ------
    ToolError
        If a tool is not installed.
    """
    parts = {
        "board": {f.name: getattr(board, f.name) for f in fields(board) if f.name != "state"},
        "config": config.as_dict(),
        "versions": versions((*_PACKAGES, *board.packages)),
        "sources": source_digest("stablespike.hw", "stablespike.spec", "stablespike.boards"),
    }
    text = json.dumps(parts, sort_keys=True, default=asdict)
    return bytes.fromhex(digest(text, length=2 * BUILD_ID_BYTES))


def build(
    board: Board,
    *,
    config: ArrayConfig | None = None,
    array: str | None = None,
    seeds: int = 1,
    first_seed: int | None = None,
    jobs: int | None = None,
    allow_timing_failure: bool = False,
    progress: Progress = lambda line: None,
) -> Build:
    """The bitstream of a board, built now or found in the cache.

    Parameters
    ----------
    board : of ``boards.registry``.
    config, array : another array than the board's own, and its name.
    seeds : how many to try; the one with the fastest clock is kept.
    first_seed : the lowest of them; the board's own if None.
    jobs : how many to try at once; one per processor if None.
    allow_timing_failure : return a build that misses its clock.
    progress : told of each stage, in a line.

    Raises
    ------
    TypeError, ValueError
        If ``seeds``, ``first_seed`` or ``jobs`` is no positive integer.
    DoesNotFit
        If the device has not enough memory or logic; says by how much, and what would do.
    TimingError
        If no seed reaches the clock; names the worst path. The build is kept all the same.
    ToolError
        If a tool is missing or fails.
    """
    first = board.seed if first_seed is None else first_seed
    counts = {"seeds": seeds, "first_seed": first, "jobs": os.cpu_count() if jobs is None else jobs}
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{name} must be an integer, not {value!r}")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    config = config or board.config
    array = array or board.array
    identity = build_id(board, config)
    job = _Job(
        board, config, array, identity, range(first, first + seeds), counts["jobs"] or 1, progress
    )
    key = digest(identity, array, f"{first} {seeds}")
    folder = cached("bitstream", key, job.run)
    if not job.ran:
        progress(f"{board.name}: unchanged, build {identity.hex()} is in the cache")
    found = json.loads((folder / _REPORT).read_text())
    place = folder if found["project"] else folder / f"top.{board.bitstream}"
    result = Build(**{**found, "bitstream": str(place)})
    if not result.met and not allow_timing_failure:
        raise TimingError(
            f"{board.name} reaches {result.fmax_mhz:.1f} MHz, not {result.clock_mhz:g} MHz, with "
            f"{_count(seeds, 'seed')}; the worst path: {result.critical_path}. Try more seeds "
            "(--seeds 8), or take the bitstream as it is (--allow-timing-failure)"
        )
    return result


@dataclass
class _Job:
    board: Board
    config: ArrayConfig
    array: str
    identity: bytes
    seeds: range
    jobs: int
    progress: Progress
    ran: bool = False

    def run(self, folder: Path) -> None:
        """Everything, into a folder."""
        self.ran = True
        tools = Tools(folder)
        seconds: dict[str, float] = {}
        try:
            with _terminable():
                result = self._project(folder, seconds) if self.board.project else self._open(
                    tools, folder, seconds
                )
        except BaseException:
            tools.stop()
            raise
        (folder / _REPORT).write_text(json.dumps(result.as_dict(), indent=2) + "\n")

    def _project(self, folder: Path, seconds: dict[str, float]) -> Build:
        began = time.monotonic()
        self.progress("gateware: Amaranth to Verilog")
        rtlil = project(self.board, self.config, self.identity, folder)
        seconds["gateware"] = round(time.monotonic() - began, 1)
        return self._result(self._fit(rtlil), None, {}, seconds, {})

    def _open(self, tools: Tools, folder: Path, seconds: dict[str, float]) -> Build:
        board = self.board
        memory: dict[str, list[int]] = {}

        def stage(name: str, work: Callable[[], Any]) -> Any:
            began = time.monotonic()
            try:
                return work()
            finally:
                seconds[name] = round(time.monotonic() - began, 1)

        def elaborated(text: str) -> None:
            memory.update(self._fit(text))
            self.progress(f"synthesis: yosys for {board.device}")

        self.progress(f"gateware: {self.config.slots} slots per cycle, build {self.identity.hex()}")
        stage("synthesis", lambda: synthesize(
            board, folder, self.config, self.identity, tools, elaborated
        ))
        cells = _cells(folder, board)
        self.progress(
            f"place and route: {_count(len(self.seeds), 'seed')}, "
            f"{min(self.jobs, len(self.seeds))} at once, for {board.clock_hz / 1e6:g} MHz"
        )
        tried = stage("place and route", lambda: self._place(tools))
        # Of equals the lowest seed, whichever was done first.
        best = max((tried[seed] for seed in sorted(tried) if tried[seed]), key=fmax)
        self.progress(f"bitstream: seed {best.seed}")
        stage("bitstream", lambda: board.pack(tools, best.seed))
        return self._result(memory, best, tried, seconds, cells)

    def _fit(self, rtlil: str) -> dict[str, list[int]]:
        """Blocks of memory needed and there, by kind."""
        from .registry import BOARDS

        board = self.board
        found = check_fit(
            f"the array {self.array} on {board.name} ({board.device})", memories(rtlil), board.ram,
            board.memory, self.config.weight_rows,
            [(other.name, other.ram, other.memory) for other in BOARDS.values() if other != board],
        )
        counts = totals(found)
        return {kind: [counts.get(kind, 0), there] for kind, there in board.memory.items()}

    def _place(self, tools: Tools) -> dict[int, Figures | None]:
        """Figures of every seed; None of those the tool gave up on."""
        tried: dict[int, Figures | None] = {}
        errors: list[ToolError] = []
        with ThreadPoolExecutor(self.jobs) as pool:
            futures: dict[Future[Figures], int] = {
                pool.submit(self.board.place, tools, seed): seed for seed in self.seeds
            }
            try:
                for future in as_completed(futures):
                    seed = futures[future]
                    try:
                        tried[seed] = figures = future.result()
                    except ToolError as error:
                        tried[seed] = None
                        errors.append(error)
                        self.progress(f"seed {seed}: failed")
                    else:
                        self.progress(
                            f"seed {seed}: {fmax(figures):.1f} MHz in {figures.seconds:.0f} s"
                        )
            except BaseException:
                tools.stop()
                pool.shutdown(cancel_futures=True)
                raise
        if len(errors) == len(tried):
            self._check_logic(tools.folder / f"{self.seeds[0]}.log")
            raise errors[0]
        return tried

    def _check_logic(self, log: Path) -> None:
        """Refuse what the placer counted too much of."""
        short = overfull(log.read_text()) if log.is_file() else {}
        if short:
            counts = ", ".join(
                f"{used} {name} of {there}, {used - there} too many"
                for name, (used, there) in short.items()
            )
            raise DoesNotFit(
                f"the array {self.array} on {self.board.name} ({self.board.device}) does not fit: "
                f"it needs {counts}; choose an array with fewer lanes, cores or options, or a "
                "larger device ('stablespike boards' lists them)"
            )

    def _result(
        self,
        memory: dict[str, list[int]],
        best: Figures | None,
        tried: dict[int, Figures | None],
        seconds: dict[str, float],
        cells: dict[str, int],
    ) -> Build:
        board = self.board
        logic = None
        if best:
            logic = sum(best.used.get(name, 0) for name in board.logic_cells)
        return Build(
            board=board.name,
            device=board.device,
            array=self.array,
            build_id=self.identity.hex(),
            slots_per_cycle=self.config.slots,
            clock_mhz=board.clock_hz / 1e6,
            fmax_mhz=round(fmax(best), 2) if best else None,
            met=is_met(best) if best else True,
            logic_cells=logic,
            luts=cells.get("luts"),
            registers=cells.get("registers"),
            block_rams=cells.get("block_rams"),
            dsps=cells.get("dsps"),
            memory=memory,
            clocks={
                name: [round(reached, 2), round(wanted, 2)]
                for name, (reached, wanted) in (best.clocks if best else {}).items()
            },
            used=best.used if best else {},
            available=best.available if best else {},
            critical_path=in_words(best) if best else "",
            baud=board.baud,
            seed=best.seed if best else None,
            seeds={
                str(seed): round(fmax(each), 2) if each else None
                for seed, each in sorted(tried.items())
            },
            seconds={**seconds, "all": round(sum(seconds.values()), 1)},
            versions=versions((*_PACKAGES, *board.packages)),
            bitstream=f"top.{board.bitstream}" if best else ".",
            project=bool(board.project),
        )


@contextmanager
def _terminable() -> Iterator[None]:
    """Makes SIGTERM an exception, so that the tools end with this process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _cells(folder: Path, board: Board) -> dict[str, int]:
    """What the netlist is made of, by the board's names."""
    found = json.loads((folder / "cells.json").read_text())["design"]["num_cells_by_type"]
    return {
        name: sum(count for kind, count in found.items() if re.match(pattern, kind))
        for name, pattern in board.cells.items()
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")
