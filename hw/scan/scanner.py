"""Scanner: from fields of the spike memory to one event per cycle."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig, bits_for

from ..lib.bits import at_most
from ..lib.registers import pipeline
from .row_queue import RowQueue

__all__ = ["Scanner", "event_layout", "field_layout", "mark_layout"]


def mark_layout(config: ArrayConfig) -> data.StructLayout:
    """What ends with a field: ``group`` the lanes hold a finished group, ``task`` it is the task's
    last, ``window`` the task is the list's last; ``empty`` there was nothing to accumulate.
    With convolution: ``short`` it is the share's last group, ``turn`` the last of its positions in
    the pool, ``emit`` the pool is complete."""
    return data.StructLayout({
        "group": 1, "task": 1, "window": 1, "empty": 1,
        **({"short": 1, "turn": 1, "emit": 1} if config.convolution else {}),
    })


def field_layout(config: ArrayConfig) -> data.StructLayout:
    """A run of rows: the first one, how many, the run of L weight rows of the first; the marks.

    With convolution, of words: from the word of lane ``head`` in the first row to that of ``tail``
    in the last one; ``weight`` is the weight row of the first row's lane 0, were it read. With wide
    weights: ``paired`` they are of eight bits.
    """
    lane = unsigned(bits_for(config.lanes - 1))
    weights = config.weight_rows // (1 if config.convolution else config.lanes)
    return data.StructLayout(
        {
            "row": unsigned(bits_for(config.spike_rows - 1)),
            "rows": unsigned(bits_for(config.spike_rows)),
            "weight": unsigned(bits_for(weights - 1)),
            **({"head": lane, "tail": lane} if config.convolution else {}),
            **({"paired": 1} if config.wide_weights else {}),
            "mark": mark_layout(config),
        }
    )


def event_layout(config: ArrayConfig) -> data.StructLayout:
    """A source neuron that spiked: row and lane of its word, row of its weights (with convolution,
    of lane 0's: ``lane`` is still to be added)."""
    return data.StructLayout(
        {
            "row": unsigned(bits_for(config.spike_rows - 1)),
            "lane": unsigned(bits_for(config.lanes - 1)),
            "weight": unsigned(bits_for(config.weight_rows - 1)),
            **({"paired": 1} if config.wide_weights else {}),
        }
    )


def _lowest(bits: Value) -> Value:
    """Place of the lowest bit set, in a power of two of them: which four, then which of these."""
    if len(bits) == 2:
        return ~bits[0]
    if len(bits) == 4:
        return Cat(~bits[0] & (bits[1] | ~bits[2]), ~(bits[0] | bits[1]))
    fours = [bits[at : at + 4] for at in range(0, len(bits), 4)]
    which = _lowest(Cat(four.any() for four in fours))
    return Cat(_lowest(Array(fours)[which]), which)


class Scanner(wiring.Component):
    """Walks fields in the spike memory and issues an event for every word that is not 0.

    The finder reads a row of flags per cycle, ahead of the issuer, and queues those with a spike;
    the issuer takes a row's events one per cycle. So silent rows cost lane cycles only where more
    than about ``row_queue`` rows' worth of events are skipped at once. The first event comes 5
    cycles after its field's transfer, 6 with chained lanes. Between fields neither side loses a
    cycle. A field marked ``empty`` has no events. With chained lanes a row is read a cycle after it
    became available.

    Members
    -------
    fields : fields to walk.
    available : number of the field's rows that may be read by now; with chained lanes from the
        field's transfer on.
    walked : no field is being walked, or its last row is read in this cycle.
    flags_row, flags : to the spike memory.
    event : the event of this cycle while ``issue``; ``hold`` keeps it from being issued.
    mark : marks that end with this cycle while ``finish`` (with its last event, or with none).
    blocked : nothing is queued, because the finder waits for a row to become available.
    idle : nothing queued, nothing being walked.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        row = bits_for(config.spike_rows - 1)
        super().__init__(
            {
                "fields": In(stream.Signature(field_layout(config))),
                "available": In(unsigned(bits_for(config.spike_rows))),
                "walked": Out(1),
                "flags_row": Out(unsigned(row)),
                "flags": In(config.lanes),
                "event": Out(event_layout(config)),
                "issue": Out(1),
                "hold": In(1),
                "mark": Out(mark_layout(config)),
                "finish": Out(1),
                "blocked": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config, lanes = self.config, self.config.lanes
        entry = data.StructLayout(
            {
                "flags": lanes,
                "row": unsigned(bits_for(config.spike_rows - 1)),
                "weight": field_layout(config)["weight"].shape,
                **({"paired": 1} if config.wide_weights else {}),
                "mark": mark_layout(config),
            }
        )
        # Rows of flags on their way; arrays of chained lanes take a register behind the memory.
        ahead = 2 if config.pipelined else 1
        m.submodules.queue = queue = RowQueue(entry.size, config.row_queue)

        # Finder: one row of flags per cycle, those with spikes (and marks) into the queue.
        walk = Signal(field_layout(config), reset_less=True)
        walking = Signal()
        done = Signal(unsigned(bits_for(config.spike_rows)), reset_less=True)
        last = Signal()
        ready = Signal()
        step = Signal()
        taken = Signal()
        read = Signal(entry, reset_less=True)
        reading = Signal()
        m.d.comb += [
            self.flags_row.eq(walk.row),
            taken.eq(self.fields.valid & self.fields.ready),
            step.eq(walking & ready & (queue.level < queue.depth - ahead)),
            self.walked.eq(~walking | (step & last)),
            self.fields.ready.eq(self.walked),
        ]
        if ahead > 1:
            # What becomes available is seen a cycle later.
            with m.If(taken):
                m.d.sync += ready.eq(self.available != 0)
            with m.Elif(step):
                m.d.sync += ready.eq(done + 1 < self.available)
            with m.Else():
                m.d.sync += ready.eq(done < self.available)
            with m.If(taken):
                m.d.sync += last.eq(self.fields.payload.rows == 1)
            with m.Elif(step):
                m.d.sync += last.eq(done + 2 == walk.rows)
        else:
            m.d.comb += [ready.eq(done < self.available), last.eq(done + 1 == walk.rows)]
        m.d.sync += reading.eq(step)
        head = Signal(unsigned(bits_for(lanes - 1)), reset_less=True)
        tail = Signal.like(head, reset_less=True)
        with m.If(step):
            if config.convolution:
                m.d.sync += [
                    head.eq(walk.head), walk.head.eq(0), tail.eq(Mux(last, walk.tail, lanes - 1))
                ]
            m.d.sync += [
                read.row.eq(walk.row),
                read.weight.eq(walk.weight),
                *([read.paired.eq(walk.paired)] if config.wide_weights else []),
                read.mark.eq(0),
                read.mark.empty.eq(walk.mark.empty),
                walk.row.eq(walk.row + 1),
                walk.weight.eq(walk.weight + (lanes if config.convolution else 1)),
                done.eq(done + 1),
            ]
            with m.If(last):
                m.d.sync += [read.mark.eq(walk.mark), walking.eq(0)]
        with m.If(taken):
            m.d.sync += [walk.eq(self.fields.payload), walking.eq(1), done.eq(0)]
        found = Signal(entry, reset_less=True)
        finding = Signal()
        flags = self.flags
        if config.convolution:
            inside = Cat((head <= lane) & (tail >= lane) for lane in range(lanes))
            flags = self.flags & inside
        domain = pipeline(m, config)
        domain += [finding.eq(reading), found.eq(read)]
        domain += found.flags.eq(flags)
        with m.If(read.mark.empty):
            domain += found.flags.eq(0)
        m.d.comb += [
            queue.entry.eq(found),
            queue.write.eq(finding & (found.flags.any() | found.mark.group)),
        ]

        # Issuer: a row's events one per cycle, the next row right behind the last one.
        row = Signal(entry, reset_less=True)
        loaded = Signal()
        rest = Signal(lanes)
        sole, spent = Signal(), Signal()  # no flag behind the lowest, and it is taken
        if ahead > 1:
            with m.If(self.issue):
                m.d.sync += sole.eq(at_most(row.flags, 2))
            with m.If(queue.take):
                m.d.sync += sole.eq(at_most(data.View(entry, queue.head).flags, 1))
        else:
            m.d.comb += sole.eq(~rest.any())
        m.d.comb += [
            rest.eq(row.flags & (row.flags - 1)),
            self.event.row.eq(row.row),
            self.event.lane.eq(_lowest(row.flags)),
            self.event.weight.eq(
                row.weight if config.convolution else Cat(self.event.lane, row.weight)
            ),
            *([self.event.paired.eq(row.paired)] if config.wide_weights else []),
            self.issue.eq(loaded & ~self.hold & row.flags.any()),
            spent.eq(loaded & ~self.hold & sole),
            self.mark.eq(row.mark),
            self.finish.eq(spent & row.mark.group),
            queue.take.eq(~loaded | spent),
        ]
        with m.If(self.issue):
            m.d.sync += row.flags.eq(rest)
        with m.If(queue.take):
            m.d.sync += [row.eq(queue.head), loaded.eq(queue.valid)]
        starved = Signal()
        m.d.comb += [
            starved.eq(~reading & ~finding & ~loaded & ~queue.valid & (queue.level == 0)),
            self.blocked.eq(starved & walking & ~ready),
            self.idle.eq(starved & ~walking),
        ]
        return m
