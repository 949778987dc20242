"""Transmitter: sends reports, acknowledgements and the answer to hello as frames to the host."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import BUILD_ID_BYTES, FAULT, RESEND, Kind, pack_info

from ..lib.ports import reports_signature
from ..vendor.memory import collision_free_memory
from .cobs import encoded_layout
from .crc import Crc32
from .receiver import NONCE_BYTES, acknowledge_layout, nonce_layout
from .resend_buffer import ResendBuffer

__all__ = ["DUE", "Transmitter"]

_BYTE = data.StructLayout({"valid": 1, "data": 8, "first": 1, "crc": 1, "last": 1})
"""A byte of a frame; with ``crc``, the next byte of the CRC in place of ``data``."""
DUE = data.StructLayout({"info": 1, "asking": 1, "plain": 1, "rewind": 1})
"""What is due besides reports: an ACK that asks for frames again, a plain ACK, and going back."""


class Transmitter(wiring.Component):
    """The sending half of the link: go-back-N.

    A frame takes the reports that are available while it is built. So results are sent at once on a
    fast link, and many share a frame on a slow one. Building a frame takes one cycle for each byte
    and 3 more.

    The order of priority is: the answer to hello, then requests to send frames again, then reports,
    then plain acknowledgements.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    build_id : bytes
        The build ID in the answer to hello.
    clock_hz : int
        The clock in the answer to hello.

    Members
    -------
    reports : In(reports_signature())
        Report packets from the array.
    room : In(1)
        The encoder has room for a frame. A frame begins only then, and is not held up.
    o : Out(stream.Signature(encoded_layout(), always_ready=True))
        Bytes of frames, with pauses of one cycle when an acknowledgement arrives.
    executed : In(8)
        The number of executed commands, from the command unit.
    done : In(1)
        A command is done (a strobe of the command unit). It is answered by an ACK once there is
        nothing else to send.
    fault : In(1)
        The command unit refused a command.
    acknowledged : In(stream.Signature(acknowledge_layout(), always_ready=True))
        Acknowledgements from the receiver. Repeated acknowledgements change nothing.
    nonce : In(stream.Signature(nonce_layout(), always_ready=True))
        Bytes of a nonce, from the receiver.
    missing : In(1)
        A strobe of the receiver: a host frame is missing.
    doubled : In(1)
        A strobe of the receiver: a host frame came a second time.
    greeted : In(1)
        A strobe of the receiver: a hello must be answered.
    quiet : Out(1)
        No ``done`` waits for its answer, and no frame is being built.

    Raises
    ------
    ValueError
        If ``build_id`` is not ``BUILD_ID_BYTES`` long.
    """

    def __init__(
        self, config: ArrayConfig, build_id: bytes = bytes(BUILD_ID_BYTES), clock_hz: int = 0
    ) -> None:
        self.config = config
        self.info = pack_info(config, build_id, clock_hz)
        if len(build_id) != BUILD_ID_BYTES:
            raise ValueError(f"build_id must be {BUILD_ID_BYTES} bytes, not {len(build_id)}")
        super().__init__({
            "reports": In(reports_signature()),
            "room": In(1),
            "o": Out(stream.Signature(encoded_layout(config.link_bytes), always_ready=True)),
            "executed": In(8),
            "done": In(1), "fault": In(1),
            "acknowledged": In(stream.Signature(acknowledge_layout(), always_ready=True)),
            "nonce": self._nonce(),
            "missing": In(1), "doubled": In(1), "greeted": In(1), "quiet": Out(1),
        })

    @staticmethod
    def _nonce() -> wiring.Member:
        return In(stream.Signature(nonce_layout(), always_ready=True))

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.buffer = buffer = ResendBuffer(self.config)
        connect(m, flipped(self.reports), buffer.reports)
        connect(m, flipped(self.acknowledged), buffer.acknowledged)

        # The session's nonce (its first byte identifies the session), followed by the answer to
        # hello.
        info = list(self.info)
        depth = NONCE_BYTES + len(info)
        # The only write during a read is that of a nonce, which equals the one already stored.
        m.submodules.told = told = collision_free_memory(
            8, depth, [0] * NONCE_BYTES + info, block=True
        )
        keep, tell = told.write_port(), told.read_port()
        at = Signal(range(depth + 1), reset_less=True)
        m.d.comb += [
            keep.en.eq(self.nonce.valid),
            keep.addr.eq(self.nonce.p.index),
            keep.data.eq(self.nonce.p.data),
            tell.addr.eq(at),
        ]

        kind = Signal(range(max(Kind) + 1), reset_less=True)
        asks = Signal(reset_less=True)
        step = Signal(2)
        byte = Signal(_BYTE)
        on_the_way = self._send(m, byte)
        due = Signal(DUE)
        with m.FSM():
            with m.State("WAIT"):
                # A frame that has begun is never stalled: the encoder has room for all of it.
                m.d.comb += buffer.between.eq(1)
                m.d.sync += [at.eq(0), step.eq(0), asks.eq(0)]
                self._choose(m, buffer, due, kind, asks, on_the_way)
            with m.State("HEADER"):
                m.d.sync += step.eq(step + 1)
                self._header(m, byte, step, kind, asks, tell.data, buffer.number)
                m.d.comb += buffer.numbered.eq((step == 2) & (kind == Kind.DATA))
                with m.If(step == 3):
                    m.d.sync += at.eq(1)
                    m.next = "CRC"
                    with m.If(kind == Kind.INFO):
                        m.next = "INFO"
                    with m.If(kind == Kind.DATA):
                        m.next = "WORD LOW"
            # The address runs one byte ahead of the memory's output.
            with m.State("INFO"):
                m.d.comb += [byte.valid.eq(1), byte.data.eq(tell.data)]
                m.d.sync += at.eq(at + 1)
                with m.If(at == depth):
                    m.next = "CRC"
            with m.State("WORD LOW"):
                m.d.comb += [
                    byte.valid.eq(1), byte.data.eq(buffer.word[:8]), buffer.take.eq(1)
                ]
                m.next = "WORD HIGH"
            with m.State("WORD HIGH"):
                # Whether this is the frame's end is known now, unless an acknowledgement is using
                # the table.
                m.d.comb += [byte.valid.eq(~buffer.stalled), byte.data.eq(buffer.word[8:])]
                with m.If(byte.valid):
                    m.next = "WORD LOW"
                    with m.If(buffer.end):
                        m.next = "CRC"
            # ``step`` has wrapped around to 0 and counts these four bytes too.
            with m.State("CRC"):
                m.d.comb += [byte.valid.eq(1), byte.crc.eq(1), byte.last.eq(step == 3)]
                m.d.sync += step.eq(step + 1)
                with m.If(step == 3):
                    m.next = "WAIT"

        self._requests(m, due)
        return m

    def _requests(self, m: Module, due: Value) -> None:
        """Note what is due. This comes after the states, because a request that arrives in the
        cycle in which one is answered must be answered again."""
        resend = self.acknowledged.valid & self.acknowledged.p.resend
        with m.If(self.done | self.doubled | resend):
            m.d.sync += due.plain.eq(1)
        with m.If(resend):
            m.d.sync += due.rewind.eq(1)
        with m.If(self.missing):
            m.d.sync += due.asking.eq(1)
        with m.If(self.greeted):
            m.d.sync += due.info.eq(1)

    def _choose(
        self, m: Module, buffer: ResendBuffer, due: Value, kind: Signal, asks: Signal,
        on_the_way: Value,
    ) -> None:
        """In the waiting state, choose which of the due frames is sent next."""
        m.d.comb += [
            self.quiet.eq(~due.plain & ~on_the_way),
            buffer.rewind.eq(buffer.settled & due.rewind),
        ]
        with m.If(buffer.rewind):
            m.d.sync += due.rewind.eq(0)
        with m.Elif(buffer.settled & self.room & ~on_the_way):
            m.next = "HEADER"
            with m.If(due.info):
                m.d.sync += [kind.eq(Kind.INFO), due.info.eq(0)]
            with m.Elif(due.asking):
                m.d.sync += [kind.eq(Kind.ACK), due.asking.eq(0), asks.eq(1)]
            with m.Elif(buffer.waiting):
                m.d.sync += kind.eq(Kind.DATA)
            with m.Elif(due.plain):
                m.d.sync += [kind.eq(Kind.ACK), due.plain.eq(0)]
            with m.Else():
                m.next = "WAIT"

    def _header(
        self, m: Module, byte: Value, step: Value, kind: Value, asks: Value, session: Value,
        number: Value,
    ) -> None:
        m.d.comb += byte.valid.eq(1)
        with m.Switch(step):
            with m.Case(0):
                flags = Mux(asks, RESEND, 0) | Mux(self.fault & (kind != Kind.INFO), FAULT, 0)
                m.d.comb += [byte.first.eq(1), byte.data.eq(kind | flags)]
            with m.Case(1):
                m.d.comb += byte.data.eq(session)
            with m.Case(2):
                m.d.comb += byte.data.eq(number)
            with m.Case(3):
                m.d.comb += byte.data.eq(self.executed)

    def _send(self, m: Module, byte: Value) -> Value:
        """Send bytes, with the CRC; returns whether one has not been sent yet."""
        m.submodules.crc = crc = Crc32()
        on_the_way: Value = Const(0)
        if self.config.pipelined:
            # Words come late from their memory, so their bytes go through a register.
            later = Signal.like(byte)
            m.d.sync += later.eq(byte)
            byte, on_the_way = later, later.valid
        # The CRC to send is the inverse of the register. Feeding the register its own byte moves
        # the next one into position. Other data is 0 meanwhile.
        checked = byte.data | (crc.crc[:8] & byte.crc.replicate(8))
        m.d.comb += [
            self.o.valid.eq(byte.valid),
            self.o.p.data.eq(checked ^ byte.crc.replicate(8)),
            self.o.p.last.eq(byte.last),
            crc.first.eq(byte.first),
            crc.valid.eq(byte.valid),
            crc.data.eq(checked),
        ]
        return on_the_way
