"""The netlist of a board, ready for the simulated board."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stablespike.boards.board import Board
from stablespike.boards.build import build_id
from stablespike.boards.flow import synthesize
from stablespike.boards.registry import board as find_board
from stablespike.spec import ArrayConfig
from stablespike.support.cache import cached, digest
from stablespike.support.errors import ToolError

from .cells import FAMILIES
from .netlist import Netlist, netlist_verilog, read_netlist

__all__ = ["BoardNetlist", "board_netlist", "released"]

_FILE = "top.json"


@dataclass(frozen=True)
class BoardNetlist:
    """The netlist of a board.

    Attributes
    ----------
    board : Board
        The board.
    config : ArrayConfig
        Configuration of its array.
    sha256 : str
        Hash of the file that nextpnr takes.
    netlist : Netlist
        Content of that file.
    """

    board: Board
    config: ArrayConfig
    sha256: str
    netlist: Netlist

    def verilog(self, netlist: Netlist | None = None) -> str:
        """Verilog for the simulated board, with UART pins.

        Parameters
        ----------
        netlist : Netlist, optional
            Another netlist with the same ports.

        Raises
        ------
        ToolError
            If the netlist cannot be simulated faithfully.
        """
        platform = self.board.platform()
        pins = {
            "clock": f"{platform.default_clk}_0__io",
            "rx": "uart_0__rx__io",
            "tx": "uart_0__tx__io",
        }
        levels = {} if self.board.reset is None else released(platform, self.board.reset)
        return netlist_verilog(netlist or self.netlist, pins, levels)


def released(platform: Any, resource: str) -> dict[str, int]:
    """Level of a button that is not pressed, by the name of its port."""
    numbered, _, signal = resource.partition(".")
    name, _, number = numbered.partition(":")
    found = platform.lookup(name, int(number))
    for each in found.ios:
        if signal and each.name == signal:
            return {f"{name}_{number}__{signal}__io": int(each.ios[0].invert)}
    return {f"{name}_{number}__io": int(found.ios[0].invert)}


def board_netlist(name: str, config: ArrayConfig | None = None) -> BoardNetlist:
    """Synthesize the gateware of a board as its build does, or find the netlist in the cache.

    Parameters
    ----------
    name : str
        Name of the board.
    config : ArrayConfig, optional
        Another array than the board's own.

    Raises
    ------
    ValueError
        If there is no such board; lists similar names.
    ToolError
        If a tool is missing or fails, or there are no models for the cells of the device.
    """
    board = find_board(name)
    if board.family not in FAMILIES:
        raise ToolError(
            f"the netlist of {name} cannot be simulated: there are models for the cells of "
            f"{' and '.join(FAMILIES)} only, not of {board.family}"
        )
    config = config or board.config
    # The build ID of the bitstream: the netlist is then the same, bit for bit.
    link = board.link("uart")
    identity = build_id(board, config, link)

    def build(folder: Path) -> None:
        synthesize(board, folder, config, identity, link=link)

    path = cached("netlist", digest(identity), build) / _FILE
    return BoardNetlist(
        board, config, hashlib.sha256(path.read_bytes()).hexdigest(), read_netlist(path)
    )
