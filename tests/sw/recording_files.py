"""Writers of small recordings, each by the description of its format."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

WIDTH, HEIGHT = 8, 6
FIELDS = np.dtype([("t", "i8"), ("x", "u2"), ("y", "u2"), ("p", "u1")])
EVENTS = np.array(
    list(
        zip(
            [5, 9, 130, 1000, 4095, 4096, 9000, 9001, 9001, 12000, 20000, 25000],
            [0, 7, 3, 1, 6, 2, 5, 4, 0, 7, 1, 3],
            [0, 5, 2, 4, 1, 3, 5, 0, 1, 2, 4, 3],
            [1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 1],
            strict=True,
        )
    ),
    FIELDS,
)
"""A recording; (x, y) = (0, 0) is the top left."""
_AEDAT4 = (
    "c-oCq!D<sx6g|yMI!#EEX%n!Di^+?M1<fQ<ii;!|F=9YdNkgf&n<4X3A2u_?n@KQTNa=656T~jWg*$)1uW;egtsA#`"
    "XOcpU5%b_a?&aNc=G@DfLcZQ;-+oZ<Y!yqZ$qzAL13+`<Q3KIQA_o;ItWX9lQKTqdDdX1@>aW;CW5}g1T&K$J6icj@"
    "H0V?u*XD*}^?8-KgP`g3TxNJy@S@7hz9pPv*Y(Uc@4C|F(wuad6YwlSX#r?y8XOT=K_HEnd{kv!x9>^rhZ>m?j69<B"
    "11X#%R(t$>t73+o{{*{I90|ud-WdemAZU@GSq?trPT>ECCWJI?Y7{-e<t#;Gud_RsU}_6uu^pC7F|*1!YJ73R_b)^U"
    "Ct$U^^FBWZ_3RJS_97^EAiIApt!HsLnme)?&OBv=srn+XnD($X_TVQ9l|9+$-23>3(x2I{bn6u1N`Ymvu1YsGP0Sl7"
    "8}EirPGpePt{{7+<E?^N<nHgv8p=yhb+BI<9c#;JD1Ef)C5BDpZx%AB6GNOKyQyPcy@a@qGW{6_*tg<klr_W>$QvyU"
    "aS!a=(s8OliMS80zkU}gPHc<TMDZS#KW-dO6hG|L@6Rd@fw^eVG;Wc8m8z?_hI9^R<Ke%=R<WMaP(XYIr{~sqE!yyD"
    "ND2S5eE%B{0OFY"
)


def aedat4() -> bytes:
    """``EVENTS`` as faery 0.7.1 writes them, compressed with LZ4."""
    return zlib.decompress(base64.b85decode(_AEDAT4))


def evt2(events: Any, header: str = "% evt 2.0\n% geometry 8x6\n% end\n", high: int = 0) -> bytes:
    """Words of 32 bits. ``high`` is added to the high parts of the time, of 28 bits."""
    words, last = [0xE << 28 | 1, 1 << 28 | 5], None  # other data, an event that has no time yet
    for t, x, y, p in events.tolist():
        if t >> 6 != last:
            last = t >> 6
            words += [8 << 28 | (last + high) & 0xFFF_FFFF, 0xA << 28 | 3]  # and a trigger
        words.append(p << 28 | (t & 63) << 22 | x << 11 | y)
    return header.encode() + struct.pack(f"<{len(words)}I", *words)


def evt3(events: Any, header: str = "% evt 3.0\n% geometry 8x6\n% end\n", high: int = 0) -> bytes:
    """Words of 16 bits. ``high`` is added to the high parts of the time, of 12 bits."""
    words, last = [], None
    for t, x, y, p in events.tolist():
        for part in range(t >> 12 if last is None else last + 1, (t >> 12) + 1):
            last = part
            words.append(8 << 12 | (part + high) & 0xFFF)
        words += [6 << 12 | t & 0xFFF, y, 2 << 12 | p << 11 | x, 0xA << 12 | 1]
    return header.encode() + struct.pack(f"<{len(words)}H", *words)


def dat(events: Any, version: int = 2, start: int = 0) -> bytes:
    """Records of 8 bytes; ``start`` is added to the times, of 32 bits."""
    head = f"% Data file containing CD events.\n% Version {version}\n% Width 8\n% Height 6\n"
    x_bits, y_bits = (14, 14) if version == 2 else (9, 8)
    records = [
        struct.pack("<II", (t + start) & 0xFFFF_FFFF, p << x_bits + y_bits | y << x_bits | x)
        for t, x, y, p in events.tolist()
    ]
    return head.encode() + b"\x0c\x08" + b"".join(records)


def aedat3(events: Any, loops: int = 0, sender: int = 1) -> bytes:
    """Packets of five events, of which the first is marked invalid, and packets of another kind."""
    head = (
        "#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n"
        "#Start-Time: 2026-11-30 12:00:00 (TZ+0000)\r\n#!END-HEADER\r\n"
    )
    out = head.encode()
    for at in range(0, len(events), 4):
        packet = events[at : at + 4].tolist()
        bad = (packet[0][0], 6, 5, 1)
        out += struct.pack("<hhiiiiii", 0, 1, 8, 4, 0, 1, 1, 1) + bytes(8)
        count = 1 + len(packet)
        out += struct.pack("<hhiiiiii", 1, sender, 8, 4, loops, count, count, count - 1)
        for valid, (t, x, y, p) in enumerate([bad, *packet]):
            out += struct.pack("<Ii", x << 17 | y << 2 | p << 1 | (valid > 0), t)
    return out


def aedat2(events: Any, chip: str = "DVS128", head: str | None = None) -> bytes:
    """Words of jAER: x from the right, y from the bottom; words between them are no pixels."""
    if head is None:
        name = "ch.unizh.ini.jaer.chip.retina.DVS128" if chip == "DVS128" else f"chips.davis.{chip}"
        head = (
            "#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n"
            f"# User name: J\xfcrgen\r\n# AEChip: {name}\r\n#End Of ASCII Header\r\n"
        )
    width, height = {"DVS128": (128, 128), "DAVIS240C": (240, 180), "Davis346B": (346, 260)}[chip]
    out = head.encode("latin-1")
    for t, x, y, p in events.tolist():
        x, y = width - 1 - x, height - 1 - y
        if chip == "DVS128":
            place, others = y << 8 | x << 1 | 1 - p, [1 << 15, 1 << 31]
        else:
            place, others = y << 22 | x << 12 | p << 11, [1 << 10, 1 << 31 | 5, 3 << 10 | 1 << 31]
        for word in (*(place | other for other in others), place):
            out += struct.pack(">II", word, t & 0xFFFF_FFFF)
    return out


def es(events: Any) -> bytes:
    """Differences of time, in which y counts from the bottom."""
    out, last = b"Event Stream\x02\x00\x00\x01" + struct.pack("<HH", WIDTH, HEIGHT), 0
    for t, x, y, p in events.tolist():
        out += b"\xff" * ((t - last) // 127) + bytes([(t - last) % 127 << 1 | p])
        out += struct.pack("<HH", x, HEIGHT - 1 - y) + b"\xfe"  # a byte that says nothing
        last = t
    return out


def atis(events: Any) -> bytes:
    """Events of five bytes, with ticks of the camera's clock."""
    out, ticks = b"", 0
    for t, x, y, p in events.tolist():
        for _ in range(t // 8192 - ticks):
            out += bytes([0, 240, 0, 0, 0])
        ticks = t // 8192
        out += bytes([x, y, p << 7]) + (t % 8192).to_bytes(2, "big")
    return out


def npz(*recordings: Any, **arrays: Any) -> bytes:
    """Arrays of numpy's."""
    memory = io.BytesIO()
    np.savez(memory, *recordings, **arrays)
    return memory.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "aedat4": aedat4, "evt2": lambda: evt2(EVENTS), "evt3": lambda: evt3(EVENTS),
    "dat": lambda: dat(EVENTS), "aedat3": lambda: aedat3(EVENTS), "es": lambda: es(EVENTS),
    "aedat2": lambda: aedat2(EVENTS), "aedat2-davis240": lambda: aedat2(EVENTS, "DAVIS240C"),
    "nmnist": lambda: atis(EVENTS), "numpy": lambda: npz(EVENTS),
}
"""The bytes of ``EVENTS`` in each format."""
LIBRARIES = {"aedat4": "aedat", "evt3": "evt3", "spoken": "h5py"}
"""What the formats need to be installed."""


def hand(left: bool, seed: int, count: int = 1500, duration: int = 200_000) -> np.ndarray:
    """A bar of 32 columns that crosses the left or the right half of a sensor of 128 x 128."""
    rng = np.random.default_rng(seed)
    events = np.zeros(count, FIELDS)
    when = np.sort(rng.integers(0, duration, count))
    edge = when * 33 // duration + (0 if left else 64)
    events["t"] = 5_000_000 * seed + when
    events["x"] = edge + rng.integers(0, 32, count)
    events["y"], events["p"] = rng.integers(0, 128, count), rng.integers(0, 2, count)
    return events
