#!/usr/bin/env bash
# spyx writes NIR files with a gain that is not its own, and reads r and v_leak of none
#
# Expected: nir.LIF is tau dv/dt = v_leak - v + r I. spyx' LIF, v = beta v + I, is that with tau = dt / (1 - beta) and r
#   = tau / dt = 1 / (1 - beta), and spyx writes it so; reading, it scales the input by r and adds v_leak, or refuses.
# Found (spyx 1.0.0, nir 1.0.8, jax 0.10.2, 2026-11-30): to_nir writes r = beta. With beta 0.5, threshold 1 and a
#   constant input of 0.9 the network spikes 24 times in 50 steps; by its file the membrane ends at r I = 0.45, and it
#   never spikes. from_nir looks at tau and the threshold only: files with r = 0.5, 1, 2, 100, or v_leak = 3, all give a
#   membrane that ends at 2 for an input of 1. So spyx -> file -> spyx is right, and spyx -> file -> others and others
#   -> spyx are not.
# Why it matters: round-trip tests pass. An accelerator or simulator that follows NIR's equation runs spyx' networks
#   silent (input too small by r (1 - beta): 4 times at 0.5), and spyx runs everybody's with 1 / (1 - beta) as gain.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'spyx==1.0.0' 'nir==1.0.8' 'jax==0.10.2' 'jaxlib==0.10.2' \
  'flax==0.12.8' 'numpy==2.4.6'
cat > trial.py <<'PY'
from importlib.metadata import version

import jax.numpy as jnp
import nir
import numpy as np
import spyx.nir
import spyx.nn
from flax import nnx

print(*(f"{name} {version(name)}" for name in ("spyx", "nir", "jax", "flax")))
weight = nnx.Linear(1, 1, use_bias=False, rngs=nnx.Rngs(0))
weight.kernel[...] = jnp.ones((1, 1))
model = spyx.nn.Sequential(weight, spyx.nn.LIF((1,), beta=0.5, threshold=1.0, rngs=nnx.Rngs(0)))
state, spikes = model.initial_state(1), 0
for _ in range(50):
    out, state = model(jnp.full((1, 1), 0.9), state)
    spikes += int(out.sum())
graph = spyx.nir.to_nir(model, {"input": np.array([1])}, {"output": np.array([1])})
lif = next(node for node in graph.nodes.values() if isinstance(node, nir.LIF))
rest = float((lif.v_leak + lif.r * 0.9)[0])
print(f"spyx: {spikes} spikes in 50 steps; its file: tau {lif.tau[0]}, r {lif.r[0]}, threshold {lif.v_threshold[0]}, "
      f"so the membrane ends at {rest:.2f}")

one, ends = np.ones(1), []
for r, leak in (0.5, 0), (1, 0), (2, 0), (100, 0), (1, 3):
    read = nir.NIRGraph.from_list(
        nir.Linear(weight=np.ones((1, 1))),
        nir.LIF(tau=2 * one, r=r * one, v_leak=leak * one, v_threshold=1000 * one, v_reset=0 * one))
    _, (_, states) = spyx.nir.from_nir(read, jnp.ones((60, 1, 1)), dt=1, return_all_states=True)
    ends.append(round(float(states[1][-1].ravel()[0]), 4))
    print(f"a file with r {r}, v_leak {leak}: by the equation it ends at {leak + r}, in spyx at {ends[-1]}")

assert spikes == 24 and lif.tau[0] == 2 and lif.r[0] == 0.5 and rest < lif.v_threshold[0]
assert ends == [2.0] * 5
PY
nice -n 10 venv/bin/python trial.py
