"""Byte transports: how the driver's bytes reach a device, and the URIs that name them."""

from __future__ import annotations

import abc
import errno
import select
import socket
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from .errors import DeviceNotFound, DeviceTimeout, LinkError
from .spec.array import PRESETS, ArrayConfig, preset
from .spec.link import BAUD_DEFAULT, BREAK_BITS, CLOCKS_PER_BIT_MIN

__all__ = [
    "NetlistTransport", "SerialTransport", "SimulatedTransport", "TcpTransport", "Transport", "Uri",
    "open_transport", "parse_uri",
]

SCHEMES = (
    "golden:, sim:<preset>[?uart=1[&baud=N]], sim:netlist=<board>[?baud=N], serial:<port>[?baud=N] "
    "or tcp:<host>:<port>"
)
NETLIST = "netlist="
_OPTIONS = {"golden": (), "sim": ("uart", "baud"), "serial": ("baud",), "tcp": ()}
_CHUNK = 65536
_RESET_READS = 1000  # of a device that never stops talking


@dataclass(frozen=True)
class Uri:
    """A device's address, taken apart.

    Attributes
    ----------
    text : as it was given.
    scheme : ``golden``, ``sim``, ``serial`` or ``tcp``.
    place : what stands behind the scheme: a preset, ``netlist=board``, a port, ``host:port``.
    options : what stands behind the ``?``.
    """

    text: str
    scheme: str
    place: str
    options: dict[str, str] = field(default_factory=dict)

    def integer(self, name: str) -> int | None:
        """An option as a positive integer, None where it is not given.

        Raises
        ------
        ValueError
            If it is no positive integer.
        """
        value = self.options.get(name)
        if value is None:
            return None
        if not value.isdecimal() or int(value) < 1:
            raise ValueError(f"{name} in {self.text!r} must be a positive integer, not {value!r}")
        return int(value)

    def flag(self, name: str) -> bool:
        """An option as 0 or 1, False where it is not given.

        Raises
        ------
        ValueError
            If it is neither 0 nor 1.
        """
        value = self.options.get(name, "0")
        if value not in ("0", "1"):
            raise ValueError(f"{name} in {self.text!r} must be 0 or 1, not {value!r}")
        return value == "1"


def parse_uri(uri: str) -> Uri:
    """Take a device's address apart.

    Raises
    ------
    TypeError, ValueError
        If it is no string, or has an unknown scheme or option.
    """
    if not isinstance(uri, str):
        raise TypeError(f"uri must be a string ({SCHEMES}), not {uri!r}")
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme not in _OPTIONS:
        raise ValueError(f"uri must be {SCHEMES}, not {uri!r}")
    place, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS[scheme]:
            known = ", ".join(_OPTIONS[scheme]) or "none"
            raise ValueError(f"{uri!r} has the option {name!r}; {scheme}: takes {known}")
    if scheme == "golden" and place:
        raise ValueError(f"golden: takes nothing behind the colon, not {place!r}")
    return Uri(uri, scheme, place, options)


class Transport(abc.ABC):
    """An unreliable pipe of bytes to a device; what may be lost is repaired above it.

    Attributes
    ----------
    name : the address, for messages.
    timeout : seconds without an answer after which a device of this kind is given up.
    poll : seconds of silence after which it is asked whether something was lost.
    broken : nothing can be read or written any more; only opening it anew helps.
    own_baud : rate to go on at where none is asked for; None to stay at the default.
    foreign : what to check where something else than a device answers.
    """

    name: str
    timeout: float = 5.0
    poll: float = 0.25
    broken: bool = False
    own_baud: int | None = None
    foreign: str = "check what is connected there"

    @abc.abstractmethod
    def write(self, data: bytes) -> None:
        """Send all of ``data``; may buffer.

        Raises
        ------
        LinkError, DeviceTimeout
            If the pipe broke, or takes nothing.
        """

    @abc.abstractmethod
    def read(self, timeout: float) -> bytes:
        """What has come, as soon as there is a byte; nothing after ``timeout`` seconds, or earlier
        where nothing can come any more.

        Raises
        ------
        LinkError
            If the pipe broke.
        """

    def reset(self) -> None:
        """Back to the state after opening: what has come is dropped, the rate is the default."""
        for _ in range(_RESET_READS):
            if not self.read(0):
                return

    def set_baud(self, baud: int) -> None:
        """Go on at another rate, once everything written has left.

        Raises
        ------
        LinkError
            If this transport has no rate.
        """
        raise LinkError(f"{self.name} has no baud rate to change to {baud}")

    @abc.abstractmethod
    def close(self) -> None:
        """Give the pipe back; closing twice does no harm."""


class SerialTransport(Transport):
    """A serial port. Opening it sends a break, which sets the device to ``BAUD_DEFAULT``.

    Parameters
    ----------
    port : a port's name, or any URL pyserial knows (``socket://``, ``loop://``).
    timeout : seconds after which a device that takes nothing is given up.

    Raises
    ------
    DeviceNotFound
        If there is no such port, or it cannot be opened; lists those there are.
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
                f"{self.name} took none of {len(data)} bytes in {self._port.write_timeout} s: "
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
    """What pyserial raises when a port breaks; termios' own error is no OSError."""
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
    """Why a port does not open, in words where pyserial has but a number."""
    number = getattr(error.__context__, "args", (None,))[:1]
    return "it is no serial port" if number == (errno.ENOTTY,) else str(error)


class TcpTransport(Transport):
    """A socket, for a board behind a network or a serial server.

    Parameters
    ----------
    address : ``host:port``, an IPv6 host in brackets.
    timeout : seconds after which a host that does not answer, or takes nothing, is given up.

    Raises
    ------
    ValueError
        If the address is none.
    DeviceNotFound
        If nothing listens there.
    """

    foreign = "check what listens there: it is no board's server"

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


class SimulatedTransport(Transport):
    """The simulated board's link; ``cycles`` is its clock.

    Parameters
    ----------
    name : the address, for messages.
    config : the array to simulate.
    uart : go through the UART pins, bit by bit, rather than the link's bytes.

    Raises
    ------
    DeviceNotFound
        If the simulator is not installed.
    """

    timeout = 60.0
    poll = 1.0

    def __init__(self, name: str, config: ArrayConfig, uart: bool = False) -> None:
        try:
            from stablespike.sim.board import SimTransport
        except ImportError as error:
            raise _no_simulator(name, error) from error
        self.name = name
        self._board: Any = SimTransport(config, uart=uart)

    @property
    def cycles(self) -> int:
        """Clock cycles simulated so far."""
        return int(self._board.cycles)

    def write(self, data: bytes) -> None:
        self._board.write(data)

    def read(self, timeout: float) -> bytes:
        return bytes(self._board.read(timeout))

    def reset(self) -> None:
        self._board.reset()
        super().reset()

    def set_baud(self, baud: int) -> None:
        self._board.set_baud(baud)

    def close(self) -> None:
        self._board.close()


class NetlistTransport(SimulatedTransport):
    """The netlist of a board's bitstream, simulated at its UART's pins.

    Slow, so it goes on at six clocks a bit where no rate is asked for.

    Parameters
    ----------
    name : the address, for messages.
    board : of ``stablespike.boards``.
    config : of another array than the board's own.

    Raises
    ------
    ValueError
        If there is no such board; lists the near names.
    DeviceNotFound, ToolError
        If the simulator or a tool is not installed.
    """

    timeout = 300.0
    poll = 20.0

    def __init__(self, name: str, board: str, config: ArrayConfig | None = None) -> None:
        try:
            from stablespike.sim.board import SimTransport
            from stablespike.sim.board_netlist import board_netlist
        except ImportError as error:
            raise _no_simulator(name, error) from error
        found = board_netlist(board, config)
        clock_hz = found.board.clock_hz
        self.name = name
        self.own_baud = clock_hz // CLOCKS_PER_BIT_MIN
        self._board = SimTransport(
            found.config, uart=True, clock_hz=clock_hz, verilog=found.verilog()
        )


def _no_simulator(name: str, error: ImportError) -> DeviceNotFound:
    return DeviceNotFound(
        f"{name} needs the simulator, which is not installed ({error}): "
        "pip install 'stablespike[sim]'"
    )


def open_transport(
    uri: Uri, array: ArrayConfig | str | None = None, timeout: float | None = None
) -> Transport:
    """Open the transport of an address.

    Parameters
    ----------
    uri : of any scheme but ``golden:``.
    array : the array to simulate where the address is only ``sim:``; of a netlist, another one
        than its board's.
    timeout : of a serial port or a socket, in seconds; None for its own.

    Raises
    ------
    TypeError, ValueError
        If the address and ``array`` do not name one device.
    DeviceNotFound
        If there is no device.
    """
    if uri.scheme != "sim" and array is not None:
        raise ValueError(f"array is for 'sim:' only; {uri.text!r} tells its own array")
    if uri.scheme == "sim" and uri.place.startswith(NETLIST):
        if "uart" in uri.options:
            raise ValueError(f"{uri.text!r} is at its UART's pins anyway: leave uart= out")
        config = None if array is None else _named_array(array)
        return NetlistTransport(uri.text, uri.place.removeprefix(NETLIST), config)
    if uri.scheme == "sim":
        return SimulatedTransport(uri.text, _simulated_array(uri, array), uri.flag("uart"))
    kind = SerialTransport if uri.scheme == "serial" else TcpTransport
    return kind(uri.place) if timeout is None else kind(uri.place, timeout)


def _simulated_array(uri: Uri, array: ArrayConfig | str | None) -> ArrayConfig:
    if array is not None and uri.place:
        raise ValueError(
            "the simulated array is named either in the uri or as array, not in both: "
            f"{uri.text!r} with array {array!r}"
        )
    if array is None:
        if uri.place not in PRESETS:
            raise ValueError(
                f"{uri.text!r} names no preset: sim: takes one of {', '.join(PRESETS)}; in Python, "
                "sim: takes any ArrayConfig as array"
            )
        return preset(uri.place)
    return _named_array(array)


def _named_array(array: ArrayConfig | str) -> ArrayConfig:
    if isinstance(array, str):
        return preset(array)
    if not isinstance(array, ArrayConfig):
        raise TypeError(f"array must be an ArrayConfig or a preset's name, not {array!r}")
    return array
