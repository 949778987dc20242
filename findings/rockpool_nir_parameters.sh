#!/usr/bin/env bash
# rockpool writes NIR files with an r of neither rule, and without biases and recurrent weights
#
# Expected: nir.LIF is tau dv/dt = v_leak - v + r I. rockpool's LIFNeuronTorch, v = a v + I + b with a = exp(-dt / tau),
#   is that, solved exactly, with r = 1 / (1 - a) and v_leak = b / (1 - a), or by forward Euler about so with r = tau / dt.
#   What a file cannot hold is refused, or warned about.
# Found (rockpool 3.1.0, nir 1.0.4, torch 2.13.0, 2026-11-30): r = tau / dt exp(-dt / tau), and v_leak = 0 whatever the
#   bias is. With dt = 1 ms and a = 1/2 an input of 1 adds 1 to the membrane in rockpool, 0.36 by its file solved exactly,
#   and 0.5 by forward Euler. A bias of 0.5 makes 5 spikes in 10 steps without input, by its file none can come. A
#   LIFTorch with recurrent weights is written as one without. No warning.
# Why it matters: other frameworks read these files without an error, and run another network.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'rockpool==3.1.0' 'nir==1.0.4' 'nirtorch==1.0' 'torch==2.13.0' 'h5py==3.16.0' \
  'numpy==2.4.6'
cat > trial.py <<'PY'
import warnings
from importlib.metadata import version

import nir
import numpy as np
import torch
from rockpool.nn.combinators import Sequential
from rockpool.nn.modules.torch import LIFNeuronTorch, LIFTorch, LinearTorch
from rockpool.nn.modules.torch.nir import to_nir

print(*(f"{name} {version(name)}" for name in ("rockpool", "nir", "torch")))
warnings.simplefilter("error")
half = 1e-3 / np.log(2)


def made(bias):
    return LIFNeuronTorch((1,), tau_mem=half, bias=bias, threshold=0.75, dt=1e-3, max_spikes_per_dt=torch.tensor(1.0))


with torch.no_grad():
    added = float(LIFNeuronTorch((1,), tau_mem=half, threshold=9.0, dt=1e-3).evolve(torch.ones(1, 1, 1))[1]["vmem"])
    spikes = int(made(0.5)(torch.zeros(1, 10, 1))[0].sum())
linear = LinearTorch((1, 1), weight=torch.ones(1, 1), has_bias=False)
lif = next(node for node in to_nir(Sequential(linear, made(0.5))).nodes.values() if isinstance(node, nir.LIF))
r, tau = float(lif.r[0]), float(lif.tau[0])
exact, euler = r * (1 - np.exp(-1e-3 / tau)), r * 1e-3 / tau
print(f"an input of 1 adds {added:.2f} in rockpool; by its file (r {r:.3f}) {exact:.2f} exactly, {euler:.2f} by Euler")
print(f"bias 0.5: {spikes} spikes in 10 steps; v_leak in the file {float(lif.v_leak[0])}")
recurrent = LIFTorch((1, 1), tau_mem=half, tau_syn=half, dt=1e-3, has_rec=True, w_rec=torch.ones(1, 1))
graph = to_nir(Sequential(linear, recurrent))
kinds = sorted(type(node).__name__ for node in graph.nodes.values())
print(f"with recurrent weights: {kinds}, edges {len(graph.edges)}")

assert abs(added - 1) < 1e-6 and abs(exact - 0.3607) < 1e-3 and abs(euler - 0.5) < 1e-3
assert spikes == 5 and float(lif.v_leak[0]) == 0
assert kinds == ["CubaLIF", "Input", "Linear", "Output"] and len(graph.edges) == 3
PY
nice -n 10 venv/bin/python trial.py
