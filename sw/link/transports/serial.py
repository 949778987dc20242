"""A serial port, through pyserial."""

from __future__ import annotations

import errno
import time

from ...spec.link import BAUD_DEFAULT, BREAK_BITS
from ...support.errors import DeviceNotFound, DeviceTimeout, LinkError
from .transport import Transport

__all__ = ["SerialTransport"]


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
