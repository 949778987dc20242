"""Addresses of devices, and the transports that they open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

from ..spec.array import PRESETS, ArrayConfig
from ..support.arrays import AnyArray, array_config, known_array, preset
from .transports.faults import Faults, FaultyTransport
from .transports.serial import SerialTransport
from .transports.simulated import BoardTransport, NetlistTransport, SimulatedTransport
from .transports.spi import SpiTransport
from .transports.tcp import TcpTransport
from .transports.transport import Transport
from .transports.udp import UdpTransport
from .transports.usb_ports import find_board

__all__ = ["NETLIST", "Uri", "located", "open_transport", "parse_uri"]

SCHEMES = (
    "golden:, sim:<preset>[?uart=1[&baud=N]][?boards=N][?traces=link], "
    "sim:<board>?link=<kind>[&baud=N], sim:netlist=<board>[?baud=N], serial:<port>[?baud=N], "
    "serial:[?serial=NUMBER], spi:[ftdi://...][?rate=HZ], udp:<host>[:port] or tcp:<host>:<port>; "
    "all but golden: also take faults=RATE[&seed=N]"
)
NETLIST = "netlist="
_FAULTS = ("faults", "seed")
_OPTIONS = {
    "golden": (), "sim": ("uart", "link", "baud", "boards", "traces", *_FAULTS),
    "serial": ("baud", "serial", *_FAULTS), "udp": _FAULTS, "spi": ("rate", *_FAULTS),
    "tcp": _FAULTS,
}


@dataclass(frozen=True)
class Uri:
    """The parts of a device's address.

    Attributes
    ----------
    text : str
        The address as it was given.
    scheme : str
        ``golden``, ``sim``, ``serial``, ``udp``, ``spi`` or ``tcp``.
    target : str
        The part after the scheme: a preset, a board, ``netlist=board``, a port, or ``host:port``.
    options : dict of str
        The values behind the ``?`` by their names.
    """

    text: str
    scheme: str
    target: str
    options: dict[str, str] = field(default_factory=dict)

    def integer(self, name: str) -> int | None:
        """The option as a positive integer; None if it is not given.

        Raises
        ------
        ValueError
            If it is not a positive integer.
        """
        value = self.options.get(name)
        if value is None:
            return None
        if not value.isdecimal() or int(value) < 1:
            raise ValueError(f"{name} in {self.text!r} must be a positive integer, not {value!r}")
        return int(value)

    def flag(self, name: str) -> bool:
        """The option, 0 or 1, as a bool; False if it is not given.

        Raises
        ------
        ValueError
            If it is neither 0 nor 1.
        """
        value = self.options.get(name, "0")
        if value not in ("0", "1"):
            raise ValueError(f"{name} in {self.text!r} must be 0 or 1, not {value!r}")
        return value == "1"

    def faults(self) -> Faults | None:
        """The faults of a bad wire that was asked for; None without ``faults``.

        Raises
        ------
        ValueError
            If ``faults`` or ``seed`` is no such value, or there is a seed alone.
        """
        text, seed = self.options.get("faults"), self.options.get("seed")
        if text is None:
            if seed is not None:
                raise ValueError(f"{self.text!r} has a seed but no faults: add faults=RATE")
            return None
        try:
            return Faults.parse(text, seed)
        except ValueError as error:
            raise ValueError(f"{self.text!r}: {error}") from None


def parse_uri(uri: str) -> Uri:
    """The parts of a device's address.

    Raises
    ------
    TypeError, ValueError
        If it is not a string, or has an unknown scheme or option.
    """
    if not isinstance(uri, str):
        raise TypeError(f"uri must be a string ({SCHEMES}), not {uri!r}")
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme not in _OPTIONS:
        raise ValueError(f"uri must be {SCHEMES}, not {uri!r}")
    target, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS[scheme]:
            known = ", ".join(_OPTIONS[scheme]) or "none"
            raise ValueError(f"{uri!r} has the option {name!r}; {scheme}: takes {known}")
    if scheme == "golden" and target:
        raise ValueError(f"golden: takes nothing behind the colon, not {target!r}: leave it out")
    if target and "serial" in options:
        raise ValueError(f"{uri!r} names a port and a serial number: leave one out")
    return Uri(uri, scheme, target, options)


def located(uri: Uri) -> Uri:
    """The address with what makes it stay the same board when that is plugged in again.

    Raises
    ------
    DeviceNotFound
        If it names no port, and there is not one board that fits.
    """
    if uri.scheme != "serial" or uri.target:
        return uri
    number = find_board(uri.options.get("serial")).serial_number
    return replace(uri, options={**uri.options, "serial": number})


def open_transport(
    uri: Uri, array: AnyArray | None = None, timeout: float | None = None,
    faults: Faults | None = None,
) -> Transport:
    """Open the transport of an address.

    Parameters
    ----------
    uri : Uri
        An address of any scheme but ``golden:``.
    array : ArrayConfig, str, path-like or None
        The array to simulate if the address is only ``sim:``, as in ``compile``. For a board or its
        netlist, another array than the board's own.
    timeout : float or None
        The timeout of a serial port or a socket in seconds; None for the default.
    faults : Faults or None
        A bad wire to put around it: what ``uri.faults()`` returned once for all of the device's
        transports, so that another one does not repeat the faults of the last.

    Raises
    ------
    TypeError, ValueError
        If the address and ``array`` do not name one device.
    DeviceNotFound
        If there is no such device.
    """
    transport = _opened(uri, array, timeout)
    return transport if faults is None else FaultyTransport(transport, faults)


def _opened(uri: Uri, array: AnyArray | None, timeout: float | None) -> Transport:
    if uri.scheme != "sim" and array is not None:
        raise ValueError(f"array is for 'sim:' only: leave it out, for {uri.text!r} has an array")
    for name in ("boards", "traces"):
        if name in uri.options and (uri.target.startswith(NETLIST) or "link" in uri.options):
            raise ValueError(f"{uri.text!r} has {name}=, which is for presets: leave it out")
    if uri.scheme == "sim" and uri.target.startswith(NETLIST):
        if "link" in uri.options:
            raise ValueError(f"{uri.text!r} is at its UART's pins anyway: leave link= out")
        if "uart" in uri.options:
            raise ValueError(f"{uri.text!r} is at its UART's pins anyway: leave uart= out")
        config = None if array is None else array_config(array)
        return NetlistTransport(uri.text, uri.target.removeprefix(NETLIST), config)
    if uri.scheme == "sim" and "link" in uri.options:
        if "uart" in uri.options:
            raise ValueError(
                f"{uri.text!r} names a link and uart=, which is for presets: leave one out"
            )
        config = None if array is None else array_config(array)
        return BoardTransport(uri.text, uri.target, uri.options["link"], config)
    if uri.scheme == "sim":
        traces = uri.options.get("traces", "link" if "faults" in uri.options else "beside")
        if traces not in ("beside", "link"):
            raise ValueError(f"traces in {uri.text!r} must be beside or link, not {traces!r}")
        if traces == "beside" and "faults" in uri.options:
            raise ValueError(f"{uri.text!r} has faults=, which damages the link: say traces=link")
        return SimulatedTransport(
            uri.text, _simulated_array(uri, array), uri.flag("uart"), traces == "beside"
        )
    if uri.scheme == "serial":
        return SerialTransport(
            uri.target, Transport.timeout if timeout is None else timeout,
            uri.options.get("serial"),
        )
    if uri.scheme == "spi":
        return SpiTransport(uri.target, uri.integer("rate"))
    kinds: dict[str, Callable[..., Transport]] = {"tcp": TcpTransport, "udp": UdpTransport}
    kind = kinds[uri.scheme]
    return kind(uri.target) if timeout is None else kind(uri.target, timeout)


def _simulated_array(uri: Uri, array: AnyArray | None) -> ArrayConfig:
    if array is not None and uri.target:
        raise ValueError(
            f"the simulated array is named twice, in {uri.text!r} and as array {array!r}: "
            "leave one out"
        )
    if array is None:
        if uri.target.endswith(".toml"):
            return preset(uri.target)
        config = known_array(uri.target)
        if config is None:
            raise ValueError(
                f"{uri.text!r} names no preset: sim: takes one of {', '.join(PRESETS)}, the name "
                "of a board or a .toml file; in Python, sim: takes any ArrayConfig as array"
            )
        return config
    return array_config(array)
