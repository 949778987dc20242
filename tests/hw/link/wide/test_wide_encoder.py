"""COBS encoder for words, against its Python package."""

import random

import pytest
from cobs import cobs
from simulated import feed, simulate, take
from stablespike.hw.link.wide.encoder import WideEncoder
from stablespike.sim.harness.wires import from_words, to_words
from stablespike.spec.link import FRAME_BYTES


def frames(rng):
    """Frames of even lengths, with few zeros, with many, with only zeros and with none."""
    out = [b"\0\0", b"\1\1", b"\0\1", b"\1\0", bytes(FRAME_BYTES), bytes([7]) * FRAME_BYTES,
           bytes([7]) * 253 + b"\0", b"\0" + bytes([7]) * 253]
    for length in [2, 4, 8, 100, 252, 254] * 2:
        zeros = rng.choice([0.0, 0.02, 0.5])
        out.append(bytes(
            0 if rng.random() < zeros else rng.randrange(1, 256) for _ in range(length)
        ))
    rng.shuffle(out)
    return out


def words(frame):
    """A frame as the encoder takes it."""
    return [
        {"data": int.from_bytes(frame[at : at + 2], "little"), "last": int(at + 2 == len(frame))}
        for at in range(0, len(frame), 2)
    ]


def on_wire(*sent):
    return b"".join(cobs.encode(frame) + b"\0" for frame in sent)


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_encodes(stall):
    rng, component, got = random.Random(10), WideEncoder(), []
    sent = frames(rng)
    wire = to_words(on_wire(*sent))
    payloads = [word for frame in sent for word in words(frame)]
    simulate(
        component, feed(component.i, payloads, rng, stall),
        take(component.o, len(wire), got, rng, stall),
    )
    assert from_words(got) == from_words(wire)


def test_every_pair_of_zeros():
    """All frames of three words whose bytes are 0 or not."""
    rng, component, got = random.Random(11), WideEncoder(), []
    sent = [bytes(9 * (bits >> i & 1) for i in range(6)) for bits in range(64)]
    wire = to_words(on_wire(*sent))
    payloads = [word for frame in sent for word in words(frame)]
    simulate(
        component, feed(component.i, payloads, rng), take(component.o, len(wire), got, rng),
    )
    assert from_words(got) == from_words(wire)


def test_forgets_a_frame_not_finished():
    rng, component, got = random.Random(12), WideEncoder(), []
    whole, dut = bytes((1, 0, 2, 3)), component
    expected = on_wire(whole, whole) * 4

    async def bench(ctx):
        for rest in (b"", b"\0\0", b"\5\0\0\6", b"\t" * 200):
            await feed(dut.i, words(whole), rng)(ctx)
            await feed(dut.i, [{**word, "last": 0} for word in words(rest)], rng)(ctx)
            ctx.set(dut.restart, 1)
            await ctx.tick()
            ctx.set(dut.restart, 0)
            await feed(dut.i, words(whole), rng)(ctx)
        await ctx.tick().repeat(30)
        assert ctx.get(dut.idle)

    simulate(component, bench, take(component.o, len(to_words(expected)), got, rng))
    assert from_words(got) == expected


def test_two_bytes_per_cycle():
    """The longest frames follow each other in a cycle for each word, and three more."""
    rng, component, got = random.Random(13), WideEncoder(), []
    count, frame = 6, bytes([7]) * FRAME_BYTES
    clocks = 0

    async def clock(ctx):
        nonlocal clocks
        while len(got) < count * 128:
            await ctx.tick()
            clocks += 1

    simulate(
        component, feed(component.i, words(frame) * count, rng),
        take(component.o, count * 128, got, rng), clock,
    )
    assert clocks <= (count + 1) * (FRAME_BYTES // 2 + 3)
