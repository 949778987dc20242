"""Chained lanes: accumulators that empty through one another into small memories."""

from __future__ import annotations

from amaranth.hdl import (
    Array,
    Cat,
    Const,
    Module,
    ResetSignal,
    Signal,
    Value,
    signed,
    unsigned,
)
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from stablespike.spec import ArrayConfig

from ..vendor.carry import add_or_load
from ..vendor.replicated import replicated
from .lanes import lanes_signature, placed, weight_of

__all__ = ["ChainedLanes"]


class ChainedLanes(wiring.Component):
    """``Lanes`` without a shadow register per accumulator.

    The lanes are cut into chains of ``config.chain``. A swap moves every chain through its head
    into a memory of as many words, one for each step and chain, and leaves zeros behind. The
    memories are emptied while the next group accumulates. With convolution they hold two groups,
    and every step's memories must be shifted L times for each group.

    With several banks, there are as many accumulators of each lane and step, each with the weights
    and the words of its own events. A memory takes the sum of their chains' heads.

        0 --> acc 3 --> acc 2 --> acc 1 --> acc 0 --> memory --> sums       (a chain of 4)

        cycle      0    1    2    3    4    5    6    7
        add        e    -    -    -    -    e    e    e      e: an event may come
        swap       -    *
        moving               *    *    *    *
        stay       *    *    -    -    -    -    *    *      the adders choose: acc + weight, or
        sums                      l0   l1   l2   l3               the accumulator behind

    Events and swaps take effect a cycle later than in ``Lanes``. ``sums`` has lane 0 from the
    second cycle after a swap, and one more lane with each cycle. The throughput is one event per
    cycle; each swap costs ``chain`` cycles, in which no event may arrive. A reset is followed by a
    swap, because the accumulators themselves have no reset: its net would be the largest of all.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    Those of ``lanes_signature``.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(lanes_signature(config))

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        moving = Signal(init=1)
        at = Signal(range(config.chain))
        moves = Signal()  # ``moving`` in the next cycle
        banks, place = range(config.banks), self.place if config.planes > 1 else Const(0)
        row_bits = config.lanes * config.weight_bits
        arriving = Cat(
            placed(m, config, self.weights.word_select(bank, row_bits), place) for bank in banks
        )
        weights = Signal.like(arriving, reset_less=True)
        m.d.comb += moves.eq(self.swap | (moving & (at != config.chain - 1)))
        m.d.sync += [moving.eq(moves), at.eq(at + moving), weights.eq(arriving)]
        # ``stay`` is not ``moving``, as a net of its own. All accumulators wait for it, so there is
        # one for each chain; and one of their enables for each two chains. During a reset, the
        # lanes move.
        reset = ResetSignal(allow_reset_less=True)
        held = ~(moves | reset)
        stays = [
            replicated(m, platform, f"stay{first}", held)
            for first in range(0, config.lanes, config.chain)
        ]
        low = Signal(reset_less=True)
        if config.wide_weights:
            m.d.sync += low.eq(self.low)
        # ``moving`` is up during a reset, so this clears the weights then too.
        with m.If(moves):
            m.d.sync += weights.eq(0)
        with m.If(self.swap):
            m.d.sync += at.eq(0)

        chain_bits = config.chain.bit_length() - 1
        lane_bits = config.lanes.bit_length() - 1
        # There is room for two groups: one is read, lane after lane, while the next one is written.
        # The first swap turns to half 0, where ``shown`` starts.
        half = Signal(int(config.convolution), init=int(config.convolution))
        if config.convolution:
            with m.If(self.swap):
                m.d.sync += half.eq(~half)
        for step in range(config.window):
            spiked = [self.word[bank * config.window + step] for bank in banks]
            enables = [
                [
                    replicated(
                        m, platform, f"enable_{bank}_{step}_{first}",
                        moves | reset | (self.add[bank] & spiked[bank]),
                    )
                    for first in range(0, config.lanes, 2 * config.chain)
                ]
                for bank in banks
            ]
            shown = Signal(unsigned(lane_bits + config.convolution), name=f"shown_{step}")
            with m.If(self.shift[step]):
                m.d.sync += shown.eq(shown + 1)
            # With convolution every group shifts L times, so ``shown`` wraps around by itself.
            if not config.convolution:
                with m.If(self.swap):
                    m.d.sync += shown.eq(0)
            heads = []
            for first in range(0, config.lanes, config.chain):
                ends = []
                for bank in banks:
                    enable = enables[bank][first // (2 * config.chain)]
                    ahead: Value = Const(0, signed(config.acc_bits))
                    # From the end of the chain, which takes zeros, to its head.
                    for lane in reversed(range(first, first + config.chain)):
                        at_lane = f"{bank * config.lanes + lane}_{step}"
                        acc = Signal(
                            signed(config.acc_bits), name=f"acc_{at_lane}", reset_less=True
                        )
                        weight = weight_of(config, weights, low, bank * config.lanes + lane)
                        total = add_or_load(
                            m, platform, at_lane, acc, weight, ahead, stays[first // config.chain]
                        )
                        with m.If(enable):
                            m.d.sync += acc.eq(total)
                        ahead = acc
                    ends.append(ahead)
                m.submodules[f"sums_{first}_{step}"] = memory = Memory(
                    shape=unsigned(config.acc_bits), depth=config.chain << config.convolution,
                    init=[],
                )
                write, read = memory.write_port(), memory.read_port(domain="comb")
                m.d.comb += [
                    write.en.eq(moving), write.addr.eq(Cat(at, half)), write.data.eq(sum(ends)),
                    read.addr.eq(Cat(shown[:chain_bits], shown[lane_bits:])),
                ]
                heads.append(read.data)
            chosen = Array(heads)[shown[chain_bits:lane_bits]] if len(heads) > 1 else heads[0]
            m.d.comb += self.sums[step].eq(chosen)
        return m
