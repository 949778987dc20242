"""Host memory: inferred, and on the iCE40UP5K's single-port RAM."""

from types import SimpleNamespace

import pytest
from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib.memory import Memory
from stablespike.hw.core.host_memory import HostMemory
from stablespike.hw.vendor import spram
from stablespike.sim.harness.bench import run_bench
from wrapped import Wrapped

BENCH = "stablespike.sim.benches.core.host_memory"


@pytest.mark.parametrize(
    ("width", "depth"), [(40, 64), (12, 33), (32, 1)], ids=str
)
def test_inferred(width, depth):
    parameters = {"width": width, "depth": depth}
    assert run_bench(HostMemory(width, depth), BENCH, parameters=parameters) == 1


def single_port_ram(kind, **pins):
    """The iCE40UP5K's SB_SPRAM256KA: one access per cycle, its output undefined after a write."""
    assert kind == "SB_SPRAM256KA"
    m = Module()
    m.submodules.rows = rows = Memory(shape=unsigned(16), depth=1 << 14, init=[])
    write, read = rows.write_port(granularity=4), rows.read_port(transparent_for=())
    garbage = Signal(init=1)
    powered = Signal()
    selected = Signal()
    m.d.comb += [
        powered.eq(pins["i_POWEROFF"]),
        selected.eq(pins["i_CHIPSELECT"] & powered),
        write.addr.eq(pins["i_ADDRESS"]),
        read.addr.eq(pins["i_ADDRESS"]),
        write.data.eq(pins["i_DATAIN"]),
        write.en.eq((selected & pins["i_WREN"]).replicate(4) & pins["i_MASKWREN"]),
        read.en.eq(selected & ~pins["i_WREN"]),
        pins["o_DATAOUT"].eq(read.data ^ garbage.replicate(16)),
    ]
    with m.If(selected):
        m.d.sync += garbage.eq(pins["i_WREN"])
    assert pins["i_STANDBY"] == pins["i_SLEEP"] == 0
    return m


@pytest.mark.parametrize(("width", "depth"), [(32, 17000)], ids=str)
def test_single_port(width, depth, monkeypatch):
    made = []

    def instance(kind, **pins):
        made.append(kind)
        return single_port_ram(kind, **pins)

    monkeypatch.setattr(spram, "Instance", instance)
    component = Wrapped(HostMemory(width, depth), "iCE40UP5K")
    parameters = {"width": width, "depth": depth}
    assert run_bench(component, BENCH, name="SinglePort", parameters=parameters) == 1
    assert len(made) == -(-depth // (1 << 14)) * (width // 16)


@pytest.mark.parametrize(("device", "depth"), [("iCE40UP5K", 2047), ("LFE5U-85F", 20000)])
def test_single_port_only_where_it_is_and_pays(device, depth, monkeypatch):
    monkeypatch.setattr(spram, "Instance", lambda kind, **pins: pytest.fail(kind))
    HostMemory(16, depth).elaborate(SimpleNamespace(device=device))


@pytest.mark.parametrize(
    ("width", "depth", "error", "message"),
    [
        (0, 4, ValueError, "width must be at least 1, not 0"),
        (16, 0, ValueError, "depth must be at least 1, not 0"),
        (16, "4", TypeError, "depth must be an integer, not '4'"),
    ],
)
def test_refuses(width, depth, error, message):
    with pytest.raises(error, match=message):
        HostMemory(width, depth)
