"""Transports to a simulated board: the accelerator, a board at its pins, or a board's netlist."""

from __future__ import annotations

from typing import Any

from ...spec.array import ArrayConfig
from ...spec.link import CLOCKS_PER_BIT_MIN
from ...support.errors import DeviceNotFound
from .mpsse import AHEAD, MpsseBytes
from .transport import Transport

__all__ = ["BoardTransport", "NetlistTransport", "SimulatedTransport"]

_SPI_POLL = 1.0    # seconds of computing time
_PATIENCE = 16384  # bytes of silence over SPI, after which nothing more is expected for now


class SimulatedTransport(Transport):
    """The link of a simulated board.

    Parameters
    ----------
    name : str
        The address, for messages.
    config : ArrayConfig
        The array to simulate.
    uart : bool
        Go through the UART pins bit by bit, rather than through the byte port of the link.
    traces_beside : bool
        Take traces from the cores' ports of the model, which is several times as fast as over the
        link; not with ``uart``. What they report is the same.

    Raises
    ------
    DeviceNotFound
        If the simulator is not installed.
    """

    timeout = 60.0
    poll = 1.0
    clocked = False  # an array has no clock of its own

    def __init__(
        self, name: str, config: ArrayConfig, uart: bool = False, traces_beside: bool = True
    ) -> None:
        try:
            from stablespike.sim.board.board import SimTransport
        except ImportError as error:
            raise _no_simulator(name, error) from error
        self.name = name
        self._board: Any = SimTransport(config, uart=uart)
        self.has_traces = traces_beside and not uart

    @property
    def cycles(self) -> int:
        """The clock cycles that were simulated so far."""
        return int(self._board.cycles)

    def write(self, data: bytes) -> None:
        self._board.write(data)

    def read(self, timeout: float) -> bytes:
        return bytes(self._board.read(timeout))

    def reset(self) -> None:
        self._board.reset()
        super().reset()

    def set_baud(self, baud: int) -> None:
        self._board.set_baud(baud)

    def take_traces(self) -> bytes:
        return bytes(self._board.take_traces()) if self.has_traces else b""

    def drop_traces(self) -> None:
        if self.has_traces:  # until this is called, they go over the link
            self._board.part_traces(True)

    def close(self) -> None:
        self._board.close()


class BoardTransport(SimulatedTransport):
    """A board simulated at the pins of one of its links, with all of its clocks.

    Unless a rate is requested, a UART continues at the board's own rate. ``pins`` is the board, of
    ``stablespike.sim.pins``, with its statistics.

    Parameters
    ----------
    name : str
        The address, for messages.
    board : str
        The name of a board of ``stablespike.boards``.
    kind : str
        The kind of its link.
    config : ArrayConfig or None
        Another array than the board's own.

    Raises
    ------
    ValueError
        If there is no such board, or it has no such link. The message lists what there is.
    DeviceNotFound, ToolError
        If the simulator or a tool is not installed.
    """

    timeout = 600.0
    poll = 20.0
    clocked = True

    def __init__(
        self, name: str, board: str, kind: str, config: ArrayConfig | None = None
    ) -> None:
        try:
            from stablespike.sim.pins.kinds import open_pins
        except ImportError as error:
            raise _no_simulator(name, error) from error
        self.name = name
        self._board = self.pins = open_pins(board, kind, config)
        self.own_baud = self.pins.own_baud
        # The chip at the other side of SPI carries transfers. The driver above it is the real one.
        self._bytes: Any = self._board
        if kind == "spi":
            self._bytes = MpsseBytes(self._board, name, patience=_PATIENCE)
            self._bytes.sleep_flash()
            self.ahead, self.poll = AHEAD, _SPI_POLL

    def write(self, data: bytes) -> None:
        self._bytes.write(data)

    def read(self, timeout: float) -> bytes:
        return bytes(self._bytes.read(timeout))

    def reset(self) -> None:
        self._bytes.reset()
        Transport.reset(self)

    @property
    def statistics(self) -> Any:
        """What happened on the wire so far; see ``stablespike.sim.pins``."""
        return self._board.statistics


class NetlistTransport(SimulatedTransport):
    """The netlist of a board's bitstream, simulated at the pins of its UART.

    The simulation is slow. Unless a rate is requested, it continues at the fastest possible rate.

    Parameters
    ----------
    name : str
        The address, for messages.
    board : str
        The name of a board of ``stablespike.boards``.
    config : ArrayConfig or None
        Another array than the board's own.

    Raises
    ------
    ValueError
        If there is no such board. The message lists similar names.
    DeviceNotFound, ToolError
        If the simulator or a tool is not installed.
    """

    timeout = 3600.0  # the first answers come at the default rate, with many clocks per bit
    poll = 20.0
    clocked = True

    def __init__(self, name: str, board: str, config: ArrayConfig | None = None) -> None:
        try:
            from stablespike.sim.board.board import SimTransport
            from stablespike.sim.netlist.board_netlist import board_netlist
        except ImportError as error:
            raise _no_simulator(name, error) from error
        found = board_netlist(board, config)
        clock_hz = found.board.clock_hz
        self.name = name
        self.own_baud = clock_hz // CLOCKS_PER_BIT_MIN
        self._board = SimTransport(
            found.config, uart=True, clock_hz=clock_hz, verilog=found.verilog()
        )


def _no_simulator(name: str, error: ImportError) -> DeviceNotFound:
    return DeviceNotFound(
        f"{name} needs the simulator, which is not installed ({error}): "
        "pip install 'stablespike[sim]'"
    )
