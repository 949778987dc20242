"""Synthesis of small components with yosys, for the tests of netlists."""

from pathlib import Path

from amaranth.back import rtlil
from stablespike.boards.flow import READ
from stablespike.boards.tools import Tools
from stablespike.sim.netlist.netlist import read_netlist
from stablespike.support.cache import cached, digest

SYNTHESIS = {
    "ice40": "synth_ice40 -device u -top top",
    "ecp5": "synth_ecp5 -top top",
}
STREAM_PINS = {
    "clock": "clk", "rx_payload": "rx__payload", "rx_valid": "rx__valid", "rx_ready": "rx__ready",
    "tx_payload": "tx__payload", "tx_valid": "tx__valid",
}
UART_PINS = {"clock": "clk", "rx": "rx", "tx": "tx"}


class Platform:
    """The attribute of a platform that the gateware reads."""

    device = "iCE40UP5K"


def synthesize(component, family):
    """The netlist of a component; its ports are those of ``component``, clk and rst."""
    platform = Platform() if family == "ice40" else None
    text = rtlil.convert(component, name="top", platform=platform, emit_src=False)
    script = f"{READ}{SYNTHESIS[family]}\nwrite_json top.json\n"

    def build(folder):
        (folder / "top.il").write_text(text)
        (folder / "top.ys").write_text(script)
        Tools(Path(folder)).run("yosys", "-q", "top.ys")

    return read_netlist(cached("test-netlist", digest(text, script), build) / "top.json")
