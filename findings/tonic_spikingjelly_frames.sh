#!/usr/bin/env bash
# A fixed number of frames: tonic drops what the division leaves, spikingjelly puts it all in the last frame
#
# Expected: tonic's ToFrame(n_time_bins=60) and spikingjelly's split_by="time" with 60 frames divide a recording into 60
#   equal parts, so that 100 events at t = 0 .. 99 become frames of 1 or 2 events (tonic: but for the very last event).
#   A part of the recording without events is an empty frame.
# Found (tonic 1.7.0, spikingjelly 2.0.0, torch 2.13.0, 2026-11-30): both take (last - first) // frames as the length of
#   a frame, here 99 // 60 = 1.
#   - tonic stops after 60 such frames: 40 of the 100 events are in none (30 frames: 10 lost).
#   - spikingjelly gives the last frame all that is left: 59 frames of 1 event, one of 41.
#   - a recording with a pause longer than a frame: spikingjelly raises IndexError ("index 0 is out of bounds for axis 0
#     with size 0"), tonic's frames of the pause are empty.
# Why it matters: with microseconds and a second of recording nobody sees it. With times in milliseconds or in steps, as
#   audio sets and simulators have them, the end of each sample is missing, or is one burst that saturates the first
#   accumulator it meets; and the frames of one recording differ by the library that made them.
# Needs torch (spikingjelly imports it).
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'tonic==1.7.0' 'numpy==2.4.6' 'torch==2.13.0' 'matplotlib==3.11.2' \
  'tqdm==4.70.1' 'loguru==0.7.3' 'scipy==1.17.1' 'h5py==3.16.0'
venv/bin/pip install -q --disable-pip-version-check --no-deps 'spikingjelly==2.0.0'
cat > trial.py <<'PY'
import sys
import types
from importlib.metadata import version

import numpy as np
import tonic.transforms


class Empty(types.ModuleType):  # the data sets' downloads and audio want these two, the functions tried here do not
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


for name in "torchvision", "torchvision.datasets", "torchvision.datasets.utils", "torchaudio":
    sys.modules[name] = Empty(name)

from spikingjelly.datasets.utils import integrate_events_by_fixed_frames_number  # noqa: E402


def by_tonic(times, frames):
    events = np.zeros(len(times), [("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "i2")])
    events["t"] = times
    return tonic.transforms.ToFrame((1, 1, 2), n_time_bins=frames)(events).sum((1, 2, 3)).astype(int).tolist()


def by_spikingjelly(times, frames):
    zeros = np.zeros(len(times), int)
    events = {"t": np.asarray(times), "x": zeros, "y": zeros, "p": zeros}
    return integrate_events_by_fixed_frames_number(events, "time", frames, 1, 1).sum((1, 2, 3)).astype(int).tolist()


print(*(f"{name} {version(name)}" for name in ("tonic", "spikingjelly", "torch")))
steps = np.arange(100)
counts = {}
for frames in 30, 60:
    for title, function in ("tonic", by_tonic), ("spikingjelly", by_spikingjelly):
        counts[title, frames] = found = function(steps, frames)
        print(f"100 events, {frames} frames, {title}: {sum(found)} events, at most {max(found[:-1])} in the first "
              f"{frames - 1} frames, {found[-1]} in the last")
pause = np.r_[0:1000:10, 5000:6000:10]
print("a pause, tonic:       ", by_tonic(pause, 6))
try:
    broken = str(by_spikingjelly(pause, 6))
except IndexError as error:
    broken = f"IndexError: {error}"
print("a pause, spikingjelly:", broken)

assert sum(counts["tonic", 30]) == 90 and sum(counts["tonic", 60]) == 60
assert counts["spikingjelly", 30] == [3] * 29 + [13] and counts["spikingjelly", 60] == [1] * 59 + [41]
assert 0 in by_tonic(pause, 6) and broken.startswith("IndexError")
PY
nice -n 10 venv/bin/python trial.py
