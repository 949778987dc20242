#!/usr/bin/env bash
# sinabs writes the same NIR file with and without norm_input, with and without a synapse, for any number of spikes a step
#
# Expected: what changes a network's spikes changes its file, or is refused.
# Found (sinabs 3.1.3, nir 1.0.4, torch 2.13.0, 2026-11-30): LIF(norm_input=True), the default, multiplies its input by
#   1 - exp(-1 / tau); with False it does not. Four neurons with the same input spike 0 and 506 times, 87 with
#   tau_syn = 5, 463 with norm_input=False and at most one spike a step. All four files say tau = 20, r = 1, v_leak = 0.
#   sinabs' own from_nir makes norm_input=False of it, so its default network comes back as another one.
# Why it matters: no reader can tell these networks apart, and the one that is the default comes back as the other.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'sinabs==3.1.3' 'nir==1.0.4' 'nirtorch==2.0.2' 'torch==2.13.0' 'numpy==2.4.6'
cat > trial.py <<'PY'
from importlib.metadata import version

import nir
import numpy as np
import torch
from sinabs.activation import SingleSpike
from sinabs.layers import LIF
from sinabs.nir import from_nir, to_nir

print(*(f"{name} {version(name)}" for name in ("sinabs", "nir", "torch")))
inputs = (torch.rand(1, 200, 4, generator=torch.Generator().manual_seed(0)) < 0.3).float()
settings = {
    "default": {}, "norm_input=False": {"norm_input": False}, "tau_syn=5": {"tau_syn": 5.0},
    "norm_input=False, SingleSpike": {"norm_input": False, "spike_fn": SingleSpike},
}
counts, files = {}, {}
for name, each in settings.items():
    linear, neurons = torch.nn.Linear(4, 4, bias=False), LIF(tau_mem=20.0, **each)
    torch.nn.init.eye_(linear.weight)
    model = torch.nn.Sequential(linear, neurons)
    with torch.no_grad():
        model(inputs)
        graph = to_nir(model, inputs)
        neurons.reset_states()
        counts[name] = int(model(2 * inputs).sum())
    lif = next(node for node in graph.nodes.values() if isinstance(node, nir.LIF))
    files[name] = {key: float(np.ravel(getattr(lif, key))[0]) for key in ("tau", "r", "v_leak", "v_threshold")}
    print(f"{name}: {counts[name]} spikes, {files[name]}")
    if name == "default":
        lif.v_leak = torch.zeros(1)
        read = from_nir(graph, batch_size=1)
        again = next(each for each in read.modules() if type(each).__name__ == "LIFSqueeze")
        print("read back by sinabs: norm_input", again.norm_input)

assert len(set(map(str, files.values()))) == 1 and list(counts.values()) == [0, 506, 87, 463]
assert again.norm_input is False
PY
nice -n 10 venv/bin/python trial.py
