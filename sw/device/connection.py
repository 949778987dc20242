"""One connection to a device: its sessions, one after another, and the state that each left
there."""

from __future__ import annotations

from collections.abc import Callable

from ..link.session import DeviceInfo, Session
from ..link.transports.transport import Transport
from ..program.program import Program
from ..spec.link import (
    BAUD_DEFAULT,
    BAUD_TOLERANCE,
    BIT_PARTS,
    CLOCKS_PER_BIT_MIN,
    Register,
    ReportFlags,
    bit_time,
)
from ..support.errors import LinkError
from .commands import register_command
from .result import LinkBytes

__all__ = ["Connection"]


class Connection:
    """Sessions with one device, one after another.

    After an error, ``drop`` gives the session up. The next call of ``session`` starts another one,
    over a new transport if the old one broke.

    Parameters
    ----------
    uri : str
        The address, for messages.
    connect : callable
        Opens a transport; called again after a transport broke.
    baud : int or None
        The rate to use after hello. None for the transport's own rate, or to stay at the default.
    timeout : float or None
        Seconds without an answer or without progress; None for the transport's own.
    clock : callable
        Returns the time in seconds.

    Attributes
    ----------
    transport : Transport
        The transport in use.
    info : DeviceInfo
        The device's answer to the last hello.
    program : Program or None
        The program that this session wrote to the device.
    reports : ReportFlags or None
        The reports that this session asked the device for.
    busy : bool
        The device is working on windows, and their results have not been taken yet.
    busy_time : int
        The busy time of the device, in cycles, at the end of the last result that was taken. It
        stands still in runs without times.

    Raises
    ------
    ValueError
        If ``baud`` is too low, or the device's clock does not divide to it.
    DeviceNotFound, DeviceTimeout, DeviceMismatch, LinkError
        If there is no device, it does not answer, or it is a different one.
    """

    info: DeviceInfo

    def __init__(
        self,
        uri: str,
        connect: Callable[[], Transport],
        baud: int | None,
        timeout: float | None,
        clock: Callable[[], float],
    ) -> None:
        if baud is not None and baud < BAUD_DEFAULT:
            raise ValueError(
                f"baud in {uri!r} must be at least {BAUD_DEFAULT}, the rate every device starts "
                f"at, not {baud}"
            )
        self._uri, self._connect, self._baud = uri, connect, baud
        self._timeout, self._clock = timeout, clock
        self._session: Session | None = None
        self._last_number: int | None = None
        self._earlier = LinkBytes()  # of earlier sessions
        self.program: Program | None = None
        self.reports: ReportFlags | None = None
        self.busy, self.busy_time = False, 0
        self.transport = connect()
        try:
            self.session()
        except BaseException:
            self.transport.close()
            raise

    @property
    def link_bytes(self) -> LinkBytes:
        """Bytes to and from the device in all sessions."""
        sent, received = self._earlier
        if self._session is not None:
            sent, received = sent + self._session.sent, received + self._session.received
        return LinkBytes(sent, received)

    @property
    def clock_hz(self) -> int:
        """The clock of the board in Hz; 0 if unknown."""
        return self.info.clock_hz if self.transport.clocked else 0

    def session(self) -> Session:
        """The session that is open, or a new one."""
        if self._session is not None:
            return self._session
        if self.transport.broken:
            self.transport.close()
            self.transport = self._connect()
        # Frames of the last session may still be on their way; a different number distinguishes
        # them.
        session = Session(
            self.transport, self._timeout, avoid=self._last_number, clock=self._clock
        )
        self._session = session
        try:
            self.info = session.open()
            self.transport.drop_traces()
            baud = self.transport.own_baud if self._baud is None else self._baud
            if baud is not None:
                self._set_baud(session, baud)
        except BaseException:
            self.drop()
            raise
        return session

    def drop(self) -> None:
        """Give the session up. The device forgets what was under way at the next hello."""
        self._earlier = self.link_bytes
        if self._session is not None:
            self._last_number = self._session.number
        self._session = self.program = self.reports = None
        self.busy, self.busy_time = False, 0  # the device starts to count again with a session

    def _set_baud(self, session: Session, baud: int) -> None:
        clock_hz = self.info.clock_hz
        if not clock_hz:
            raise LinkError(
                f"{self._uri} does not tell its clock, so there is no divisor for {baud} baud: "
                "open it without ?baud="
            )
        highest = clock_hz // CLOCKS_PER_BIT_MIN
        if baud > highest:
            raise ValueError(
                f"baud must be from {BAUD_DEFAULT} to {highest} at this device's clock of "
                f"{clock_hz} Hz, not {baud}"
            )
        parts = bit_time(clock_hz, baud)
        rate = BIT_PARTS * clock_hz // parts
        if abs(rate - baud) > BAUD_TOLERANCE * baud:
            raise ValueError(
                f"baud must be near a rate that this device's clock of {clock_hz} Hz divides to: "
                f"{rate} rather than {baud}"
            )
        change = register_command(Register.BAUD, parts)
        session.flush(iter([change]), "the change of the baud rate")
        self.transport.set_baud(baud)
        # A cable that cannot carry the rate is detected here, before results depend on it.
        session.check(f"at {baud} baud: ask for a lower ?baud=")
