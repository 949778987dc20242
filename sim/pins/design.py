"""The gateware of a board as a Verilog model with the pins of its link and its clocks as ports."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from stablespike.boards.board import Board
from stablespike.boards.links.link import BoardLink
from stablespike.sim.board.verilog import design_verilog
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import BUILD_ID_BYTES
from stablespike.support.cache import cached, digest, source_digest
from stablespike.support.errors import ToolError

__all__ = ["Clock", "Design", "board_design", "elaborate"]

_VERILOG, _PORTS = "board.v", "ports.json"
_CELLS = Path(__file__).with_name("cells.v")
_PACKAGES = ("amaranth", "amaranth-boards")
_WIRES = ("luna-usb",)  # of some links


@dataclass(frozen=True)
class Clock:
    """A clock of a model.

    Attributes
    ----------
    port : str
        Name of its port.
    hertz, part : int
        Its rate is ``hertz / part`` Hz.
    first : int
        Time of the first rising edge in ps.
    """

    port: str
    hertz: int
    part: int
    first: int


@dataclass(frozen=True)
class Design:
    """A model of a board at its pins.

    Attributes
    ----------
    verilog : str
        Its Verilog; the top module is ``board``.
    clocks : tuple of Clock
        Clocks that the simulation drives.
    sync : int
        Index of the array's clock.
    pins : tuple of str
        Names of the other ports: those of the pins of the link.
    """

    verilog: str
    clocks: tuple[Clock, ...]
    sync: int
    pins: tuple[str, ...]


def board_design(board: Board, link: BoardLink, config: ArrayConfig) -> Design:
    """The model of a board with a link and an array, made now or found in the cache.

    Raises
    ------
    ToolError
        If Amaranth or a library of the board's pins or link is not installed.
    """
    gateware = _gateware(board, link, config)
    # The build ID is part of the model, which a change of the simulation leaves as it is.
    identity = hashlib.sha256(gateware.encode()).digest()[:BUILD_ID_BYTES]
    key = digest(
        gateware, source_digest("stablespike.sim.pins", "stablespike.sim.board"),
        _CELLS.read_bytes(),
    )

    def build(folder: Path) -> None:
        from stablespike.boards.top import Top

        design = elaborate(Top(board, config, identity, link), board)
        (folder / _VERILOG).write_text(design.verilog)
        (folder / _PORTS).write_text(json.dumps({
            "clocks": [asdict(clock) for clock in design.clocks],
            "sync": design.sync, "pins": design.pins,
        }))

    folder = cached("pins", key, build)
    ports = json.loads((folder / _PORTS).read_text())
    return Design(
        (folder / _VERILOG).read_text(), tuple(Clock(**clock) for clock in ports["clocks"]),
        ports["sync"], tuple(ports["pins"]),
    )


def elaborate(top: Any, board: Board) -> Design:
    """Elaborate the top of a board for simulation.

    The vendor's cells that make clocks become ports, which the simulation drives at the rates in
    the cells' parameters. Other cells have models in ``cells.v``. A reset button is not pressed,
    and LEDs lead nowhere. All other ports are pins of the link: ``<member>_i``, ``<member>_o`` and
    ``<member>_oe``, after the members of the board's resources, with their levels at the pins.

    Parameters
    ----------
    top : Elaboratable
        The top, which requests its pins from the platform and has a domain ``sync``.
    board : Board
        The board.

    Raises
    ------
    ValueError
        If two pins of the link have one name.
    ToolError
        If the rate of a clock is unknown.
    """
    from amaranth.hdl import Fragment

    from .clocks import Source, replace_clock_cells
    from .platform import PinsPlatform

    platform = PinsPlatform(board)
    fragment = Fragment.get(top, platform)
    sources = replace_clock_cells(fragment, platform.rates)
    driven = list(sources.made)
    leds = {each.partition(".")[0] for each in board.leds.values()}
    ports: dict[str, Any] = {}
    for resource, found in platform.ports.items():
        for path, port in found:
            if resource == f"{platform.default_clk}:0":
                rate = sources.rate(port.i)
                if sources.drives(port.i):
                    assert rate is not None
                    driven.append(Source("crystal", port.i, rate))
            elif board.reset is not None and resource == board.reset.partition(".")[0]:
                fragment.add_statements("comb", port.i.eq(int(port.invert[0])))
            elif resource not in leds:
                for suffix in ("i", "o", "oe"):
                    signal = getattr(port, f"_{suffix}")
                    if signal is None:
                        continue
                    name = f"{path}_{suffix}"
                    if name in ports:
                        raise ValueError(f"the link of {board.name} has two pins {name}")
                    ports[name] = signal
    pins = tuple(ports)
    ports.update((source.name, source.signal) for source in driven)
    sync = sources.origin(fragment.domains["sync"].clk)
    text = design_verilog(fragment, "board", {name: (port, None) for name, port in ports.items()})
    clocks = tuple(_clock(source.name, source.rate, source.phase) for source in driven)
    return Design(
        text + _cells(text) + "".join(platform.files.values()), clocks,
        next(i for i, source in enumerate(driven) if source.signal is sync), pins,
    )


def _clock(port: str, rate: Fraction, phase: Fraction) -> Clock:
    first = round(phase / rate * 10**12)
    return Clock(port, rate.numerator, rate.denominator, first)


def _cells(text: str) -> str:
    """Models of the cells that occur in a text."""
    models = _CELLS.read_text().split("\nendmodule\n")
    return "".join(
        f"{model}\nendmodule\n" for model in models
        if "module " in model and f"\n  {model.rpartition('module ')[2].split()[0]} " in text
    )


def _gateware(board: Board, link: BoardLink, config: ArrayConfig) -> str:
    """A hash of what the gateware is made from."""
    try:
        used = [f"{name} {version(name)}" for name in _PACKAGES]
    except PackageNotFoundError as error:
        raise ToolError(
            f"a board at its pins needs {error.name}: pip install 'stablespike[build,sim]'"
        ) from None
    for name in _WIRES:
        with suppress(PackageNotFoundError):
            used.append(f"{name} {version(name)}")
    return digest(
        source_digest("stablespike.hw", "stablespike.spec", "stablespike.boards"),
        json.dumps(config.as_dict()), board.name, link.kind, str(link), *used,
    )
