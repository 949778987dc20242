#!/usr/bin/env bash
# snnTorch drops a membrane that is passed to a neuron with another shape than its input's, even one that broadcasts
#
# Expected: lif(current, mem) goes on from mem. A mem of (neurons,) for a current of (batch, neurons), such as a
#   learned membrane to start from, is the same for every sample, as everywhere in torch, or is an error.
# Found (snntorch 1.0.0, torch 2.13.0, 2026-11-30): Leaky, Synaptic and RLeaky set their states to 0 and say
#   nothing. With mem = 5 for all neurons, a threshold of 1 and no input, (2, 3) fires and (3,) or (1, 3) does not; the
#   membrane that comes back is 0. The same happens between two calls with init_hidden=True if the batch gets smaller.
# Why it matters: a start that was trained has no effect, and neither loss nor output say so. Expand the membrane to the
#   shape of the input.
# Needs torch.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'snntorch==1.0.0' 'torch==2.13.0' 'numpy==2.4.6'
cat > trial.py <<'PY'
from importlib.metadata import version

import snntorch as snn
import torch

print(*(f"{name} {version(name)}" for name in ("snntorch", "torch")))
current = torch.zeros(2, 3)
kinds = {
    "Leaky": (lambda: snn.Leaky(beta=0.5), 0),
    "Synaptic": (lambda: snn.Synaptic(alpha=0.5, beta=0.5), 1),
    "RLeaky": (lambda: snn.RLeaky(beta=0.5, all_to_all=False), 1),
}
for name, (make, others) in kinds.items():
    fired = {}
    for shape in (2, 3), (3,), (1, 3):
        states = [torch.zeros(2, 3)] * others + [torch.full(shape, 5.0)]
        spikes, *_, membrane = make()(current, *states)
        fired[shape] = int(spikes.sum())
        assert (membrane.abs().sum() > 0) == (shape == (2, 3))
    print(f"{name}: spikes by the shape of the membrane that was passed: {fired}")
    assert fired == {(2, 3): 6, (3,): 0, (1, 3): 0}
hidden = snn.Leaky(beta=0.5, reset_mechanism="none", init_hidden=True)
hidden(torch.full((4, 3), 0.75))
assert hidden.mem.max() == 0.75
hidden(torch.zeros(3, 3))
print("hidden membrane after a batch of 4 with 0.75, then one of 3 without input:", hidden.mem.max().item())
assert hidden.mem.max() == 0
PY
nice -n 10 venv/bin/python trial.py
