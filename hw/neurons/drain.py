"""Drain: empties the lanes' shadow into the neuron unit, pass by pass."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for

from ..lib.registers import pipeline
from ..scan.lanes import current_bits, sum_bits
from ..scan.row_queue import NO_COLLISION
from .neuron_unit import entry, latency, stages

__all__ = ["Drain", "pass_length"]


def pass_length(config: ArrayConfig) -> int:
    """Cycles of a pass with convolution: a neuron, and all of a group, has left before it is its
    turn again."""
    return max(config.lanes, latency(config) + 3)


class Drain(wiring.Component):
    """For one group: ``ceil(n / R)`` passes over its neurons, a neuron per cycle.

    Pass ``p`` takes the chains of steps ``p * R`` on. Where a group has several passes, one lasts
    at least as long as a neuron's way to its state and back. Bit planes of pixels are combined as
    all chains shift in the first pass, ``sum_b A_b << b``, and kept for the others.

    A group of n neurons takes ``(passes - 1) * max(n, latency + 2) + L + latency + 2`` cycles from
    ``start`` to ``finished``; n in place of L where its row need not be aligned.

    Members
    -------
    start : a group with ``neurons`` (1 .. L) is in the shadow, from the next cycle on; with
        chained lanes ``neurons`` is there a cycle before.
    steps : steps of the window - 1; ``pixels`` bit planes.
    sums, shift : the lanes' shadow.
    read, lane : addresses parameters and state of a neuron; they are there one cycle later, when
        ``valid`` and the others tell the neuron unit what enters.
    occupied : what ``lane`` addresses is a neuron's.
    under_way : the neuron unit has neurons.
    align : the row of spikes will be read.
    fill : with ``align``, after the last neuron, one cycle for each lane the group lacks.
    finished : for one cycle: the last neuron of the group has left.

    With convolution a group starts behind the one before, whatever is under way: all L lanes enter,
    those that lack a neuron with no step, which aligns the row. A pass takes the same
    ``pass_length`` cycles for every group.

    halves : with wide weights: of two lanes the first has the high halves of the weights, the
        second the low ones, without a sign; what enters for it is of both.
    ready : ``start`` may be up; ``neurons`` and what else is the group's from the next cycle on.
    last : what enters completes the group: its last lane in its last pass, without ``align`` its
        last neuron.
    tail : without ``align``: lanes behind the last neuron are on their way, and what is the group's
        holds until they are gone.
    late : sums of a group that has entered are still to be taken.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        lane = unsigned(bits_for(config.lanes - 1))
        super().__init__({
            "start": In(1),
            "neurons": In(unsigned(bits_for(config.lanes))),
            "steps": In(unsigned(bits_for(config.window - 1))), "pixels": In(1),
            "sums": In(data.ArrayLayout(signed(config.acc_bits), config.window)),
            "shift": Out(config.window),
            "read": Out(1), "lane": Out(lane), "occupied": Out(1),
            "valid": Out(1), "entering": Out(lane), "first_pass": Out(1),
            "first": Out(unsigned(bits_for(config.window - 1))),
            "exists": Out(config.neuron_steps),
            "current": Out(signed(current_bits(config))),
            "taken": Out(data.ArrayLayout(signed(sum_bits(config)), config.neuron_steps)),
            **({"halves": In(1)} if config.wide_weights else {}),
            "under_way": In(1), "align": In(1), "fill": Out(1), "finished": Out(1),
            **({
                "ready": Out(1), "last": Out(1), "tail": Out(1), "late": Out(1),
            } if config.convolution else {}),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        parallel, passes = config.neuron_steps, config.passes
        number = Signal(range(max(2, passes)))
        last_pass = Signal.like(number)
        first = Signal.like(self.first)
        m.d.comb += [
            last_pass.eq(self.steps >> (parallel.bit_length() - 1)),
            first.eq(number << (parallel.bit_length() - 1)),
        ]
        if config.convolution:
            exists = self._walk_behind(m, number, last_pass)
        else:
            exists = Const(1)
            self._walk(m, number, last_pass)
        m.d.comb += self.occupied.eq(self.read & exists)

        # Step i of the pass takes its sum `stages * i` cycles after step 0: its chain waits.
        enters = Signal(data.StructLayout({"read": 1, "number": number.shape(), "low": 1}))
        m.d.comb += [
            enters.read.eq(self.read), enters.number.eq(number), enters.low.eq(self._low(self.lane))
        ]
        before = enters  # a cycle ago
        all_planes = Signal()
        m.d.comb += all_planes.eq(self.read & self.pixels & (number == 0))
        late: list[Value] = []
        for i in range(parallel):
            taken = Signal(self.taken[i].shape(), name=f"taken{i}", reset_less=True)
            shown = Signal(signed(config.acc_bits), name=f"shown{i}")
            for p in range(passes):
                with m.If(enters.number == p):
                    m.d.comb += shown.eq(self.sums[p * parallel + i])
                turn = before.number == p
                if config.convolution:
                    # What a short window leaves out moves on with its last pass.
                    turn |= (last_pass < p) & (before.number == last_pass)
                moves = Signal(name=f"moves_{p}_{i}")
                domain = m.d.sync if i else m.d.comb
                domain += moves.eq(before.read & turn)
                m.d.comb += self.shift[p * parallel + i].eq(Mux(self.pixels, all_planes, moves))
            m.d.sync += taken.eq(shown)
            if config.wide_weights:
                high = Signal.like(shown, name=f"high{i}", reset_less=True)
                m.d.sync += high.eq(shown)
                with m.If(enters.low):
                    m.d.sync += taken.eq((high << 4) + shown.as_unsigned())
            m.d.comb += self.taken[i].eq(taken)
            if i < parallel - 1:
                for _ in range(stages(config)):
                    later = Signal(enters.shape(), name=f"enters{i}", reset_less=True)
                    m.d.sync += later.eq(enters)
                    before, enters = enters, later
                    late.append(later.read)

        if config.convolution:
            m.d.comb += self.late.eq(Cat(late).any())

        # The neuron unit of large arrays has a register for the sum: there the planes are added by
        # pairs before this one and the pairs behind it.
        size = 2 if entry(config) else config.window
        combined = Signal(self.current.shape())
        parts = []
        planes = list(self.sums)
        if config.wide_weights:
            unsigned_now = self._low(self.lane)
            planes = [Cat(plane, plane[-1] & ~unsigned_now).as_signed() for plane in planes]
        for at in range(0, config.window, size):
            part = sum(planes[b] << b for b in range(at, min(at + size, config.window)))
            parts.append(Signal.like(combined, name=f"planes{at}", reset_less=True))
            m.d.sync += parts[-1].eq(part)
        m.d.comb += combined.eq(sum(parts))
        if config.wide_weights:
            high, low = Signal.like(combined, name="high_planes", reset_less=True), Signal()
            m.d.sync += [high.eq(sum(parts)), low.eq(self._low(self.lane))]
            with m.If(low):
                m.d.comb += combined.eq((high << 4) + sum(parts))
        m.d.sync += [
            self.valid.eq(self.read),
            self.entering.eq(self.lane),
            self.first_pass.eq(number == 0),
            self.first.eq(first),
            self.exists.eq(Cat(exists & (first + i <= self.steps) for i in range(parallel))),
        ]
        m.d.comb += self.current.eq(combined)
        if passes > 1:
            m.submodules.kept = kept = Memory(
                shape=combined.shape(), depth=config.lanes, init=[], attrs=NO_COLLISION
            )
            write, read = kept.write_port(), kept.read_port()
            m.d.comb += [
                write.en.eq(self.valid & self.first_pass),
                write.addr.eq(self.entering),
                write.data.eq(combined),
                read.addr.eq(self.lane),
            ]
            with m.If(~self.first_pass):
                m.d.comb += self.current.eq(read.data)
        return m

    def _walk(self, m: Module, number: Signal, last_pass: Value) -> None:
        """The group's passes, then what aligns its row."""
        config = self.config
        shortest = latency(config) + 2
        beat = Signal(range(max(config.lanes, shortest) + 1))
        length = Signal.like(beat)
        domain = pipeline(m, config)
        domain += length.eq(self.neurons)
        if config.passes > 1:
            with m.If((last_pass != 0) & (self.neurons < shortest)):
                domain += length.eq(shortest)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [beat.eq(0), number.eq(0)]
                with m.If(self.start):
                    m.next = "PASS"
            with m.State("PASS"):
                m.d.comb += [self.read.eq(beat < self.neurons), self.lane.eq(beat)]
                m.d.sync += beat.eq(beat + 1)
                with m.If(beat + 1 == length):
                    m.d.sync += [beat.eq(0), number.eq(number + 1)]
                    with m.If(number == last_pass):
                        m.d.sync += beat.eq(self.neurons)
                        m.next = "EMPTY"
            with m.State("EMPTY"), m.If(~self.valid & ~self.under_way):
                m.d.sync += beat.eq(beat + 1)
                with m.If((beat == config.lanes) | ~self.align):
                    m.d.comb += self.finished.eq(1)
                    m.next = "IDLE"
                with m.Else():
                    m.d.comb += self.fill.eq(1)

    def _walk_behind(self, m: Module, number: Signal, last_pass: Value) -> Value:
        """All lanes, pass by pass and group by group; returns whether the lane has a neuron."""
        config = self.config
        length = pass_length(config)
        beat, active, over = Signal(range(length)), Signal(), Signal()
        m.d.comb += [
            self.read.eq(active & (beat < config.lanes)),
            self.lane.eq(beat),
            over.eq((beat == length - 1) & (number == last_pass)),
            self.ready.eq(~active | over),
        ]
        with m.If(active):
            m.d.sync += beat.eq(beat + 1)
            with m.If(beat == length - 1):
                m.d.sync += [beat.eq(0), number.eq(number + 1)]
        with m.If(self.ready):
            m.d.sync += [active.eq(self.start), beat.eq(0), number.eq(0)]
        # A cycle after the lane was read: chained lanes do not know of ``neurons`` before.
        in_last_pass = Signal()
        m.d.sync += in_last_pass.eq(number == last_pass)
        m.d.comb += self.last.eq(
            self.valid & in_last_pass
            & (self.entering + 1 == Mux(self.align, config.lanes, self.neurons))
        )
        with m.If(self.last):
            m.d.sync += self.tail.eq(~self.align)
        with m.Elif(~active & ~self.late):
            m.d.sync += self.tail.eq(0)
        exists = beat < self.neurons
        return exists & (beat[0] | ~self.halves) if config.wide_weights else exists

    def _low(self, lane: Value) -> Value:
        """Whether a lane has the low halves of weights."""
        return self.halves & lane[0] if self.config.wide_weights else Const(0)
