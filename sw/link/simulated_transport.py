"""Transports to the simulated board: the accelerator's gateware, or a board's netlist."""

from __future__ import annotations

from typing import Any

from ..spec.array import ArrayConfig
from ..spec.link import CLOCKS_PER_BIT_MIN
from ..support.errors import DeviceNotFound
from .transport import Transport

__all__ = ["NetlistTransport", "SimulatedTransport"]


class SimulatedTransport(Transport):
    """The simulated board's link; ``cycles`` is its clock.

    Parameters
    ----------
    name : the address, for messages.
    config : the array to simulate.
    uart : go through the UART pins, bit by bit, rather than the link's bytes.

    Raises
    ------
    DeviceNotFound
        If the simulator is not installed.
    """

    timeout = 60.0
    poll = 1.0

    def __init__(self, name: str, config: ArrayConfig, uart: bool = False) -> None:
        try:
            from stablespike.sim.board.board import SimTransport
        except ImportError as error:
            raise _no_simulator(name, error) from error
        self.name = name
        self._board: Any = SimTransport(config, uart=uart)

    @property
    def cycles(self) -> int:
        """Clock cycles simulated so far."""
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

    def close(self) -> None:
        self._board.close()


class NetlistTransport(SimulatedTransport):
    """The netlist of a board's bitstream, simulated at its UART's pins.

    Slow, so it goes on at six clocks a bit where no rate is asked for.

    Parameters
    ----------
    name : the address, for messages.
    board : of ``stablespike.boards``.
    config : of another array than the board's own.

    Raises
    ------
    ValueError
        If there is no such board; lists the near names.
    DeviceNotFound, ToolError
        If the simulator or a tool is not installed.
    """

    timeout = 3600.0  # the first answers come at the default rate
    poll = 20.0

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
