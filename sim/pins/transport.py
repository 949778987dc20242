"""The transport to a board simulated at its pins: what all kinds of links have in common."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from stablespike.boards.board import Board
from stablespike.boards.links.link import BoardLink
from stablespike.sim.board.model import COMPILE, QUICK, load_library, model_library
from stablespike.spec.array import ArrayConfig
from stablespike.support.errors import LinkError

from .design import Design, board_design

__all__ = ["PinsTransport", "Statistics"]

_FOLDER = Path(__file__).parent
_HARNESS = ("pins.cpp", "side.h")
_ROOM = 1 << 16         # bytes of a read
_IDLE_CYCLES = 200_000  # of the array, without output: nothing more is then expected for now
_SECOND = 10**12        # in ps


@dataclass(frozen=True)
class Statistics:
    """What happened on a simulated link so far; pairs are to the board and from it.

    Attributes
    ----------
    picoseconds : int
        Simulated time.
    cycles : int
        Cycles of the array's clock.
    wire_bytes : tuple of int
        Bytes on the wire with all that the wire adds to those of the link.
    occupied : tuple of int
        Time in ps in which the wire carried them.
    """

    picoseconds: int
    cycles: int
    wire_bytes: tuple[int, int]
    occupied: tuple[int, int]


class PinsTransport:
    """Carries bytes to and from a board simulated at its pins; time passes only inside ``read``.

    Each kind of link is a subclass. Its peer, the other side of the wire, is written in C++.

    Parameters
    ----------
    board : Board
        The board.
    link : BoardLink
        One of its links.
    config : ArrayConfig, optional
        Another array than the board's own.
    quick : bool
        Whether to compile without optimization, for runs shorter than a compilation.
    design : Design, optional
        Other gateware with the same pins.

    Attributes
    ----------
    name : str
        Name for messages.
    clock_hz : int
        Clock rate of the array.
    own_baud : int or None
        Highest baud rate of the board's link, if it has one.

    Raises
    ------
    ToolError
        If the gateware cannot be built on this machine; names what is missing.
    """

    shared: ClassVar[bool] = False
    """Whether both directions take turns on the wire."""
    headers: ClassVar[tuple[str, ...]] = ()
    """Files in ``peers/`` that the peer includes."""
    quiet: ClassVar[int] = 2_000_000
    """Time in ps without a byte that ends a batch of output."""
    gather: ClassVar[int] = 20_000_000
    """Longest batch in ps, because the answers of the host must not wait for long."""

    def __init__(
        self,
        board: Board,
        link: BoardLink,
        config: ArrayConfig | None = None,
        *,
        quick: bool = False,
        design: Design | None = None,
    ) -> None:
        self.name, self.own_baud = f"the simulated {board.name}", link.baud(board)
        self._handle: int | None = None
        self._rate = link.rate(board)
        design = design or board_design(board, link, config or board.config)
        harness = {name: (_FOLDER / name).read_bytes() for name in _HARNESS}
        peer = self.peer(design)
        for name in (peer, *self.headers):
            harness[name] = (_FOLDER / "peers" / name).read_bytes()
        harness["model.h"] = _model_header(design, peer).encode()
        path = model_library(
            design.verilog, harness, compile_flags=QUICK if quick else COMPILE
        )
        self._library = load_library(path)
        number, handle = ctypes.c_uint64, ctypes.c_void_p
        self._create = self.function("pins_create", result=handle)
        self._destroy = self.function("pins_destroy", handle)
        self._write = self.function("pins_write", handle, ctypes.c_char_p, number)
        self._read = self.function("pins_read", handle, ctypes.c_char_p, number, result=number)
        self._clear = self.function("pins_clear", handle)
        self._run = self.function("pins_run", handle, *[number] * 4, result=ctypes.c_int)
        self._set_latency = self.function("pins_set_latency", handle, number)
        self._advance = self.function("pins_advance", handle, number)
        self._statistics = self.function(
            "pins_statistics", handle, ctypes.POINTER(ctypes.c_uint64)
        )
        self._out = ctypes.create_string_buffer(_ROOM)
        self.clock_hz = board.clock_hz
        self._handle = self._create()
        self._last = self.statistics

    def peer(self, design: Design) -> str:
        """File name of the peer in ``peers/``, for a design with these pins."""
        raise NotImplementedError

    def function(self, name: str, *arguments: Any, result: Any = None) -> Callable[..., Any]:
        """A function of the library, with its C types."""
        found = getattr(self._library, name)
        found.argtypes, found.restype = list(arguments), result
        return found  # type: ignore[no-any-return]

    @property
    def handle(self) -> int:
        """The board in the library, the first argument of its functions.

        Raises
        ------
        LinkError
            If the board is closed.
        """
        if self._handle is None:
            raise LinkError(f"{self.name} is closed: open the device again")
        return self._handle

    @property
    def statistics(self) -> Statistics:
        """What happened so far; after closing, until then."""
        if self._handle is not None:
            values = (ctypes.c_uint64 * 6)()
            self._statistics(self._handle, values)
            time, cycles, *wire = values
            self._last = Statistics(time, cycles, (wire[0], wire[1]), (wire[2], wire[3]))
        return self._last

    @property
    def cycles(self) -> int:
        """Clock cycles of the array since the board was made."""
        return self.statistics.cycles

    @property
    def wire_rate(self) -> float:
        """Bytes per second that the wire carries each way, or both ways together if shared."""
        return self._rate / 8

    @property
    def idle(self) -> int:
        """Time in ps of silence after which the board probably waits for more."""
        return _IDLE_CYCLES * _SECOND // self.clock_hz

    def write(self, data: bytes) -> None:
        """Queue bytes, which are sent while ``read`` lets time pass."""
        self._write(self.handle, bytes(data), len(data))

    def set_latency(self, picoseconds: int) -> None:
        """Set the time from ``write`` until the wire may carry the bytes: 0 until it is set."""
        self._set_latency(self.handle, picoseconds)

    def read(self, timeout: float) -> bytes:
        """Let time pass until the board sends, and for as long as more bytes follow closely.

        Parameters
        ----------
        timeout : float
            Seconds of real time; 0 returns at once, with nothing.

        Returns
        -------
        bytes
            Bytes sent by the board. None after ``timeout``, or once the board has taken all input
            and then been silent for so long that it probably waits for more.
        """
        handle = self.handle
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            silent = self._run(handle, self.idle, self.idle, self.quiet, self.gather)
            if came := self._read(handle, self._out, _ROOM):
                return self._out.raw[:came]
            if silent:
                break
        return b""

    def run(self, picoseconds: int) -> None:
        """Let time pass."""
        self._advance(self.handle, picoseconds)

    def reset(self) -> None:
        """Discard queued bytes."""
        self._clear(self.handle)

    def set_baud(self, baud: int) -> None:
        """Change the rate.

        Raises
        ------
        LinkError
            If there is none.
        """
        raise LinkError(f"{self.name} has no baud rate to change to {baud}: leave ?baud= out")

    def close(self) -> None:
        """Free the model. Closing it again does nothing."""
        if self._handle is not None:
            self._last = self.statistics
            self._destroy(self._handle)
            self._handle = None

    def __del__(self) -> None:
        # The model is C++ memory, which Python's collector does not know about.
        self.close()


def _model_header(design: Design, peer: str) -> str:
    """What the harness must know about a model: its clocks and its peer."""
    clocks = ", ".join(
        f"pins::Clock({clock.hertz}u, {clock.part}u, {clock.first}u)" for clock in design.clocks
    )
    cases = "".join(
        f"        case {index}: top.{clock.port} = level; break;\n"
        for index, clock in enumerate(design.clocks)
    )
    return (
        f'#include "{peer}"\n\n'
        f"#define PINS_CLOCKS {clocks}\n"
        f"constexpr int CLOCKS = {len(design.clocks)}, SYNC = {design.sync};\n\n"
        "inline void set_clock(Vboard& top, int clock, bool level) {\n"
        f"    switch (clock) {{\n{cases}    }}\n}}\n"
    )
