#!/usr/bin/env bash
# SpikingJelly's NonSpiking neurons: decode="last-mem" or "mean_mem" returns a list of all membranes, without an error
#
# Expected: decode takes one spelling, and refuses what it does not know.
# Found (spikingjelly 2.0.0, torch 2.13.0, 2026-11-30): the names are max-mem, max-abs-mem, mean-mem, but last_mem;
#   every other name (last-mem, max_mem, mean_mem, "nonsense") is taken and means None: a list of T tensors in place of
#   a tensor. NoisyNonSpikingIFNode takes last-me, and neither last_mem nor last-mem. The names are in no docstring.
#   Also, NonSpikingIFNode and NonSpikingLIFNode are no MemoryModule: they start from 0 in every call, so a sample given
#   in two calls is two samples.
# Why it matters: a loss on the list fails at best; torch.stack of it has one axis more, and broadcasts. The last
#   membranes are decode="last_mem" with an underscore.
# Needs torch.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'spikingjelly==2.0.0' 'torch==2.13.0' 'numpy==2.4.6'
cat > trial.py <<'PY'
from importlib.metadata import version

import torch
from spikingjelly.activation_based import neuron

print(*(f"{name} {version(name)}" for name in ("spikingjelly", "torch")))
steps = torch.ones(3, 2, 4)
returned = {}
for name in "max-mem", "max_mem", "mean-mem", "mean_mem", "last-mem", "last_mem", "last-me", "nonsense":
    plain = neuron.NonSpikingLIFNode(decode=name)(steps)
    noisy = neuron.NoisyNonSpikingIFNode(4, is_training=False, T=3, decode=name)(steps)
    returned[name] = type(plain).__name__, type(noisy).__name__
    print(f"decode={name!r}: NonSpikingLIFNode returns a {returned[name][0]}, NoisyNonSpikingIFNode a {returned[name][1]}")
tensors = [[name for name, kinds in returned.items() if kinds[i] == "Tensor"] for i in range(2)]
assert tensors == [["max-mem", "mean-mem", "last_mem"], ["max-mem", "mean-mem", "last-me"]]
node = neuron.NonSpikingIFNode(decode="last_mem")
once, twice = node(steps)[0, 0].item(), [node(part)[0, 0].item() for part in (steps[:2], steps[2:])]
print(f"three steps of 1 in one call: {once}; in two calls: {twice}")
assert (once, twice) == (3, [2, 1])
PY
nice -n 10 venv/bin/python trial.py
