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
    Body: one command. At most ``receive_bytes`` of bodies may be unacknowledged, where each body
    counts one extra byte, in at most ``DATA_IN_FLIGHT`` frames.
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
"""

from __future__ import annotations

import enum
import struct
from dataclasses import fields
from fractions import Fraction

from .array import LIMITS, ArrayConfig
from .layout import Field, Layout, bits_for

__all__ = [
    "BAUD_DEFAULT", "BAUD_TOLERANCE", "BODY_BYTES", "BREAK_BITS", "BUILD_ID_BYTES",
    "CLOCKS_PER_BIT_MIN", "CRC_BYTES", "DATA_IN_FLIGHT", "FAULT", "FRAME_BYTES", "HEADER_BYTES",
    "KIND_MASK", "MAGIC", "RESEND", "VERSION", "WINDOW_HEAD", "Command", "Kind", "Register",
    "ReportFlags", "Space", "pack_info", "unpack_info",
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
"""The largest relative difference between the requested rate and the device's rate, which is its
clock divided by a whole number."""
CLOCKS_PER_BIT_MIN = 6
"""The fewest clocks per bit with which a UART samples reliably."""
BREAK_BITS = 32
"""If the line is low for this many bit times of BAUD_DEFAULT, the device returns to that rate."""


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
        Clocks per bit from the next frame after the ACK of this one (UART links), from
        CLOCKS_PER_BIT_MIN to those of BAUD_DEFAULT.
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
    """What cores report about monitored tasks."""

    TRACE = 1
    COUNTERS = 2


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
