"""Bench of the UART: its pins are driven and read bit by bit, at rates a little off.

The duration of a bit is ``clocks``, which need not be whole; the parameter ``divisor`` is that of
the default rate in parts of a clock.
"""

from __future__ import annotations

import itertools

import cocotb
from stablespike.spec.link import BIT_PARTS, BREAK_BITS

from ...harness.serial import Receiver
from ...harness.streams import Bench, parameters, start

_SYNCHRONIZED = 2  # clocks from the pin to the receiver


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


async def receive(bench: Bench, clocks: float) -> int:
    """Read a byte from ``tx``, checking every clock of each bit; its last clock is taken, too."""
    dut, bits = bench.dut, []
    await bench.settle()
    while dut.tx.value:
        await bench.settle()
    edges = [int(clocks * k + 0.5) for k in range(11)]
    for begin, end in itertools.pairwise(edges):
        bits.append(int(dut.tx.value))
        for _ in range(begin, end):
            assert dut.tx.value == bits[-1]
            await bench.settle()
    assert bits[0] == 0
    assert bits[9] == 1
    return sum(bit << i for i, bit in enumerate(bits[1:9]))


def slowest() -> float:
    """Clocks per bit at the default rate."""
    return float(parameters()["divisor"]) / BIT_PARTS


def rates() -> list[float]:
    most = slowest()
    return [most, *(each for each in (4, 4.625, 5, 6, 6.5, 7, 13.375) if each < most)]


async def set_rate(bench: Bench, clocks: float) -> None:
    bench.dut.baud.value = int(clocks * BIT_PARTS)
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
            await bench.tick(int(2 * clocks) + 20)
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
        await bench.tick(int(clocks) + 4)
        await bench.settle()
        assert dut.idle.value
        assert dut.tx.value
        await bench.tick()


@cocotb.test()
async def is_idle_only_after_the_stop_bit(dut):
    bench = await _start(dut)
    clocks = min(9, slowest())
    await set_rate(bench, clocks)
    source = bench.source("i")
    await source.send(0xFF)
    busy = 0
    await bench.settle()
    while not dut.idle.value:
        busy += 1
        await bench.settle()
    assert busy in (int(10 * clocks + 0.5) - 1, int(10 * clocks + 0.5))


@cocotb.test()
async def drops_bytes_without_stop_bit_and_glitches(dut):
    bench = await _start(dut)
    clocks = min(8, slowest())
    await set_rate(bench, clocks)
    sink = bench.sink("o")
    await send(bench, 0x12, clocks)
    await send(bench, 0x34, clocks, stop=0)
    await bench.tick(int(12 * clocks))
    for glitch in range(1, int(clocks / 2) + 1):
        dut.rx.value = 0
        await bench.tick(glitch)
        dut.rx.value = 1
        await bench.tick(int(12 * clocks))
    await send(bench, 0x56, clocks)
    await bench.tick(int(2 * clocks))
    assert list(sink.received) == [0x12, 0x56]


@cocotb.test()
async def a_byte_under_way_at_the_old_rate_leaves_the_new_one(dut):
    bench = await _start(dut)
    divisor = slowest()
    sink = bench.sink("o")
    for clocks in (rate for rate in (4, 6.5, 13.375) if rate < divisor):
        for byte in (0, 0x80, 0x40, 0x20):
            for after in (0, 5, int(3 * divisor / 2)):  # the rate changes before or within the byte
                await set_rate(bench, divisor)
                await bench.tick(20)
                begun = cocotb.start_soon(send(bench, byte, 1.02 * divisor))
                await bench.tick(after)
                await set_rate(bench, clocks)
                await begun
                await bench.tick(int(12 * clocks) + 1)  # whatever it caused is over
                sink.received.clear()
                await send(bench, 0x56, clocks)
                await bench.tick(int(2 * clocks))
                assert list(sink.received) == [0x56], (clocks, byte, after)


@cocotb.test()
async def break_brings_the_default_rate_back(dut):
    bench = await _start(dut)
    divisor = slowest()
    await set_rate(bench, 4)
    sink = bench.sink("o")
    await send(bench, 0x12, 4)
    await bench.tick(20)
    dut.rx.value = 0
    await bench.tick(int(BREAK_BITS * divisor) + 1)
    dut.rx.value = 1
    await bench.tick(20)
    await send(bench, 0x34, divisor)
    await bench.tick(int(divisor) + 4)
    assert list(sink.received) == [0x12, 0x34]


@cocotb.test()
async def samples_where_the_model_does(dut):
    """A line of noise: every rate samples it in the clocks in which the model does."""
    bench = await _start(dut)
    random, sink = bench.random, bench.sink("o")
    whole = int(min(slowest(), 9) * BIT_PARTS)
    for divisor in range(4 * BIT_PARTS, whole + 1, 3):
        await set_rate(bench, divisor / BIT_PARTS)
        await bench.tick(20)
        model, expected = Receiver(divisor), []
        line = [1] * _SYNCHRONIZED
        for level in [*(random.random() < 0.6 for _ in range(400)), *[1] * 200]:
            dut.rx.value = int(level)
            line.append(int(level))
            byte = model.step(line.pop(0))
            if byte is not None:
                expected.append(byte)
            await bench.tick()
        assert list(sink.received) == expected, divisor
        assert expected
        sink.received.clear()
