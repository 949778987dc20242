"""Drain: moves sums from the lanes' shadow to the neuron unit."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for
from stablespike.spec.timing import (
    EARLY,
    MEMBRANE_READ,
    input_stages,
    neuron_latency,
    pass_length,
    sequential_pass,
    step_stages,
)

from ..lib.registers import pipeline
from ..scan.lanes import current_bits, sum_bits
from ..vendor.memory import collision_free_memory

__all__ = ["Drain"]


class Drain(wiring.Component):
    """Empties the lanes' shadow into the neuron unit, one neuron per cycle, pass by pass.

    With n steps in the window and R steps in a pass, a group takes ``ceil(n / R)`` passes over its
    neurons. Pass ``p`` takes the chains from step ``p * R`` on. Step ``i`` of the pass takes its
    sums ``step_stages * i`` cycles after step 0, when the neuron reaches that step in the neuron
    unit:

        cycle      0       1         2         3
        read       lane 0  lane 1    lane 2    ...
        valid              lane 0    lane 1    lane 2      neuron unit, step 0
        shift[0]   *       *         *

    If the inputs are pixels, the sums are bit planes. All chains shift in the first pass; their
    values are combined as ``sum_b A_b << b`` and kept for the other passes.

    Without convolution, a group may start once the one before is in the neuron unit, and is
    ``ready``. If it has several passes, each lasts at least as long as a neuron takes from reading
    its state to writing it. A group of n neurons takes
    ``(passes - 1) * max(n, neuron_latency + 2) + L + neuron_latency + 1`` cycles from ``start`` to
    ``finished``, one more in pipelined arrays, and with n in place of L if its row need not be
    aligned.

    With convolution, a group starts right behind the previous one, even while that is still under
    way. All L lanes enter; lanes without a neuron have no steps, which aligns the row. A pass takes
    ``pass_length`` cycles for every group.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    start : In(1)
        A group is in the shadow from the next cycle on; the strobe is up for one cycle.
    neurons : In
        Its number of neurons, 1 to L, from the cycle after ``start`` on; in pipelined arrays
        without convolution, from ``start`` on.
    steps : In
        Steps of the window minus 1.
    pixels : In(1)
        The sums are bit planes of pixels.
    split_weights : In(1)
        With wide weights: in each pair of lanes, the first has the high halves of the weights and
        the second the low halves, unsigned. The neuron of the second lane takes the sum of both.
    align : In(1)
        The row of spikes will be read, so it is shifted until lane 0 is lowest.
    sums : In(ArrayLayout(signed(config.acc_bits), config.window))
        The outputs of the chains of the shadow.
    shift : Out(config.window)
        Move chain ``t`` on to the next lane.
    read : Out(1)
        ``lane`` is addressed in this cycle.
    lane : Out
        The lane whose parameters and state are needed in the next cycle.
    occupied : Out(1)
        That lane has a neuron.
    valid : Out(1)
        A neuron enters the neuron unit; one cycle after ``read``.
    entering : Out
        Its lane, while ``valid``.
    first_pass : Out(1)
        The neuron enters for the first time in this window, while ``valid``.
    first : Out
        The first step of the pass, while ``valid``.
    exists : Out(config.neuron_steps)
        Which steps of the pass the neuron has, while ``valid``.
    current : Out(signed)
        The combined bit planes, while ``valid``.
    taken : Out(ArrayLayout(signed, config.neuron_steps))
        The sum of step ``i``, ``step_stages * i`` cycles after ``valid``.
    fill : Out(1)
        Without convolution, if ``align``: shift the row by one lane, once for each lane without a
        neuron, after the last neuron has left.
    finished : Out(1)
        Without convolution: the group's row is complete, and aligned, in the next cycle; up for one
        cycle.
    readable : Out(1)
        Without convolution: all neurons have been read, and from MEMBRANE_READ cycles later on the
        new state of a lane may be read in each cycle; up for one cycle, ``membranes_ahead`` of
        ``finished`` if the row need not be aligned.
    ready : Out(1)
        With convolution: ``start`` may be up. Without, for a group of L neurons: its last neuron
        leaves within ``EARLY`` cycles, and all sums have been taken.
    last : Out(1)
        With convolution: the lane that enters completes the group. It is the last lane in the last
        pass, or the last neuron if the row need not be aligned.
    tail : Out(1)
        With convolution: lanes behind the last neuron are still entering, and the group's settings
        must be held until they are gone. Only without ``align``.
    late : Out(1)
        With convolution: some sums of a group that has entered have not been taken yet.
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
            **({"split_weights": In(1)} if config.wide_weights else {}),
            "align": In(1), "fill": Out(1), "finished": Out(1), "ready": Out(1),
            **({} if config.convolution else {"readable": Out(1)}),
            **({"last": Out(1), "tail": Out(1), "late": Out(1)} if config.convolution else {}),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        parallel, passes = config.neuron_steps, config.passes
        pass_number = Signal(range(max(2, passes)))
        last_pass = Signal.like(pass_number)
        first = Signal.like(self.first)
        m.d.comb += [
            last_pass.eq(self.steps >> (parallel.bit_length() - 1)),
            first.eq(pass_number << (parallel.bit_length() - 1)),
        ]
        if config.convolution:
            exists = self._walk_pipelined(m, pass_number, last_pass)
        else:
            exists = Const(1)
            self._walk_sequential(m, pass_number, last_pass)
        m.d.comb += self.occupied.eq(self.read & exists)
        m.d.sync += [
            self.valid.eq(self.read),
            self.entering.eq(self.lane),
            self.first_pass.eq(pass_number == 0),
            self.first.eq(first),
            self.exists.eq(Cat(exists & (first + i <= self.steps) for i in range(parallel))),
        ]
        self._take_sums(m, pass_number, last_pass)
        self._combine_planes(m)
        return m

    def _take_sums(self, m: Module, pass_number: Signal, last_pass: Value) -> None:
        """Give every step of the pass its sum when it needs it, and shift the chains."""
        config = self.config
        parallel, passes = config.neuron_steps, config.passes
        # Step i of the pass takes its sum `step_stages * i` cycles after step 0: its chain waits.
        layout = {"read": 1, "pass_number": pass_number.shape(), "low": 1}
        enters = Signal(data.StructLayout(layout))
        m.d.comb += enters.eq(Cat(self.read, pass_number, self._low(self.lane)))
        before = enters  # a cycle ago
        all_planes = Signal()
        m.d.comb += all_planes.eq(self.read & self.pixels & (pass_number == 0))
        late: list[Value] = []
        for i in range(parallel):
            taken = Signal(self.taken[i].shape(), name=f"taken{i}", reset_less=True)
            shown = Signal(signed(config.acc_bits), name=f"shown{i}")
            for p in range(passes):
                with m.If(enters.pass_number == p):
                    m.d.comb += shown.eq(self.sums[p * parallel + i])
                in_turn = before.pass_number == p
                if config.convolution:
                    # Chains of steps that a short window lacks shift in its last pass.
                    in_turn |= (last_pass < p) & (before.pass_number == last_pass)
                moves = Signal(name=f"moves_{p}_{i}")
                # In later steps, ``before`` is a cycle ahead of ``enters``: a register is in time.
                domain = m.d.sync if i else m.d.comb
                domain += moves.eq(before.read & in_turn)
                m.d.comb += self.shift[p * parallel + i].eq(Mux(self.pixels, all_planes, moves))
            m.d.sync += taken.eq(shown)
            if config.wide_weights:
                # The high half came with the lane before; only this adder sees both halves.
                high = Signal.like(shown, name=f"high{i}", reset_less=True)
                m.d.sync += high.eq(shown)
                with m.If(enters.low):
                    m.d.sync += taken.eq((high << 4) + shown.as_unsigned())
            m.d.comb += self.taken[i].eq(taken)
            if i < parallel - 1:
                for _ in range(step_stages(config)):
                    later = Signal(enters.shape(), name=f"enters{i}", reset_less=True)
                    m.d.sync += later.eq(enters)
                    before, enters = enters, later
                    late.append(later.read)

        if config.convolution:
            m.d.comb += self.late.eq(Cat(late).any())

    def _combine_planes(self, m: Module) -> None:
        """Sum the bit planes of pixels, and keep the sum for the following passes."""
        config = self.config
        # If the neuron unit has an input register, the planes are added in pairs in front of the
        # register here, and the pairs are added between the two registers.
        size = 2 if input_stages(config) else config.window
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
        m.d.comb += self.current.eq(combined)
        if config.passes > 1:
            # By the second pass, all chains have shifted.
            m.submodules.kept = kept = collision_free_memory(combined.shape(), config.lanes)
            write, read = kept.write_port(), kept.read_port()
            m.d.comb += [
                write.en.eq(self.valid & self.first_pass),
                write.addr.eq(self.entering),
                write.data.eq(combined),
                read.addr.eq(self.lane),
            ]
            with m.If(~self.first_pass):
                m.d.comb += self.current.eq(read.data)

    def _walk_sequential(self, m: Module, pass_number: Signal, last_pass: Value) -> None:
        """Run the group's passes, then align its row."""
        config = self.config
        shortest = sequential_pass(config, 1)
        at = Signal(range(max(config.lanes, shortest) + 1))
        length = Signal.like(at)
        domain = pipeline(m, config)
        domain += length.eq(self.neurons)
        if config.passes > 1:
            with m.If((last_pass != 0) & (self.neurons < shortest)):
                domain += length.eq(shortest)
        # The last neuron of the group on its way: bit k is up k + 1 cycles after it was read.
        latency = neuron_latency(config)
        over, through = Signal(), Signal(latency + 1 + config.pipelined)
        m.d.sync += through.eq(Cat(over, through))
        m.d.comb += self.ready.eq(through[latency - EARLY : latency + 1].any())
        # The first neuron is written ``latency + 1`` cycles after it was read.
        behind = latency + 1 - (MEMBRANE_READ - 1)
        if behind:
            begins, followed = Signal(), Signal(behind)
            written, over_before = Signal(), Signal()
            m.d.comb += begins.eq(self.read & (pass_number == last_pass) & (at == 0))
            m.d.sync += [
                followed.eq(Cat(begins, followed)),
                written.eq((written | followed[-1]) & ~self.readable),
                over_before.eq((over_before | over) & ~self.readable),
            ]
            m.d.comb += self.readable.eq((written | followed[-1]) & (over_before | over))
        else:
            m.d.comb += self.readable.eq(over)
        with m.FSM() as walk:
            with m.State("IDLE"):
                m.d.sync += [at.eq(0), pass_number.eq(0)]
                with m.If(self.start):
                    m.next = "PASS"
            with m.State("PASS"):
                m.d.comb += [
                    self.read.eq(at < self.neurons), self.lane.eq(at),
                    over.eq((pass_number == last_pass) & (at + 1 == self.neurons)),
                ]
                m.d.sync += at.eq(at + 1)
                with m.If(over):
                    m.next = "IDLE"
                    with m.If(self.align & (self.neurons != config.lanes)):
                        m.next = "LAST NEURON"
                with m.Elif(at + 1 == length):
                    m.d.sync += [at.eq(0), pass_number.eq(pass_number + 1)]
            with m.State("LAST NEURON"), m.If(through[latency]):
                m.next = "FILL"
            # The rest of ``at`` counts the lanes by which the row is shifted.
            with m.State("FILL"):
                m.d.comb += self.fill.eq(at != config.lanes)
                m.d.sync += at.eq(at + 1)
                with m.If(at == config.lanes - (not config.pipelined)):
                    m.d.comb += self.finished.eq(1)
                    m.next = "IDLE"
        with m.If(through[-1] & ~walk.ongoing("LAST NEURON") & ~walk.ongoing("FILL")):
            m.d.comb += self.finished.eq(1)

    def _walk_pipelined(self, m: Module, pass_number: Signal, last_pass: Value) -> Value:
        """Read all lanes, pass by pass and group by group; returns whether the lane has a
        neuron."""
        config = self.config
        length = pass_length(config)
        at, active, over = Signal(range(length)), Signal(), Signal()
        m.d.comb += [
            # All lanes are read, so that every row is aligned and every pass takes as long.
            self.read.eq(active & (at < config.lanes)),
            self.lane.eq(at),
            over.eq((at == length - 1) & (pass_number == last_pass)),
            self.ready.eq(~active | over),
        ]
        with m.If(active):
            m.d.sync += at.eq(at + 1)
            with m.If(at == length - 1):
                m.d.sync += [at.eq(0), pass_number.eq(pass_number + 1)]
        # This comes last, because a group may start in the last cycle of the one before.
        with m.If(self.ready):
            m.d.sync += [active.eq(self.start), at.eq(0), pass_number.eq(0)]
        # This is a cycle after the lane was read, because pipelined arrays do not have ``neurons``
        # earlier.
        in_last_pass = Signal()
        m.d.sync += in_last_pass.eq(pass_number == last_pass)
        m.d.comb += self.last.eq(
            self.valid & in_last_pass
            & (self.entering + 1 == Mux(self.align, config.lanes, self.neurons))
        )
        with m.If(self.last):
            m.d.sync += self.tail.eq(~self.align)
        with m.Elif(~active & ~self.late):
            m.d.sync += self.tail.eq(0)
        exists = at < self.neurons
        # With split weights, only the second lane of a pair has a neuron.
        return exists & (at[0] | ~self.split_weights) if config.wide_weights else exists

    def _low(self, lane: Value) -> Value:
        """Whether a lane has the low halves of weights."""
        return self.split_weights & lane[0] if self.config.wide_weights else Const(0)
