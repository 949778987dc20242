"""Functions of many bits, for all masks."""

import pytest
from amaranth.hdl import Const, Module, Signal
from amaranth.sim import Simulator
from stablespike.hw.lib.bits import at_most, lowest, two_lowest


@pytest.mark.parametrize("width", [1, 2, 8, 11])
def test_of_all_masks(width):
    m, mask = Module(), Signal(width)
    found = [Signal(width) for _ in range(3)]
    few = [Signal() for _ in range(2)]
    m.d.comb += [
        found[0].eq(lowest(mask, Const(1))),
        *(each.eq(value) for each, value in zip(found[1:], two_lowest(mask), strict=True)),
    ]
    powers = width & (width - 1) == 0
    if powers:
        m.d.comb += [each.eq(at_most(mask, limit)) for limit, each in enumerate(few, 1)]

    async def bench(ctx):
        for number in range(1 << width):
            ctx.set(mask, number)
            bits = [1 << i for i in range(width) if number >> i & 1]
            first, second = (*bits, 0, 0)[:2]
            assert [ctx.get(each) for each in found] == [first, first, second], number
            if powers:
                assert [ctx.get(each) for each in few] == [len(bits) <= 1, len(bits) <= 2]

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
