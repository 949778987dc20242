#!/usr/bin/env bash
# aedat's and event-stream's arrays: the same two words for the polarity, name and title swapped, and y upside down
#
# Expected: event arrays have fields t, x, y and p (or "on"), whoever reads them, and two readers of one recording give
#   equal arrays.
# Found (aedat 2.3.0, event-stream 1.6.3, faery 0.7.1 as the writer, 2026-11-30): numpy lets a field have a title beside
#   its name. aedat (and faery) call the polarity "on" with the title "p", event-stream calls it "p" with the title
#   "on". events["p"] and events["on"] work in both, but "p" in events.dtype.names is False for aedat's, "on" for the
#   other's; dtype.fields has both. dtypes differ, so that numpy.concatenate of the two raises TypeError. The ES file of
#   the same events has y counted from the bottom: 479 where the AEDAT4 file has 0.
# Why it matters: checks of dtype.names (tonic's ToFrame has one) refuse one of the two, code with events["p"] takes
#   both, and the mirrored picture passes all of them.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'aedat==2.3.0' 'event-stream==1.6.3' 'faery==0.7.1' 'numpy==2.4.6'
cat > trial.py <<'PY'
from importlib.metadata import version

import aedat
import event_stream
import faery
import numpy as np

print(*(f"{name} {version(name)}" for name in ("aedat", "event-stream", "faery")))
step = np.arange(100)
events = np.zeros(100, [("t", "u8"), ("x", "u2"), ("y", "u2"), (("p", "on"), "?")])
events["t"], events["x"], events["y"], events["on"] = step * 10, step, step, step % 2
for path in "camera.aedat4", "camera.es":
    faery.events_stream_from_array(events, dimensions=(640, 480)).to_file(path)
first = np.concatenate([packet["events"] for packet in aedat.Decoder("camera.aedat4") if "events" in packet])
second = np.concatenate(list(event_stream.Decoder("camera.es")))
for title, array in ("aedat", first), ("event-stream", second):
    print(f"{title:13} names {array.dtype.names}, fields {tuple(array.dtype.fields)}, y {array['y'][:3].tolist()}")
try:
    together = str(np.concatenate([first, second]).dtype)
except TypeError as error:
    together = f"TypeError: {error}"
print("concatenate:", together)
assert first.dtype.names == ("t", "x", "y", "on") and second.dtype.names == ("t", "x", "y", "p")
assert np.array_equal(first["p"], second["on"]) and np.array_equal(first["t"], second["t"])
assert np.array_equal(479 - first["y"].astype(int), second["y"])
assert together.startswith("TypeError")
PY
nice -n 10 venv/bin/python trial.py
