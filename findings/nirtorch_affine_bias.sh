#!/usr/bin/env bash
# nirtorch's default map turns an Affine node into a layer with the right weights and a random bias
#
# Expected: nirtorch.nir_to_torch(graph, {}) gives torch.nn.Linear with weight and bias of the nir.Affine node; if it
#   copied only one of the two somebody would have been told.
# Found (nirtorch 2.6, nir 1.0.8, torch 2.13.0, 2026-11-30): the weight is copied, the bias is what torch.nn.Linear was
#   born with: another one at each call. Conv2d in the same default map gets both. No warning.
# Why it matters: every reader built on nirtorch that does not give its own map for Affine has it. The network runs,
#   nearly right, and differs from run to run; whoever compares an accelerator with it looks for the fault in the
#   accelerator.
# Needs torch.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'torch==2.13.0' 'numpy==2.4.6' 'nir==1.0.8' 'nirtorch==2.6'
cat > trial.py <<'PY'
from importlib.metadata import version

import nir
import nirtorch
import numpy as np
import torch

print(*(f"{name} {version(name)}" for name in ("nirtorch", "nir", "torch")))
weight, bias = np.array([[1, 2], [3, 4]], np.float32), np.array([10, 20], np.float32)
affine = nir.NIRGraph.from_list(nir.Affine(weight=weight, bias=bias))
conv = nir.NIRGraph.from_list(nir.Conv2d(input_shape=(4, 4), weight=np.ones((1, 1, 3, 3), np.float32), stride=1,
                                         padding=0, dilation=1, groups=1, bias=bias[:1]))
biases = []
for call in 1, 2:
    state = nirtorch.nir_to_torch(affine, {}).state_dict()
    biases.append(state["affine.bias"].tolist())
    print(f"call {call}: weight {state['affine.weight'].tolist()}, bias {biases[-1]} (the file: {bias.tolist()})")
    assert torch.equal(state["affine.weight"], torch.tensor(weight))
    assert max(abs(value) for value in biases[-1]) < 1  # what torch.nn.Linear(2, 2) draws; the file says 10 and 20
assert biases[0] != biases[1]
of_conv = nirtorch.nir_to_torch(conv, {}).state_dict()["conv2d.bias"].tolist()
print("Conv2d's bias:", of_conv)
assert of_conv == [10]
PY
nice -n 10 venv/bin/python trial.py
