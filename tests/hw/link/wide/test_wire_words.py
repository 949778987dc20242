"""Words of the bytes of a wire, and back."""

import random

import pytest
from simulated import feed, simulate, take
from stablespike.hw.link.wide.words import Narrower, Widener
from stablespike.sim.harness.wires import from_words, to_words


def _bytes(rng, count):
    return [0 if rng.random() < 0.3 else rng.randrange(256) for _ in range(count)] + [0]


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_widener(stall):
    rng, component, got = random.Random(1), Widener(), []
    data = _bytes(rng, 500)
    words = to_words(data)
    assert from_words(words) == bytes(data)
    simulate(
        component, feed(component.i, data, rng, stall),
        take(component.o, len(words), got, rng, stall),
    )
    assert got == words


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_narrower(stall):
    rng, component, got = random.Random(2), Narrower(), []
    data = _bytes(rng, 500)
    # What is above a low byte of 0 is no byte.
    words = [word or rng.randrange(256) << 8 for word in to_words(data)]
    simulate(
        component, feed(component.i, words, rng, stall),
        take(component.o, len(data), got, rng, stall),
    )
    assert got == data


def test_a_byte_per_cycle():
    """Neither holds up the wire."""
    rng, component, got = random.Random(3), Widener(), []
    data = _bytes(rng, 300)
    clocks = 0

    async def count(ctx):
        nonlocal clocks
        while len(got) < len(to_words(data)):
            await ctx.tick()
            clocks += 1

    simulate(
        component, feed(component.i, data, rng),
        take(component.o, len(to_words(data)), got, rng), count,
    )
    assert clocks <= len(data) + 3
