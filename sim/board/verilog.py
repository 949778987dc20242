"""The accelerator's gateware as Verilog, kept by the content of what it was made from."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import BUILD_ID_BYTES
from stablespike.support.cache import cached, digest, source_digest
from stablespike.support.errors import ToolError

__all__ = ["accelerator_verilog", "board_verilog", "build_id", "component_verilog"]

_FILE = "board.v"


# A memory's rows that begin as zero, a line each.
_ZEROS = re.compile(r"^( *)(\S+ ?)\[0\] = (\d+'[hd]0+);\n(?:\1\2\[\d+\] = \3;\n)+", re.MULTILINE)


def _loop(rows: re.Match[str]) -> str:
    space, name, zero = rows.groups()
    count = rows[0].count("\n")
    return f"{space}for (int i = 0; i < {count}; i = i + 1) {name}[i] = {zero};\n"


def component_verilog(component: Any, name: str) -> str:
    """Verilog of an Amaranth component, the same wherever its sources lie."""
    from amaranth.back import verilog
    from amaranth.hdl import Const, Value

    # By itself Amaranth would make a port of the constant ``ready`` of a stream that is always
    # ready, and refuse it.
    ports = {
        "__".join(map(str, path)): (Value.cast(value), None)
        for path, _, value in component.signature.flatten(component)
        if not isinstance(value, Const)
    }
    text = str(verilog.convert(
        component, name=name, ports=ports, strip_internal_attrs=True, emit_src=False
    ))
    text = _ZEROS.sub(_loop, text)
    # An `always @*` that assigns a constant never runs; `always_comb` also runs at time zero.
    return text.replace("always @*", "always_comb")


def board_verilog(component: Any, *, uart: bool = False) -> str:
    """Verilog of a module ``board`` for the simulated board's harness.

    It is the component behind plain pins, always ready to give a byte away and never reset: the
    registers start from their initial values. Logic that depends on an input is evaluated twice a
    clock, and reset and ready reach nearly all of it.

    Parameters
    ----------
    component : with byte streams ``rx`` and ``tx``, or with ``uart`` pins of one bit.
    """
    from amaranth.hdl import ClockDomain, Module
    from amaranth.lib import wiring
    from amaranth.lib.wiring import In, Out

    pins = {"rx": In(1), "tx": Out(1)} if uart else {
        "rx_payload": In(8), "rx_valid": In(1), "rx_ready": Out(1),
        "tx_payload": Out(8), "tx_valid": Out(1),
    }

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
                    self.rx_ready.eq(component.rx.ready),
                    self.tx_payload.eq(component.tx.payload),
                    self.tx_valid.eq(component.tx.valid),
                    component.tx.ready.eq(1),
                ]
            return m

    return component_verilog(Board(), "board")


def _key(config: ArrayConfig, uart: bool, clock_hz: int) -> str:
    try:
        amaranth = version("amaranth")
    except PackageNotFoundError:
        raise ToolError(
            "the simulated board needs amaranth: pip install 'stablespike[sim]', "
            "or use the device golden:"
        ) from None
    return digest(Path(__file__).read_bytes(), source_digest("stablespike.hw", "stablespike.spec"),
                  json.dumps(config.as_dict()), str(uart), str(clock_hz), amaranth)


def build_id(config: ArrayConfig, *, uart: bool, clock_hz: int) -> bytes:
    """What the device says it was built from: configuration, sources and Amaranth's version."""
    key = _key(config, uart, clock_hz)
    return hashlib.sha256(key.encode()).digest()[:BUILD_ID_BYTES]


def accelerator_verilog(config: ArrayConfig, *, uart: bool, clock_hz: int) -> str:
    """Verilog of the whole accelerator, its top module named ``board``.

    Parameters
    ----------
    uart : with the UART's pins, rather than the link's byte streams.
    clock_hz : what the device says of its clock; sets the UART's first rate.

    Raises
    ------
    ToolError
        If Amaranth is missing.
    """

    def build(folder: Path) -> None:
        from stablespike.hw import accelerator

        top = accelerator.UartAccelerator if uart else accelerator.Accelerator
        component = top(
            config, build_id=build_id(config, uart=uart, clock_hz=clock_hz), clock_hz=clock_hz
        )
        (folder / _FILE).write_text(board_verilog(component, uart=uart))

    return (cached("verilog", _key(config, uart, clock_hz), build) / _FILE).read_text()
