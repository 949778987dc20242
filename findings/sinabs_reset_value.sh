#!/usr/bin/env bash
# sinabs adds reset_value to the membranes of all neurons in every step, also of those that did not spike
#
# Expected: MembraneReset(reset_value) sets the membrane of a neuron that spiked to that value ("a given value after it spiked"), as
#   norse's reset_value, SpikingJelly's v_reset and NIR's v_reset do; neurons that did not spike keep theirs.
# Found (sinabs 3.1.3, torch 2.13.0, 2026-11-30): v_mem * (spikes == 0) + reset_value. An IAF without input and with MembraneReset(0.25)
#   climbs 0.25, 0.5, 0.75, 1.0 and spikes in every fourth step; with -0.25 it drifts to -2.5 in 10 steps. Only 0, the default, is
#   a reset.
# Why it matters: a network trained with it has a bias that no parameter shows. Its file in NIR, or the same network in another
#   framework, spikes otherwise.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'sinabs==3.1.3' 'torch==2.13.0'
cat > trial.py <<'PY'
from importlib.metadata import version

import torch
from sinabs.activation import MembraneReset, SingleSpike
from sinabs.layers import IAF

print(*(f"{name} {version(name)}" for name in ("sinabs", "torch")))
found = {}
for value in (0.0, 0.25, -0.25):
    neuron = IAF(spike_fn=SingleSpike, reset_fn=MembraneReset(value), record_states=True)
    with torch.no_grad():
        spikes = neuron(torch.zeros(1, 10, 1))  # no input
    found[value] = spikes.ravel().int().tolist(), neuron.recordings["v_mem"].ravel().tolist()
    print(f"reset_value {value}: spikes {found[value][0]}, membrane {found[value][1]}")

assert found[0.0] == ([0] * 10, [0.0] * 10)
assert found[0.25][0] == [0, 0, 0, 0, 1, 0, 0, 0, 1, 0]
assert found[-0.25][1][-1] == -2.5
PY
nice -n 10 venv/bin/python trial.py
