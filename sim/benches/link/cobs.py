"""Benches of the COBS decoder and encoder, and of the CRC, against their Python packages."""

from __future__ import annotations

import zlib

import cocotb
from cobs import cobs
from stablespike.hw.link.cobs import decoded_layout, encoded_layout
from stablespike.spec.link import FRAME_BYTES

from ...harness.streams import Bench, pack, parameters, start, unpack


def frames(bench: Bench) -> list[bytes]:
    """Frames of all lengths, with few zeros, with many, with only zeros and with none."""
    rng = bench.random
    out = [b"\0", b"\1", bytes(FRAME_BYTES), bytes([7]) * FRAME_BYTES, bytes([7]) * 253 + b"\0",
           b"\0" + bytes([7]) * 253]
    for length in [1, 2, 8, 100, 253, 254] * 3:
        zeros = rng.choice([0.0, 0.02, 0.5])
        out.append(bytes(
            0 if rng.random() < zeros else rng.randrange(1, 256) for _ in range(length)
        ))
    rng.shuffle(out)
    return out


@cocotb.test(skip=parameters().get("dut") != "decoder")
async def decodes(dut):
    bench = await start(dut)
    stall = parameters()["stall"]
    source, sink = bench.source("i", stall), bench.sink("o", stall)
    sent = frames(bench)
    for i, frame in enumerate(sent):
        wire = cobs.encode(frame) + b"\0" * (1 + i % 3)
        if len(frame) == 254 and 0 not in frame:
            wire = wire.replace(b"\0", b"\1\0", 1)  # as some encoders end a full block
        source.put(list(wire))
    await bench.until(lambda: source.idle, "the frames to be taken")
    await bench.tick(20)
    got, frame = [], bytearray()
    for word in sink.received:
        byte = unpack(decoded_layout(), word)
        if byte["end"]:
            assert not byte["broken"]
            got.append(bytes(frame))
            frame.clear()
        else:
            frame.append(byte["data"])
    assert got == sent


@cocotb.test(skip=parameters().get("dut") != "decoder")
async def finds_frames_cut_short(dut):
    bench = await start(dut)
    source, sink = bench.source("i"), bench.sink("o")
    ends = []
    for _ in range(50):
        frame = bytes(bench.random.randrange(4) for _ in range(bench.random.randrange(1, 30)))
        wire = cobs.encode(frame)
        wire = wire[: bench.random.randrange(1, len(wire) + 1)]
        try:
            cobs.decode(wire)
            ends.append(0)
        except cobs.DecodeError:
            ends.append(1)
        source.put([*wire, 0])
    await bench.until(lambda: source.idle, "the frames to be taken")
    await bench.tick(4)
    got = [unpack(decoded_layout(), word) for word in sink.received]
    assert [byte["broken"] for byte in got if byte["end"]] == ends
    assert 0 < sum(ends) < len(ends)


@cocotb.test(skip=parameters().get("dut") != "encoder")
async def encodes(dut):
    bench = await start(dut)
    stall = parameters()["stall"]
    source, sink = bench.source("i", stall), bench.sink("o", stall)
    sent = frames(bench)
    for frame in sent:
        source.put([
            pack(encoded_layout(), {"data": byte, "last": int(i == len(frame) - 1)})
            for i, byte in enumerate(frame)
        ])
    wire = bytes(await sink.take(sum(len(cobs.encode(frame)) + 1 for frame in sent)))
    assert wire == b"".join(cobs.encode(frame) + b"\0" for frame in sent)
    await bench.tick(4)
    await bench.settle()
    assert dut.idle.value


@cocotb.test(skip=parameters().get("dut") != "encoder")
async def forgets_a_frame_not_finished(dut):
    bench = await start(dut)
    source, sink = bench.source("i"), bench.sink("o")
    whole = bytes((1, 0, 2))
    for rest in ([], [0], [5, 0, 6], [9] * 200):
        source.put([pack(encoded_layout(), {"data": b, "last": i == 2}) for i, b in
                    enumerate(whole)])
        await source.send([pack(encoded_layout(), {"data": b, "last": 0}) for b in rest])
        dut.restart.value = 1
        await bench.tick()
        dut.restart.value = 0
        source.put([pack(encoded_layout(), {"data": b, "last": i == 2}) for i, b in
                    enumerate(whole)])
        assert bytes(await sink.take(10)) == (cobs.encode(whole) + b"\0") * 2
        await bench.tick(20)
        assert not sink.received


@cocotb.test(skip=parameters().get("dut") != "encoder")
async def takes_a_frame_without_a_pause(dut):
    """A frame of n bytes takes n + 2 cycles, while the frame before is sent."""
    bench = await start(dut)
    source = bench.source("i")
    bench.sink("o")
    count, length = 10, 254
    begin = bench.cycle
    for _ in range(count):
        source.put([
            pack(encoded_layout(), {"data": i & 255, "last": int(i == length - 1)})
            for i in range(length)
        ])
    await bench.until(lambda: source.idle, "the frames to be taken")
    assert bench.cycle - begin <= count * (length + 5)


@cocotb.test(skip=parameters().get("dut") != "crc")
async def is_the_crc_of_zlib(dut):
    bench = await start(dut)
    for frame in frames(bench):
        crc = zlib.crc32(frame).to_bytes(4, "little")
        for i, byte in enumerate(frame + crc + b"\0"):
            dut.first.value, dut.valid.value, dut.data.value = i == 0, 1, byte
            await bench.tick()
            while bench.random.random() < 0.2:
                dut.valid.value, dut.data.value = 0, bench.random.getrandbits(8)
                await bench.tick()
        dut.valid.value = 0
        await bench.settle()
        assert dut.match.value
        await bench.tick()
        wrong = bytearray(frame + crc)
        wrong[bench.random.randrange(len(wrong))] ^= 1 << bench.random.randrange(8)
        for i, byte in enumerate(bytes(wrong) + b"\0"):
            dut.first.value, dut.valid.value, dut.data.value = i == 0, 1, byte
            await bench.tick()
        dut.valid.value = 0
        await bench.settle()
        assert not dut.match.value
        await bench.tick()
        for i, byte in enumerate(frame):
            dut.first.value, dut.valid.value, dut.data.value = i == 0, 1, byte
            await bench.tick()
        dut.first.value, sent = 0, bytearray()
        for _ in range(4):
            dut.valid.value = 0
            await bench.settle()
            low = int(dut.crc.value) & 0xFF
            sent.append(low ^ 0xFF)
            await bench.tick()
            dut.valid.value, dut.data.value = 1, low
            await bench.tick()
        dut.valid.value = 0
        assert bytes(sent) == crc
