#!/usr/bin/env bash
# evt3 decodes an EVT2 recording, whose header says "evt 2.0", as EVT3: other events, no error
#
# Expected: the header of a .raw file names its format, and a reader that knows only EVT3 refuses "% evt 2.0", or at
#   least finds no events.
# Found (evt3 0.4.1, expelliarmus 1.1.12 as the writer, 2026-11-30): decode_file returns 539 events for a file of 1,000,
#   at places and times that never were, and no warning; the words of 32 bits are taken for pairs of words of 16. The
#   same file renamed .evt2 gives the same. expelliarmus reads the 1,000 back.
# Why it matters: the cameras of one maker write EVT2 or EVT3 by model and setting, both into .raw. The result looks
#   like a noisy recording, so that the network or the accelerator is blamed for its poor rate.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'evt3==0.4.1' 'expelliarmus==1.1.12' 'numpy==2.4.6'
cat > trial.py <<'PY'
import shutil
from importlib.metadata import version

import evt3
import expelliarmus
import numpy as np

print(*(f"{name} {version(name)}" for name in ("evt3", "expelliarmus")))
step = np.arange(1000)
events = np.zeros(1000, [("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "u1")])
events["t"], events["x"], events["y"], events["p"] = step * 37, step % 640, step % 480, step % 2
expelliarmus.Wizard(encoding="evt2").save(fpath="camera.raw", arr=events)
shutil.copy("camera.raw", "camera.evt2")
with open("camera.raw", "rb") as file:
    header = [line for line in file.read(400).split(b"\n") if line.startswith(b"% evt")]
print("header:", header)
right = expelliarmus.Wizard(encoding="evt2").read("camera.raw")
for path in "camera.raw", "camera.evt2":
    found = evt3.decode_file(path).to_dict()
    places = set(zip(found["x"].tolist(), found["y"].tolist())) & set(zip(events["x"].tolist(), events["y"].tolist()))
    print(f"{path}: {len(found['x'])} events by evt3, {len(places)} at a place of the recording; "
          f"{len(right)} by expelliarmus")
    assert len(found["x"]) == 539
assert header == [b"% evt 2.0 "] and all(np.array_equal(right[name], events[name]) for name in "txyp")
PY
nice -n 10 venv/bin/python trial.py
