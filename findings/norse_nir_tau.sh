#!/usr/bin/env bash
# norse writes dt / tau_mem_inv as the time constant of its neurons
#
# Expected: tau = 1 / tau_mem_inv, as norse's equation dv/dt = tau_mem_inv (v_leak - v + i) is nir.LIF with that tau.
# Found (norse 1.1.0, nir 1.0.8, torch 2.13.0, 2026-11-30): tau = dt / tau_mem_inv, with the dt = 1e-3 of to_nir: a neuron
#   of 10 ms is one of 10 us in the file. A LIFCell has w_in = 1, where its current gets its input undivided, which
#   by forward Euler is w_in = tau_syn / dt. An IAFCell has r = 1, which fits dt = 1, so that no one dt fits a graph that
#   has both kinds.
# Why it matters: a reader that simulates in steps of 1 ms sees neurons that forget everything in between.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'norse==1.1.0' 'nir==1.0.8' 'nirtorch==2.6' 'torch==2.13.0' 'numpy==2.4.6'
cat > trial.py <<'PY'
import warnings
from importlib.metadata import version

import norse.torch as norse
import torch
from norse.torch.utils.export_nir import to_nir

warnings.simplefilter("ignore")
print(*(f"{name} {version(name)}" for name in ("norse", "nir", "torch")))
model = norse.SequentialState(
    torch.nn.Linear(2, 2), norse.LIFBoxCell(), torch.nn.Linear(2, 2), norse.LIFCell(), torch.nn.Linear(2, 2),
    norse.IAFCell(),
)
nodes = {type(node).__name__: node for node in to_nir(model, torch.rand(1, 2)).nodes.values()}
tau, inverse = float(nodes["LIF"].tau), float(norse.LIFBoxCell().p.tau_mem_inv)
print(f"tau_mem_inv {inverse:g} / s, so tau is {1 / inverse:g} s; in the file {tau:g}")
cuba = nodes["CubaLIF"]
print(f"LIFCell: tau_syn {float(cuba.tau_syn):g}, w_in {float(cuba.w_in):g}; IAFCell: r {float(nodes['IF'].r):g}")

assert abs(tau * inverse - 1e-3) < 1e-9
assert float(cuba.w_in) == 1 and float(nodes["IF"].r) == 1
PY
nice -n 10 venv/bin/python trial.py
