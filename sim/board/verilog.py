"""Verilog of the gateware, cached by the content it is made from."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import BUILD_ID_BYTES
from stablespike.support.cache import cached, digest, source_digest, tools_have_a_cache
from stablespike.support.errors import ToolError

__all__ = [
    "accelerator_verilog", "board_verilog", "build_id", "component_verilog",
    "design_verilog",
]

_FILE = "board.v"

# Amaranth sets each row of a memory in a line of its own. Written as a loop, the many rows that are
# zero take Verilator much less time.
_ZEROS = re.compile(r"^( *)(\S+ ?)\[0\] = (\d+'[hd]0+);\n(?:\1\2\[\d+\] = \3;\n)+", re.MULTILINE)

_HEAD = re.compile(r"^module core ?\([^;]*;", re.MULTILINE)  # of the module of ``shared_core``


def _loop(rows: re.Match[str]) -> str:
    space, name, zero = rows.groups()
    count = rows[0].count("\n")
    return f"{space}for (int i = 0; i < {count}; i = i + 1) {name}[i] = {zero};\n"


def component_verilog(component: Any, name: str) -> str:
    """Verilog of an Amaranth component.

    The text does not depend on the folder of the sources, so that it can serve as a cache key.
    """
    from amaranth.hdl import Const, Value

    # By itself Amaranth would make a port of the constant ``ready`` of a stream that is always
    # ready, and refuse it.
    ports = {
        "__".join(map(str, path)): (Value.cast(value), None)
        for path, _, value in component.signature.flatten(component)
        if not isinstance(value, Const)
    }
    return design_verilog(component, name, ports)


def design_verilog(design: Any, name: str, ports: dict[str, Any]) -> str:
    """Verilog of an Amaranth design with these ports, as ``component_verilog`` writes it."""
    from amaranth.back import verilog

    with tools_have_a_cache():
        text = str(verilog.convert(
            design, name=name, ports=ports, strip_internal_attrs=True, emit_src=False
        ))
    text = _ZEROS.sub(_loop, text)
    # An `always @*` that assigns a constant never runs, because no signal of its own changes;
    # `always_comb` also runs at time zero.
    return text.replace("always @*", "always_comb")


def board_verilog(component: Any, *, uart: bool = False) -> str:
    """Verilog of a module ``board`` for the harness of the simulated board.

    The module connects the component to plain pins. ``tx`` is always ready, and there is no reset:
    registers start from their initial values. Both would be inputs that reach nearly all of the
    logic, and Verilator evaluates logic that depends on an input twice per clock.

    Each edge of ``clock``, rising or falling, is a clock of the component, so that one evaluation
    makes one. What happens at an edge is in registers behind it: ``rx_taken``, ``tx_valid`` and
    ``tx_payload``, and for each core a word of a trace: ``valid``, ``last`` and the word, from the
    highest bit on.

    Parameters
    ----------
    component : wiring.Component
        Component with streams ``rx`` and ``tx`` of bytes or words, or with one-bit pins of these
        names; with streams ``traces``, one for each core, if it has ``trace_ports``.
    uart : bool
        Whether ``rx`` and ``tx`` are pins.
    """
    from amaranth.hdl import Cat, ClockDomain, Module, Signal
    from amaranth.lib import wiring
    from amaranth.lib.wiring import In, Out

    width = 1 if uart else len(component.rx.payload)
    pins = {"rx": In(1), "tx": Out(1)} if uart else {
        "rx_payload": In(width), "rx_valid": In(1), "rx_taken": Out(1),
        "tx_payload": Out(width), "tx_valid": Out(1),
    }
    traces = component.traces if getattr(component, "trace_ports", False) else []
    if traces:
        pins |= {"traces_apart": In(1)}
        pins |= {f"trace{core}": Out(2 + len(each.p.data)) for core, each in enumerate(traces)}

    class Board(wiring.Component):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__({"clock": In(1), **pins})

        def elaborate(self, platform: Any) -> Any:
            m = Module()
            m.domains.sync = domain = ClockDomain("sync")
            m.submodules.top = component
            m.d.comb += domain.clk.eq(self.clock)
            if uart:
                m.d.comb += [component.rx.eq(self.rx), self.tx.eq(component.tx)]
            else:
                m.d.comb += [
                    component.rx.payload.eq(self.rx_payload),
                    component.rx.valid.eq(self.rx_valid),
                    component.tx.ready.eq(1),
                ]
                m.d.sync += [
                    self.rx_taken.eq(component.rx.valid & component.rx.ready),
                    self.tx_payload.eq(component.tx.payload),
                    self.tx_valid.eq(component.tx.valid),
                ]
            if traces:
                # From a register, or Verilator would evaluate what it reaches twice per clock.
                apart = Signal()
                m.d.sync += apart.eq(self.traces_apart)
                m.d.comb += component.traces_apart.eq(apart)
            for core, each in enumerate(traces):
                word = Cat(each.p.data, each.p.last, each.valid)
                m.d.sync += getattr(self, f"trace{core}").eq(word)
            return m

    return _both_edges(component_verilog(Board(), "board"))


def _both_edges(text: str) -> str:
    return text.replace("@(posedge ", "@(edge ")


def _key(config: ArrayConfig, uart: bool, clock_hz: int) -> str:
    try:
        amaranth = version("amaranth")
    except PackageNotFoundError:
        raise ToolError(
            "the simulated board needs amaranth: pip install 'stablespike[sim]', "
            "or use the device golden:"
        ) from None
    # This file is part of the key too, since it changes the text that Amaranth writes.
    return digest(Path(__file__).read_bytes(), source_digest("stablespike.hw", "stablespike.spec"),
                  json.dumps(config.as_dict()), str(uart), str(clock_hz), amaranth)


def build_id(config: ArrayConfig, *, uart: bool, clock_hz: int) -> bytes:
    """The build ID that the simulated board reports: a hash of what its Verilog is made from."""
    key = _key(config, uart, clock_hz)
    return hashlib.sha256(key.encode()).digest()[:BUILD_ID_BYTES]


def accelerator_verilog(config: ArrayConfig, *, uart: bool, clock_hz: int) -> str:
    """Verilog of the whole accelerator; the top module is ``board``.

    Parameters
    ----------
    config : ArrayConfig
        Configuration of the array.
    uart : bool
        Whether the module has the UART's pins rather than the byte streams of the link.
    clock_hz : int
        Clock rate that the device reports. It sets the UART's initial baud rate.

    Raises
    ------
    ToolError
        If Amaranth is not installed.
    """

    def build(folder: Path) -> None:
        from stablespike.hw import accelerator

        from .shared_core import MODULE, CoreInstance, CoreModule

        identity = build_id(config, uart=uart, clock_hz=clock_hz)
        if uart:
            component = accelerator.UartAccelerator(config, identity, clock_hz=clock_hz)
            text = board_verilog(component, uart=True)
        elif config.pipelined and config.cores > 1:
            component = accelerator.Accelerator(config, identity, clock_hz, True, CoreInstance)
            text = board_verilog(component)
            core = _both_edges(component_verilog(CoreModule(config), MODULE))
            # Code that several cores share is quicker to compile, and fits the processor's caches.
            text += _HEAD.sub(r"\g<0>\n  /*verilator no_inline_module*/", core)
        else:
            component = accelerator.Accelerator(config, identity, clock_hz, True)
            text = board_verilog(component)
        (folder / _FILE).write_text(text)

    return (cached("verilog", _key(config, uart, clock_hz), build) / _FILE).read_text()
