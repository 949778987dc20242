"""The link: frames, commands, registers and the answer to ``hello``.

On the wire, a frame is COBS-encoded and ends with a zero byte. Decoded, it has at most 254 bytes;
those of the device have an even number.
The CRC is little endian and covers all bytes before it::

    kind (1) | session (1) | seq (1) | ack (1) | body (0..246) | CRC-32 (4)

Nothing in a frame takes effect before its CRC has been checked. Both sides number their DATA frames
from 0 (modulo 256) and accept them only in order (go-back-N). ``ack`` is in every frame but HELLO
and INFO: the number of DATA frames of the other side that were executed (device) or taken (host),
modulo 256, so it is also the number of the next frame that is expected.

From the host to the device:

HELLO
    Body: nonce (4). Starts session ``nonce & 0xff``, unless the nonce is that of the current
    session. Everything but the memories is reset, and both sides count from 0.
DATA
    Body: one command. The device has room for ``receive_bytes`` of bodies, where each body counts
    one extra byte. If more of them are unacknowledged, some may be dropped. At most
    ``DATA_IN_FLIGHT`` frames may be unacknowledged.
ACK
    No body, ``seq`` 0. ``RESEND`` in ``kind`` says that a frame of the device is missing, or that
    nothing came for a while: the device then repeats all unacknowledged frames, and sends an ACK.

From the device to the host:

INFO
    The answer to HELLO. Body: nonce (4), then the result of ``pack_info``.
DATA
    Body: a piece of the byte stream of reports (``spec.report``), which may be cut anywhere.
ACK
    No body. Sent when something was executed and no DATA frame is due. ``RESEND`` says that a frame
    of the host is missing.

``FAULT`` in ``kind`` of any frame of the device but INFO: a command was refused since HELLO.

Frames of other sessions are ignored. The device never blocks on a frame that it has no room for: it
drops the frame, and go-back-N repairs the loss.

Over UDP, a datagram is a number of whole frames. The device serves one host at a time, its owner:
the address and the port that claimed it. It drops the frames of every other sender. A datagram that
``pack_ownership`` makes is about this and carries no frames:

CLAIM
    From a host. The device answers GRANTED, and the sender is its owner from now on, if it has no
    owner, if the sender is the owner, or if the owner has sent nothing for ``UDP_SILENCE`` seconds.
    Otherwise it answers REFUSED, and nothing changes. Claims may be repeated at will.
RELEASE
    From the owner: the device has no owner any more. No answer.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import fields
from fractions import Fraction

from .array import LIMITS, ArrayConfig
from .layout import Field, Layout, bits_for

__all__ = [
    "BAUD_DEFAULT", "BAUD_TOLERANCE", "BIT_PARTS", "BODY_BYTES", "BREAK_BITS", "BUILD_ID_BYTES",
    "CLOCKS_PER_BIT_MIN", "CRC_BYTES", "DATA_IN_FLIGHT", "FAULT", "FRAME_BYTES", "HEADER_BYTES",
    "KIND_MASK", "MAGIC", "OWNERSHIP_HEAD", "RESEND", "SPI_FIRST", "SPI_FRAME_BYTES", "SPI_HZ",
    "UDP_ADDRESS", "UDP_PAYLOAD", "UDP_PORT", "UDP_SILENCE", "VERSION", "WINDOW_HEAD", "Command",
    "Kind", "Ownership", "Register", "ReportFlags", "Space", "bit_time", "pack_info",
    "pack_ownership", "unpack_info", "unpack_ownership",
]

FRAME_BYTES = 254
HEADER_BYTES = 4
CRC_BYTES = 4
BODY_BYTES = FRAME_BYTES - HEADER_BYTES - CRC_BYTES

DATA_IN_FLIGHT = 127
"""The most DATA frames of the host that may be unacknowledged. They are fewer than half of the
sequence numbers, so that a repeated or late frame is never taken for a new one."""

KIND_MASK = 0x0F
RESEND = 0x40
FAULT = 0x80

BAUD_DEFAULT = 115200
"""Bits per second at the start of a session."""
BAUD_TOLERANCE = Fraction(1, 100)
"""The largest relative difference between the requested rate and the device's rate."""
BIT_PARTS = 8
"""The device's bits last a whole number of these parts of a clock."""
CLOCKS_PER_BIT_MIN = 4
"""The fewest clocks per bit: a sender may then be 2 % too fast or too slow."""
BREAK_BITS = 32
"""If the line is low for this many bit times of BAUD_DEFAULT, the device returns to that rate."""

SPI_HZ = 15_000_000
"""The fastest clock of SPI. Where one side has nothing to send, it sends zeros between frames."""
SPI_FIRST = 0x00
"""The first byte of each transfer over SPI, which the device drops. A flash memory on the same pins
takes it for the command, and no flash memory has this one."""
SPI_FRAME_BYTES = 32
"""The fewest bytes of a frame to the device over SPI, with zeros before it. The device parses one
frame while it receives the next, in up to 256 cycles, of which a byte takes at least 8."""
UDP_ADDRESS = "192.168.1.50"
"""IP address of a board on Ethernet, unless its build says otherwise."""
UDP_PORT = 0x5353
"""UDP port of a board, unless its build says otherwise."""
UDP_PAYLOAD = 1472
"""The most bytes of a datagram: those of an Ethernet frame without the headers of IP and UDP."""
UDP_SILENCE = 4
"""Seconds without a datagram after which an owner loses the board to the next host that claims."""
OWNERSHIP_HEAD = b"\0owner\0"
"""The bytes of a datagram about ownership, before its last one. On any other link, they would be a
piece that is no frame."""


class Ownership(enum.IntEnum):
    """The last byte of a datagram about ownership."""

    CLAIM = 1
    GRANTED = 2
    REFUSED = 3
    RELEASE = 4


class Kind(enum.IntEnum):
    """The low bits of a frame's first byte; never 0, so that a run of zeros is not taken for a
    frame."""

    HELLO = 1
    INFO = 2
    DATA = 3
    ACK = 4


class Command(enum.IntEnum):
    """The first byte of a DATA body from the host; numbers of several bytes are little endian.

    Attributes
    ----------
    WRITE
        core (1), space (1), row (3), then 16-bit words: a row of the space is written word by word
        from its lowest bits, then the next row. A write may not end inside a row.
    REGISTER
        register (1), value (2).
    INPUT
        A piece of the byte stream of windows, which may be cut anywhere. For each window:
        ``WINDOW_HEAD`` (1), then its rows (``spec.encoding``), or none if it repeats.
    """

    WRITE = 1
    REGISTER = 2
    INPUT = 3


class Space(enum.IntEnum):
    """The memories of a core that the host writes."""

    WEIGHTS = 0
    BIASES = 1
    THRESHOLDS = 2
    TASKS = 3


class Register(enum.IntEnum):
    """Registers of the device.

    Attributes
    ----------
    INPUT_ROWS
        Rows of the input map.
    INPUT_BASE
        First row of the input map's first copy; the second copy follows it.
    REPORTS
        ``ReportFlags``.
    BAUD
        The duration of a bit from the next frame after the ACK of this one (UART links), in
        BIT_PARTS of a clock, from CLOCKS_PER_BIT_MIN clocks to the duration at BAUD_DEFAULT.
    INPUT_HALF
        1 if windows are sent as half words of T / 2 bits; only on arrays with ``half_words``.
    """

    INPUT_ROWS = 0
    INPUT_BASE = 1
    REPORTS = 2
    BAUD = 3
    INPUT_HALF = 4


WINDOW_HEAD = Layout(
    "window head",
    (
        Field("steps", bits_for(LIMITS["window"][1] - 1)),
        Field("first", 1),
        Field("last", 1),
        Field("dense", 1),
        Field("repeat", 1),
    ),
)
"""The byte before a window's rows. It gives the steps of the window minus 1, whether it is the
``first`` window of its sample (otherwise it continues from the state of the window before) and the
``last`` one, and the encoding. With ``dense``, rows are in the dense encoding, otherwise in
bitmaps. With ``repeat``, the words are those of the window before, and no rows follow. Both bits
together mean the sparse encoding, or ``repeat`` on arrays that do not support it."""


class ReportFlags(enum.IntFlag):
    """What cores report besides results. They may change only while no window is under way.

    Attributes
    ----------
    TRACE, COUNTERS
        Rows and counters of monitored tasks.
    TIMES
        The end of every window on every core, and its time. Only with it, busy time counts.
    """

    TRACE = 1
    COUNTERS = 2
    TIMES = 4


def bit_time(clock_hz: int, baud: int) -> int:
    """The duration of a bit that is nearest to a rate, in BIT_PARTS of a clock: the value of
    ``Register.BAUD``."""
    return round(Fraction(BIT_PARTS * clock_hz, baud))


MAGIC = b"SSPK"
VERSION = 5
BUILD_ID_BYTES = 16
_CONFIG_FIELDS = tuple(field.name for field in fields(ArrayConfig))
# The last byte is 0: every frame of the device has an even number of bytes.
_INFO = struct.Struct(f"<4sB{BUILD_ID_BYTES}sI{len(_CONFIG_FIELDS)}Ix")


def pack_info(
    config: ArrayConfig, build_id: bytes = bytes(BUILD_ID_BYTES), clock_hz: int = 0
) -> bytes:
    """The body of INFO after the nonce: magic, version, build, clock and array.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    build_id : bytes
        The build ID, of ``BUILD_ID_BYTES`` bytes.
    clock_hz : int
        Clock frequency in Hz; 0 if it is not known.
    """
    values = (int(getattr(config, name)) for name in _CONFIG_FIELDS)
    return _INFO.pack(MAGIC, VERSION, build_id, clock_hz, *values)


def unpack_info(info: bytes) -> tuple[ArrayConfig, bytes, int]:
    """Unpack the array, the build ID and the clock from the result of ``pack_info``.

    Parameters
    ----------
    info : bytes
        The body of INFO after the nonce.

    Returns
    -------
    config : ArrayConfig
        The array.
    build_id : bytes
        The build.
    clock_hz : int
        Clock frequency in Hz; 0 if the device does not know it.

    Raises
    ------
    ValueError
        If the device is not a StableSpike device, or uses another version of the protocol.
    """
    if info[:4] != MAGIC:
        raise ValueError(f"not a StableSpike device: it answered {info[:4]!r}, not {MAGIC!r}")
    if len(info) < 5 or info[4] != VERSION:
        raise ValueError(
            f"the device speaks protocol version {info[4:5].hex() or 'none'}, "
            f"this driver {VERSION}: install the stablespike its bitstream was built with, or "
            "build the bitstream again"
        )
    if len(info) != _INFO.size:
        raise ValueError(f"the device described itself in {len(info)} bytes, not {_INFO.size}")
    _, _, build_id, clock_hz, *values = _INFO.unpack(info)
    flags = {f.name for f in fields(ArrayConfig) if f.type in ("bool", bool)}
    config = {n: bool(v) if n in flags else v for n, v in zip(_CONFIG_FIELDS, values, strict=True)}
    return ArrayConfig(**config), build_id, clock_hz


def pack_ownership(what: Ownership) -> bytes:
    """The payload of a datagram about ownership."""
    return OWNERSHIP_HEAD + bytes([what])


def unpack_ownership(payload: bytes) -> Ownership | None:
    """What a datagram says about ownership; None if it is about something else."""
    if len(payload) != len(OWNERSHIP_HEAD) + 1 or not payload.startswith(OWNERSHIP_HEAD):
        return None
    return Ownership(payload[-1]) if payload[-1] in list(Ownership) else None
