"""Turns a synthesized netlist, as nextpnr takes it, into Verilog for the simulated board.

Nothing is optimized or left out. Each look-up table becomes an expression, and each other cell an
instance of its model in ``cells``. Pads and PLLs become wires, so that the clock of the board is
that of the array.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stablespike.support.errors import FileError, ToolError

from .cells import cell_models
from .lut import lut_expression

__all__ = ["Fault", "Netlist", "netlist_verilog", "random_faults", "read_netlist"]

Bit = int | str

_FAMILY = {"SB_": "ice40", "TRELLIS_": "ecp5"}
_TABLES = {"SB_LUT4": ("LUT_INIT", ("I0", "I1", "I2", "I3"), "O"),
           "LUT4": ("INIT", ("A", "B", "C", "D"), "Z")}
_PLLS = {
    # input pin, output pins
    "SB_PLL40_PAD": ("PACKAGEPIN", ("PLLOUTGLOBAL", "PLLOUTCORE")),
    "SB_PLL40_CORE": ("REFERENCECLK", ("PLLOUTGLOBAL", "PLLOUTCORE")),
    "EHXPLLL": ("CLKI", ("CLKOP", "CLKOS", "CLKOS2", "CLKOS3")),
}


@dataclass(frozen=True)
class _Pad:
    """A kind of pad.

    Attributes
    ----------
    pin : str
        Port at the package.
    into : str
        Port towards the logic.
    out : str
        Port from the logic.
    parameter : str
        Parameter that sets the direction.
    input : str
        Its value for an input without a register.
    outputs : tuple of str
        Its values for an output without a register.
    drive : tuple of (str, str)
        Port that enables the output, and the level at which it is always enabled.
    """

    pin: str
    into: str
    out: str
    parameter: str
    input: str
    outputs: tuple[str, ...]
    drive: tuple[str, str]


_PADS = {
    "SB_IO": _Pad("PACKAGE_PIN", "D_IN_0", "D_OUT_0", "PIN_TYPE", "000001", ("011001", "101001"),
                  ("OUTPUT_ENABLE", "1")),
    "TRELLIS_IO": _Pad("B", "O", "I", "DIR", "INPUT", ("OUTPUT", "BIDIR"), ("T", "0")),
}
_INPUTS = ("clock", "rx", "rx_payload", "rx_valid")  # pins that the harness drives
# Comments of yosys, and the ECP5's global reset: the simulation starts after it.
_IGNORED = ("$scopeinfo", "SGSR", "GSR")
# Cells with a port per bit, such as DOA0 to DOA17; our models have buses.
_GATHERED = ("DP16KD", "MULT18X18D")
_TIED = {
    # ports that must be constant, with their level: the models leave them out
    "DP16KD": {"RSTA": "0", "RSTB": "0"},
    "SB_SPRAM256KA": {"STANDBY": "0", "SLEEP": "0", "POWEROFF": "1"},
}
_NUMBERED = re.compile(r"([A-Z]+)(\d+)$")


@dataclass(frozen=True)
class Netlist:
    """The top module of a netlist.

    Attributes
    ----------
    ports : mapping of str to (str, list of int or str)
        Direction and bits of each port, by name.
    cells : mapping of str to dict
        Cells as in yosys' JSON, by name.
    """

    ports: Mapping[str, tuple[str, list[Bit]]]
    cells: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @property
    def family(self) -> str:
        """``ice40`` or ``ecp5``.

        Raises
        ------
        ToolError
            If the cells belong to neither.
        """
        kinds = Counter(cell["type"] for cell in self.cells.values())
        for prefix, family in _FAMILY.items():
            if any(kind.startswith(prefix) for kind in kinds):
                return family
        raise ToolError(
            f"a netlist must be of iCE40 or ECP5 cells, not of {', '.join(sorted(kinds))}"
        )

    @property
    def kinds(self) -> Counter[str]:
        """Number of cells of each kind."""
        kinds = Counter(cell["type"] for cell in self.cells.values())
        return Counter({kind: n for kind, n in kinds.items() if kind not in _IGNORED})


def read_netlist(path: str | Path, top: str = "top") -> Netlist:
    """Read a JSON netlist that yosys wrote.

    Parameters
    ----------
    path : str or Path
        File to read.
    top : str
        Name of the top module.

    Raises
    ------
    FileError
        If the file is not such a netlist, or has no such module.
    """
    try:
        module = json.loads(Path(path).read_text())["modules"][top]
        ports = {name: (port["direction"], port["bits"]) for name, port in module["ports"].items()}
        return Netlist(ports, module["cells"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(
            f"{path} is not a netlist of yosys with a module {top!r} ({error}): write it with "
            "yosys' write_json"
        ) from None


Fault = tuple[str, int]
"""Name of a look-up table's cell, and the number of the table's bit that is flipped."""


def random_faults(netlist: Netlist, count: int, seed: int) -> list[Fault]:
    """Pick random faults, each a flipped bit in a different look-up table.

    Bits that constant inputs make unreachable are never picked.

    Parameters
    ----------
    netlist : Netlist
        Netlist with the tables.
    count : int
        Number of faults; at most the number of tables.
    seed : int
        Seed of the random choice.
    """
    tables = sorted(name for name, cell in netlist.cells.items() if cell["type"] in _TABLES)
    rng = random.Random(seed)
    faults = []
    for name in rng.sample(tables, count):
        connections = netlist.cells[name]["connections"]
        bits = [connections[pin][0] for pin in _TABLES[netlist.cells[name]["type"]][1]]
        levels = [rng.getrandbits(1) if isinstance(bit, int) else bit == "1" for bit in bits]
        faults.append((name, sum(level << i for i, level in enumerate(levels))))
    return faults


def netlist_verilog(
    netlist: Netlist,
    pins: Mapping[str, str],
    levels: Mapping[str, int] | None = None,
    faults: Sequence[Fault] = (),
) -> str:
    """Verilog of a module ``board`` for the harness of the simulated board, with all models.

    Parameters
    ----------
    netlist : Netlist
        Netlist of iCE40 or ECP5 cells.
    pins : mapping of str to str
        Port of the netlist for each pin of ``board``: ``clock``, and ``rx`` and ``tx`` or the
        signals of the byte streams, such as ``rx_payload``.
    levels : mapping of str to int, optional
        Levels of further input ports; 0 for those that are not listed.
    faults : sequence of (str, int)
        Faults to build in. A pin ``fault`` selects one: 1 is the first, 0 none.

    Raises
    ------
    ToolError
        If the netlist cannot be simulated faithfully; names the cell and the reason.
    """
    models = cell_models(netlist.family)
    return "\n".join([*_Writer(netlist, faults).module(pins, levels or {}), models])


class _Writer:
    """Writes the module ``board``, and notes which nets are used and driven."""

    def __init__(self, netlist: Netlist, faults: Sequence[Fault]) -> None:
        self.netlist = netlist
        self.faults = {name: (number, bit) for number, (name, bit) in enumerate(faults, 1)}
        self.nets: set[int] = set()
        self.driven: Counter[Bit] = Counter()

    def module(self, pins: Mapping[str, str], levels: Mapping[str, int]) -> Iterator[str]:
        outer, inner = ["input [15:0] fault"] if self.faults else [], []
        for pin, name in pins.items():
            _, bits = self._port(name)
            direction = "input" if pin in _INPUTS else "output"
            outer.append(f"{direction} [{len(bits) - 1}:0] {pin}")
            inner += (
                self._assign(bits, pin) if pin in _INPUTS
                else [f"assign {pin} = {self._bus(bits)};"]
            )
        for name, (direction, bits) in self.netlist.ports.items():
            if name not in pins.values() and direction != "output" and self._is_input(name):
                level = levels.get(name, 0)
                inner += self._assign(bits, f"{len(bits)}'d{level}")
        for index, (name, cell) in enumerate(self.netlist.cells.items()):
            if cell["type"] not in _IGNORED:
                inner += self._cell(index, name, cell)
        self._check_drivers()
        yield f"module board({', '.join(outer)});"
        yield from (f"wire n{net};" for net in sorted(self.nets))
        yield from inner
        yield "endmodule"

    def _port(self, name: str) -> tuple[str, list[Bit]]:
        try:
            return self.netlist.ports[name]
        except KeyError:
            raise ToolError(
                f"the netlist has no port {name!r}, only {', '.join(self.netlist.ports)}"
            ) from None

    def _is_input(self, name: str) -> bool:
        """Whether a port is an input; the port of a pad has the direction ``inout``."""
        direction, bits = self.netlist.ports[name]
        for cell in self.netlist.cells.values():
            pad = _PADS.get(cell["type"])
            if pad and cell["connections"][pad.pin][0] in bits:
                return self._parameter(cell, pad.parameter) == pad.input
        return direction == "input"

    @staticmethod
    def _parameter(cell: Mapping[str, Any], name: str) -> str:
        return str(cell["parameters"].get(name, "")).rstrip()

    def _net(self, bit: Bit) -> str:
        if isinstance(bit, int):
            self.nets.add(bit)
            return f"n{bit}"
        return "1'b1" if bit == "1" else "1'b0"  # undefined bits are tied low

    def _bus(self, bits: Sequence[Bit]) -> str:
        return f"{{{', '.join(self._net(bit) for bit in reversed(bits))}}}"

    def _assign(self, bits: Sequence[Bit], value: str) -> list[str]:
        self.driven.update(bits)
        return [f"assign {self._bus(bits)} = {value};"]

    def _cell(self, index: int, name: str, cell: Mapping[str, Any]) -> list[str]:
        kind, connections = cell["type"], cell["connections"]
        for pin, level in _TIED.get(kind, {}).items():
            if connections.get(pin, [level]) != [level]:
                raise ToolError(
                    f"{kind} {name} has {pin} driven by logic, but its model knows only a constant "
                    f"{level}: keep resets and power modes off the memory"
                )
        if kind in _TABLES:
            parameter, inputs, output = _TABLES[kind]
            bits = [connections[pin][0] for pin in inputs]
            text = lut_expression(
                int(cell["parameters"][parameter], 2),
                [self._net(bit) if isinstance(bit, int) else bit == "1" for bit in bits],
            )
            if name in self.faults:
                number, bit = self.faults[name]
                text += f" ^ (fault == {number} && {self._bus(bits)} == {bit})"
            return self._assign(connections[output], text)
        if kind in _PLLS:
            return self._pll(kind, connections)
        if kind in _PADS:
            return self._pad(name, cell)
        # nextpnr takes an output at "x" as unconnected (see boards/ecp5.py).
        unread = set()
        for pin, direction in cell.get("port_directions", {}).items():
            if direction == "output" and connections.get(pin) == ["x"]:
                unread.add(pin)
            elif direction == "output":
                self.driven.update(connections.get(pin, []))
        parameters, buses = cell["parameters"], connections
        if kind in _GATHERED:
            parameters, buses = self._gathered(kind, name, cell)
        settings = ", ".join(f".{key}({_value(value)})" for key, value in parameters.items())
        wires = ", ".join(
            f".{pin}({self._bus(bits)})"
            for pin, bits in buses.items() if bits and pin not in unread
        )
        return [f"{kind} {f'#({settings}) ' if settings else ''}c{index}({wires});"]

    def _pll(self, kind: str, connections: Mapping[str, list[Bit]]) -> list[str]:
        source, outputs = _PLLS[kind]
        clock = self._net(connections[source][0])
        lines = []
        for pin in outputs:
            lines += self._assign(connections[pin], clock) if connections.get(pin) else []
        if connections.get("LOCK"):
            lines += self._assign(connections["LOCK"], "1'b1")
        return lines

    def _pad(self, name: str, cell: Mapping[str, Any]) -> list[str]:
        kind, connections = cell["type"], cell["connections"]
        pad = _PADS[kind]
        setting = self._parameter(cell, pad.parameter)
        if setting == pad.input:
            return self._assign(connections[pad.into], self._net(connections[pad.pin][0]))
        drive, level = pad.drive
        if (setting not in pad.outputs or connections.get(drive, [level]) != [level]
                or connections.get(pad.into)):
            raise ToolError(
                f"{kind} {name} is neither a plain input nor a plain output: keep registers and "
                "output enables out of the pads"
            )
        return self._assign(connections[pad.pin], self._net(connections[pad.out][0]))

    def _gathered(
        self, kind: str, name: str, cell: Mapping[str, Any]
    ) -> tuple[dict[str, str], dict[str, list[Bit]]]:
        """Parameters and ports of a cell with a port per bit, joined into buses.

        A block RAM gets one clock for both ports.
        """
        parameters, values = {}, {}
        for key, value in cell["parameters"].items():
            if key.startswith("INITVAL_"):
                values[int(key.removeprefix("INITVAL_"), 16)] = value
            elif key not in ("CLKAMUX", "CLKBMUX"):
                parameters[key] = value
        if values:
            parameters["INITVAL"] = "".join(
                values.get(i, "").rjust(320, "0") for i in reversed(range(64))
            )  # a DP16KD has 64 parameters of 320 bits
        buses: dict[str, list[Bit]] = {}
        for pin, bits in cell["connections"].items():
            match = _NUMBERED.fullmatch(pin)
            if match is None:
                buses[pin] = bits
                continue
            bus = buses.setdefault(match[1], [])
            index = int(match[2])
            bus += ["x"] * (index + 1 - len(bus))
            bus[index] = bits[0] if bits else "x"
        if kind == "DP16KD":
            for pin in ("RSTA", "RSTB"):
                buses.pop(pin, None)
            clocks = {buses.pop(pin, ["0"])[0] for pin in ("CLKA", "CLKB")} - {"0", "1", "x"}
            muxes = [self._parameter(cell, f"{pin}MUX") for pin in ("CLKA", "CLKB")]
            if len(clocks) != 1 or muxes != ["CLKA", "CLKB"]:
                raise ToolError(
                    f"DP16KD {name} must have the same clock at both ports, with rising edges: "
                    "give its memory one clock domain"
                )
            buses["CLK"] = list(clocks)
        return parameters, buses

    def _check_drivers(self) -> None:
        wrong = [net for net in self.nets if self.driven[net] != 1]
        if wrong:
            raise ToolError(
                f"{len(wrong)} nets of the netlist are not driven exactly once, the first is bit "
                f"{min(wrong)}: netlist.py must learn the kind of cell that drives it"
            )


def _value(value: str) -> str:
    """A parameter in Verilog: a number if it consists of bits, or else a string."""
    # yosys appends a space to a string that consists of bits.
    if re.fullmatch("[01xz]+", value):
        return f"{len(value)}'b{value.replace('x', '0').replace('z', '0')}"
    return f'"{value.rstrip()}"'
