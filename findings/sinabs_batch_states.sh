#!/usr/bin/env bash
# sinabs gives a batch of another size states that it draws at random from those of the last batch
#
# Expected: states that belong to other samples are set to 0 when the batch changes its size (the last batch of a test set is usually
#   smaller), or the call fails; sinabs' own LIFRecurrent sets them to 0.
# Found (sinabs 3.1.3, torch 2.13.0, 2026-11-30): LIF and IAF call torch.randint for each sample of the new batch, and continue from the
#   membrane of that sample of the old one: for membranes 0, 1, 2, 3 and then 100 neurons without input, all four values are there, in
#   an order that depends on torch's seed. Of a batch of the same size, each continues its own. No warning.
# Why it matters: without reset_states() before each batch, accuracies depend on the batch size and on the seed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'sinabs==3.1.3' 'torch==2.13.0'
cat > trial.py <<'PY'
from importlib.metadata import version

import torch
from sinabs.layers import IAF, IAFRecurrent

print(*(f"{name} {version(name)}" for name in ("sinabs", "torch")))
high, found = torch.tensor(100.0), []


def membranes(neuron, batch):
    neuron(torch.arange(4.0).reshape(4, 1, 1))  # membranes 0, 1, 2, 3
    neuron(torch.zeros(batch, 1, 1))
    return neuron.v_mem.ravel().tolist()


with torch.no_grad():
    for seed in (0, 1):
        torch.manual_seed(seed)
        found.append(membranes(IAF(spike_threshold=high), 100))
        print(f"seed {seed}: {found[-1][:10]} ...")
    same = membranes(IAF(spike_threshold=high), 4)
    recurrent = membranes(IAFRecurrent(torch.nn.Linear(1, 1), spike_threshold=high), 100)
    print(f"the same size: {same}; IAFRecurrent: {sorted(set(recurrent))}")

assert found[0] != found[1] and set(found[0]) == set(found[1]) == {0.0, 1.0, 2.0, 3.0}
assert same == [0.0, 1.0, 2.0, 3.0] and set(recurrent) == {0.0}
PY
nice -n 10 venv/bin/python trial.py
