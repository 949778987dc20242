"""Bench of the UART: its pins are driven and read bit by bit, at rates a little off."""

from __future__ import annotations

import cocotb
from stablespike.spec.link import BREAK_BITS

from ...harness.streams import Bench, parameters, start


async def _start(dut, **kwargs) -> Bench:
    bench = await start(dut, **kwargs)
    dut.rx.value = 1
    await bench.tick(4)
    return bench


async def send(bench: Bench, byte: int, clocks: float, stop: int = 1) -> None:
    """Put a byte on ``rx``; ``clocks`` per bit need not be whole."""
    bits, begin = [0, *((byte >> i) & 1 for i in range(8)), stop], 0
    for i, bit in enumerate(bits):
        bench.dut.rx.value = bit
        upto = round((i + 1) * clocks)
        await bench.tick(upto - begin)
        begin = upto
    bench.dut.rx.value = 1


async def receive(bench: Bench, clocks: int) -> int:
    """Read a byte from ``tx``, checking the first and the last clock of each bit."""
    dut, bits = bench.dut, []
    await bench.settle()
    while dut.tx.value:
        await bench.settle()
    for _ in range(10):
        first = int(dut.tx.value)
        for _ in range(clocks - 1):
            await bench.settle()
            assert dut.tx.value == first
        bits.append(first)
        await bench.settle()
    assert bits[0] == 0
    assert bits[9] == 1
    return sum(bit << i for i, bit in enumerate(bits[1:9]))


def rates() -> list[int]:
    slowest = parameters()["divisor"]
    return [slowest, *(clocks for clocks in (6, 7, 13) if clocks < slowest)]


async def set_rate(bench: Bench, clocks: int) -> None:
    bench.dut.baud.value = clocks
    bench.dut.baud_set.value = 1
    await bench.tick()
    bench.dut.baud_set.value = 0


@cocotb.test()
async def receives_at_rates_a_little_off(dut):
    bench = await _start(dut)
    sink = bench.sink("o")
    for clocks in rates():
        await set_rate(bench, clocks)
        for off in (1.0, 0.98, 1.02):
            data = [0, 255, 0x55, *(bench.random.getrandbits(8) for _ in range(5))]
            for byte in data:
                await send(bench, byte, clocks * off)
            await bench.tick(2 * clocks + 20)
            assert list(sink.received) == data, (clocks, off)
            sink.received.clear()


@cocotb.test()
async def sends(dut):
    bench = await _start(dut)
    source = bench.source("i", 0.3)
    for clocks in rates():
        await set_rate(bench, clocks)
        data = [0, 255, 0x55, *(bench.random.getrandbits(8) for _ in range(8))]
        source.put(data)
        for byte in data:
            assert await receive(bench, clocks) == byte
        await bench.tick(clocks + 4)
        await bench.settle()
        assert dut.idle.value
        assert dut.tx.value
        await bench.tick()


@cocotb.test()
async def is_idle_only_after_the_stop_bit(dut):
    bench = await _start(dut)
    clocks = min(9, parameters()["divisor"])
    await set_rate(bench, clocks)
    source = bench.source("i")
    await source.send(0xFF)
    busy = 0
    await bench.settle()
    while not dut.idle.value:
        busy += 1
        await bench.settle()
    assert busy in (10 * clocks - 1, 10 * clocks)


@cocotb.test()
async def drops_bytes_without_stop_bit_and_glitches(dut):
    bench = await _start(dut)
    clocks = min(8, parameters()["divisor"])
    await set_rate(bench, clocks)
    sink = bench.sink("o")
    await send(bench, 0x12, clocks)
    await send(bench, 0x34, clocks, stop=0)
    await bench.tick(12 * clocks)
    dut.rx.value = 0
    await bench.tick(2)
    dut.rx.value = 1
    await bench.tick(12 * clocks)
    await send(bench, 0x56, clocks)
    await bench.tick(2 * clocks)
    assert list(sink.received) == [0x12, 0x56]


@cocotb.test()
async def a_byte_under_way_at_the_old_rate_leaves_the_new_one(dut):
    bench = await _start(dut)
    divisor = parameters()["divisor"]
    sink = bench.sink("o")
    for clocks in (rate for rate in rates() if rate < divisor):
        for byte in (0, 0x80, 0x40, 0x20):
            for after in (0, 5, 3 * divisor // 2):  # the rate changes before or within the byte
                await set_rate(bench, divisor)
                await bench.tick(20)
                begun = cocotb.start_soon(send(bench, byte, 1.02 * divisor))
                await bench.tick(after)
                await set_rate(bench, clocks)
                await begun
                await bench.tick(12 * clocks)  # whatever it caused is over
                sink.received.clear()
                await send(bench, 0x56, clocks)
                await bench.tick(2 * clocks)
                assert list(sink.received) == [0x56], (clocks, byte, after)


@cocotb.test()
async def break_brings_the_default_rate_back(dut):
    bench = await _start(dut)
    divisor = parameters()["divisor"]
    await set_rate(bench, 6)
    sink = bench.sink("o")
    await send(bench, 0x12, 6)
    await bench.tick(20)
    dut.rx.value = 0
    await bench.tick(BREAK_BITS * divisor)
    dut.rx.value = 1
    await bench.tick(20)
    await send(bench, 0x34, divisor)
    await bench.tick(divisor)
    assert list(sink.received) == [0x12, 0x34]
