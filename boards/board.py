"""Description of a board: device, pins, clock, link, and the array it carries."""

from __future__ import annotations

import abc
import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from stablespike.spec import ArrayConfig, preset
from stablespike.support.errors import ToolError

from .links.link import BoardLink
from .memory import BlockRam
from .pll import Pll

if TYPE_CHECKING:
    from amaranth.hdl import Module, Signal
    from amaranth.lib.io import PortLike

    from .tools import Tools

__all__ = ["FLOW", "PLACED", "PROJECT", "ROUTED", "Board", "Figures"]

ROUTED = "routed in CI"
"""State of a board whose whole array is placed and routed in CI, against a record."""
PLACED = "routed"
"""State of a board whose whole array was routed; the figures are in docs/results/boards.json."""
FLOW = "flow run in CI"
"""State of a board whose tools run in CI, on a small design in place of the array."""
PROJECT = "project only"
"""State of a board for which only the files of a vendor's tool are made."""


@dataclass(frozen=True)
class Figures:
    """Results of place and route with one seed.

    Attributes
    ----------
    seed : int
        Seed of the placer.
    clocks : dict of str to (float, float)
        For each clock net the rate it reaches and the requested rate, in MHz.
    used : dict of str to int
        Cells used, by nextpnr's names.
    available : dict of str to int
        Cells of the device, by the same names.
    path : tuple of (str, float, str, str)
        Steps of the critical path: kind, nanoseconds, cell it starts at, cell it ends at.
    seconds : float
        Run time of nextpnr.
    """

    seed: int
    clocks: dict[str, tuple[float, float]]
    used: dict[str, int]
    available: dict[str, int]
    path: tuple[tuple[str, float, str, str], ...]
    seconds: float


@dataclass(frozen=True)
class Board(abc.ABC):
    """A board: each family of devices is a subclass, each board an instance.

    Attributes
    ----------
    name : str
        Name of the board in ``stablespike build``.
    title : str
        Name under which the board is sold.
    device : str
        Part number of the FPGA.
    definition : str
        ``module:class`` of its pins in amaranth-boards.
    array : str
        Preset of the array it carries.
    oscillator_hz : int
        Rate of the crystal.
    target_hz : int
        Requested clock rate of the array.
    links : tuple of BoardLink
        Its links; the first one is the default.
    leds : dict of str to str
        Resource of the LED for each of the roles ``alive``, ``busy`` and ``error``, as
        ``name:number`` or ``name:number.signal``. A role without an LED is left out.
    reset : str or None
        Resource of the reset button.
    resources : str or None
        Attribute of the definition that lists further resources to add.
    loader : tuple of str
        Options of openFPGALoader that select the board.
    state : str
        How far the build was tested: ``ROUTED``, ``PLACED``, ``FLOW`` or ``PROJECT``.
    seed : int
        Seed of the placer.
    """

    name: str
    title: str
    device: str
    definition: str
    array: str
    oscillator_hz: int
    target_hz: int
    links: tuple[BoardLink, ...]
    leds: dict[str, str] = field(default_factory=dict)
    reset: str | None = None
    resources: str | None = None
    loader: tuple[str, ...] = ()
    state: str = FLOW
    seed: int = 1

    family = ""
    """Family of the device."""
    cells: ClassVar[dict[str, str]] = {}
    """Counts of the report, each with a pattern for the cell types of the netlist it adds up."""
    logic_cells: ClassVar[tuple[str, ...]] = ()
    """nextpnr's names of the cells that the report counts as logic cells."""
    ram: ClassVar[BlockRam]
    """Block RAM of the device."""
    project: ClassVar[tuple[str, ...]] = ()
    """Files for the vendor's tool, if no open tool makes the bitstream."""

    @property
    def config(self) -> ArrayConfig:
        """Configuration of the preset ``array``."""
        return preset(self.array)

    @property
    def pll(self) -> Pll | None:
        """Setting of the PLL; None if the crystal drives the array directly."""
        if self.target_hz == self.oscillator_hz:
            return None
        return self.find_pll(self.oscillator_hz, self.target_hz)

    @property
    def clock_hz(self) -> int:
        """Clock rate of the array, which may differ a little from ``target_hz``."""
        return self.pll.clock_hz if self.pll else self.oscillator_hz

    def link(self, kind: str | None = None) -> BoardLink:
        """The link of a kind, or the default one.

        Raises
        ------
        ValueError
            If the board has no such link.
        """
        for each in self.links:
            if kind in (None, each.kind):
                return each
        kinds = ", ".join(each.kind for each in self.links)
        raise ValueError(f"link must be one that {self.name} has, not {kind!r}: {kinds}")

    def platform(self) -> Any:
        """A new Amaranth platform, for pins and constraints.

        Raises
        ------
        ToolError
            If amaranth-boards is not installed.
        """
        module, name = self.definition.split(":")
        try:
            definition = getattr(importlib.import_module(module), name)
        except ImportError as error:
            raise ToolError(
                f"{error.name or error} is not installed: pip install 'stablespike[build]'"
            ) from error
        platform = definition()
        if self.resources is not None:
            platform.add_resources(getattr(platform, self.resources))
        for link in self.links:
            link.add_resources(platform)
        return platform

    @staticmethod
    @abc.abstractmethod
    def find_pll(input_hz: int, output_hz: int) -> Pll:
        """The PLL setting of the device for an output rate."""

    @abc.abstractmethod
    def add_pll(self, m: Module, pin: PortLike, pll: Pll, clock: Signal, locked: Signal) -> None:
        """Add the PLL between the crystal's pin and ``clock``."""

    @property
    @abc.abstractmethod
    def constraints(self) -> str:
        """Suffix of the constraints file, which holds pins and clock rates."""

    @property
    @abc.abstractmethod
    def bitstream(self) -> str:
        """Suffix of the bitstream."""

    @property
    @abc.abstractmethod
    def packages(self) -> tuple[str, ...]:
        """Python distributions of the tools; their versions are part of the build ID."""

    @property
    @abc.abstractmethod
    def memory(self) -> dict[str, int]:
        """Memory blocks of the device, by kind."""

    @property
    @abc.abstractmethod
    def synthesis(self) -> str:
        """yosys commands that turn the design, once read, into a netlist."""

    def finish(self, netlist: Path) -> None:  # noqa: B027 (most families change nothing)
        """Change the JSON netlist that yosys wrote, before place and route."""

    @abc.abstractmethod
    def place(self, tools: Tools, seed: int) -> Figures:
        """Place and route ``top.json``; the files written are named after the seed."""

    @abc.abstractmethod
    def pack(self, tools: Tools, seed: int) -> None:
        """Turn the files of a seed into ``top.<bitstream>``."""
