"""A serial port, through pyserial."""

from __future__ import annotations

import errno
import time

from ...spec.link import BAUD_DEFAULT, BREAK_BITS
from ...support.errors import DeviceNotFound, DeviceTimeout, LinkError
from .transport import Transport
from .usb_ports import board_at, find_board, ports_in_words

__all__ = ["SerialTransport"]

_REASONS = {
    errno.ENOTTY: "it is no serial port",
    errno.EAGAIN: "another program uses it: close that one",
    errno.EBUSY: "another program uses it: close that one",
    errno.EACCES: "you may not use it: add yourself to the group that owns it, often dialout, and "
    "log in again",
}


class SerialTransport(Transport):
    """A serial port. Opening it sends a break, which sets the device to ``BAUD_DEFAULT``.

    A board with USB of its own has neither a baud rate nor a break.

    Parameters
    ----------
    port : str
        The name of a port, or any URL that pyserial knows (``socket://``, ``loop://``). Empty for
        the port of a board with USB of its own, wherever it is.
    timeout : float
        Seconds after which a device that takes nothing is given up.
    serial_number : str or None
        Serial number of that board, if there may be several.

    Raises
    ------
    DeviceNotFound
        If there is no such port, it cannot be opened, or several boards fit. The message lists the
        existing ports.
    """

    foreign = "check the baud rate and what is connected there"

    def __init__(
        self, port: str, timeout: float = Transport.timeout, serial_number: str | None = None
    ) -> None:
        import serial

        board = board_at(port) if port else find_board(serial_number)
        if board is not None:
            port = board.device
        self._rated = board is None
        self.name, self.timeout = f"serial:{port}", timeout
        self._error = _serial_errors()
        refused: tuple[type[Exception], ...] = (*self._error, ValueError)
        try:
            # Two programs would take each other's bytes.
            self._port = serial.serial_for_url(
                port, baudrate=BAUD_DEFAULT, timeout=0, exclusive=True
            )
        except refused as error:
            raise DeviceNotFound(
                f"{self.name} cannot be opened ({_reason(error)}); {ports_in_words()}"
            ) from error
        self._port.write_timeout = timeout
        self.reset()

    def reset(self) -> None:
        try:
            self._port.reset_output_buffer()
            if self._rated:
                self._port.baudrate = BAUD_DEFAULT
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
        if not self._rated:
            super().set_baud(baud)
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


def _reason(error: Exception) -> str:
    """Why a port does not open, in words, because pyserial gives only a number."""
    cause = error.__context__
    # An error of termios has its number as its first argument.
    number = getattr(cause, "errno", next(iter(getattr(cause, "args", ())), None))
    return _REASONS.get(number, str(error)) if isinstance(number, int) else str(error)
