"""Bench of the SPI peripheral: a host of mode 0 whose clock has nothing to do with the device's."""

from __future__ import annotations

import cocotb
from cocotb.triggers import Timer

from ...harness.streams import Bench, parameters, start


async def _start(dut) -> Bench:
    bench = await start(dut, period_ns=parameters()["clock_ns"])
    dut.cs_n.value = 1
    await bench.tick(4)
    return bench


def _half() -> Timer:
    return Timer(parameters()["sck_ns"] / 2, "ns")


async def bit(dut, value: int) -> int:
    """One period of ``sck``; returns the bit that was there as it rose."""
    dut.copi.value = value
    await _half()
    came = int(dut.cipo.value)
    dut.sck.value = 1
    await _half()
    dut.sck.value = 0
    return came


async def transfer(dut, data: list[int], bits: int | None = None) -> list[int]:
    """Send bytes, or only their first ``bits``; return as many bytes from the device."""
    assert not dut.cipo_oe.value
    dut.cs_n.value = 0
    await _half()
    assert dut.cipo_oe.value
    sent = [(byte >> (7 - i)) & 1 for byte in data for i in range(8)][:bits]
    came = [await bit(dut, value) for value in sent]
    await _half()
    dut.cs_n.value = 1
    await _half()
    return [sum(b << (7 - i) for i, b in enumerate(came[at : at + 8]))
            for at in range(0, len(came) - 7, 8)]


def frame(bench: Bench, length: int) -> list[int]:
    return [bench.random.randint(1, 255) for _ in range(length)]


@cocotb.test()
async def passes_both_ways_at_once(dut):
    bench = await _start(dut)
    source, sink = bench.source("i"), bench.sink("o")
    there, back, came = [], [], []
    for length in (1, 2, 3, 17, 40):
        await Timer(bench.random.randint(1, 999), "ns")
        source.put(some := frame(bench, length - 1))
        back += some
        sent = [bench.random.randint(0, 255) for _ in range(length)]
        there += sent[1:]
        came += await transfer(dut, sent)
    came += await transfer(dut, [0] * 80)  # what is left
    await bench.tick(8)
    assert list(sink.received) == [*there, *[0] * 79]
    assert [byte for byte in came if byte] == back
    assert dut.idle.value


@cocotb.test()
async def sends_frames_without_gaps(dut):
    bench = await _start(dut)
    source = bench.source("i")
    await transfer(dut, [0] * 4)
    frames = [frame(bench, length) for length in (1, 2, 100)]
    for some in frames:
        source.put([*some, 0])
    came = []
    while not source.idle:
        came += await transfer(dut, [0] * bench.random.randint(1, 9))
    came += await transfer(dut, [0] * 4)
    assert [list(piece) for piece in bytes(came).split(b"\0") if piece] == frames


@cocotb.test()
async def waits_for_a_slow_source(dut):
    bench = await _start(dut)
    source = bench.source("i", 0.95)
    source.put(data := frame(bench, 50))
    came = []
    while not source.idle:
        came += await transfer(dut, [0] * bench.random.randint(1, 20))
    came += await transfer(dut, [0] * 4)
    assert [byte for byte in came if byte] == data


@cocotb.test()
async def loses_whole_bytes_to_a_slow_sink(dut):
    bench = await _start(dut)
    sink = bench.sink("o", 0.98)
    data = list(range(1, 256))
    await transfer(dut, [0, *data])
    await bench.tick(400)
    # A byte that the test before left may come first.
    received = [byte for byte in sink.received if byte]
    assert 10 < len(received) < len(data)
    assert received == sorted(set(received))


@cocotb.test()
async def begins_afresh_after_a_broken_transfer(dut):
    bench = await _start(dut)
    source, sink = bench.source("i"), bench.sink("o")
    for bits in range(1, 24):
        source.put([*frame(bench, 3), 0])
        await transfer(dut, [0, 0x55, 0xAA], bits)
        await transfer(dut, [0] * 8)  # whatever was under way
        await bench.tick(8)
        sink.received.clear()
        source.put([*(some := frame(bench, 5)), 0])
        came = await transfer(dut, [0xAB, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0])
        await bench.tick(8)
        assert list(sink.received) == [0x12, 0x34, 0, 0, 0, 0, 0, 0, 0], bits
        assert [byte for byte in came if byte] == some, bits
