#!/usr/bin/env bash
# fxpmath's default rounding, "trunc", goes toward zero; hardware that drops low bits goes down
#
# Expected: "trunc", the default, is what leaving low bits away does (toward minus infinity in two's complement), beside
#   "fix", which goes toward zero; and a >> 1 drops a bit, as on any integer of 8 bits.
# Found (fxpmath 0.4.10, numpy 2.4.6, 2026-11-30): "trunc" equals "fix" for every value tried. -5/16 with two fraction
#   bits is -1/4; the bits of -5 shifted right by 2 are -2, so -1/2. Only "floor" is the hardware's. a >> 1 drops
#   nothing: the word grows (-1/16 >> 1 is -1/32, in 9 bits) unless shifting="trunc" is set, and with that -1/16 >> 1 is
#   -1/16: there "trunc" is the hardware's.
# Why it matters: this is the usual model of fixed-point hardware in Python. A membrane that leaks by v * 7/8 ends at 0
#   in the model, from both sides; in hardware, coming from -1, at -7/16. Tests with positive membranes never see it.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'fxpmath==0.4.10' 'numpy==2.4.6'
cat > trial.py <<'PY'
from importlib.metadata import version

from fxpmath import Fxp

print("fxpmath", version("fxpmath"), "defaults:", Fxp(0, True, 8, 4).config.rounding, Fxp(0, True, 8, 4).config.shifting)
values = range(-128, 128)  # in sixteenths, to be stored in quarters
stored = {name: [int(Fxp(value / 16, True, 6, 2, rounding=name).val) for value in values]
          for name in ("trunc", "fix", "floor")}
dropped = [value >> 2 for value in values]
for name, result in stored.items():
    print(f"{name:6} differs from dropping two bits at {sum(a != b for a, b in zip(result, dropped))} of 256 values")
print("-5/16 in quarters:", float(Fxp(-5 / 16, True, 6, 2)), "dropping bits:", (-5 >> 2) / 4)
shifted = {}
for name in "expand", "trunc":
    result = Fxp(-1 / 16, True, 8, 4, shifting=name) >> 1
    shifted[name] = (float(result), result.n_word)
    print(f"-1/16 >> 1, shifting={name!r}: {shifted[name][0]} in {shifted[name][1]} bits")
ends = {}
for name in "trunc", "floor":
    membrane = Fxp(-1, True, 8, 4, rounding=name)
    for _ in range(100):
        membrane.set_val(float(membrane) * 7 / 8)  # exact before it is stored
    ends[name] = int(membrane.val)
    print(f"-1, a hundred times * 7/8, {name}: ends at {ends[name]} sixteenths")
assert stored["trunc"] == stored["fix"] != dropped == stored["floor"]
assert shifted == {"expand": (-1 / 32, 9), "trunc": (-1 / 16, 8)}
assert ends["trunc"] == 0 and ends["floor"] < 0
PY
nice -n 10 venv/bin/python trial.py
