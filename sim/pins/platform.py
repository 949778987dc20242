"""The platform of a board in simulation: pins as signals, and buffers without vendor cells."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Module, Mux, Signal
from amaranth.lib import io
from stablespike.boards.board import Board

__all__ = ["PinPort", "PinsPlatform"]


class PinPort(io.SimulationPort):  # type: ignore[misc]
    """A port with its levels at the pins as ``i``, ``o`` and ``oe``.

    ``io`` is what some vendors' cells take in place of a buffer: an input.
    """

    @property
    def io(self) -> Signal:
        return self.i


class _DdrBuffer:
    """Two bits a clock, as ``amaranth.lib.io.DDRBuffer`` describes them.

    Outputs appear 1 clock after they were given, the first in the clock's high half. Inputs are
    sampled at both edges; both bits appear at the next rising edge.
    """

    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        buffer, width = self.buffer, len(self.buffer.port)
        direction = buffer.direction
        m.submodules.pin = pin = io.Buffer(direction, buffer.port)
        if direction is not io.Direction.Output:
            domain = buffer.i_domain
            m.domains.falling = falling = ClockDomain("falling", clk_edge="neg", reset_less=True,
                                                      local=True)
            m.d.comb += falling.clk.eq(ClockSignal(domain))
            rose, fell = (Signal(width, reset_less=True) for _ in range(2))
            both = [Signal(width, reset_less=True, name=f"i{half}") for half in range(2)]
            m.d[domain] += [rose.eq(pin.i), both[0].eq(rose), both[1].eq(fell)]
            m.d.falling += fell.eq(pin.i)
            m.d.comb += [buffer.i[half].eq(both[half]) for half in range(2)]
        if direction is not io.Direction.Input:
            domain = buffer.o_domain
            first, second = (Signal(width, reset_less=True) for _ in range(2))
            enable = Signal(reset_less=True, init=int(direction is io.Direction.Output))
            m.d[domain] += [first.eq(buffer.o[0]), second.eq(buffer.o[1]), enable.eq(buffer.oe)]
            m.d.comb += [
                pin.o.eq(Mux(ClockSignal(domain), first, second)), pin.oe.eq(enable),
            ]
        return m


class PinsPlatform:
    """What a board's gateware asks of its platform.

    Parameters
    ----------
    board : Board
        The board.

    Attributes
    ----------
    default_clk : str
        Resource of the crystal.
    ports : dict of str to list of (str, PinPort)
        The ports that were requested, by ``name:number`` of their resource, each with the path of
        its member; the path is the resource's name if it has no members.
    rates : list of (Signal, Fraction)
        Input pins with a clock, and their rates in Hz.
    files : dict of str to str
        Sources in Verilog that the gateware brought along.
    """

    def __init__(self, board: Board) -> None:
        self._real = board.platform()
        self.default_clk = self._real.default_clk
        self.ports: dict[str, list[tuple[str, PinPort]]] = {}
        self.rates: list[tuple[Signal, Fraction]] = []
        self.files: dict[str, str] = {}

    def lookup(self, name: str, number: int = 0) -> Any:
        return self._real.lookup(name, number)

    def add_resources(self, resources: Any) -> None:
        self._real.add_resources(resources)

    def request(self, name: str, number: int = 0, *, dir: str = "-") -> Any:
        """The ports of a resource, as the board's own platform groups them."""
        if dir != "-":
            raise ValueError(f"dir must be '-', for ports without buffers, not {dir!r}")
        found: list[tuple[str, PinPort]] = []
        group = self._real.request(name, number, dir="-")
        ports = self._convert(self.lookup(name, number), group, (), found)
        self.ports[f"{name}:{number}"] = found
        return ports

    def add_clock_constraint(self, clock: Any, frequency: float) -> None:
        """Rates are those of the crystal and of the cells that make clocks."""

    def add_file(self, name: str, content: str | bytes) -> None:
        if name.endswith((".v", ".sv")):
            self.files[name] = content if isinstance(content, str) else content.decode()

    def get_io_buffer(self, buffer: Any) -> Any:
        # Without a platform Amaranth's buffers are those of simulations, except for this one.
        if isinstance(buffer, io.DDRBuffer):
            return _DdrBuffer(buffer).elaborate(self)
        return buffer.elaborate(None)

    def _convert(
        self, resource: Any, group: Any, path: tuple[str, ...], found: list[tuple[str, PinPort]]
    ) -> Any:
        if isinstance(group, (io.SingleEndedPort, io.DifferentialPort)):
            name = "_".join(path) or resource.name
            port = PinPort(group.direction, len(group), invert=group.invert, name=name)
            found.append((name, port))
            if resource.clock is not None:
                self.rates.append((port.i, Fraction(resource.clock.frequency)))
            return port
        for member in resource.ios:
            inner = getattr(group, member.name)
            ports = self._convert(member, inner, (*path, member.name), found)
            setattr(group, member.name, ports)
        return group
