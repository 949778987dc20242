"""Addresses of devices: taken apart, and the transports they open."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from ..spec.array import PRESETS, ArrayConfig, preset
from .simulated_transport import NetlistTransport, SimulatedTransport
from .transport import SerialTransport, TcpTransport, Transport

__all__ = ["NETLIST", "Uri", "open_transport", "parse_uri"]

SCHEMES = (
    "golden:, sim:<preset>[?uart=1[&baud=N]], sim:netlist=<board>[?baud=N], serial:<port>[?baud=N] "
    "or tcp:<host>:<port>"
)
NETLIST = "netlist="
_OPTIONS = {"golden": (), "sim": ("uart", "baud"), "serial": ("baud",), "tcp": ()}


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
