"""The simulated board: a native library made of the gateware, behind a byte transport."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import (
    BAUD_DEFAULT,
    BIT_PARTS,
    BREAK_BITS,
    CLOCKS_PER_BIT_MIN,
    bit_time,
)
from stablespike.support.errors import LinkError

from .model import COMPILE, QUICK, load_library, model_library
from .verilog import accelerator_verilog

__all__ = ["CLOCK_HZ", "SimTransport", "board_library"]

CLOCK_HZ = 24_000_000
"""Clock rate that the simulated board reports; every preset is meant to reach it."""

_HARNESS = Path(__file__).with_name("board.cpp")

# All in clocks, except for the last one.
_IDLE = 200_000   # without output: nothing more is then expected for now
_SLICE = 100_000  # between two checks of the time, and of Ctrl-C
_QUIET = 200      # without a byte: this ends a batch of output
_GATHER = 512     # longest batch, because the answers of the host must not wait for long
_ROOM = 1 << 16   # bytes of the output buffer


def board_library(
    verilog: str,
    *,
    uart: bool = False,
    words: bool = False,
    faults: bool = False,
    traces: int = 0,
    compile_flags: tuple[str, ...] = COMPILE,
) -> Path:
    """Build the native library of a top module ``board``, or find it in the cache.

    Parameters
    ----------
    verilog : str
        Text as ``board_verilog`` returns it, or a netlist with pins of these names and with
        ``rx_ready``, whose clocks are the rising edges of ``clock``.
    uart : bool
        Whether the module has the UART's pins rather than streams.
    words : bool
        Whether the streams carry words of two bytes rather than bytes.
    faults : bool
        Whether the module has a pin ``fault``.
    traces : int
        The ports of traces that the module has, one for each core.
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
    edges = "@(edge " in verilog
    given = {"UART": uart, "WORDS": words, "FAULTS": faults, "EDGES": edges}
    defines = tuple(f"-DBOARD_{name}" for name, there in given.items() if there)
    defines += (f"-DBIT_PARTS={BIT_PARTS}",) * uart
    if traces:
        defines += ("-DBOARD_TRACES=" + " ".join(f"X({core})" for core in range(traces)),)
    harness = {_HARNESS.name: _HARNESS.read_bytes()}
    return model_library(verilog, harness, defines=defines, compile_flags=compile_flags)


class _Library:
    """Functions of a board's library, with their types."""

    def __init__(self, path: Path, uart: bool, faults: bool, traces: bool) -> None:
        library = load_library(path)
        handle, count = ctypes.c_void_p, ctypes.c_uint64
        where = ctypes.POINTER(ctypes.c_uint64)
        self.create = library.board_create
        self.create.restype = handle
        self.destroy = library.board_destroy
        self.destroy.argtypes, self.destroy.restype = [handle], None
        self.cycles = library.board_cycles
        self.cycles.argtypes, self.cycles.restype = [handle], count
        self.run = library.board_run
        self.run.argtypes = [
            handle, ctypes.c_char_p, count, where, ctypes.c_char_p, count, where, *[count] * 4
        ]
        self.run.restype = count
        if faults:
            self.set_fault = library.board_set_fault
            self.set_fault.argtypes, self.set_fault.restype = [handle, ctypes.c_uint32], None
        if traces:
            self.traces_apart = library.board_traces_apart
            self.traces_apart.argtypes, self.traces_apart.restype = [handle, ctypes.c_uint32], None
            self.traces = library.board_traces
            self.traces.argtypes, self.traces.restype = [handle], count
            self.take_traces = library.board_take_traces
            self.take_traces.argtypes, self.take_traces.restype = [handle, ctypes.c_void_p], None
        if uart:
            self.set_divisor = library.board_set_divisor
            self.set_divisor.argtypes, self.set_divisor.restype = [handle, ctypes.c_uint32], None
            self.send_break = library.board_break
            self.send_break.argtypes, self.send_break.restype = [handle, count], None


class SimTransport:
    """Carries bytes to and from a simulated board, whose clock runs only inside ``read``.

    Parameters
    ----------
    config : ArrayConfig
        Configuration of the array.
    uart : bool
        Whether bytes go through the UART's pins, bit by bit, rather than the link's byte streams.
    clock_hz : int
        Clock rate that the board reports. With ``uart``, baud rates are divided down from it.
    verilog : str, optional
        Other gateware with the same pins, as ``board_verilog`` returns it.
    quick : bool
        Whether to compile without optimization, for runs shorter than a compilation.
    fault : int, optional
        For a netlist with faults built in: the fault that is present, 0 for none.
    idle : int
        Clocks without output after which nothing more is expected for now.

    Attributes
    ----------
    name : str
        Name for messages.

    Raises
    ------
    ToolError
        If the gateware cannot be built on this machine; names what is missing.
    """

    def __init__(
        self,
        config: ArrayConfig,
        uart: bool = False,
        *,
        clock_hz: int = CLOCK_HZ,
        verilog: str | None = None,
        quick: bool = False,
        fault: int | None = None,
        idle: int = _IDLE,
    ) -> None:
        self.name = "the simulated board"
        self._handle: int | None = None
        traces = config.cores if verilog is None and not uart else 0
        if verilog is None:
            verilog = accelerator_verilog(config, uart=uart, clock_hz=clock_hz)
        faulty = fault is not None
        library = board_library(
            verilog, uart=uart, words=config.link_bytes > 1 and not uart, faults=faulty,
            traces=traces,
            compile_flags=QUICK if quick else COMPILE,
        )
        self._library = _Library(library, uart, faulty, traces > 0)
        self._uart, self._clock_hz, self._idle = uart, clock_hz, idle
        self._handle = self._library.create()
        if fault is not None:
            self._library.set_fault(self._handle, fault)
        self._pending = b""
        self._out = ctypes.create_string_buffer(_ROOM)
        self._final_cycles = 0
        self._bit = 1  # clocks
        if uart:
            self.set_baud(BAUD_DEFAULT)

    @property
    def cycles(self) -> int:
        """Clock cycles since the board was made."""
        if self._handle is None:
            return self._final_cycles
        return int(self._library.cycles(self._handle))

    def write(self, data: bytes) -> None:
        """Queue bytes, which are sent while ``read`` runs the clock."""
        self._open()
        self._pending += bytes(data)

    def read(self, timeout: float) -> bytes:
        """Run the clock until the board sends, and for as long as more bytes follow closely.

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
        handle = self._open()
        deadline = time.monotonic() + timeout
        # At the UART's pins a byte takes 10 bits, so the limits are multiples of a bit.
        bit = self._bit
        quiet, gather = (_QUIET, _GATHER) if not self._uart else (24 * bit, 400 * bit)
        idle, ran = max(self._idle, 100 * bit), 0
        taken, came = ctypes.c_uint64(), ctypes.c_uint64()
        while time.monotonic() < deadline:
            limit = min(_SLICE, idle)
            ran += self._library.run(
                handle, self._pending, len(self._pending), taken, self._out, _ROOM, came,
                _SLICE, limit, quiet, gather,
            )
            if taken.value:
                self._pending = self._pending[taken.value:]
                ran = 0
            if came.value:
                return self._out.raw[: came.value]
            if not self._pending and ran >= idle:
                break
        return b""

    def reset(self) -> None:
        """Discard queued bytes; with ``uart``, also send a break and return to the default rate."""
        handle = self._open()
        self._pending = b""
        if self._uart:
            self.set_baud(BAUD_DEFAULT)
            self._library.send_break(handle, 4 * BREAK_BITS * self._bit)

    def set_baud(self, baud: int) -> None:
        """Change the baud rate, from the next byte on.

        Raises
        ------
        LinkError
            If there is no UART, or the clock of the board is too slow for the rate.
        """
        handle = self._open()
        if not self._uart:
            raise LinkError(f"{self.name} has no baud rate to change to {baud}: add ?uart=1")
        parts = bit_time(self._clock_hz, baud)
        if parts < BIT_PARTS * CLOCKS_PER_BIT_MIN:
            raise LinkError(
                f"{self.name} cannot be set to {baud} baud: at {self._clock_hz} Hz at most "
                f"{self._clock_hz // CLOCKS_PER_BIT_MIN}"
            )
        self._bit = -(-parts // BIT_PARTS)
        self._library.set_divisor(handle, parts)

    def part_traces(self, apart: bool) -> None:
        """Keep packets of traces for ``take_traces`` from now on, or send them over the link. What
        was kept is dropped. No window may be under way. Only with the array's own gateware, and
        not with ``uart``."""
        self._library.traces_apart(self._open(), apart)

    def take_traces(self) -> bytes:
        """The packets of traces that were kept since the last call (``spec.report``), each whole;
        those of a core are in order."""
        handle = self._open()
        words = self._library.traces(handle)
        taken = ctypes.create_string_buffer(2 * words)
        self._library.take_traces(handle, taken)
        return taken.raw

    def close(self) -> None:
        """Free the model. Closing it again does nothing."""
        if self._handle is not None:
            self._final_cycles = self.cycles
            self._library.destroy(self._handle)
            self._handle = None

    def __del__(self) -> None:
        # The model is C++ memory, which Python's collector does not know about.
        self.close()

    def _open(self) -> int:
        if self._handle is None:
            raise LinkError(f"{self.name} is closed: open the device again")
        return self._handle
