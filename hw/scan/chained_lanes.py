"""Chained lanes: accumulators that empty through one another into small memories."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Instance, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from stablespike.spec import ArrayConfig

from .lanes import lanes_signature, weight_of

__all__ = ["ChainedLanes", "accumulate"]



def _cell(a: int, b: int, c: int, d: int) -> int:
    """The LUT of half a CCU2C; A accumulator, B weight, C neighbour, D not moving."""
    if d:
        return a ^ b
    return 1 if c else b


_CELL_INIT = sum(_cell(i & 1, i >> 1 & 1, i >> 2 & 1, i >> 3) << i for i in range(16))


def accumulate(
    m: Module, name: str, acc: Value, weight: Value, ahead: Value, stay: Value, *, cells: bool
) -> Value:
    """``acc + weight`` while ``stay``, else ``ahead``; ``weight`` must be 0 then.

    Parameters
    ----------
    m : gets what it takes, by ``name``.
    acc, weight, ahead : signed; the sum is as wide as ``acc``.
    cells : in an ECP5's cells, two bits in each, so that the choice costs nothing. Half a CCU2C
        puts out ``LUT(A, B, C, D) ^ carry`` and hands on the carry where the LUT is 1, else the
        LUT's value for the same A and B with C = D = 0. With D = 1 (staying) the LUT is A ^ B
        whatever C, with D = 0 (so B = 0) it is C; the four values for C = D = 0 are B, which is
        the carry out of A + B where A = B, and 0 where a 0 comes from ahead.
    """
    bits = len(acc)
    if not cells:
        return (Mux(stay, acc, ahead) + weight)[:bits].as_signed()
    total = Signal(signed(bits), name=f"total_{name}")
    carry: Value = Const(0)
    for at in range(0, bits, 2):
        top = min(at + 1, bits - 1)
        after = Signal(name=f"carry_{name}_{at}")
        pins: dict[str, Any] = {}
        for half, bit in enumerate((at, top)):
            pins |= {
                f"i_A{half}": acc[bit],
                f"i_B{half}": weight[min(bit, len(weight) - 1)],
                f"i_C{half}": ahead[bit],
                f"i_D{half}": stay,
                f"p_INIT{half}": Const(_CELL_INIT, 16),
                f"p_INJECT1_{half}": "NO",
            }
        pins["o_S0"] = total[at]
        if top > at:
            pins["o_S1"] = total[top]
        # A carry out that goes nowhere would cost nextpnr a cell to lead it out.
        if at + 2 < bits:
            pins["o_COUT"] = after
        m.submodules[f"adder_{name}_{at}"] = Instance("CCU2C", i_CIN=carry, **pins)
        carry = after
    return total


class ChainedLanes(wiring.Component):
    """``Lanes`` without a shadow register per accumulator.

    The lanes are cut into chains of ``config.chain``. A swap moves every chain through its head
    into a memory of as many words, one chain for each step and ``chain`` lanes, and leaves
    zeros behind; the memories are emptied while the next group accumulates. Events and swaps take
    effect a cycle later than in ``Lanes``; the sums are there in the second cycle after a swap,
    lane 0 first, one more lane with each cycle. With convolution the memories hold two groups, and
    those of every step must be shifted L times for each.

    Throughput one event per cycle; ``chain`` cycles lost per swap, in which no event may arrive.
    A reset is followed by one, as the accumulators themselves have none: its net would be the
    largest there is.

    Parameters
    ----------
    config : of the array.

    Members
    -------
    As of ``Lanes``.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(lanes_signature(config))

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        moving, stay = Signal(init=1), Signal()
        at = Signal(range(config.chain))
        moves = Signal()  # in the next cycle
        weights = Signal.like(self.weights, reset_less=True)
        m.d.comb += moves.eq(self.swap | (moving & (at != config.chain - 1)))
        m.d.sync += [
            moving.eq(moves), stay.eq(~moves), at.eq(at + moving), weights.eq(self.weights)
        ]
        low = Signal(reset_less=True)
        if config.wide_weights:
            m.d.sync += low.eq(self.low)
        with m.If(moves):
            m.d.sync += weights.eq(0)
        with m.If(self.swap):
            m.d.sync += at.eq(0)

        cells = getattr(platform, "device", "").startswith("LFE5U")
        chain_bits = config.chain.bit_length() - 1
        lane_bits = config.lanes.bit_length() - 1
        # Two groups have room: one is read, lane after lane, while the next one comes.
        half = Signal(int(config.convolution), init=int(config.convolution))
        if config.convolution:
            with m.If(self.swap):
                m.d.sync += half.eq(~half)
        for step in range(config.window):
            enable = Signal(name=f"enable_{step}", init=1)
            shown = Signal(unsigned(lane_bits + config.convolution), name=f"shown_{step}")
            m.d.sync += enable.eq(moves | (self.add & self.word[step]))
            with m.If(self.shift[step]):
                m.d.sync += shown.eq(shown + 1)
            if not config.convolution:
                with m.If(self.swap):
                    m.d.sync += shown.eq(0)
            heads = []
            for first in range(0, config.lanes, config.chain):
                ahead: Value = Const(0, signed(config.acc_bits))
                for lane in reversed(range(first, first + config.chain)):
                    acc = Signal(
                        signed(config.acc_bits), name=f"acc_{lane}_{step}", reset_less=True
                    )
                    total = accumulate(
                        m, f"{lane}_{step}", acc,
                        weight_of(config, weights, low, lane),
                        ahead, stay, cells=cells,
                    )
                    with m.If(enable):
                        m.d.sync += acc.eq(total)
                    ahead = acc
                m.submodules[f"sums_{first}_{step}"] = memory = Memory(
                    shape=unsigned(config.acc_bits), depth=config.chain << config.convolution,
                    init=[],
                )
                write, read = memory.write_port(), memory.read_port(domain="comb")
                m.d.comb += [
                    write.en.eq(moving), write.addr.eq(Cat(at, half)), write.data.eq(ahead),
                    read.addr.eq(Cat(shown[:chain_bits], shown[lane_bits:])),
                ]
                heads.append(read.data)
            chosen = Array(heads)[shown[chain_bits:lane_bits]] if len(heads) > 1 else heads[0]
            m.d.comb += self.sums[step].eq(chosen)
        return m
