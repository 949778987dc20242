"""The cells that make clocks: each is replaced with clocks of the rates that its parameters say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from amaranth.hdl import ClockSignal, Const, Fragment, Instance, Signal
from amaranth.hdl._ast import Assign
from stablespike.support.errors import ToolError

__all__ = ["Source", "Sources", "replace_clock_cells"]

_Outputs = dict[str, tuple[Fraction, Fraction]]
"""Rate in Hz and phase, as a part of the period, of each output."""


def _ice40(cell: Any, rate: Fraction) -> _Outputs:
    # FPGA-TN-02052: simple feedback.
    divf, divr, divq = (_integer(cell, name) for name in ("DIVF", "DIVR", "DIVQ"))
    made = rate * (divf + 1) / (divr + 1) / 2**divq
    return {name: (made, Fraction()) for name in ("PLLOUTGLOBAL", "PLLOUTCORE")}


def _ecp5(cell: Any, rate: Fraction) -> _Outputs:
    # FPGA-TN-02200: the fed back output has the rate CLKI / CLKI_DIV * CLKFB_DIV. A CPHASE of the
    # divider minus 1 means no shift; its unit is a cycle of the oscillator, that of FPHASE an 8th.
    path = cell.parameters.get("FEEDBK_PATH", "CLKOP")
    feedback = {"INT_OP": "CLKOP", "INT_OS": "CLKOS", "INT_OS2": "CLKOS2", "INT_OS3": "CLKOS3"}.get(
        path, path
    )

    def divider(name: str) -> int:
        return _integer(cell, f"{name}_DIV", 8)

    def shift(name: str) -> Fraction:
        cycles = _integer(cell, f"{name}_CPHASE", divider(name) - 1) - (divider(name) - 1)
        return cycles + Fraction(_integer(cell, f"{name}_FPHASE", 0), 8)

    oscillator = (
        rate * _integer(cell, "CLKFB_DIV", 1) / _integer(cell, "CLKI_DIV", 1) * divider(feedback)
    )
    return {
        name: (oscillator / divider(name), (shift(name) - shift(feedback)) / divider(name) % 1)
        for name in ("CLKOP", "CLKOS", "CLKOS2", "CLKOS3")
    }


def _gowin(cell: Any, rate: Fraction) -> _Outputs:
    # UG286, rPLL.
    made = rate * (_integer(cell, "FBDIV_SEL") + 1) / (_integer(cell, "IDIV_SEL") + 1)
    return {
        "CLKOUT": (made, Fraction()),
        "CLKOUTD": (made / _integer(cell, "DYN_SDIV_SEL", 2), Fraction()),
    }


def _artix(cell: Any, rate: Fraction) -> _Outputs:
    # UG472, PLLE2_BASE.
    oscillator = rate * _integer(cell, "CLKFBOUT_MULT") / _integer(cell, "DIVCLK_DIVIDE")
    return {
        f"CLKOUT{index}": (oscillator / _integer(cell, f"CLKOUT{index}_DIVIDE", 1), Fraction())
        for index in range(6)
    }


@dataclass(frozen=True)
class _Cell:
    """Input of a cell that makes clocks, its output for "locked", and its outputs' rates."""

    input: str
    locked: str
    outputs: Callable[[Any, Fraction], _Outputs]


_CELLS = {
    "SB_PLL40_PAD": _Cell("PACKAGEPIN", "LOCK", _ice40),
    "SB_PLL40_CORE": _Cell("REFERENCECLK", "LOCK", _ice40),
    "EHXPLLL": _Cell("CLKI", "LOCK", _ecp5),
    "rPLL": _Cell("CLKIN", "LOCK", _gowin),
    "PLLE2_BASE": _Cell("CLKIN1", "LOCKED", _artix),
}
_BUFFERS = {
    "BUFG": ("I", "O"), "DCCA": ("CLKI", "CLKO"),
    "SB_GB": ("USER_SIGNAL_TO_GLOBAL_BUFFER", "GLOBAL_BUFFER_OUTPUT"),
}


@dataclass(frozen=True)
class Source:
    """A clock that the simulation drives.

    Attributes
    ----------
    name : str
        Name of the port.
    signal : Signal
        The signal at the port.
    rate : Fraction
        Its rate in Hz.
    phase : Fraction
        Time of the first rising edge, as a part of its period.
    """

    name: str
    signal: Any
    rate: Fraction
    phase: Fraction = Fraction()


class Sources:
    """The clocks of a design, and what each of its clock signals comes from.

    Parameters
    ----------
    rates : list of (Signal, Fraction)
        Input pins with a clock, and their rates in Hz.

    Attributes
    ----------
    made : list of Source
        The clocks that cells of the design made.
    used : list of Signal
        The clocks of all domains.
    """

    def __init__(self, rates: list[tuple[Any, Fraction]]) -> None:
        self.made: list[Source] = []
        self.used: list[Any] = []
        self._rates = {id(signal): rate for signal, rate in rates}
        self._aliases: dict[int, Any] = {}
        self._kept: list[Any] = []  # while an object lives, no other has its id

    def learn(self, fragment: Any, domains: dict[str, Any]) -> None:
        """Note the assignments of one signal to another in a fragment and what is in it."""
        domains = {**domains, **fragment.domains}
        self.used += [domain.clk for domain in fragment.domains.values()]
        for statement in fragment.statements.get("comb", ()):
            if isinstance(statement, Assign):
                target = _signal(statement.lhs, domains)
                source = _signal(statement.rhs, domains)
                if target is not None and source is not None:
                    self.alias(target, source)
        for each, _, _ in fragment.subfragments:
            # A domain that is not local is also that of the fragments around.
            domains.update(each.domains)
            self.learn(each, domains)

    def drives(self, signal: Any) -> bool:
        """Whether a signal is the clock of a domain."""
        return any(self.origin(clock) is signal for clock in self.used)

    def alias(self, signal: Any, source: Any) -> None:
        """Note that a signal is another one."""
        self._aliases[id(signal)] = source
        self._kept += [signal, source]

    def origin(self, signal: Any) -> Any:
        """The signal that a signal comes from."""
        while id(signal) in self._aliases:
            signal = self._aliases[id(signal)]
        return signal

    def rate(self, signal: Any) -> Fraction | None:
        """The rate of a clock signal; None if it is unknown."""
        return self._rates.get(id(self.origin(signal)))

    def make(self, rate: Fraction, phase: Fraction) -> Any:
        """A new clock; one of the same rate and phase if there is one."""
        for source in self.made:
            if (source.rate, source.phase) == (rate, phase):
                return source.signal
        source = Source(
            f"clock_{len(self.made)}", Signal(name=f"clock_{len(self.made)}"), rate, phase
        )
        self.made.append(source)
        self._rates[id(source.signal)] = rate
        return source.signal


def _signal(value: Any, domains: dict[str, Any]) -> Any:
    if isinstance(value, ClockSignal):
        domain = domains.get(value.domain)
        return None if domain is None else domain.clk
    return value if isinstance(value, Signal) else None


def _integer(cell: Any, name: str, default: int | None = None) -> int:
    value = cell.parameters.get(name, default)
    if value is None:
        raise ToolError(f"{cell.type} has no parameter {name}")
    return int(value.value if isinstance(value, Const) else value)


def replace_clock_cells(fragment: Any, rates: list[tuple[Any, Fraction]]) -> Sources:
    """Replace the PLLs and clock buffers of an elaborated design with the clocks they make.

    Parameters
    ----------
    fragment : Fragment
        The design, which is changed.
    rates : list of (Signal, Fraction)
        Input pins with a clock, and their rates in Hz.

    Returns
    -------
    Sources
        The clocks, which are inputs of the design now.

    Raises
    ------
    ToolError
        If a cell's input has no known rate.
    """
    sources = Sources(rates)
    sources.learn(fragment, {})
    waiting = []

    def collect(parent: Any) -> None:
        for index, (each, _, _) in enumerate(parent.subfragments):
            if isinstance(each, Instance) and each.type in _BUFFERS:
                taken, given = (each.ports[port][0] for port in _BUFFERS[each.type])
                _become(parent, index, [(given, taken)])
                sources.alias(given, taken)
            elif isinstance(each, Instance) and each.type in _CELLS:
                waiting.append((parent, index, each))
            else:
                collect(each)

    collect(fragment)
    # A PLL may be behind another one.
    while waiting:
        left = []
        for parent, index, cell in waiting:
            kind = _CELLS[cell.type]
            rate = sources.rate(cell.ports[kind.input][0])
            if rate is None:
                left.append((parent, index, cell))
                continue
            assignments = []
            outputs = kind.outputs(cell, rate)
            for port, (value, direction) in cell.ports.items():
                if direction != "o":
                    continue
                if port == kind.locked:
                    assignments.append((value, Const(1)))
                elif port in outputs:
                    clock = sources.make(*outputs[port])
                    sources.alias(value, clock)
                    assignments.append((value, clock))
            _become(parent, index, assignments)
        if len(left) == len(waiting):
            kinds = ", ".join(sorted({cell.type for _, _, cell in left}))
            raise ToolError(f"the rate at the input of {kinds} is unknown: give its pin a Clock")
        waiting = left
    return sources


def _become(parent: Any, index: int, assignments: list[tuple[Any, Any]]) -> None:
    """Put assignments in place of a cell."""
    new = Fragment()
    for target, value in assignments:
        new.add_statements("comb", target.eq(value))
    _, name, place = parent.subfragments[index]
    parent.subfragments[index] = (new, name, place)
