"""Lanes: L x T accumulators that add one row of weights per event, and their shadow registers."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig

__all__ = ["Lanes", "current_bits", "lanes_signature", "placed", "sum_bits", "weight_of"]


def lanes_signature(config: ArrayConfig) -> wiring.Signature:
    """The signature of ``Lanes`` and ``ChainedLanes``.

    Members
    -------
    add : In(config.banks)
        Add an event, of each bank.
    word : In(config.banks * config.window)
        Its spike word; that of bank 0 is lowest, as in ``weights``.
    weights : In(config.banks * config.lanes * config.weight_bits)
        Its row of weights, with the weight of lane 0 lowest.
    low : In(1)
        With wide weights: the weights of odd lanes are unsigned.
    place : In(range(config.planes))
        With several planes: the weights count ``2**place`` times.
    swap : In(1)
        The group is complete: its sums move to the registers behind ``sums``, and the accumulators
        restart at 0.
    shift : In(config.window)
        One bit per step: ``sums`` shows the next lane for that step in the next cycle.
    sums : Out(ArrayLayout(signed(config.acc_bits), config.window))
        For each step, the sum of one lane, starting with lane 0.
    """
    return wiring.Signature(
        {
            "add": In(config.banks),
            "word": In(config.banks * config.window),
            "weights": In(config.banks * config.lanes * config.weight_bits),
            **({"low": In(1)} if config.wide_weights else {}),
            **({"place": In(range(config.planes))} if config.planes > 1 else {}),
            "swap": In(1),
            "shift": In(config.window),
            "sums": Out(data.ArrayLayout(signed(config.acc_bits), config.window)),
        }
    )


def sum_bits(config: ArrayConfig) -> int:
    """Bits of a neuron's sum in a step: one accumulator, or 16 times one plus another, unsigned
    one."""
    return config.acc_bits + (5 if config.wide_weights else 0)


def current_bits(config: ArrayConfig) -> int:
    """Bits of a neuron's sum over its bit planes."""
    return sum_bits(config) + config.window


def placed(m: Module, config: ArrayConfig, weights: Value, place: Value) -> Value:
    """A row of weights, each times ``2**place`` and ``shifted_bits`` wide."""
    if config.planes == 1:
        return weights
    row = []
    for lane in range(config.lanes):
        shifted = Signal(signed(config.shifted_bits), name=f"placed_{lane}")
        m.d.comb += shifted.eq(weights.word_select(lane, config.weight_bits).as_signed() << place)
        row.append(shifted)
    return Cat(row)


def weight_of(config: ArrayConfig, weights: Value, low: Value, lane: int) -> Value:
    """A lane's weight, signed; with ``low`` unsigned on odd lanes (wide weights only)."""
    weight = weights.word_select(lane, config.shifted_bits)
    if config.wide_weights and lane % 2:
        # One more bit lets the same signed adder take either kind: the sign, or 0.
        return Cat(weight, weight[-1] & ~low).as_signed()
    return weight.as_signed()


class Lanes(wiring.Component):
    """Output-stationary accumulators with an overlapped drain.

    Accumulator ``t`` of every lane adds the lane's weight when bit ``t`` of the word is set: the
    bit is the register's clock enable. ``swap`` copies all of them into shadow registers and clears
    them. The shadow is T chains of L: chain ``t`` shows lane 0 first and moves on to the next lane
    with ``shift[t]``.

        weights   w0        w1        w2
                  |         |         |
                  acc 0     acc 1     acc 2     add: acc += w where the word has a spike
                  |         |         |         swap: shadow = acc, acc = 0
        sums <--- shadow <- shadow <- shadow    shift

    The throughput is one event per cycle; each swap costs one cycle, in which no event may arrive.
    ``sums`` is valid in the cycle after the swap.

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
        low = self.low if config.wide_weights else Const(0)
        weights = placed(m, config, self.weights, self.place if config.planes > 1 else Const(0))
        # One enable per step, for all lanes.
        add = Signal(config.window)
        m.d.comb += add.eq(Cat(bit & self.add for bit in self.word))
        for step in range(config.window):
            ahead = None  # the previous lane of the chain, which is shown next
            for lane in reversed(range(config.lanes)):
                acc = Signal(signed(config.acc_bits), name=f"acc_{lane}_{step}")
                shadow = Signal.like(acc, name=f"shadow_{lane}_{step}", reset_less=True)
                weight = weight_of(config, weights, low, lane)
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
