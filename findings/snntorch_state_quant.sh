#!/usr/bin/env bash
# snnTorch's state_quant has no level at 0 and none at the threshold: a silent neuron does not rest at 0
#
# Expected: state_quant(num_bits=4) rounds the membrane to 16 evenly spaced values, 0 among them, as every integer
#   register has; a Leaky neuron without input keeps its 0; and one at 0.99 of the threshold stays silent.
# Found (snntorch 1.0.0, torch 2.13.0, 2026-11-30): the levels are 2^bits points from -threshold to 1.2 * threshold,
#   both ends included, so the step is 2.2 / (2^bits - 1) and no level is 0 or the threshold, at any number of bits
#   tried. Without input the membrane goes to, and stays at, -0.267 (2 bits), -0.057 (3), 0.027 (4), 0.0008 (8). The
#   neuron fires from the middle between two levels on: from 0.834 with 2 bits, 0.980 with 4.
# Why it matters: a network trained so cannot be put on integer hardware by scaling alone. It needs an offset in each
#   membrane, also at rest and after each leak, and another threshold. lower_limit = upper_limit = 0 does not help: an
#   even number of points around 0 leaves out 0.
# Needs torch.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'snntorch==1.0.0' 'torch==2.13.0' 'numpy==2.4.6'
cat > trial.py <<'PY'
from importlib.metadata import version

import snntorch
import torch
from snntorch.functional import quant

print(*(f"{name} {version(name)}" for name in ("snntorch", "torch")))
rest, fires = {}, {}
for bits in 2, 3, 4, 8:
    rounding = quant.state_quant(num_bits=bits)
    levels = torch.unique(rounding(torch.linspace(-2, 2, 40001)))
    silent = snntorch.Leaky(beta=0.9, state_quant=rounding)
    membrane = silent.init_leaky()
    for _ in range(100):
        _, membrane = silent(torch.zeros(1), membrane)
    rest[bits] = round(membrane.item(), 4)
    drive = torch.arange(5000, 12001) / 10000
    spikes, _ = snntorch.Leaky(beta=0.9, state_quant=rounding)(drive, torch.zeros_like(drive))
    fires[bits] = round(drive[spikes > 0].min().item(), 4)
    print(f"{bits} bits: {len(levels)} levels, 0 among them: {bool((levels.abs() < 1e-6).any())}, 1 among them: "
          f"{bool(((levels - 1).abs() < 1e-6).any())}; rests at {rest[bits]}, fires from {fires[bits]} on")
    assert len(levels) == 2 ** bits and not (levels.abs() < 1e-6).any() and not ((levels - 1).abs() < 1e-6).any()
even = torch.unique(quant.state_quant(num_bits=4, lower_limit=0, upper_limit=0)(torch.linspace(-2, 2, 40001)))
print("4 bits, upper_limit=0: the levels next to 0 are", [round(level, 4) for level in even[7:9].tolist()])
assert rest == {2: -0.2667, 3: -0.0571, 4: 0.0267, 8: 0.0008}
assert abs(fires[2] - 0.834) < 0.002 and abs(fires[4] - 0.980) < 0.002
assert len(even) == 16 and not (even.abs() < 1e-6).any()
PY
nice -n 10 venv/bin/python trial.py
