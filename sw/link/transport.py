"""Byte transports: the ways in which bytes reach a device."""

from __future__ import annotations

import abc
import errno
import select
import socket
import time

from ..spec.link import BAUD_DEFAULT, BREAK_BITS
from ..support.errors import DeviceNotFound, DeviceTimeout, LinkError

__all__ = ["SerialTransport", "TcpTransport", "Transport"]

_CHUNK = 65536
_RESET_READS = 1000  # the limit for a device that never stops sending


class Transport(abc.ABC):
    """An unreliable pipe of bytes to a device. The session above it repairs losses.

    Attributes
    ----------
    name : str
        The address, for messages.
    timeout : float
        Seconds without an answer after which a device of this kind is given up.
    poll : float
        Seconds of silence after which the device is asked whether something was lost.
    broken : bool
        Nothing can be read or written any more, and the transport must be opened again.
    own_baud : int or None
        The rate to use if none is requested; None to stay at the default.
    foreign : str
        What to check if something other than a device answers, for messages.
    """

    name: str
    timeout: float = 5.0
    poll: float = 0.25
    broken: bool = False
    own_baud: int | None = None
    foreign: str = "check what is connected there"

    @abc.abstractmethod
    def write(self, data: bytes) -> None:
        """Send all of ``data``. It may be buffered.

        Raises
        ------
        LinkError
            If the pipe broke.
        DeviceTimeout
            If it takes nothing for too long.
        """

    @abc.abstractmethod
    def read(self, timeout: float) -> bytes:
        """Return what has come, as soon as there is at least a byte.

        Parameters
        ----------
        timeout : float
            Seconds to wait before nothing is returned. It may be less if nothing can come any more.

        Raises
        ------
        LinkError
            If the pipe broke.
        """

    def reset(self) -> None:
        """Return to the state after opening: drop received bytes, set the default rate."""
        for _ in range(_RESET_READS):
            if not self.read(0):
                return

    def set_baud(self, baud: int) -> None:
        """Continue at another rate, once everything that was written has been sent.

        Raises
        ------
        LinkError
            If this transport has no rate, or not that one.
        """
        raise LinkError(
            f"{self.name} has no baud rate to change to {baud}: open it without ?baud="
        )

    @abc.abstractmethod
    def close(self) -> None:
        """Close the pipe. Closing it twice does no harm."""


class SerialTransport(Transport):
    """A serial port. Opening it sends a break, which sets the device to ``BAUD_DEFAULT``.

    Parameters
    ----------
    port : str
        The name of a port, or any URL that pyserial knows (``socket://``, ``loop://``).
    timeout : float
        Seconds after which a device that takes nothing is given up.

    Raises
    ------
    ValueError
        If no port is named.
    DeviceNotFound
        If there is no such port, or it cannot be opened. The message lists the existing ports.
    """

    foreign = "check the baud rate and what is connected there"

    def __init__(self, port: str, timeout: float = Transport.timeout) -> None:
        import serial

        self.name, self.timeout = f"serial:{port}", timeout
        self._error = _serial_errors()
        refused: tuple[type[Exception], ...] = (*self._error, ValueError)
        if not port:
            raise ValueError(f"serial: needs a port behind the colon; {_ports()}")
        try:
            self._port = serial.serial_for_url(port, baudrate=BAUD_DEFAULT, timeout=0)
        except refused as error:
            raise DeviceNotFound(
                f"{self.name} cannot be opened ({_reason(error)}); {_ports()}"
            ) from error
        self._port.write_timeout = timeout
        self.reset()

    def reset(self) -> None:
        try:
            self._port.baudrate = BAUD_DEFAULT
            self._port.reset_output_buffer()
            self._port.send_break(max(0.01, 4 * BREAK_BITS / BAUD_DEFAULT))
            time.sleep(0.01)
            self._port.reset_input_buffer()
        except self._error as error:
            raise self._broken(error) from error

    def write(self, data: bytes) -> None:
        import serial

        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise DeviceTimeout(
                f"{self.name} took none of {len(data)} bytes in {self.timeout} s: "
                "check flow control and the cable"
            ) from error
        except self._error as error:
            raise self._broken(error) from error

    def read(self, timeout: float) -> bytes:
        try:
            waiting = self._port.in_waiting
            if not waiting and timeout > 0:
                if self._port.timeout != timeout:
                    self._port.timeout = timeout
                # Wait for one byte only, because reading more would wait for all of them.
                first = bytes(self._port.read(1))
                return first + bytes(self._port.read(self._port.in_waiting)) if first else b""
            return bytes(self._port.read(waiting)) if waiting else b""
        except self._error as error:
            raise self._broken(error) from error

    def set_baud(self, baud: int) -> None:
        refused: tuple[type[Exception], ...] = (*self._error, ValueError)
        try:
            self._port.flush()
            self._port.baudrate = baud
        except refused as error:
            raise LinkError(
                f"{self.name} cannot be set to {baud} baud ({error}): ask for a lower ?baud="
            ) from error

    def close(self) -> None:
        self._port.close()

    def _broken(self, error: Exception) -> LinkError:
        self.broken = True
        return LinkError(f"{self.name} broke ({error}): plug the board in again and retry")


def _serial_errors() -> tuple[type[Exception], ...]:
    """The errors that pyserial raises when a port breaks. That of termios is not an OSError."""
    import serial

    errors: tuple[type[Exception], ...] = (serial.SerialException, OSError)
    try:
        import termios
    except ImportError:
        return errors
    return (*errors, termios.error)


def _ports() -> str:
    from serial.tools.list_ports import comports

    ports = sorted(port.device for port in comports())
    return f"serial ports here: {', '.join(ports)}" if ports else "no serial ports here"


def _reason(error: Exception) -> str:
    """Why a port does not open, in words, because pyserial gives only a number."""
    number = getattr(error.__context__, "args", (None,))[:1]
    return "it is no serial port" if number == (errno.ENOTTY,) else str(error)


class TcpTransport(Transport):
    """A socket, for a board behind a network or a serial server.

    Parameters
    ----------
    address : str
        ``host:port``, with an IPv6 host in brackets.
    timeout : float
        Seconds after which a host that does not answer, or takes nothing, is given up.

    Raises
    ------
    ValueError
        If it is not an address of that form.
    DeviceNotFound
        If nothing listens there.
    """

    foreign = "check what listens there: it is not the server of a board"

    def __init__(self, address: str, timeout: float = Transport.timeout) -> None:
        self.name, self.timeout = f"tcp:{address}", timeout
        host, _, port = address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"tcp: needs <host>:<port> behind the colon, not {address!r}")
        try:
            self._socket = socket.create_connection((host, int(port)), timeout)
        except OSError as error:
            raise DeviceNotFound(
                f"{self.name} cannot be reached ({error}): check that the board's server runs there"
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise DeviceTimeout(
                f"{self.name} took no more bytes in {self.timeout} s: restart the server there"
            ) from error
        except OSError as error:
            raise self._broken(str(error)) from error

    def read(self, timeout: float) -> bytes:
        try:
            if not select.select([self._socket], [], [], timeout)[0]:
                return b""
            data = self._socket.recv(_CHUNK)
        except (OSError, ValueError) as error:
            raise self._broken(str(error)) from error
        if not data:
            raise self._broken("closed by the other side")
        return data

    def close(self) -> None:
        self._socket.close()

    def _broken(self, error: str) -> LinkError:
        self.broken = True
        return LinkError(
            f"{self.name} broke ({error}): check that the board's server runs there, and that "
            "nobody else is connected to it; then try again"
        )
