#!/usr/bin/env bash
# snnTorch's StateLeaky and LinearLeaky keep exp(beta - 1) of their membrane per step, not beta; its spikes count twice
#
# Expected: StateLeaky(beta) is Leaky(beta, reset_mechanism="none") for all steps in one call ("Unlike Leaky, no
#   stepwise recurrent reset"; beta is "membrane potential decay rate" in both), and graded_spikes_factor=2 makes spikes
#   of 2, as it does in Leaky.
# Found (snntorch 1.0.0, torch 2.13.0, 2026-11-30): it computes tau = 1 / (1 - beta) and a kernel exp(-t / tau), so the
#   membrane after a single input of 1 is 1, 0.607, 0.368, 0.223 with beta=0.5 (Leaky: 1, 0.5, 0.25, 0.125), and never
#   less than 0.368 after one step, even with beta=0. The property .beta returns 0.5. graded_spikes_factor=2 makes
#   spikes of 4: fire() and forward() each multiply by it.
# Why it matters: a layer cannot be exchanged for the other with the same beta, and an exporter or quantizer that reads
#   .beta gets the leak wrong; the decay is exp(-1 / layer.tau).
# Needs torch.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'snntorch==1.0.0' 'torch==2.13.0' 'numpy==2.4.6'
cat > trial.py <<'PY'
from importlib.metadata import version
from math import exp

import snntorch
import torch

print(*(f"{name} {version(name)}" for name in ("snntorch", "torch")))
pulse = torch.zeros(4, 1, 1)
pulse[0] = 1
for beta in 0.0, 0.5, 0.9:
    whole = snntorch.StateLeaky(beta=beta, channels=1)
    _, membranes = whole(pulse)
    stepped = snntorch.Leaky(beta=beta, reset_mechanism="none")
    others = [stepped(step)[1].item() for step in pulse]
    print(f"beta={beta}: StateLeaky {[round(v, 3) for v in membranes.flatten().tolist()]} (.beta {whole.beta.item():.3f}), "
          f"Leaky {[round(v, 3) for v in others]}")
    assert torch.allclose(membranes.flatten(), torch.tensor([exp(t * (beta - 1)) for t in range(4)]), atol=1e-5)
    assert torch.allclose(torch.tensor(others), torch.tensor([beta**t for t in range(4)]), atol=1e-5)
    assert abs(whole.beta.item() - beta) < 1e-5
sizes = {
    kind.__name__: kind(beta=0.5, graded_spikes_factor=2.0, **rest)(2 * pulse)[0].max().item()
    for kind, rest in ((snntorch.StateLeaky, {"channels": 1}), (snntorch.Leaky, {}))
}
print("size of a spike with graded_spikes_factor=2:", sizes)
assert sizes == {"StateLeaky": 4, "Leaky": 2}
PY
nice -n 10 venv/bin/python trial.py
