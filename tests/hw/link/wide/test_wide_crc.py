"""CRC of words."""

import random
import zlib

import pytest
from simulated import simulate
from stablespike.hw.link.wide.crc import START_BEFORE, WideCrc32, crc_residue


@pytest.mark.parametrize("before", [False, True])
def test_is_the_crc_of_zlib(before):
    """From the low byte on, or from the high byte with a 0 in front of it; the CRC can be sent."""
    rng = random.Random(8)
    component = WideCrc32(START_BEFORE) if before else WideCrc32()
    dut = component

    async def word(ctx, first, data):
        ctx.set(dut.first, first)
        ctx.set(dut.valid, 1)
        ctx.set(dut.data, data)
        await ctx.tick()
        while rng.random() < 0.2:
            ctx.set(dut.valid, 0)
            ctx.set(dut.data, rng.randrange(1 << 16))
            await ctx.tick()

    async def bench(ctx):
        for length in [1, 2, 3, 8, 9, 100, 254] * 2:
            data = rng.randbytes(length + (length + before) % 2)
            filled = bytes(before) + data
            for at in range(0, len(filled), 2):
                await word(ctx, at == 0, int.from_bytes(filled[at : at + 2], "little"))
            crc = ctx.get(dut.crc)
            assert crc ^ 0xFFFFFFFF == zlib.crc32(data)
            sent = bytearray()
            for _ in range(2):
                low = ctx.get(dut.crc) & 0xFFFF
                sent += (low ^ 0xFFFF).to_bytes(2, "little")
                await word(ctx, 0, low)
            assert bytes(sent) == zlib.crc32(data).to_bytes(4, "little")

    simulate(component, bench)


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_residue(zeros):
    data = random.Random(9).randbytes(50)
    whole = data + zlib.crc32(data).to_bytes(4, "little") + bytes(zeros)
    assert zlib.crc32(whole) ^ 0xFFFFFFFF == crc_residue(zeros)
