#!/usr/bin/env bash
# snnTorch's latency code with normalize=True: the spikes of a sample depend on the other samples of its batch
#
# Expected: a sample is encoded to the same spike times alone and in any batch.
# Found (snntorch 1.0.0, torch 2.13.0, 2026-11-30): spikegen.latency(normalize=True) divides all times by the latest one
#   of the whole batch. [0.2, 0.5, 1.0] over 10 steps spikes at the steps 9, 4, 2 alone, and at 1, 0, 0 beside a sample
#   that has a value of 0.02. With linear=True times are not scaled by the batch.
# Why it matters: accuracy and spike times change with the batch size and with the order of the samples; a network that
#   is deployed on one sample at a time sees other spikes than it was trained on.
# Needs torch.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'snntorch==1.0.0' 'torch==2.13.0' 'numpy==2.4.6'
cat > trial.py <<'PY'
from importlib.metadata import version

import torch
from snntorch import spikegen

print(*(f"{name} {version(name)}" for name in ("snntorch", "torch")))
sample, other = torch.tensor([[0.2, 0.5, 1.0]]), torch.tensor([[0.02, 0.5, 1.0]])
found = {}
for linear in False, True:
    for name, batch in ("alone", sample), ("beside another", torch.cat([sample, other])):
        spikes = spikegen.latency(batch, num_steps=10, normalize=True, linear=linear)
        found[linear, name] = spikes[:, 0].argmax(0).tolist()
        print(f"linear={linear}, {name}: {sample[0].tolist()} spikes at the steps {found[linear, name]}")
assert found[False, "alone"] == [9, 4, 2]
assert found[False, "beside another"] == [1, 0, 0]
assert found[True, "alone"] == found[True, "beside another"]
PY
nice -n 10 venv/bin/python trial.py
