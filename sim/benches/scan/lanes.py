"""Bench of the lanes against sums of Python integers."""

from __future__ import annotations

import cocotb

from ...harness.blocks import array_config, cycle, value, weighted
from ...harness.streams import start


def _signed(bits: int, width: int) -> int:
    bits &= (1 << width) - 1
    return bits - (1 << width) if bits >> (width - 1) else bits


def _shown(bench, config) -> list[int]:
    bits = value(bench, "sums")
    return [_signed(bits >> t * config.acc_bits, config.acc_bits) for t in range(config.window)]


@cocotb.test()
async def accumulates_while_the_shadow_empties(dut):
    """Events come in every cycle but those of a swap; the sums are taken at independent, random
    times.

    Chained lanes show a sum from the second cycle after the swap on, one more with each cycle. With
    convolution, they are swapped before the previous group has been read, and even before the last
    lanes of the group before that, if these are read in the cycles in which the new ones come.
    """
    config = array_config()
    bench = await start(dut)
    if config.chain > 1:
        await bench.tick(config.chain)  # the swap behind a reset
    random = bench.random
    steps, lanes = range(config.window), range(config.lanes)
    two = config.convolution and config.chain > 1
    acc = [[0] * config.window for _ in lanes]
    shadow: list[list[int]] = []  # sums of the lanes of all groups, one after another
    at = [0] * config.window
    low, high = -(1 << (config.acc_bits - 1)), (1 << (config.acc_bits - 1)) - 1
    small, large = -(1 << (config.weight_bits - 1)), (1 << (config.weight_bits - 1)) - 1
    seen: set[int] = set()
    since = tight = patience = place = 0
    split = False
    places: set[int] = set()
    for _ in range(4000):
        since += 1
        newest = len(shadow) - config.lanes  # the first lane of the last group
        come = config.lanes if config.chain == 1 else min(config.lanes, since - 1)
        shown = max(0, newest + come)
        if two:
            unread = newest - min(at)  # lanes of groups before the last one
            swap = since > max(config.chain, patience) and unread <= config.chain + 1 and (
                random.random() < (0.3 if unread > 0 else 0.01)
            )
            tight += swap and unread > 0
        else:
            swap = since > config.lanes + 1 and random.random() < 0.01
        moving = swap or (bool(shadow) and since < config.chain)
        # Place values change less often than events come.
        if config.planes > 1 and random.random() < 0.2:
            place = random.randrange(config.planes) if random.random() < 0.5 else 0
        adds = words = row = 0
        for bank in range(config.banks):
            add, word = not moving and random.random() < 0.9, random.getrandbits(config.window)
            adds |= add << bank
            words |= word << bank * config.window
            for lane in lanes:
                ends = (0, 2 * large + 1) if split and lane % 2 else (small, large)
                # Of a sum that is left, the weight may take a ``2**place``-th.
                # Sums reach the ends of the accumulators' range but not beyond, as the compiler
                # guarantees.
                taken = [acc[lane][t] for t in steps if add and word >> t & 1]
                least = max([ends[0], *(-(-(low - each) >> place) for each in taken)])
                most = min([ends[1], *(high - each >> place for each in taken)])
                # Even lanes tend upwards, odd ones downwards.
                tend = most if lane % 2 == 0 else least
                weight = tend if random.random() < 0.5 else weighted(random, least, most)
                at_bit = (bank * config.lanes + lane) * config.weight_bits
                row |= (weight & ((1 << config.weight_bits) - 1)) << at_bit
                for t in steps:
                    acc[lane][t] += (weight << place) * (add and word >> t & 1)
            places |= {place} if add else set()
        # Words that a swap overwrites are read in the same cycles; without two groups, the last
        # lane stays.
        hurried = newest - config.lanes * (not swap) if two else 0
        stays = shown if two else min(shown, len(shadow) - 1)
        shift = sum(
            (position < stays and (position < hurried or random.random() < 0.3)) << t
            for t, position in enumerate(at)
        )
        await cycle(
            bench, add=adds, word=words, weights=row, swap=int(swap), shift=shift,
            **({"low": int(split)} if config.wide_weights else {}),
            **({"place": place} if config.planes > 1 else {}),
        )
        for got, t, position in zip(_shown(bench, config), steps, at, strict=True):
            assert position >= shown or got == shadow[position][t], (position, t)
        at = [position + (shift >> t & 1) for t, position in enumerate(at)]
        if swap:
            shadow += acc
            if not two:
                at = [len(shadow) - config.lanes] * config.window
            seen |= {value for lane in acc for value in lane}
            acc, since = [[0] * config.window for _ in lanes], 0
            # Groups that are swapped at once are too short to reach the ends of an accumulator's
            # range.
            patience = random.choice([0, 0, 0, 100])
            split = config.wide_weights and random.random() < 0.5
    assert {low, high} <= seen, (sorted(seen)[:3], sorted(seen)[-3:])
    assert tight > 5 or not two
    assert places == set(range(config.planes))
