"""Gatherer: frames of the link, gathered into datagrams for the owner."""

from amaranth.hdl import Array, Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec.link import FRAME_BYTES, UDP_PAYLOAD

from ...lib.checks import check_int
from ...vendor.memory import collision_free_memory
from .byte_reader import LENGTH_BITS, ByteReader, frame_byte_layout
from .positions import HEADER_BYTES, IP_BYTES, MAC_BYTES
from .receiver import OWNERSHIP_BYTES

__all__ = ["Gatherer"]

_HALF = 2048
_END = HEADER_BYTES + UDP_PAYLOAD
_ENOUGH = _END - (FRAME_BYTES + 2)
"""A datagram that ends behind this place may have no room for another frame."""
_IP_LENGTH, _IP_CHECKSUM, _UDP_LENGTH = MAC_BYTES + 2, MAC_BYTES + 10, MAC_BYTES + IP_BYTES + 4
_SUM_STEPS = 3
_STEPS = _SUM_STEPS + 6


class Gatherer(wiring.Component):
    """Gathers frames in one half of a memory while the other half is sent.

    A datagram is closed when another frame might not fit, or when it ends with a whole frame, no
    byte came for ``linger`` cycles, the datagram before has been sent, and it was closed at least
    ``spacing`` cycles ago. So a frame that comes alone leaves at once, and many small ones share
    datagrams. Each half starts with the headers of a datagram. To close one, its lengths and the
    checksum of IP's header are written there, which takes 10 cycles. The checksum of UDP is 0:
    none.

    Without an owner, datagrams are dropped.

    Parameters
    ----------
    linger : int
        Cycles to wait for another byte before a datagram is closed.
    spacing : int
        Fewest cycles between two datagrams, unless they are full.

    Members
    -------
    i : In(stream.Signature(8))
        COBS frames, each ended by a zero.
    headers : In(stream.Signature(frame_byte_layout()))
        ``HEADER_BYTES`` of a datagram of ``OWNERSHIP_BYTES`` to the owner; twice, one after the
        other. Taken while nothing is being sent.
    owned : In(1)
        There is an owner.
    frames : Out(stream.Signature(frame_byte_layout()))
        Datagrams, from the first byte of their headers on. Once a datagram's first byte was taken,
        there is a byte in every cycle.
    idle : Out(1)
        Nothing waits here.
    """

    i: In(stream.Signature(8))
    headers: In(stream.Signature(frame_byte_layout()))
    owned: In(1)
    frames: Out(stream.Signature(frame_byte_layout()))
    idle: Out(1)

    def __init__(self, linger: int, spacing: int) -> None:
        self.linger = check_int("linger", linger, 1)
        self.spacing = check_int("spacing", spacing, 1)
        super().__init__()

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.halves = halves = collision_free_memory(8, 2 * _HALF)
        m.submodules.reader = reader = ByteReader(2 * _HALF)
        write, read = halves.write_port(), halves.read_port()
        half = Signal()  # the one that is gathered in
        full = Signal(2)
        lengths = Array(Signal(LENGTH_BITS, name=f"length{index}") for index in range(2))

        # Gathering.
        at = Signal(LENGTH_BITS, init=HEADER_BYTES)
        ends, enough, filled, paused = Signal(), Signal(), Signal(), Signal()
        quiet = Signal(range(self.linger + 1))
        since = Signal(range(self.spacing + 1), init=self.spacing)  # a datagram was closed
        gathering, close, taken, busy = Signal(init=1), Signal(), Signal(), Signal()
        header_at, header_half = Signal(range(HEADER_BYTES)), Signal()
        m.d.comb += [
            busy.eq(full.any()),
            close.eq(ends & (enough | paused) | filled),
            self.headers.ready.eq(gathering & ~busy),
            self.i.ready.eq(
                gathering & ~close & ~full.bit_select(half, 1) & ~self.headers.valid
            ),
            taken.eq(self.i.valid & self.i.ready),
        ]
        m.d.sync += [
            write.en.eq(taken),
            write.addr.eq(Cat(at, half)),
            write.data.eq(self.i.payload),
            paused.eq((quiet == self.linger) & (since == self.spacing) & ~busy & ~taken),
        ]
        with m.If(taken):
            m.d.sync += [
                at.eq(at + 1), quiet.eq(0), ends.eq(self.i.payload == 0),
                enough.eq(at >= _ENOUGH), filled.eq(at == _END - 1),
            ]
        with m.Elif(quiet != self.linger):
            m.d.sync += quiet.eq(quiet + 1)

        with m.If(~gathering):
            m.d.sync += since.eq(0)
        with m.Elif(since != self.spacing):
            m.d.sync += since.eq(since + 1)

        # The headers: all that stays the same, and the sum of IP's header without its length.
        checksum, base = Signal(16), Signal(16)
        with m.If(self.headers.valid & self.headers.ready):
            m.d.sync += [
                write.en.eq(1),
                write.addr.eq(Cat(header_at, *[0] * (LENGTH_BITS - len(header_at)), header_half)),
                write.data.eq(self.headers.p.data),
                header_at.eq(header_at + 1),
            ]
            with m.If(header_at == _IP_CHECKSUM):
                m.d.sync += base[8:].eq(~self.headers.p.data)
            with m.If(header_at == _IP_CHECKSUM + 1):
                m.d.sync += base[:8].eq(~self.headers.p.data)
            with m.If(self.headers.p.last):
                m.d.sync += [header_at.eq(0), header_half.eq(~header_half)]

        # Closing.
        step = Signal(range(_STEPS + 1))
        total, length = Signal(16), Signal(16)
        added = Signal(17)  # the highest bit is added in the next step
        m.d.comb += checksum.eq(~added[:16])
        with m.If(gathering):
            m.d.sync += [
                step.eq(0), total.eq(at - MAC_BYTES), length.eq(at - MAC_BYTES - IP_BYTES),
                # In one's complement, adding the inverse subtracts.
                added.eq(base + (0xFFFF ^ OWNERSHIP_BYTES - MAC_BYTES)),
            ]
            with m.If(close):
                m.d.sync += gathering.eq(0)
        with m.Else():
            m.d.sync += [step.eq(step + 1), write.en.eq(step >= _SUM_STEPS)]
            with m.If(step == 0):
                m.d.sync += added.eq(added[:16] + added[16])
            with m.If(step == 1):
                m.d.sync += added.eq(added[:16] + total)
            with m.If(step == 2):
                m.d.sync += added.eq(added[:16] + added[16])
            for index, (place, value) in enumerate((
                (_IP_LENGTH, total), (_IP_CHECKSUM, checksum), (_UDP_LENGTH, length),
            )):
                for low in range(2):
                    with m.If(step == _SUM_STEPS + 2 * index + low):
                        m.d.sync += [
                            write.addr.eq(Cat(Const(place + low, LENGTH_BITS), half)),
                            write.data.eq(value[:8] if low else value[8:]),
                        ]
            with m.If(step == _STEPS):
                m.d.sync += [
                    write.en.eq(0), gathering.eq(1), at.eq(HEADER_BYTES), ends.eq(0),
                    filled.eq(0), lengths[half].eq(at),
                ]
                with m.If(self.owned):
                    m.d.sync += [full.bit_select(half, 1).eq(1), half.eq(~half)]

        # Sending.
        sent, begun = Signal(), Signal()  # ``sent``: the half that is sent, or the next one
        m.d.comb += [
            read.addr.eq(reader.address),
            read.en.eq(reader.enable),
            reader.data.eq(read.data),
            reader.i.valid.eq(full.bit_select(sent, 1) & ~begun),
            reader.i.p.first.eq(Cat(*[0] * LENGTH_BITS, sent)),
            reader.i.p.length.eq(lengths[sent]),
            self.idle.eq((at == HEADER_BYTES) & ~busy),
        ]
        wiring.connect(m, reader.o, wiring.flipped(self.frames))
        with m.If(reader.i.valid & reader.i.ready):
            m.d.sync += begun.eq(1)
        with m.If(self.frames.valid & self.frames.ready & self.frames.p.last):
            m.d.sync += [begun.eq(0), sent.eq(~sent), full.bit_select(sent, 1).eq(0)]
        return m
