"""The link: frames, commands, registers and the answer to ``hello``.

On the wire a frame is COBS-encoded and ends with a zero byte. Decoded, it is at most 254 bytes:

    kind (1) | session (1) | seq (1) | ack (1) | body (0..246) | CRC-32 (4)

(little endian, of all before it).

Nothing in a frame takes effect before its CRC holds. Both sides number their DATA frames from 0
(modulo 256) and accept them in order only (go-back-N). ``ack`` is in every frame but HELLO and
INFO: the number of DATA frames of the other side that were executed (device) or taken (host),
modulo 256, so it is also the next one expected.

host -> device
    HELLO  body: nonce (4). Starts session ``nonce & 0xff`` unless it is the running one's own
           nonce again: everything but the memories is reset, both sides count from 0.
    DATA   body: one command. At most ``receive_bytes`` of unacknowledged bodies, each counted
           with 1 more byte, in at most ``DATA_IN_FLIGHT`` frames.
    ACK    no body, ``seq`` 0. With ``RESEND`` in ``kind``: a frame of the device's is missing, or
           nothing came for a while: the device sends all that is not acknowledged again, and an
           ACK.
device -> host
    INFO   body: nonce (4), then the fields of ``INFO``: the answer to HELLO.
    DATA   body: a piece of the byte stream of reports (``spec.report``); its cuts mean nothing.
    ACK    no body; sent when something was executed and no DATA is on its way. With ``RESEND``: a
           frame of the host's is missing.
    ``FAULT`` in ``kind`` of any device frame but INFO: a command was refused since HELLO.

Frames of another session than the running one are ignored. The device never blocks on a frame it
has no room for: it drops it, and go-back-N repairs that.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import fields
from fractions import Fraction

from .array import LIMITS, ArrayConfig
from .layout import Field, Layout, bits_for

__all__ = [
    "BAUD_DEFAULT",
    "BAUD_TOLERANCE",
    "BODY_BYTES",
    "BREAK_BITS",
    "BUILD_ID_BYTES",
    "CLOCKS_PER_BIT_MIN",
    "CRC_BYTES",
    "DATA_IN_FLIGHT",
    "FAULT",
    "FRAME_BYTES",
    "HEADER_BYTES",
    "KIND_MASK",
    "MAGIC",
    "RESEND",
    "VERSION",
    "WINDOW_HEAD",
    "Command",
    "Kind",
    "Register",
    "ReportFlags",
    "Space",
    "pack_info",
    "unpack_info",
]

FRAME_BYTES = 254
HEADER_BYTES = 4
CRC_BYTES = 4
BODY_BYTES = FRAME_BYTES - HEADER_BYTES - CRC_BYTES

DATA_IN_FLIGHT = 127
"""DATA frames of the host that may be unacknowledged: less than half the sequence numbers, so that
neither a frame sent again nor one that comes late is taken for a new one."""

KIND_MASK = 0x0F
RESEND = 0x40
FAULT = 0x80

BAUD_DEFAULT = 115200
BAUD_TOLERANCE = Fraction(1, 100)
"""How far the clock divided may be from a rate."""
CLOCKS_PER_BIT_MIN = 6
BREAK_BITS = 32  # a line held low this many bit times of BAUD_DEFAULT makes that the rate again


class Kind(enum.IntEnum):
    """The low bits of a frame's first byte; never 0, so that noise of zeros is no frame."""

    HELLO = 1
    INFO = 2
    DATA = 3
    ACK = 4


class Command(enum.IntEnum):
    """The first byte of a DATA body from the host; multi-byte numbers are little endian.

    WRITE     core (1), space (1), row (3), then 16-bit words: a row of the space is written word by
              word from its lowest bits, then the next row. A write may not end inside a row.
    REGISTER  register (1), value (2).
    INPUT     a piece of the byte stream of windows; its cuts mean nothing. Of each window:
              ``WINDOW_HEAD`` (1), then its rows (``spec.encoding``), none if it repeats.
    """

    WRITE = 1
    REGISTER = 2
    INPUT = 3


class Space(enum.IntEnum):
    """Memories of a core the host writes."""

    WEIGHTS = 0
    BIASES = 1
    THRESHOLDS = 2
    TASKS = 3


class Register(enum.IntEnum):
    """Registers of the device.

    INPUT_ROWS  rows of the input map.
    INPUT_BASE  bus row of its first buffer; the second follows INPUT_ROWS later.
    REPORTS     ``ReportFlags``.
    BAUD        clocks per bit from the next frame after the ACK of this one (UART links), from
                CLOCKS_PER_BIT_MIN to those of BAUD_DEFAULT.
    INPUT_HALF  1: the words of windows come as T / 2 bits; only on arrays with ``half_words``.
    """

    INPUT_ROWS = 0
    INPUT_BASE = 1
    REPORTS = 2
    BAUD = 3
    INPUT_HALF = 4


WINDOW_HEAD = Layout(
    "window head",
    (
        Field("steps", bits_for(LIMITS["window"][1] - 1)),  # steps - 1
        Field("first", 1),  # of its sample: not set, the state of the window before carries on
        Field("last", 1),  # of its sample
        Field("dense", 1),  # encoding rather than bitmap
        Field("repeat", 1),  # the words of the window before: no rows follow
    ),
)
"""The byte before a window's rows. ``dense`` and ``repeat`` together: rows in the sparse encoding;
on arrays that do not know it, ``repeat``."""


class ReportFlags(enum.IntFlag):
    """What cores report of monitored tasks."""

    TRACE = 1
    COUNTERS = 2


MAGIC = b"SSPK"
VERSION = 2
BUILD_ID_BYTES = 16
_CONFIG_FIELDS = tuple(field.name for field in fields(ArrayConfig))
_INFO = struct.Struct(f"<4sB{BUILD_ID_BYTES}sI{len(_CONFIG_FIELDS)}I")


def pack_info(
    config: ArrayConfig, build_id: bytes = bytes(BUILD_ID_BYTES), clock_hz: int = 0
) -> bytes:
    """What a device says of itself after the nonce: magic, version, build, clock, array."""
    values = (int(getattr(config, name)) for name in _CONFIG_FIELDS)
    return _INFO.pack(MAGIC, VERSION, build_id, clock_hz, *values)


def unpack_info(info: bytes) -> tuple[ArrayConfig, bytes, int]:
    """The array, the build ID and the clock in Hz (0: none given) from INFO's body after the nonce.

    Raises
    ------
    ValueError
        If it is no StableSpike device, or speaks another version of the protocol.
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
