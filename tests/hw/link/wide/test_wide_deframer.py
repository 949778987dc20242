"""Deframer for words, against the Python packages for COBS and CRC."""

import random
import zlib

import pytest
from cobs import cobs
from simulated import feed, simulate
from stablespike.hw.link.wide.deframer import WIDE_FRAME_START, WideDeframer
from stablespike.sim.harness.frames import Damage, frame, read_frame
from stablespike.sim.harness.wires import to_words
from stablespike.spec.link import BODY_BYTES


class Reader:
    """Reads the frames that are accepted, word by word, after random pauses."""

    def __init__(self, component, rng, pause):
        self.component, self.rng, self.pause = component, rng, pause
        self.frames = []
        self.done = False

    async def run(self, ctx):
        dut, quiet = self.component, 0
        while quiet < 600:
            _, _, accepted, waiting = await ctx.tick().sample(dut.accept, dut.i.valid)
            quiet = 0 if waiting else quiet + 1
            if not accepted:
                continue
            ctx.set(dut.busy, 1)
            length = ctx.get(dut.length)
            raw = bytearray()
            for at in range((length + 8) // 2 + 1):
                ctx.set(dut.address, (WIDE_FRAME_START + at) % 128)
                await ctx.tick()
                raw += ctx.get(dut.word).to_bytes(2, "little")
            if self.rng.random() < self.pause:
                await ctx.tick().repeat(self.rng.randrange(300))
            # The first byte has no meaning.
            self.frames.append(bytes(raw[1 : length + 5]))
            ctx.set(dut.busy, 0)


def read(wire, rng, stall=0.0, pause=0.0):
    """The frames that the deframer finds, without their CRC."""
    component = WideDeframer()
    reader = Reader(component, rng, pause)
    simulate(component, feed(component.i, to_words(wire, bytearray()), rng, stall), reader.run)
    return reader.frames


def expected(wire):
    """The frames in the bytes of a wire, without their CRC."""
    found = []
    for piece in wire.split(b"\0")[:-1]:
        got = read_frame(piece) if piece else None
        if got is not None and len(got.body) <= BODY_BYTES:
            found.append(bytes((got.kind, got.session, got.seq, got.ack)) + got.body)
    return found


def without_zeros(length, rng):
    """A frame of so many bytes, none of them 0, with its CRC."""
    while True:
        raw = bytes(rng.randrange(1, 256) for _ in range(length - 4))
        raw += zlib.crc32(raw).to_bytes(4, "little")
        if 0 not in raw:
            return raw


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_frames_of_every_length(stall):
    rng, wire = random.Random(4), b""
    for length in [*range(12), 100, 101, *range(BODY_BYTES - 3, BODY_BYTES + 4), 400, 600]:
        body = bytes(rng.choice([0, rng.randrange(256)]) for _ in range(length))
        wire += frame(3, 0, length, 0, body) + b"\0" * rng.randrange(3)
    assert read(wire, rng, stall, pause=stall) == expected(wire)
    assert len(expected(wire)) == 12 + 2 + 4


def test_whole_blocks():
    """A block of 254 bytes without a zero ends a frame as it is, or with a code of 1 behind it.

    With any other code, or in a frame with zeros, that code makes the frame too long.
    """
    rng = random.Random(5)
    whole, shorter = without_zeros(254, rng), without_zeros(253, rng)
    wire = b""
    for end in (b"", b"\1", b"\2", b"\2\7", b"\1\1", b"\xff"):
        wire += cobs.encode(whole)[:255] + end + b"\0"
    wire += cobs.encode(shorter) + b"\0" + cobs.encode(shorter) + b"\1\0"
    # 254 bytes in two blocks, which end with a code of 1 that stands for another byte.
    longest = frame(3, 0, 0, 0, bytes([7]) * 100 + b"\0" + bytes([7]) * 145)[:-1]
    wire += longest + b"\0" + longest + b"\1\0"
    good = [whole[:-4], whole[:-4], shorter[:-4], read_frame(longest)]
    assert read(wire, rng) == [*good[:3], bytes((3, 0, 0, 0)) + good[3].body]


def test_short_frames_and_noise():
    wire = b"\0\1\0\1\1\0"
    for head in (b"", b"\3", b"\3\x11", b"\3\x11\0"):
        wire += cobs.encode(head + zlib.crc32(head).to_bytes(4, "little")) + b"\0"
    good = frame(3, 1, 2, 3, b"body")
    wire += good[:-3] + b"\0" + good[2:] + b"\5" + good[1:]
    assert read(wire + good, random.Random(6)) == expected(wire + good)


def test_every_damaged_bit():
    good = frame(3, 1, 2, 3, b"\0b")
    wire = b""
    for i in range(8 * len(good)):
        bad = bytearray(good)
        bad[i // 8] ^= 1 << i % 8
        wire += bytes(bad) + b"\0" + (good if i % 16 == 0 else b"")
    assert read(wire, random.Random(7)) == expected(wire)


def test_bad_wire():
    rng, late, wire = random.Random(14), [], b""
    damage = Damage(lost=0.1, damaged=0.3, doubled=0.1, swapped=0.1, noise=0.2)
    for seq in range(50):
        body = rng.randbytes(rng.choice([rng.randrange(30), rng.randrange(BODY_BYTES + 1)]))
        wire += b"".join(damage.carry(frame(3, 0, seq, 0, body), rng, late))
    wire += b"\0"
    got = read(wire, rng, 0.1, pause=0.2)
    assert got == expected(wire)
    assert 10 < len(got) < 50
