#!/usr/bin/env bash
# one AEDAT 2 recording of a DAVIS346 is the mirror image in eventcv of what it is in tonic, which also reads frames,
# inertial samples and triggers as events; no error
#
# Expected: both readers give the events of jAER's decoder (DavisBaseCamera.java: x = width - 1 - address, words with bit
#   31 or bit 10 are no pixels), with y turned to count from the top.
# Found (tonic 1.7.0, eventcv 1.0.8, 2026-11-30): of 4 events and 3 other words, tonic's read_davis_346 returns 7 events,
#   4 of them right; eventcv's load returns the 4, each with x counted from the other side. A DVS128 file is refused by
#   eventcv, and tonic's read_dvs_128 raises "too many values to unpack" at any.
# Why it matters: a mirrored image is a valid one. A network that was trained on one reader's events and runs on the
#   other's sees every movement to the left as one to the right.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'tonic==1.7.0' 'eventcv==1.0.8' 'numpy==2.4.6'
cat > trial.py <<'PY'
import struct
from importlib.metadata import version
from pathlib import Path

import eventcv
from tonic import io

print(*(f"{name} {version(name)}" for name in ("tonic", "eventcv")))
head = (
    "#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n"
    "# AEChip: {}\r\n#End Of ASCII Header\r\n"
)
# Address and time; x from the right, y from the bottom, as jAER's decoder reads them.
pixels = [(0, 259, 1, 10), (1, 258, 0, 20), (345, 0, 1, 30), (100, 200, 0, 40)]
words = [((345 - x) << 12 | (259 - y) << 22 | p << 11, t) for x, y, p, t in pixels]
others = [(1 << 31 | 7, 41), (3 << 10 | 1 << 31, 42), (1 << 10 | 2, 43)]  # a frame's sample, inertial, trigger
data = b"".join(struct.pack(">II", *word) for word in words + others)
Path("davis.aedat").write_bytes(head.format("eu.seebetter.ini.chips.davis.Davis346B").encode() + data)
events = io.read_davis_346("davis.aedat")[-1]
by_tonic = [tuple(map(int, each)) for each in zip(events["x"], events["y"], events["p"], events["t"])]
rows = eventcv.load("davis.aedat").numpy()  # columns x, y, t, p
by_eventcv = [(int(x), int(y), int(p), int(t)) for x, y, t, p in rows]
print("x, y, polarity, time")
print("written", pixels)
print("tonic  ", by_tonic)
print("eventcv", by_eventcv)
assert by_tonic[:4] == pixels and len(by_tonic) == 7
assert by_eventcv == [(345 - x, y, p, t) for x, y, p, t in pixels]
Path("dvs.aedat").write_bytes(
    head.format("ch.unizh.ini.jaer.chip.retina.DVS128").encode() + struct.pack(">II", 0x7F00, 10)
)
refused = 0
for reader in (io.read_dvs_128, eventcv.load):
    try:
        reader("dvs.aedat")
    except ValueError as error:
        refused += 1
        print(f"DVS128, {reader.__module__}: {error}")
assert refused == 2
PY
nice -n 10 venv/bin/python trial.py
