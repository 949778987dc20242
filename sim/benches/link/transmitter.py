"""Bench of the transmitter: its strobes and streams are driven, its frames read."""

from __future__ import annotations

import zlib
from typing import Any

import cocotb
from stablespike.hw.lib.ports import report_layout
from stablespike.hw.link.cobs import encoded_layout
from stablespike.hw.link.receiver import acknowledge_layout, nonce_layout
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import BODY_BYTES, FAULT, RESEND, Kind, pack_info

from ...harness.frames import Frame
from ...harness.streams import Bench, pack, parameters, start, unpack

SESSION = 0x5A


def link_bytes() -> int:
    return int(parameters()["config"]["link_bytes"])


class Wire:
    """Takes frames without a pause inside a frame, and with pauses between them."""

    def __init__(self, bench: Bench, pause: int) -> None:
        self.bench, self.pause = bench, pause
        self.frames: list[Frame] = []
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        bench, dut, raw = self.bench, self.bench.dut, bytearray()
        while True:
            dut.room.value = 1
            await bench.settle()
            closed = False
            if dut.o__valid.value:
                n = link_bytes()
                taken = unpack(encoded_layout(n), int(dut.o__payload.value))
                raw += taken["data"].to_bytes(n, "little")
                closed = bool(taken["last"])
            await bench.tick()
            if closed:
                assert zlib.crc32(raw[:-4]).to_bytes(4, "little") == raw[-4:]
                assert len(raw) <= BODY_BYTES + 8
                self.frames.append(Frame(raw[0], raw[1], raw[2], raw[3], bytes(raw[4:-4])))
                raw.clear()
                dut.room.value = 0
                await bench.tick(1 + bench.random.randrange(self.pause + 1))

    def take(self) -> list[Frame]:
        frames, self.frames = self.frames, []
        return frames


async def strobe(bench: Bench, name: str) -> None:
    getattr(bench.dut, name).value = 1
    await bench.tick()
    getattr(bench.dut, name).value = 0


async def acknowledge(bench: Bench, ack: int, resend: int = 0) -> None:
    dut = bench.dut
    dut.acknowledged__payload.value = pack(
        acknowledge_layout(), {"ack": ack & 0xFF, "resend": resend})
    dut.acknowledged__valid.value = 1
    await bench.tick()
    dut.acknowledged__valid.value = 0


def packet(words: list[int]) -> list[int]:
    last = len(words) - 1
    return [pack(report_layout(), {"data": word, "last": int(i == last)})
            for i, word in enumerate(words)]


def as_bytes(words: list[int]) -> bytes:
    return b"".join(word.to_bytes(2, "little") for word in words)


async def _start(dut: Any, pause: int | None = None) -> tuple[Bench, Wire]:
    bench = await start(dut, limit=300_000)
    if link_bytes() > 1:
        dut.nonce.value = int.from_bytes(bytes((SESSION, 1, 0, 3)), "little")
        return bench, Wire(bench, parameters()["pause"] if pause is None else pause)
    for i, byte in enumerate(bytes((SESSION, 1, 0, 3))):
        dut.nonce__payload.value = pack(nonce_layout(), {"index": i, "data": byte})
        dut.nonce__valid.value = 1
        await bench.tick()
    dut.nonce__valid.value = 0
    return bench, Wire(bench, parameters()["pause"] if pause is None else pause)


@cocotb.test()
async def answers(dut):
    """A hello is answered by INFO, a missing frame by a request, a command by an ACK, in that
    order."""
    config = ArrayConfig(**parameters()["config"])
    bench, wire = await _start(dut)
    dut.executed.value = 77
    await bench.tick(50)
    assert wire.take() == []
    for name in ("done", "missing", "greeted"):
        getattr(dut, name).value = 1
    await bench.tick()
    for name in ("done", "missing", "greeted"):
        getattr(dut, name).value = 0
    await bench.tick(700)
    frames = wire.take()
    info = bytes((SESSION, 1, 0, 3)) + pack_info(config)
    assert [(f.kind, f.session) for f in frames] == [
        (Kind.INFO, SESSION), (Kind.ACK | RESEND, SESSION), (Kind.ACK, SESSION)]
    assert frames[0].body == info
    assert [f.ack for f in frames[1:]] == [77, 77]
    dut.fault.value = 1
    await strobe(bench, "doubled")
    await bench.tick(100)
    await strobe(bench, "greeted")
    await bench.tick(500)
    await strobe(bench, "missing")
    await bench.tick(100)
    assert [f.kind for f in wire.take()] == [
        Kind.ACK | FAULT, Kind.INFO, Kind.ACK | RESEND | FAULT]


@cocotb.test()
async def is_quiet_when_all_is_answered(dut):
    bench, wire = await _start(dut, pause=0)
    await bench.settle()
    assert dut.quiet.value
    await bench.tick()
    await strobe(bench, "done")
    await bench.until(lambda: dut.quiet.value, "quiet")
    assert [f.kind for f in wire.take()] == [Kind.ACK]


@cocotb.test()
async def sends_packets_at_once_and_whole(dut):
    bench, wire = await _start(dut, pause=0)
    source = bench.source("reports")
    for length in (2, 4, 40):
        words = [bench.random.getrandbits(16) for _ in range(length)]
        begin = bench.cycle
        await source.send(packet(words))
        await bench.until(lambda: wire.frames, "the frame")
        assert bench.cycle - begin <= 3 * length + 20
        [got] = wire.take()
        assert got.body == as_bytes(words)
    half = packet([1, 2, 3])
    await source.send(half[:2])
    await bench.tick(100)
    assert wire.take() == []
    await source.send(half[2:])
    await bench.tick(100)
    assert [f.body for f in wire.take()] == [as_bytes([1, 2, 3])]


@cocotb.test()
async def goes_back(dut):
    """Repeated frames have the same number and bytes; old acks change nothing."""
    bench, wire = await _start(dut)
    rng = bench.random
    source = bench.source("reports", 0.2)
    config = ArrayConfig(**parameters()["config"])
    words = [rng.getrandbits(16) & rng.choice([0xFF, 0xFFFF]) for _ in range(2500)]
    at = 0
    while at < len(words):
        size = rng.choice([2, 3, 20, 129])
        source.put(packet(words[at : at + size]))
        at += size
    total, taken, expected = as_bytes(words), bytearray(), 0
    known: dict[int, bytes] = {}
    acked = 0
    while len(taken) < len(total):
        await bench.tick(rng.randrange(1, 800))
        for got in wire.take():
            if got.kind != Kind.DATA:
                continue
            behind = (expected - got.seq) & 0xFF
            if behind == 0:
                known[expected] = got.body
                taken += got.body
                expected += 1
            elif behind <= expected - acked:
                assert known[expected - behind] == got.body
        choice = rng.randrange(6)
        if choice == 1:
            await acknowledge(bench, acked - rng.randrange(120))  # reordered on its way
        elif choice < 4:
            acked = rng.randrange(acked, expected + 1)
            await acknowledge(bench, acked, int(choice == 0))
            if choice == 0:
                await bench.tick(rng.randrange(30))
        assert expected - acked <= 128
    assert bytes(taken) == total
    await acknowledge(bench, expected)
    await bench.tick(2000)
    wire.take()
    await acknowledge(bench, expected, 1)
    await bench.tick(600)
    assert [f.kind for f in wire.take()] == [Kind.ACK]
    source.put(packet([1] * (config.result_bytes // 2)))
    await bench.until(lambda: source.idle, "the ring to take as much as it holds")


@cocotb.test()
async def stops_when_the_ring_or_the_numbers_are_full(dut):
    config = ArrayConfig(**parameters()["config"])
    bench, wire = await _start(dut, pause=0)
    source = bench.source("reports")
    source.put(packet(list(range(config.result_bytes // 2))) + packet([7, 8]))
    await bench.tick(4 * config.result_bytes)
    await bench.settle()
    assert not dut.reports__ready.value
    await bench.tick()
    frames = wire.take()
    assert b"".join(f.body for f in frames) == as_bytes(list(range(config.result_bytes // 2)))
    await acknowledge(bench, len(frames))
    await bench.tick(50)
    frames += wire.take()
    assert frames[-1].body == as_bytes([7, 8])
    begin = len(frames)
    await acknowledge(bench, begin)
    for i in range(140):
        await source.send(packet([i]))
        await bench.tick(25)
    await bench.tick(300)
    frames += wire.take()
    assert len(frames) - begin == 128
    await acknowledge(bench, begin + 128)
    await bench.tick(200)
    frames += wire.take()
    assert b"".join(f.body for f in frames[begin:]) == as_bytes(list(range(140)))
