"""Builds of bitstreams: each is made once and then kept in the cache, with its report."""

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
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from stablespike.spec import ArrayConfig
from stablespike.spec.link import BUILD_ID_BYTES
from stablespike.support.arrays import ARRAY_FILE, array_file_line
from stablespike.support.cache import cached, digest, source_digest
from stablespike.support.errors import DoesNotFit, TimingError, ToolError

from .board import Board, Figures
from .flow import project, synthesize
from .links.link import BoardLink
from .memory import check_fit, totals
from .netlist import memories
from .registry import BOARDS
from .report import fmax, headroom, in_words, is_met, overfull
from .tools import Tools, versions

__all__ = ["Build", "Trials", "build", "build_id", "built"]

Progress = Callable[[str], None]

_PACKAGES = ("amaranth", "amaranth-boards")
_REPORT = "build.json"


@dataclass(frozen=True)
class Build:
    """Results of a build. Those of place and route are None or empty for a vendor's project.

    Attributes
    ----------
    board : str
        Name of the board.
    device : str
        Part number of its FPGA.
    array : str
        Name of the array.
    build_id : str
        Build ID in hex, as the device reports it.
    slots_per_cycle : int
        Synaptic slots of the array per clock cycle.
    clock_mhz : float
        Clock rate of the array.
    fmax_mhz : float or None
        Highest clock rate of the array that place and route found possible.
    met : bool
        Whether every clock reaches its requested rate.
    logic_cells : int or None
        Logic cells used, as the placer counts them.
    luts : int or None
        LUTs of the netlist.
    registers : int or None
        Registers of the netlist.
    block_rams : int or None
        Block RAMs of the netlist.
    dsps : int or None
        Multipliers of the netlist.
    memory : dict of str to list of int
        Memory blocks needed and available, by kind.
    clocks : dict of str to list of float
        Rate reached and rate requested of each clock net, in MHz.
    used : dict of str to int
        Cells used, by nextpnr's names.
    available : dict of str to int
        Cells of the device, by the same names.
    critical_path : str
        Critical path in words, delays in ns.
    link : str
        Kind of the link.
    address : str
        Address of the device, with ``PORT`` where only the user knows.
    baud : int or None
        Highest baud rate; None if the link is no UART.
    seed : int or None
        Seed of this bitstream: the one whose clocks have the most headroom.
    seeds : dict of str to (float or None)
        ``fmax_mhz`` of each seed tried; None where place and route failed.
    seconds : dict of str to float
        Run time of each stage.
    versions : dict of str to str
        Versions of the tools.
    bitstream : str
        Path of the bitstream, or of the folder of a vendor's project.
    project : bool
        Whether ``bitstream`` is the folder of a vendor's project.
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
    link: str
    address: str
    baud: int | None
    seed: int | None
    seeds: dict[str, float | None]
    seconds: dict[str, float]
    versions: dict[str, str]
    bitstream: str
    project: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Trials:
    """How many seeds of the placer a build tries.

    Attributes
    ----------
    seeds : int
        Number of seeds; the bitstream whose clocks have the most headroom is kept.
    first_seed : int or None
        Lowest seed; the board's own if None.
    jobs : int or None
        Seeds tried at the same time; one per processor if None.

    Raises
    ------
    TypeError, ValueError
        If a value is not a positive integer.
    """

    seeds: int = 1
    first_seed: int | None = None
    jobs: int | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None and each.name != "seeds":
                continue
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{each.name} must be an integer, not {value!r}")
            if value < 1:
                raise ValueError(f"{each.name} must be at least 1, not {value}")


def build_id(board: Board, config: ArrayConfig, link: BoardLink | None = None) -> bytes:
    """The build ID that the device reports.

    It is a hash of the configuration, the board, the link, the sources and the versions of the
    tools.

    The link is the board's default one if None.

    Raises
    ------
    ToolError
        If a tool is not installed.
    """
    link = link or board.link()
    parts = {
        "board": {
            f.name: getattr(board, f.name)
            for f in fields(board) if f.name not in ("links", "state")
        },
        "link": {"kind": link.kind, **asdict(link)},
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
    link: str | BoardLink | None = None,
    trials: Trials = Trials(),
    allow_timing_failure: bool = False,
    progress: Progress = lambda line: None,
) -> Build:
    """Build the bitstream of a board, or find it in the cache.

    Parameters
    ----------
    board : Board
        A board of ``boards.registry``.
    config : ArrayConfig, optional
        Another array than the board's own.
    array : str, optional
        Name of that array.
    link : str or BoardLink, optional
        Kind of a link of the board, or one of its links with other settings; its default link if
        None.
    trials : Trials
        Seeds to try.
    allow_timing_failure : bool
        Whether to return a build that misses its clock.
    progress : callable
        Called with a line of text at each stage.

    Returns
    -------
    Build
        The build whose clocks have the most headroom.

    Raises
    ------
    ValueError
        If the board has no such link.
    DoesNotFit
        If the device has too little memory or logic; says how much is missing and what would fit.
    TimingError
        If no seed reaches the clock; names the worst path. The build stays in the cache.
    ToolError
        If a tool is missing or fails.
    """
    config = config or board.config
    array = array or board.array
    first = board.seed if trials.first_seed is None else trials.first_seed
    chosen = link if isinstance(link, BoardLink) else board.link(link)
    identity = build_id(board, config, chosen)
    job = _Job(
        board, config, array, chosen, identity, range(first, first + trials.seeds),
        trials.jobs or os.cpu_count() or 1, progress,
    )
    # ``jobs`` is left out: it changes how long a build takes, not what it makes.
    key = digest(identity, array, f"{first} {trials.seeds}")
    folder = cached("bitstream", key, job.run)
    if not job.ran:
        progress(f"{board.name}: unchanged, build {identity.hex()} is in the cache")
    found = json.loads((folder / _REPORT).read_text())
    # The report was written in a folder that the cache renamed when the build was complete.
    bitstream = folder if found["project"] else folder / f"top.{board.bitstream}"
    result = Build(**{**found, "bitstream": str(bitstream)})
    if not result.met and not allow_timing_failure:
        raise TimingError(
            f"{board.name} reaches {_missed(result)}, with "
            f"{_count(trials.seeds, 'seed')}; the worst path: {result.critical_path}. Try more "
            "seeds (--seeds 8), or accept the bitstream with --allow-timing-failure"
        )
    return result


class _NotBuiltError(Exception):
    """The cache has no such build."""


def built(board: Board) -> Build | None:
    """The build of a board with its own array and link, if the cache has it.

    Raises
    ------
    ToolError
        If a tool is not installed.
    """
    def refuse(folder: Path) -> None:
        raise _NotBuiltError

    trials = f"{board.seed} {Trials().seeds}"
    key = digest(build_id(board, board.config), board.array, trials)
    try:
        folder = cached("bitstream", key, refuse)
    except _NotBuiltError:
        return None
    return Build(**json.loads((folder / _REPORT).read_text()))


@dataclass
class _Job:
    """One build; ``ran`` tells whether it ran or the cache had its result."""

    board: Board
    config: ArrayConfig
    array: str
    link: BoardLink
    identity: bytes
    seeds: range
    jobs: int
    progress: Progress
    ran: bool = False

    def run(self, folder: Path) -> None:
        """Run all stages, in a folder that is empty."""
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
        rtlil = project(self.board, self.config, self.identity, self.link, folder)
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

        # Memories are counted before yosys runs: it takes minutes to find out that they do not fit.
        def elaborated(text: str) -> None:
            memory.update(self._fit(text))
            self.progress(f"synthesis: yosys for {board.device}")

        self.progress(f"gateware: {self.config.slots} slots per cycle, build {self.identity.hex()}")
        stage("synthesis", lambda: synthesize(
            board, folder, self.config, self.identity, tools, elaborated, self.link
        ))
        cells = _cells(folder, board)
        self.progress(
            f"place and route: {_count(len(self.seeds), 'seed')}, "
            f"{min(self.jobs, len(self.seeds))} at once, for {board.clock_hz / 1e6:g} MHz"
        )
        tried = stage("place and route", lambda: self._place(tools))
        # Among equally fast seeds the lowest wins, not the one that finished first.
        best = max((tried[seed] for seed in sorted(tried) if tried[seed]), key=headroom)
        self.progress(f"bitstream: seed {best.seed}")
        stage("bitstream", lambda: board.pack(tools, best.seed))
        return self._result(memory, best, tried, seconds, cells)

    def _fit(self, rtlil: str) -> dict[str, list[int]]:
        """Memory blocks needed and available, by kind.

        Raises
        ------
        DoesNotFit
            If there are too few.
        """
        board = self.board
        found = check_fit(
            f"the array {self.array} on {board.name} ({board.device})", memories(rtlil), board.ram,
            board.memory, self.config.weight_rows,
            [(other.name, other.ram, other.memory) for other in BOARDS.values() if other != board],
            self._command,
        )
        counts = totals(found)
        return {kind: [counts.get(kind, 0), there] for kind, there in board.memory.items()}

    def _command(self, board: str | None, weight_rows: int) -> str:
        """The command that builds the array with so many weight rows for a board, this one if
        None."""
        name, config = board or self.board.name, replace(self.config, weight_rows=weight_rows)
        link = "" if board or self.link == self.board.link() else f" --link {self.link.kind}"
        command = f"stablespike build {name} --array {ARRAY_FILE}{link}"
        return f"{array_file_line(config)} && {command}"

    def _place(self, tools: Tools) -> dict[int, Figures | None]:
        """Figures of every seed; None for those that nextpnr gave up on.

        Raises
        ------
        ToolError
            If nextpnr gave up on all of them.
        """
        tried: dict[int, Figures | None] = {}
        errors: list[ToolError] = []
        with ThreadPoolExecutor(self.jobs) as pool:
            futures: dict[Future[Figures], int] = {
                pool.submit(self.board.place, tools, seed): seed for seed in self.seeds
            }
            try:
                for future in as_completed(futures):
                    seed, error = futures[future], future.exception()
                    if isinstance(error, ToolError):
                        tried[seed] = None
                        errors.append(error)
                        self.progress(f"seed {seed}: failed")
                    else:
                        tried[seed] = figures = future.result()
                        self.progress(
                            f"seed {seed}: {self._fmax(figures):.1f} MHz in {figures.seconds:.0f} s"
                        )
            except BaseException:
                # Otherwise the pool would wait here for tools that may run for an hour.
                tools.stop()
                pool.shutdown(cancel_futures=True)
                raise
        if len(errors) == len(tried):
            self._check_logic(tools.folder / f"{self.seeds[0]}.log")
            raise errors[0]
        return tried

    def _fmax(self, figures: Figures) -> float:
        return fmax(figures, self.board.clock_hz / 1e6)

    def _check_logic(self, log: Path) -> None:
        """Say which cells are too many, if the placer's log counts any."""
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
            fmax_mhz=round(self._fmax(best), 2) if best else None,
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
            link=self.link.kind,
            address=self.link.address(board),
            baud=self.link.baud(board),
            seed=best.seed if best else None,
            seeds={
                str(seed): round(self._fmax(each), 2) if each else None
                for seed, each in sorted(tried.items())
            },
            seconds={**seconds, "all": round(sum(seconds.values()), 1)},
            versions=versions((*_PACKAGES, *board.packages)),
            bitstream=f"top.{board.bitstream}" if best else ".",
            project=bool(board.project),
        )


def _missed(result: Build) -> str:
    """The rates that are too low, in words."""
    return " and ".join(
        f"{reached:.1f} MHz, not {wanted:g} MHz, at the clock {name}"
        for name, (reached, wanted) in result.clocks.items() if reached < wanted
    )


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that the tools end with this process."""
    # Python allows signal handlers in the main thread only.
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
    """Cells of the netlist, added up by the names in ``board.cells``."""
    found = json.loads((folder / "cells.json").read_text())["design"]["num_cells_by_type"]
    return {
        name: sum(count for kind, count in found.items() if re.match(pattern, kind))
        for name, pattern in board.cells.items()
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")
