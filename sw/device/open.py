"""Devices by their addresses."""

from __future__ import annotations

from ..link.address import NETLIST, Uri, located, open_transport, parse_uri
from ..link.session import check_timeout
from ..support.arrays import AnyArray
from .boards.parallel_device import ParallelDevice
from .device import Device
from .golden_device import GoldenDevice
from .link_device import LinkDevice
from .stream import Stream

__all__ = ["Device", "GoldenDevice", "LinkDevice", "Stream", "open_device"]


def open_device(
    uri: str, array: AnyArray | None = None, timeout: float | None = None
) -> Device:
    """Open a device.

    Parameters
    ----------
    uri : str
        The address: ``golden:``, the model; ``sim:<preset>``, the simulated board (with
        ``?uart=1`` through its UART pins; with ``?boards=N`` several boards, which share the
        samples of a batch; with ``?traces=link`` even traces go over the link), where a TOML file
        or the name of a board may take the preset's place, or ``sim:`` with ``array``;
        ``sim:<board>?link=<kind>``, a board at the pins of one of its links (``uart``, ``usb``,
        ``udp`` or ``spi``);
        ``sim:netlist=<board>``, the netlist of a board's bitstream; ``serial:<port>`` (with
        ``?baud=N`` to continue at N baud); ``serial:``, the board with USB of its own that is
        plugged in (with ``?serial=NUMBER`` one of several); ``udp:<host>[:port]``, a board on
        Ethernet; ``spi:``, the board at an FT2232H's SPI (with ``ftdi://...``, a URL of pyftdi, one
        of several; with ``?rate=HZ`` a slower clock); or ``tcp:<host>:<port>``. For tests, each of
        them but ``golden:`` takes ``?faults=RATE``: a wire that damages each byte or its frame with
        that probability, in both directions, or ``?faults=flip,lost-frame:RATE`` with some kinds of
        ``stablespike.link.transports.faults``; ``&seed=N`` draws other ones.
    array : ArrayConfig, str, path-like or None
        The array to simulate; or the name of a preset or of a board, or a TOML file, as in
        ``preset``. For a board or its netlist, another array than the board's own.
    timeout : float or None
        After this many seconds without an answer, without progress, or without being able to send,
        the device is given up. None for the default: 5 s, and more for simulated boards.

    Returns
    -------
    Device
        The device; close it, or use it in a ``with`` block.

    Raises
    ------
    TypeError, ValueError
        If it is not an address.
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
            raise ValueError(
                "array is for 'sim:' only: leave it out, golden: is like the array of its program"
            )
        return GoldenDevice(uri)
    baud = parsed.integer("baud")
    pins = (
        parsed.target.startswith(NETLIST) or parsed.flag("uart")
        or parsed.options.get("link") == "uart"
    )
    if parsed.scheme == "sim" and baud is not None and not pins:
        raise ValueError(f"{uri!r} has a baud rate but no UART: add uart=1 or link=uart")
    faults, parsed = parsed.faults(), located(parsed)

    def board() -> LinkDevice:
        # A device reopens a broken transport itself, so it gets a function to do so.
        return LinkDevice(
            uri, lambda: open_transport(parsed, array, timeout, faults), baud, timeout
        )

    boards = parsed.integer("boards") or 1
    return board() if boards == 1 else ParallelDevice(uri, board, boards)
