"""Devices: load a program, run samples, stream windows; the same integers on each of them."""

from __future__ import annotations

from ..link.address import NETLIST, Uri, open_transport, parse_uri
from ..link.session import check_timeout
from ..spec.array import ArrayConfig
from .device import Device
from .golden_device import GoldenDevice
from .link_device import LinkDevice
from .stream import Stream

__all__ = ["Device", "GoldenDevice", "LinkDevice", "Stream", "open_device"]


def open_device(
    uri: str, array: ArrayConfig | str | None = None, timeout: float | None = None
) -> Device:
    """Open a device.

    Parameters
    ----------
    uri : ``golden:``, the model; ``sim:<preset>``, the simulated board (``?uart=1`` through its
        UART pins), or ``sim:`` with ``array``; ``sim:netlist=<board>``, the netlist of a board's
        bitstream; ``serial:<port>`` (``?baud=N`` to go on at N baud);
        ``tcp:<host>:<port>``.
    array : the array to simulate; of a netlist, another one than its board's.
    timeout : seconds without an answer or without progress, or in which nothing more can be sent,
        after which the device is given up; None for 5 (60 for the simulated board).

    Raises
    ------
    TypeError, ValueError
        If the address is none.
    DeviceNotFound
        If there is no device there.
    DeviceTimeout, DeviceMismatch, LinkError
        If it does not answer, or something else does.
    """
    parsed: Uri = parse_uri(uri)
    if timeout is not None:
        check_timeout(timeout)
    if parsed.scheme == "golden":
        if array is not None:
            raise ValueError("array is for 'sim:' only; golden: is as the array of its program")
        return GoldenDevice(uri)
    baud = parsed.integer("baud")
    pins = parsed.target.startswith(NETLIST) or parsed.flag("uart")
    if parsed.scheme == "sim" and baud is not None and not pins:
        raise ValueError(f"{uri!r} has a baud rate but no UART: add uart=1")
    return LinkDevice(uri, lambda: open_transport(parsed, array, timeout), baud, timeout)
