"""The netlist of a board's bitstream, ready for the simulated board."""

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
    """A board's netlist.

    Attributes
    ----------
    board : whose. config : of its array.
    sha256 : of the file that nextpnr is given.
    netlist : its content.
    """

    board: Board
    config: ArrayConfig
    sha256: str
    netlist: Netlist

    def verilog(self, netlist: Netlist | None = None) -> str:
        """For the simulated board, with UART pins; of another netlist with the same ports, too.

        Raises
        ------
        ToolError
            If it cannot be simulated faithfully.
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
    """The level of a button that is not pressed, under its port's name."""
    place, _, signal = resource.partition(".")
    name, _, number = place.partition(":")
    found = platform.lookup(name, int(number))
    for each in found.ios:
        if signal and each.name == signal:
            return {f"{name}_{number}__{signal}__io": int(each.ios[0].invert)}
    return {f"{name}_{number}__io": int(found.ios[0].invert)}


def board_netlist(name: str, config: ArrayConfig | None = None) -> BoardNetlist:
    """Synthesize a board's gateware as its build does, or find the netlist in the cache.

    Parameters
    ----------
    name : of the board. config : of another array than its own.

    Raises
    ------
    ValueError
        If there is no such board; lists the near names.
    ToolError
        If a tool is missing or fails, or the cells of the board's device have no models here.
    """
    board = find_board(name)
    if board.family not in FAMILIES:
        raise ToolError(
            f"the netlist of {name} cannot be simulated: there are models of the cells of "
            f"{' and '.join(FAMILIES)} only, not of {board.family}"
        )
    config = config or board.config
    identity = build_id(board, config)

    def build(folder: Path) -> None:
        synthesize(board, folder, config, identity)

    path = cached("netlist", digest(identity), build) / _FILE
    return BoardNetlist(
        board, config, hashlib.sha256(path.read_bytes()).hexdigest(), read_netlist(path)
    )
