"""Bench of the lanes against sums of Python integers."""

from __future__ import annotations

import cocotb

from .blocks import array_config, cycle, value, weighted
from .streams import start


def _signed(bits: int, width: int) -> int:
    bits &= (1 << width) - 1
    return bits - (1 << width) if bits >> (width - 1) else bits


def _shown(bench, config) -> list[int]:
    bits = value(bench, "sums")
    return [_signed(bits >> t * config.acc_bits, config.acc_bits) for t in range(config.window)]


@cocotb.test()
async def accumulates_while_the_shadow_empties(dut):
    """Events every cycle but those of a swap; the sums are taken at their own, random, times.

    Chained lanes show a sum from the second cycle after the swap on, one more with each cycle.
    """
    config = array_config()
    bench = await start(dut)
    if config.chain > 1:
        await bench.tick(config.chain)  # the swap behind a reset
    random = bench.random
    steps, lanes = range(config.window), range(config.lanes)
    acc = [[0] * config.window for _ in lanes]
    shadow = None
    at = [0] * config.window
    low, high = -(1 << (config.acc_bits - 1)), (1 << (config.acc_bits - 1)) - 1
    small, large = -(1 << (config.weight_bits - 1)), (1 << (config.weight_bits - 1)) - 1
    seen: set[int] = set()
    since = 0
    for _ in range(4000):
        since += 1
        swap = since > config.lanes + 1 and random.random() < 0.01
        moving = swap or (shadow is not None and since < config.chain)
        add = not moving and random.random() < 0.9
        word = random.getrandbits(config.window)
        weights = []
        for lane in lanes:
            # Up to the accumulators' ends and not beyond: the compiler's proof, made here.
            least = max([small, *(low - acc[lane][t] for t in steps if add and word >> t & 1)])
            most = min([large, *(high - acc[lane][t] for t in steps if add and word >> t & 1)])
            # Even lanes tend upwards, odd ones downwards.
            tend = most if lane % 2 == 0 else least
            weights.append(tend if random.random() < 0.5 else weighted(random, least, most))
        there = config.lanes - 1 if config.chain == 1 else min(config.lanes - 1, since - 1)
        shift = sum((at[t] < there and random.random() < 0.3) << t for t in steps)
        row = sum((w & ((1 << config.weight_bits) - 1)) << i * config.weight_bits
                  for i, w in enumerate(weights))
        await cycle(bench, add=int(add), word=word, weights=row, swap=int(swap), shift=shift)
        if shadow is not None and (config.chain == 1 or since > 1):
            assert _shown(bench, config) == [shadow[at[t]][t] for t in steps]
        if swap:
            shadow, at, since = acc, [0] * config.window, 0
            seen |= {value for lane in acc for value in lane}
            acc = [[0] * config.window for _ in lanes]
        else:
            at = [at[t] + (shift >> t & 1) for t in steps]
        if add:
            for lane in lanes:
                for t in steps:
                    acc[lane][t] += weights[lane] * (word >> t & 1)
    assert {low, high} <= seen, (sorted(seen)[:3], sorted(seen)[-3:])
