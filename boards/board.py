"""What a board is: device, pins, clock, link, and the array that goes on it."""

from __future__ import annotations

import abc
import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from stablespike.spec import ArrayConfig, preset
from stablespike.support.errors import ToolError

from .memory import BlockRam
from .pll import Pll
from .serial import SerialChip, fastest_baud

if TYPE_CHECKING:
    from amaranth.hdl import Module, Signal
    from amaranth.lib.io import PortLike

    from .tools import Tools

__all__ = ["FLOW", "PLACED", "PROJECT", "ROUTED", "Board", "Figures"]

ROUTED = "routed in CI"
PLACED = "routed"  # figures in docs/results/boards.json
FLOW = "flow run in CI"  # with little behind the UART
PROJECT = "project only"


@dataclass(frozen=True)
class Figures:
    """What place and route found with one seed.

    Attributes
    ----------
    seed : of the placer.
    clocks : per clock net the rate reached and the one asked for, in MHz.
    used, available : cells of the device, by the placer's names.
    path : the critical path: steps of (kind, nanoseconds, cell before, cell behind).
    seconds : it took.
    """

    seed: int
    clocks: dict[str, tuple[float, float]]
    used: dict[str, int]
    available: dict[str, int]
    path: tuple[tuple[str, float, str, str], ...]
    seconds: float


@dataclass(frozen=True)
class Board(abc.ABC):
    """A board: a subclass per family of devices, an instance per board.

    Attributes
    ----------
    name : what ``stablespike build`` is told. title : what it is sold as.
    device : the part.
    definition : ``module:class`` of its pins in amaranth-boards.
    array : preset of the array that goes on it.
    oscillator_hz, target_hz : of the crystal, and what the array is to be clocked with.
    chip : what is between USB and the UART.
    leds : resource of each role (``alive``, ``busy``, ``error``) there is an LED for, as
        ``name:number`` or ``name:number.signal``.
    reset : resource of the button that resets, None without one.
    resources : name of the definition's list of further resources to add.
    uart : where the definition has none: pins to and from the board, their connector, attributes.
    loader : options of openFPGALoader that name the board.
    state : whether it was placed and routed, by whom. seed : of the placer.
    """

    name: str
    title: str
    device: str
    definition: str
    array: str
    oscillator_hz: int
    target_hz: int
    chip: SerialChip
    leds: dict[str, str] = field(default_factory=dict)
    reset: str | None = None
    resources: str | None = None
    uart: tuple[str, str, tuple[str, int], dict[str, str]] | None = None
    loader: tuple[str, ...] = ()
    state: str = FLOW
    seed: int = 1

    family = ""
    """Of the device."""
    cells: ClassVar[dict[str, str]] = {}
    """What the report counts, and what its kinds of cells of the netlist begin with."""
    logic_cells: ClassVar[tuple[str, ...]] = ()
    """The placer's names of what it counts as logic cells."""
    ram: ClassVar[BlockRam]
    """Its block RAM."""
    project: ClassVar[tuple[str, ...]] = ()
    """Files for a vendor's tool, where that alone makes the bitstream."""

    @property
    def config(self) -> ArrayConfig:
        """The array of its preset."""
        return preset(self.array)

    @property
    def pll(self) -> Pll | None:
        """The PLL's setting; None where the crystal's own rate is the clock."""
        if self.target_hz == self.oscillator_hz:
            return None
        return self.find_pll(self.oscillator_hz, self.target_hz)

    @property
    def clock_hz(self) -> int:
        """The array's clock as it really is."""
        return self.pll.clock_hz if self.pll else self.oscillator_hz

    @property
    def baud(self) -> int:
        """The highest rate of its link."""
        return fastest_baud(self.chip, self.clock_hz)

    def platform(self) -> Any:
        """A new amaranth platform, for pins and constraints.

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
        if self.uart is not None:
            from amaranth.build import Attrs
            from amaranth_boards.resources import UARTResource

            rx, tx, connector, attributes = self.uart
            platform.add_resources(
                [UARTResource(0, rx=rx, tx=tx, conn=connector, attrs=Attrs(**attributes))]
            )
        return platform

    @staticmethod
    @abc.abstractmethod
    def find_pll(input_hz: int, output_hz: int) -> Pll:
        """The device's PLL setting for a rate."""

    @abc.abstractmethod
    def add_pll(self, m: Module, pin: PortLike, pll: Pll, clock: Signal, locked: Signal) -> None:
        """Put the PLL between the crystal's pin and ``clock``."""

    @property
    @abc.abstractmethod
    def constraints(self) -> str:
        """Suffix of the file of pins and rates."""

    @property
    @abc.abstractmethod
    def bitstream(self) -> str:
        """Suffix of the bitstream."""

    @property
    @abc.abstractmethod
    def packages(self) -> tuple[str, ...]:
        """Distributions of the tools, whose versions are part of the build."""

    @property
    @abc.abstractmethod
    def memory(self) -> dict[str, int]:
        """Blocks of memory there are, by kind."""

    @property
    @abc.abstractmethod
    def synthesis(self) -> str:
        """yosys commands from ``top`` as read to the netlist."""

    def finish(self, netlist: Path) -> None:  # noqa: B027 (few have anything to do)
        """Change yosys' netlist, a JSON file, before it is placed."""

    @abc.abstractmethod
    def place(self, tools: Tools, seed: int) -> Figures:
        """Place and route ``top.json`` into files named after the seed."""

    @abc.abstractmethod
    def pack(self, tools: Tools, seed: int) -> None:
        """Make ``top.<bitstream>`` of a seed's files."""
