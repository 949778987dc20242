"""Bench of the receiver: good frames, damaged ones, and frames that must be dropped."""

from __future__ import annotations

from typing import Any

import cocotb
from stablespike.hw.link.receiver import acknowledge_layout, command_layout, nonce_layout
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import BODY_BYTES, RESEND, Kind

from ...harness.frames import Damage, frame, read_frame
from ...harness.streams import Bench, parameters, start, unpack
from ...harness.wires import WireSource

NONCE = b"\x11\x22\x00\x44"


def wide() -> bool:
    return parameters()["config"]["link_bytes"] > 1


class Strobes:
    """All outputs of the receiver, in order, as (name, value)."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.seen: list[tuple[str, Any]] = []
        cocotb.start_soon(self._watch())

    def take(self) -> list[tuple[str, Any]]:
        seen, self.seen = self.seen, []
        return seen

    async def _watch(self) -> None:
        dut = self.bench.dut
        layouts = {"acknowledged": acknowledge_layout()}
        if not wide():
            layouts["nonce"] = nonce_layout()
        while True:
            await self.bench.settle()
            for name in ("missing", "doubled", "clear", "greeted"):
                if getattr(dut, name).value:
                    self.seen.append((name, None))
            for name, layout in layouts.items():
                if getattr(dut, f"{name}__valid").value:
                    payload = unpack(layout, int(getattr(dut, f"{name}__payload").value))
                    self.seen.append((name, tuple(payload.values())))


def bodies(words: list[int]) -> list[bytes]:
    """The commands in the bytes of the stream, without their first byte."""
    out, body = [], bytearray()
    link_bytes = parameters()["config"]["link_bytes"]
    for word in words:
        byte = unpack(command_layout(link_bytes), word)
        count = link_bytes - byte.get("single", 0)
        body += byte["data"].to_bytes(link_bytes, "little")[:count]
        assert byte["last"] or count == link_bytes
        if byte["last"]:
            out.append(bytes(body[1:]))
            body.clear()
    assert not body
    return out


def told(dut: Any, nonce: bytes) -> list[tuple[str, Any]]:
    """How the receiver tells a nonce: byte by byte, or all at once."""
    if wide():
        assert dut.nonce.value == int.from_bytes(nonce, "little")
        return []
    return [("nonce", (i, byte)) for i, byte in enumerate(nonce)]


async def _start(dut: Any, stall: float = 0.0, **kwargs: Any) -> tuple[Bench, Any, Strobes]:
    bench = await start(dut, **kwargs)
    strobes = Strobes(bench)
    source = WireSource(bench, "i", stall, parameters()["config"]["link_bytes"])
    await source.send(list(frame(Kind.HELLO, NONCE[0], 0, 0, NONCE)))
    await bench.tick(30)
    assert strobes.take() == [*told(dut, NONCE), ("clear", None), ("greeted", None)]
    return bench, source, strobes


@cocotb.test()
async def passes_bodies_of_all_lengths(dut):
    bench, source, strobes = await _start(dut, parameters()["stall"])
    sink = bench.sink("commands", parameters()["stall"])
    rng, sent = bench.random, []
    for i, length in enumerate([0, 1, 2, 100, BODY_BYTES - 1, BODY_BYTES, *range(3, 12)]):
        body = bytes(rng.choice([0, rng.getrandbits(8)]) for _ in range(length))
        sent.append(body)
        await source.send(list(frame(Kind.DATA, NONCE[0], i, 255 - i, body)))
        await bench.tick(3 * length + 20)
    await bench.tick(300)
    assert bodies(list(sink.received)) == sent
    assert strobes.take() == [("acknowledged", (255 - i, 0)) for i in range(len(sent))]


@cocotb.test()
async def drops_what_is_no_frame_of_its_session(dut):
    bench, source, strobes = await _start(dut)
    sink = bench.sink("commands")
    s = NONCE[0]
    good = frame(Kind.DATA, s, 0, 0, b"body")
    bad = [
        b"\0", b"\0\0\0", b"\1\0", good[:-3] + b"\0", good[2:], b"\5" + good[1:],
        frame(Kind.DATA, s + 1, 0, 0, b"body"), frame(Kind.ACK, s + 1), frame(0, s), frame(5, s),
        frame(Kind.INFO, s, 0, 0, NONCE), frame(Kind.DATA | 8, s, 0, 0, b"x"),
        frame(Kind.DATA, s, 0, 0, bytes(BODY_BYTES + 1)),
        frame(Kind.DATA, s, 0, 0, bytes(300)), frame(Kind.DATA, s, 0, 0, bytes(600)),
        frame(Kind.DATA, s, 0, 0, bytes([7]) * 1200),
    ]
    # The CRC of nothing, after a header that is too short.
    import zlib

    from cobs import cobs
    for head in (b"", b"\3", b"\3\x11", b"\3\x11\0"):
        bad.append(cobs.encode(head + zlib.crc32(head).to_bytes(4, "little")) + b"\0")
    for wire in bad:
        await source.send(list(wire))
        await bench.tick(20)
        assert strobes.take() == [], wire
    for i in range(8 * len(good)):
        wire = bytearray(good)
        wire[i // 8] ^= 1 << i % 8
        if all(read_frame(piece) is None for piece in bytes(wire).split(b"\0") if piece):
            await source.send([*wire, 0])
    await bench.tick(20)
    assert strobes.take() == []
    await source.send(list(good))
    await bench.tick(20)
    assert bodies(list(sink.received)) == [b"body"]


@cocotb.test()
async def keeps_the_order(dut):
    """Frames ahead of or behind the expected one are reported as such, and dropped."""
    bench, source, strobes = await _start(dut)
    sink = bench.sink("commands")
    expected, sent = 0, []
    for i in range(1000):
        off = bench.random.choice([0, 0, 0, 1, 5, 127, -1, -5, -128])
        body = bytes((i & 0xFF,))
        await source.send(list(frame(Kind.DATA, NONCE[0], expected + off, i, body)))
        await bench.tick(12)
        order = {True: [], off > 0: [("missing", None)], off < 0: [("doubled", None)]}[True]
        assert strobes.take() == [*order, ("acknowledged", (i & 0xFF, 0))], off
        if off == 0:
            sent.append(body)
            expected += 1
    assert bodies(list(sink.received)) == sent
    assert expected > 256


@cocotb.test()
async def takes_exactly_receive_bytes(dut):
    """Bodies fill the ring up to the last byte; those that do not fit are dropped until there is
    room."""
    config = ArrayConfig(**parameters()["config"])
    bench, source, _ = await _start(dut)
    room, seq, sent = config.receive_bytes, 0, []
    while room > 0:
        # The first byte is already at the queue's output, so one more fits into the ring. Two bytes
        # take as much room as one.
        most = config.link_bytes * room - 1
        body = bench.random.randbytes(min(BODY_BYTES, most, bench.random.randrange(256)))
        await source.send(list(frame(Kind.DATA, NONCE[0], seq, 0, body)))
        await bench.tick(300)
        room -= len(body) // config.link_bytes + 1
        sent.append(body)
        seq += 1
    for length in (200, 1, 0):
        for _ in range(3):
            await source.send(list(frame(Kind.DATA, NONCE[0], seq, 0, bytes(length + 1))))
    await bench.tick(300)
    sink = bench.sink("commands")
    await bench.tick(4 * config.receive_bytes)
    received = bodies(list(sink.received))
    # One byte had left the ring, so one more command of one byte may have come.
    assert received[: len(sent)] == sent
    assert len(received) <= len(sent) + 1
    await source.send(list(frame(Kind.DATA, NONCE[0], len(received), 0, b"again")))
    await bench.tick(300)
    assert bodies(list(sink.received)) == [*received, b"again"]


@cocotb.test()
async def tells_hellos_apart(dut):
    bench, source, strobes = await _start(dut)
    for i in range(4):
        nonce = bytearray(NONCE)
        nonce[i] ^= 1 << bench.random.randrange(8)
        for again in (False, True):
            await source.send(list(frame(Kind.HELLO, 0, 0, 0, bytes(nonce))))
            await bench.tick(30)
            begun = [] if again else [("clear", None)]
            assert strobes.take() == [*told(dut, bytes(nonce)), *begun, ("greeted", None)]
        await source.send(list(frame(Kind.ACK | RESEND, nonce[0], 0, 9)))
        await bench.tick(30)
        assert strobes.take() == [("acknowledged", (9, 1))]
        await source.send(list(frame(Kind.ACK, nonce[0] ^ 0xFF, 0, 9)))
        await bench.tick(30)
        assert strobes.take() == []
        await source.send(list(frame(Kind.HELLO, 0, 0, 0, NONCE)))
        await bench.tick(30)
        strobes.take()


@cocotb.test()
async def finds_frames_among_noise(dut):
    bench, source, _ = await _start(dut, limit=300_000)
    sink = bench.sink("commands")
    rng, late = bench.random, []
    damage = Damage(lost=0.1, damaged=0.2, doubled=0.1, swapped=0.1, noise=0.2)
    expected, sent = 0, []
    wire = bytearray()
    for _ in range(300):
        body = rng.randbytes(rng.randrange(60))
        seq = expected + rng.choice([0, 0, 1, -1])
        for piece in damage.carry(frame(Kind.DATA, NONCE[0], seq, 0, body), rng, late):
            wire += piece
    for piece in bytes(wire).split(b"\0")[:-1]:
        got = read_frame(piece) if piece else None
        if got is not None and got.kind == Kind.DATA and got.seq == expected & 0xFF:
            expected += 1
            sent.append(got.body)
    await source.send(list(wire))
    await bench.tick(300)
    assert bodies(list(sink.received)) == sent
    assert sent
