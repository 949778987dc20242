"""A synthesized netlist, as nextpnr takes it, as Verilog for the simulated board.

Nothing is optimized or left out: cell for cell, tables as expressions, the rest as instances of the
models of ``cells``. Pads and PLLs become wires, so that the board's clock is the array's.
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
    # input, outputs that are its clock
    "SB_PLL40_PAD": ("PACKAGEPIN", ("PLLOUTGLOBAL", "PLLOUTCORE")),
    "SB_PLL40_CORE": ("REFERENCECLK", ("PLLOUTGLOBAL", "PLLOUTCORE")),
    "EHXPLLL": ("CLKI", ("CLKOP", "CLKOS", "CLKOS2", "CLKOS3")),
}


@dataclass(frozen=True)
class _Pad:
    """A kind of pad: its pins, the parameter that says what it is, and when it is plain."""

    pin: str
    into: str
    out: str
    parameter: str
    input: str
    outputs: tuple[str, ...]
    drive: tuple[str, str]  # pin that makes it drive where it is connected, and its level


_PADS = {
    "SB_IO": _Pad("PACKAGE_PIN", "D_IN_0", "D_OUT_0", "PIN_TYPE", "000001", ("011001", "101001"),
                  ("OUTPUT_ENABLE", "1")),
    "TRELLIS_IO": _Pad("B", "O", "I", "DIR", "INPUT", ("OUTPUT", "BIDIR"), ("T", "0")),
}
_INPUTS = ("clock", "rx", "rx_payload", "rx_valid")  # pins of the harness
_IGNORED = ("$scopeinfo", "SGSR", "GSR")
_GATHERED = ("DP16KD", "MULT18X18D")
_TIED = {
    # pins that must be constant, and what
    "DP16KD": {"RSTA": "0", "RSTB": "0"},
    "SB_SPRAM256KA": {"STANDBY": "0", "SLEEP": "0", "POWEROFF": "1"},
}
_NUMBERED = re.compile(r"([A-Z]+)(\d+)$")


@dataclass(frozen=True)
class Netlist:
    """The top module of a netlist.

    Attributes
    ----------
    ports : direction and bits of each, by name.
    cells : as in yosys's JSON, by name.
    """

    ports: Mapping[str, tuple[str, list[Bit]]]
    cells: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @property
    def family(self) -> str:
        """``ice40`` or ``ecp5``.

        Raises
        ------
        ToolError
            If it is of cells of neither.
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
        """How many cells there are of each kind."""
        kinds = Counter(cell["type"] for cell in self.cells.values())
        return Counter({kind: n for kind, n in kinds.items() if kind not in _IGNORED})


def read_netlist(path: str | Path, top: str = "top") -> Netlist:
    """Read yosys's JSON.

    Raises
    ------
    FileError
        If it is none, or has no such module.
    """
    try:
        module = json.loads(Path(path).read_text())["modules"][top]
        ports = {name: (port["direction"], port["bits"]) for name, port in module["ports"].items()}
        return Netlist(ports, module["cells"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{path} is no netlist of yosys with a module {top!r} ({error})") from None


Fault = tuple[str, int]
"""A table's cell by name, and the bit of it that is the other one."""


def random_faults(netlist: Netlist, count: int, seed: int) -> list[Fault]:
    """Single flipped bits of tables, at random: of inputs that are not tied off.

    Parameters
    ----------
    count : how many; at most as many as there are tables.
    """
    tables = sorted(name for name, cell in netlist.cells.items() if cell["type"] in _TABLES)
    rng = random.Random(seed)
    faults = []
    for name in rng.sample(tables, count):
        connections = netlist.cells[name]["connections"]
        bits = [connections[pin][0] for pin in _TABLES[netlist.cells[name]["type"]][1]]
        places = [rng.getrandbits(1) if isinstance(bit, int) else bit == "1" for bit in bits]
        faults.append((name, sum(place << i for i, place in enumerate(places))))
    return faults


def netlist_verilog(
    netlist: Netlist,
    pins: Mapping[str, str],
    levels: Mapping[str, int] | None = None,
    faults: Sequence[Fault] = (),
) -> str:
    """Verilog of a module ``board`` for the simulated board's harness, models included.

    Parameters
    ----------
    pins : the netlist's port behind each pin of ``board``: ``clock``, and ``rx`` and ``tx``, or
        the byte streams' ``rx_payload`` and so on.
    levels : of further inputs; 0 where none is given.
    faults : built in, to be chosen at a further pin ``fault``: 1 for the first of them.

    Raises
    ------
    ToolError
        If the netlist cannot be simulated faithfully; names the cell and why.
    """
    models = cell_models(netlist.family)
    return "\n".join([*_Writer(netlist, faults).module(pins, levels or {}), models])


class _Writer:
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
        """Whether it is an input, or behind an input pad or a PLL."""
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
        return "1'b1" if bit == "1" else "1'b0"  # a bit nobody cares about is tied low

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
                    f"{kind} {name} has {pin} driven by logic; only a constant {level} is known to "
                    "be right: keep resets and power modes off its memory"
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
            raise ToolError(f"{kind} {name} is neither a plain input nor a plain output")
        return self._assign(connections[pad.pin], self._net(connections[pad.out][0]))

    def _gathered(
        self, kind: str, name: str, cell: Mapping[str, Any]
    ) -> tuple[dict[str, str], dict[str, list[Bit]]]:
        """Parameters and pins with numbered ones in one; block RAM with one clock."""
        parameters, values = {}, {}
        for key, value in cell["parameters"].items():
            if key.startswith("INITVAL_"):
                values[int(key.removeprefix("INITVAL_"), 16)] = value
            elif key not in ("CLKAMUX", "CLKBMUX"):
                parameters[key] = value
        if values:
            parameters["INITVAL"] = "".join(
                values.get(i, "").rjust(320, "0") for i in reversed(range(64))
            )
        buses: dict[str, list[Bit]] = {}
        for pin, bits in cell["connections"].items():
            match = _NUMBERED.fullmatch(pin)
            if match is None:
                buses[pin] = bits
                continue
            bus = buses.setdefault(match[1], [])
            place = int(match[2])
            bus += ["x"] * (place + 1 - len(bus))
            bus[place] = bits[0] if bits else "x"
        if kind == "DP16KD":
            for pin in ("RSTA", "RSTB"):
                buses.pop(pin, None)
            clocks = {buses.pop(pin, ["0"])[0] for pin in ("CLKA", "CLKB")} - {"0", "1", "x"}
            muxes = [self._parameter(cell, f"{pin}MUX") for pin in ("CLKA", "CLKB")]
            if len(clocks) != 1 or muxes != ["CLKA", "CLKB"]:
                raise ToolError(f"DP16KD {name} must have one clock, rising, at both ports")
            buses["CLK"] = list(clocks)
        return parameters, buses

    def _check_drivers(self) -> None:
        wrong = [net for net in self.nets if self.driven[net] != 1]
        if wrong:
            raise ToolError(
                f"{len(wrong)} nets of the netlist are not driven exactly once, the first is bit "
                f"{min(wrong)}: a cell's kind or port is not known here"
            )


def _value(value: str) -> str:
    if re.fullmatch("[01xz]+", value):
        return f"{len(value)}'b{value.replace('x', '0').replace('z', '0')}"
    return f'"{value.rstrip()}"'
