"""Scanner: turns scan ranges of the spike memory into one event per cycle.

    ranges --> Finder --> Queue --> Issuer --> event, mark
                ^  |                  ^
          flags |  | flags_row        | hold

The finder reads a row of flags per cycle and queues the rows with a spike; the issuer takes a
queued row's events one per cycle. The table shows a range of two rows, with one register per stage.
The first row has spikes in lanes 1 and 3, the second one in lane 0:

    cycle            0    1    2    3    4    5    6    7
    ranges           R
    flags_row             r0   r1
    flags                      r0   r1
    queue.i                    r0   r1
    queue.o                              r0   r1   r1
    issuer's row                              r0   r0   r1
    event                                     1    3    0
    finish, mark                                        *

Arrays of chained lanes have a register behind the flags, so everything from ``queue.i`` on is a
cycle later.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, ShapeLike, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig, bits_for

from ..lib.bits import at_most
from ..lib.queue import Queue
from ..lib.registers import pipeline

__all__ = [
    "Finder", "Issuer", "Scanner", "event_layout", "found_layout", "mark_layout", "range_layout",
]


def mark_layout(config: ArrayConfig) -> data.StructLayout:
    """The marks that end with a scan range.

    ``group``: the lanes hold a finished group. ``task``: it is the task's last group. ``window``:
    the task is the list's last. ``empty``: there was nothing to accumulate. With convolution there
    are also ``short``: it is the last group of the core's channels; ``last_position``: it is at the
    last position of its pool; and ``emit``: the pool is complete.
    """
    return data.StructLayout({
        "group": 1, "task": 1, "window": 1, "empty": 1,
        **({"short": 1, "last_position": 1, "emit": 1} if config.convolution else {}),
    })


def range_layout(config: ArrayConfig) -> data.StructLayout:
    """A scan range: consecutive rows of the spike memory and the weights of their words.

    ``row`` is the first row and ``rows`` the number of rows. ``weight`` is the address of the first
    row's weights, in units of L weight rows. ``mark`` ends with the range.

    With convolution, a range goes from lane ``head`` of the first row to lane ``tail`` of the last
    one. ``weight`` is then the weight row of lane 0 of the first row, whether that word belongs to
    the range or not. With wide weights, ``wide`` says that the weights have eight bits. With
    several planes, the weights count ``2**place`` times.
    """
    lane = unsigned(bits_for(config.lanes - 1))
    weights = config.weight_rows // (1 if config.convolution else config.lanes)
    return data.StructLayout({
        "row": unsigned(bits_for(config.spike_rows - 1)),
        "rows": unsigned(bits_for(config.spike_rows)),
        "weight": unsigned(bits_for(weights - 1)),
        **({"head": lane, "tail": lane} if config.convolution else {}),
        **({"wide": 1} if config.wide_weights else {}),
        **_place(config),
        "mark": mark_layout(config),
    })


def _place(config: ArrayConfig) -> dict[str, ShapeLike]:
    return {"place": range(config.planes)} if config.planes > 1 else {}


def found_layout(config: ArrayConfig) -> data.StructLayout:
    """A row with spikes: its ``flags`` within the range, its ``row``, ``weight`` and ``place``, and
    the marks."""
    members = {name: field.shape for name, field in range_layout(config)}
    kept = ("row", "weight", "wide", "place", "mark")
    return data.StructLayout(
        {"flags": config.lanes, **{name: members[name] for name in kept if name in members}}
    )


def event_layout(config: ArrayConfig) -> data.StructLayout:
    """A source neuron that spiked: the ``row`` and ``lane`` of its word, its weight row,
    ``weight``, and with several planes its ``place``.

    With convolution, ``weight`` is the weight row of lane 0, and ``lane`` must be added to it. With
    several banks, it is a row of the event's bank.
    """
    return data.StructLayout({
        "row": unsigned(bits_for(config.spike_rows - 1)),
        "lane": unsigned(bits_for(config.lanes - 1)),
        "weight": unsigned(bits_for(config.bank_rows - 1)),
        **({"wide": 1} if config.wide_weights else {}),
        **_place(config),
    })


def _lowest(bits: Value) -> Value:
    """The position of the lowest bit set in ``flags``; any number if none is set.

    It is found in groups of four bits, because a LUT has four inputs: first the group, then the bit
    in it.
    """
    if len(bits) == 2:
        return ~bits[0]
    if len(bits) == 4:
        return Cat(~bits[0] & (bits[1] | ~bits[2]), ~(bits[0] | bits[1]))
    fours = [bits[at : at + 4] for at in range(0, len(bits), 4)]
    which = _lowest(Cat(four.any() for four in fours))
    return Cat(_lowest(Array(fours)[which]), which)


class Finder(wiring.Component):
    """Walks scan ranges, one row of flags per cycle, and outputs the rows with spikes or marks.

    A row comes out two cycles after ``flags_row`` had its address (three with chained lanes). No
    cycle is lost between ranges.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Attributes
    ----------
    in_flight : int
        Rows that may still come out once ``room`` is low.

    Members
    -------
    ranges : In(stream.Signature(range_layout(config)))
        The ranges to walk; taken in the cycle in which the last row of the one before is read.
    available : In(unsigned)
        Number of the range's rows that may be read by now. Valid from the cycle after its transfer
        on; with chained lanes, from its transfer on.
    walked : Out(1)
        No range is being walked, or its last row is read in this cycle.
    flags_row : Out(unsigned)
        Address of the row to read.
    flags : In(config.lanes)
        The flags of the row addressed a cycle ago.
    room : In(1)
        ``in_flight`` more rows may come out.
    found : Out(stream.Signature(found_layout(config), always_ready=True))
        A row with spikes, or with the mark of a group.
    walking : Out(1)
        A range is being walked.
    waiting : Out(1)
        Its next row is not available yet.
    reading : Out(1)
        Flags of a row are on their way from the memory to ``found``.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        self.in_flight = 2 if config.pipelined else 1
        super().__init__({
            "ranges": In(stream.Signature(range_layout(config))),
            "available": In(unsigned(bits_for(config.spike_rows))),
            "walked": Out(1),
            "flags_row": Out(unsigned(bits_for(config.spike_rows - 1))),
            "flags": In(config.lanes),
            "room": In(1),
            "found": Out(stream.Signature(found_layout(config), always_ready=True)),
            "walking": Out(1), "waiting": Out(1), "reading": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config, lanes = self.config, self.config.lanes
        walk = Signal(range_layout(config), reset_less=True)  # the rest of the range
        done = Signal(unsigned(bits_for(config.spike_rows)), reset_less=True)  # rows read
        last, ready, step, taken = Signal(), Signal(), Signal(), Signal()
        # The next range is taken as the last row is read, so that the finder never stands still.
        m.d.comb += [
            self.flags_row.eq(walk.row),
            taken.eq(self.ranges.valid & self.ranges.ready),
            step.eq(self.walking & ready & self.room),
            self.walked.eq(~self.walking | (step & last)),
            self.ranges.ready.eq(self.walked),
            self.waiting.eq(self.walking & ~ready),
        ]
        if config.pipelined:
            # Both comparisons are too slow to decide ``step`` in the same cycle. So they are made a
            # cycle ahead, and a row that becomes available is noticed a cycle later.
            with m.If(taken):
                m.d.sync += [ready.eq(self.available != 0), last.eq(self.ranges.p.rows == 1)]
            with m.Elif(step):
                m.d.sync += [ready.eq(done + 1 < self.available), last.eq(done + 2 == walk.rows)]
            with m.Else():
                m.d.sync += ready.eq(done < self.available)
        else:
            m.d.comb += [ready.eq(done < self.available), last.eq(done + 1 == walk.rows)]

        read = Signal(found_layout(config), reset_less=True)  # the row that the flags belong to
        reading = Signal()
        head = Signal(unsigned(bits_for(lanes - 1)), reset_less=True)
        tail = Signal.like(head, reset_less=True)
        m.d.sync += reading.eq(step)
        with m.If(step):
            if config.convolution:
                m.d.sync += [
                    head.eq(walk.head), walk.head.eq(0), tail.eq(Mux(last, walk.tail, lanes - 1))
                ]
            m.d.sync += [
                read.row.eq(walk.row),
                read.weight.eq(walk.weight),
                *([read.wide.eq(walk.wide)] if config.wide_weights else []),
                *([read.place.eq(walk.place)] if config.planes > 1 else []),
                # Marks go with the last row only, but no row of an empty range has events.
                read.mark.eq(0),
                read.mark.empty.eq(walk.mark.empty),
                walk.row.eq(walk.row + 1),
                walk.weight.eq(walk.weight + (lanes if config.convolution else 1)),
                done.eq(done + 1),
            ]
            with m.If(last):
                m.d.sync += [read.mark.eq(walk.mark), self.walking.eq(0)]
        # This comes after ``step``, because both may happen with a range's last row.
        with m.If(taken):
            m.d.sync += [walk.eq(self.ranges.payload), self.walking.eq(1), done.eq(0)]

        # A range begins and ends within a row: words of other positions share it.
        flags = self.flags
        if config.convolution:
            flags = flags & Cat((head <= lane) & (tail >= lane) for lane in range(lanes))
        found, finding = Signal(found_layout(config), reset_less=True), Signal()
        domain = pipeline(m, config)
        domain += [finding.eq(reading), found.eq(read), found.flags.eq(flags)]
        with m.If(read.mark.empty):
            domain += found.flags.eq(0)
        m.d.comb += [
            self.found.payload.eq(found),
            self.found.valid.eq(finding & (found.flags.any() | found.mark.group)),
            self.reading.eq(reading | finding),
        ]
        return m


class Issuer(wiring.Component):
    """Issues the events of rows one per cycle, lowest lane first; no cycle is lost between rows.

    With several banks, it issues one per cycle from each of them: bank ``b`` has the lanes that are
    ``b`` modulo ``banks``. The next row follows when no bank has an event left.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    found : In(stream.Signature(found_layout(config)))
        The rows; the first event of one comes in the cycle after its transfer.
    event : Out(ArrayLayout(event_layout(config), config.banks))
        The event of this cycle in each bank, while its bit of ``issue`` is up.
    issue : Out(config.banks)
        There is an event.
    hold : In(1)
        Keeps an event from being issued in this cycle, and a group from ending.
    mark : Out(mark_layout(config))
        The marks that end with this cycle, while ``finish``.
    finish : Out(1)
        A group ends with this cycle, with its last event or with none.
    loaded : Out(1)
        A row is under way.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "found": In(stream.Signature(found_layout(config))),
            "event": Out(data.ArrayLayout(event_layout(config), config.banks)),
            "issue": Out(config.banks), "hold": In(1),
            "mark": Out(mark_layout(config)),
            "finish": Out(1), "loaded": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        banks = config.banks
        row = Signal(found_layout(config), reset_less=True)
        rest = Signal(config.lanes)
        # No bank has a flag left after its lowest; and those are issued.
        last, spent = Signal(), Signal()

        def are_few(flags: Value, limit: int) -> Value:
            return Cat(at_most(flags[bank::banks], limit) for bank in range(banks)).all()

        if config.pipelined:
            # This is known a cycle ahead, because the queue waits for it.
            with m.If(self.issue.any()):
                # One of these flags is issued now.
                m.d.sync += last.eq(are_few(row.flags, 2))
            with m.If(self.found.ready):
                m.d.sync += last.eq(are_few(self.found.p.flags, 1))
        else:
            m.d.comb += last.eq(~rest.any())
        for bank in range(banks):
            flags, event = row.flags[bank::banks], self.event[bank]
            lane = _lowest(flags)
            m.d.comb += [
                rest[bank::banks].eq(flags & (flags - 1)),  # without the lowest
                event.row.eq(row.row),
                event.lane.eq(Cat(Const(bank, banks.bit_length() - 1), lane)),
                event.weight.eq(row.weight if config.convolution else Cat(lane, row.weight)),
                *([event.wide.eq(row.wide)] if config.wide_weights else []),
                *([event.place.eq(row.place)] if config.planes > 1 else []),
                self.issue[bank].eq(self.loaded & ~self.hold & flags.any()),
            ]
        m.d.comb += [
            spent.eq(self.loaded & ~self.hold & last),
            self.mark.eq(row.mark),
            self.finish.eq(spent & row.mark.group),
            self.found.ready.eq(~self.loaded | spent),
        ]
        with m.If(self.issue.any()):
            m.d.sync += row.flags.eq(rest)
        with m.If(self.found.ready):
            m.d.sync += [row.eq(self.found.payload), self.loaded.eq(self.found.valid)]
        return m


class Scanner(wiring.Component):
    """Issues an event for every word of scan ranges that is not 0: a finder, a queue and an issuer.

    Silent rows cost lane cycles only if so many follow each other that the queue runs empty (about
    ``row_queue`` rows' worth of events). The first event comes 5 cycles after its range's transfer
    (6 with chained lanes). Between ranges, neither side loses a cycle. A range marked ``empty`` has
    no events. With several banks, each of them may have an event in the same cycle.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    ranges, available, walked, flags_row, flags
        Those of ``Finder``.
    event, issue, hold, mark, finish
        Those of ``Issuer``.
    blocked : Out(1)
        Nothing is queued, because the finder waits for a row to become available.
    idle : Out(1)
        Nothing is queued and no range is being walked.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.finder, self.issuer = Finder(config), Issuer(config)
        self.queue = Queue(found_layout(config), config.row_queue)
        finder, issuer = self.finder.signature.members, self.issuer.signature.members
        outside = ("ranges", "available", "walked", "flags_row", "flags")
        super().__init__({
            **{name: finder[name] for name in outside},
            **{name: issuer[name] for name in ("event", "issue", "hold", "mark", "finish")},
            "blocked": Out(1), "idle": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.finder, m.submodules.queue, m.submodules.issuer = finder, queue, issuer = (
            self.finder, self.queue, self.issuer
        )
        connect(m, flipped(self.ranges), finder.ranges)
        connect(m, finder.found, queue.i)
        connect(m, queue.o, issuer.found)
        # Waiting shows only when the issuer has nothing left to do.
        starved = Signal()
        m.d.comb += [
            finder.available.eq(self.available),
            finder.flags.eq(self.flags),
            finder.room.eq(queue.level < queue.depth - finder.in_flight),
            self.walked.eq(finder.walked),
            self.flags_row.eq(finder.flags_row),
            issuer.hold.eq(self.hold),
            self.event.eq(issuer.event),
            self.issue.eq(issuer.issue),
            self.mark.eq(issuer.mark),
            self.finish.eq(issuer.finish),
            starved.eq(~(finder.reading | issuer.loaded | queue.o.valid | (queue.level != 0))),
            self.blocked.eq(starved & finder.waiting),
            self.idle.eq(starved & ~finder.walking),
        ]
        return m
