"""The bench runner: good components pass; broken ones and modules without tests fail."""

import pytest
from amaranth import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from stablespike.sim.harness.bench import BenchError, run_bench
from stablespike.sim.harness.streams import pack, unpack

BENCHES = "benches"


class Queue(wiring.Component):
    """A FIFO, optionally with a fault."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def __init__(self, fault=None):
        self.fault = fault
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=8, depth=4)
        wiring.connect(m, wiring.flipped(self.i), fifo.w_stream)
        wiring.connect(m, fifo.r_stream, wiring.flipped(self.o))
        toggle = Signal()
        m.d.sync += toggle.eq(~toggle)
        if self.fault == "payload changes":
            m.d.comb += self.o.payload.eq(fifo.r_stream.payload ^ toggle)
        elif self.fault == "valid falls":
            m.d.comb += self.o.valid.eq(fifo.r_stream.valid & toggle)
            m.d.comb += fifo.r_stream.ready.eq(self.o.ready & toggle)
        elif self.fault == "valid waits for ready":
            m.d.comb += self.o.valid.eq(fifo.r_stream.valid & self.o.ready)
        elif self.fault == "wrong data":
            m.d.comb += self.o.payload.eq(fifo.r_stream.payload ^ 1)
        return m


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_a_good_component_passes(stall):
    assert run_bench(Queue(), BENCHES, parameters={"stall": stall}) == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("payload changes", "the payload changed from"),
        ("valid falls", "valid fell before the transfer"),
        ("valid waits for ready", "2000 cycles went by waiting for 200 payloads from o"),
        ("wrong data", "assert"),
    ],
)
def test_a_broken_component_fails(fault, message):
    with pytest.raises(BenchError, match="failed: passes_everything_in_order") as caught:
        run_bench(Queue(fault), BENCHES, parameters={"stall": 0.5, "limit": 2000},
                  testcase="passes_everything_in_order")
    assert message in str(caught.value)


def test_a_module_without_tests_fails():
    with pytest.raises(BenchError, match="ran no test"):
        run_bench(Queue(), "json")


def test_a_module_that_is_not_there_fails():
    with pytest.raises(BenchError, match="no_such_bench"):
        run_bench(Queue(), "no_such_bench")


def test_layouts_pack_and_refuse():
    layout = data.StructLayout({"low": 3, "pair": data.ArrayLayout(signed(4), 2)})
    assert pack(layout, {"pair": [-1, 2], "low": 5}) == 5 | 0xF << 3 | 2 << 7
    assert unpack(layout, 5 | 0xF << 3 | 2 << 7) == {"low": 5, "pair": [-1, 2]}
    with pytest.raises(ValueError, match="8 does not fit"):
        pack(layout, {"low": 8, "pair": [0, 0]})
    with pytest.raises(ValueError, match=r"fields must be \['low', 'pair'\], not \['low'\]"):
        pack(layout, {"low": 1})
    with pytest.raises(ValueError, match="an array of 2 was given 1 values"):
        pack(layout, {"low": 1, "pair": [0]})


def test_parameters_must_be_plain():
    with pytest.raises(TypeError, match="a bench parameter must be plain JSON"):
        run_bench(Queue(), BENCHES, parameters={"stall": object()})
