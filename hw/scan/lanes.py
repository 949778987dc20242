"""Lanes: L x T accumulators that add a row of weights per event, and what they empty into."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig

__all__ = ["Lanes", "current_bits", "lanes_signature", "sum_bits", "weight_of"]


def lanes_signature(config: ArrayConfig) -> wiring.Signature:
    """Of ``Lanes``, and of what can take its place."""
    return wiring.Signature(
        {
            "add": In(1),
            "word": In(config.window),
            "weights": In(config.lanes * config.weight_bits),
            **({"low": In(1)} if config.wide_weights else {}),
            "swap": In(1),
            "shift": In(config.window),
            "sums": Out(data.ArrayLayout(signed(config.acc_bits), config.window)),
        }
    )


def sum_bits(config: ArrayConfig) -> int:
    """Of a neuron's sum in a step: an accumulator, or 16 times one and another without a sign."""
    return config.acc_bits + (5 if config.wide_weights else 0)


def current_bits(config: ArrayConfig) -> int:
    """Of a neuron's sum over its bit planes."""
    return sum_bits(config) + config.window


def weight_of(config: ArrayConfig, weights: Value, low: Value, lane: int) -> Value:
    """A lane's weight, signed; with ``low`` (of arrays with wide weights) unsigned on odd lanes."""
    weight = weights.word_select(lane, config.weight_bits)
    if config.wide_weights and lane % 2:
        return Cat(weight, weight[-1] & ~low).as_signed()
    return weight.as_signed()


class Lanes(wiring.Component):
    """Output-stationary accumulators with an overlapped drain.

    Accumulator ``t`` of every lane adds the lane's weight when bit ``t`` of the word is set: the
    bit is the register's clock enable. ``swap`` copies all of them into the shadow and clears
    them, in one cycle in which no event may arrive. The shadow is T chains of L: chain ``t`` shows
    lane 0 first and moves on to the next lane with ``shift[t]``.

    Throughput one event per cycle; one cycle lost per swap.

    Members
    -------
    add, word, weights : an event's spike word and row of weights.
    low : with wide weights: those of odd lanes are unsigned.
    swap : accumulators into the shadow.
    shift : one bit per chain.
    sums : accumulator ``t`` of the lane the chain has come to.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(lanes_signature(config))

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        low = self.low if config.wide_weights else Const(0)
        add = Signal(config.window)
        m.d.comb += add.eq(Cat(bit & self.add for bit in self.word))
        for step in range(config.window):
            ahead = None
            for lane in reversed(range(config.lanes)):
                acc = Signal(signed(config.acc_bits), name=f"acc_{lane}_{step}")
                shadow = Signal.like(acc, name=f"shadow_{lane}_{step}", reset_less=True)
                weight = weight_of(config, self.weights, low, lane)
                with m.If(self.swap):
                    m.d.sync += [shadow.eq(acc), acc.eq(0)]
                with m.Else():
                    with m.If(add[step]):
                        m.d.sync += acc.eq(acc + weight)
                    if ahead is not None:
                        with m.If(self.shift[step]):
                            m.d.sync += shadow.eq(ahead)
                ahead = shadow
            m.d.comb += self.sums[step].eq(ahead)
        return m
