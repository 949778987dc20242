"""Input buffer for words, between a model of the command unit and one of the loader."""

import random

import pytest
from simulated import simulate
from stablespike.hw.link.wide.input_buffer import WideInputBuffer


async def run_command(ctx, dut, rng, data, refuses, offers, takes):
    """Offer a command, take its bytes one or two at a time; returns the bytes taken and clocks."""
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    got, clocks, at, offering = [], 0, 0, False
    while at < len(words):
        offering = offering or rng.random() < offers
        word, last = words[at], at == len(words) - 1
        ctx.set(dut.i.valid, offering)
        ctx.set(dut.i.payload, {
            "data": int.from_bytes(word, "little"), "single": int(len(word) == 1),
            "last": int(last),
        })
        refused = len(got) == refuses
        # The byte that is refused comes first, as a head does.
        single = refused or (refuses is not None and len(got) == refuses - 1)
        want = 0 if rng.random() >= takes else 1 if single else rng.choice([1, 2])
        ctx.set(dut.refused, refused)
        ctx.set(dut.o.ready, want > 0)
        # Whether there is a second byte is known in the cycle in which it is taken.
        both = want == 2 and ctx.get(dut.o.second)
        ctx.set(dut.o.both, both)
        if ctx.get(dut.o.valid) and want:
            assert refuses is None or len(got) <= refuses
            got += ctx.get(dut.o.payload).to_bytes(2, "little")[: 1 + both]
        taken, no_head = offering and ctx.get(dut.i.ready), ctx.get(dut.no_head)
        await ctx.tick()
        clocks += 1
        if taken:
            at, offering = at + 1, False
            if last:
                assert no_head == (refuses is not None)
    ctx.set(dut.i.valid, 0)
    return bytes(got), clocks


@pytest.mark.parametrize("seed", range(2))
def test_bytes_in_order(seed):
    """Commands of random bytes, with pauses on both sides; the loader refuses a byte of some."""
    rng, dut = random.Random(seed), WideInputBuffer()

    async def bench(ctx):
        for _ in range(150):
            data = rng.randbytes(rng.choice([1, 2, 3, 4, 13]))
            refuses = rng.randrange(len(data)) if rng.random() < 0.4 else None
            got, _ = await run_command(
                ctx, dut, rng, data, refuses, rng.choice([0.2, 1]), rng.choice([0.2, 1])
            )
            # The loader gets no byte behind the one that it refused.
            assert got == data[: None if refuses is None else refuses + 1]

    simulate(dut, bench)


def test_two_bytes_per_cycle():
    """Without pauses, a command takes a cycle for each word, and three more."""
    rng, dut = random.Random(3), WideInputBuffer()

    async def bench(ctx):
        for length in (1, 2, 5, 40):
            data, got, clocks, at = rng.randbytes(length), b"", 0, 0
            words = [data[i : i + 2] for i in range(0, length, 2)]
            ctx.set(dut.o.ready, 1)
            while at < len(words):
                ctx.set(dut.i.valid, 1)
                ctx.set(dut.i.payload, {
                    "data": int.from_bytes(words[at], "little"),
                    "single": int(len(words[at]) == 1), "last": int(at == len(words) - 1),
                })
                second = ctx.get(dut.o.second)
                ctx.set(dut.o.both, second)
                if ctx.get(dut.o.valid):
                    got += ctx.get(dut.o.payload).to_bytes(2, "little")[: 1 + second]
                at += ctx.get(dut.i.ready)
                await ctx.tick()
                clocks += 1
            assert got == data
            assert clocks == len(words) + 3

    simulate(dut, bench)
