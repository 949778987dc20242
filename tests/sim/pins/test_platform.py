"""The platform of boards at their pins: ports, buffers of two bits a clock, sources in Verilog."""

import pytest
from amaranth.hdl import ClockDomain, Elaboratable, Fragment, Module
from amaranth.lib import io
from amaranth.sim import Simulator
from stablespike.boards.registry import BOARDS
from stablespike.sim.pins.design import elaborate
from stablespike.sim.pins.platform import PinPort, PinsPlatform

PERIOD = 8e-9  # seconds
VERSA = BOARDS["versa-ecp5"]
BITS = [(1, 0), (0, 1), (1, 1), (0, 0), (1, 0)]


class Ddr(Elaboratable):
    """A DDR buffer at a port."""

    def __init__(self, direction, port):
        self.buffer = io.DDRBuffer(direction, port)

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain(reset_less=True)
        m.submodules.buffer = Fragment.get(self.buffer, PinsPlatform(VERSA))
        return m


def simulate(design, *benches):
    simulator = Simulator(design)
    simulator.add_clock(PERIOD)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


def test_output_bits_fill_the_halves_of_the_next_clock():
    port = PinPort("o", 1, name="port")
    design = Ddr("o", port)
    seen = []

    async def drive(ctx):
        for first, second in BITS:
            ctx.set(design.buffer.o[0], first)
            ctx.set(design.buffer.o[1], second)
            await ctx.tick()
            await ctx.delay(PERIOD / 4)
            high = ctx.get(port.o)
            await ctx.delay(PERIOD / 2)
            seen.append((high, ctx.get(port.o)))

    simulate(design, drive)
    assert seen == BITS


def test_input_bits_come_together_at_the_next_rising_edge():
    port = PinPort("i", 1, name="port")
    design = Ddr("i", port)
    seen = []

    async def drive(ctx):
        # Each bit is there from a quarter of a period before its edge to a quarter behind it.
        for first, second in BITS:
            ctx.set(port.i, first)
            await ctx.delay(PERIOD / 2)
            ctx.set(port.i, second)
            await ctx.delay(PERIOD / 2)

    async def look(ctx):
        for _ in range(len(BITS) + 1):
            seen.append(tuple(ctx.get(design.buffer.i[half]) for half in range(2)))
            await ctx.delay(PERIOD)

    async def late(ctx):
        await ctx.delay(PERIOD / 2 + PERIOD / 8)
        await look(ctx)

    simulate(design, drive, late)
    assert seen == [(0, 0), *BITS]


def test_a_resource_keeps_its_groups_and_clocks():
    platform = PinsPlatform(VERSA)
    ports = platform.request("eth_rgmii", 0, dir="-")
    assert len(ports.rx_data) == 4
    names = [name for name, _ in platform.ports["eth_rgmii:0"]]
    assert {"rx_clk", "rx_data", "tx_clk", "tx_data"} <= set(names)
    with pytest.raises(ValueError, match="dir must be '-', for ports without buffers, not 'i'"):
        platform.request("led", 0, dir="i")


def test_verilog_of_the_gateware_is_part_of_the_model():
    class Foreign(Elaboratable):
        def elaborate(self, platform):
            m = Module()
            m.domains.sync = sync = ClockDomain(reset_less=True)
            m.submodules.clock = clock = io.Buffer(
                "i", platform.request(platform.default_clk, dir="-")
            )
            m.d.comb += sync.clk.eq(clock.i)
            platform.add_file("core.v", "module core; endmodule\n")
            platform.add_file("core.txt", "no module")
            return m

    verilog = elaborate(Foreign(), BOARDS["ulx3s-25f"]).verilog
    assert "module core;" in verilog
    assert "no module" not in verilog
