#!/usr/bin/env bash
# spyx writes flattened maps in its own order into NIR files, and recurrent layers behind their own weights
#
# Expected: a file is the network by NIR's conventions: maps are (channels, height, width), so the weights behind a
#   Flatten are in that order, as its Conv2d nodes are. The input of a recurrent layer goes to its neurons.
# Found (spyx 1.0.0, nir 1.0.8, jax 0.10.2, 2026-11-30): spyx has maps as (height, width, channels). It turns kernels of
#   convolutions around, but not the weights behind a Flatten. With one pixel of one channel on, the output that spyx
#   gives to it belongs to another pixel by the file. The graph of an RLIF has the edges input -> w_rec -> lif: what comes
#   in is multiplied by the recurrent weights, and never reaches the neurons as it is, as it does in spyx. spyx reads both
#   back as it wrote them.
# Why it matters: round-trip tests pass, and every other reader runs another network without an error.
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
rngs, shape = nnx.Rngs(0), (2, 2, 2)  # channels, height, width
dense = nnx.Linear(8, 8, use_bias=False, rngs=rngs)
dense.kernel[...] = jnp.eye(8)
model = spyx.nn.Sequential(spyx.nn.Flatten(), dense)
graph = spyx.nir.to_nir(model, {"input": np.array(shape)}, {"output": np.array([8])})
flat = next(node for node in graph.nodes.values() if isinstance(node, nir.Flatten))
weight = next(node for node in graph.nodes.values() if isinstance(node, nir.Linear)).weight
one = np.zeros(shape, np.float32)
one[1, 0, 0] = 1  # channel 1, the first pixel
ours, _ = model(jnp.asarray(one.transpose(1, 2, 0)[None]), model.initial_state(1))
by_file = weight @ one.reshape(-1)
print(f"pixel (0, 0) of channel 1: output {int(jnp.argmax(ours))} in spyx, {int(by_file.argmax())} by its file")

layer = spyx.nn.RLIF((3,), beta=0.5, rngs=rngs)
graph = spyx.nir.to_nir(
    spyx.nn.Sequential(layer), {"input": np.array([3])}, {"output": np.array([3])})
inner = next(node for node in graph.nodes.values() if isinstance(node, nir.NIRGraph))
edges = sorted(f"{a.split('.')[-1]} -> {b.split('.')[-1]}" for a, b in inner.edges)
print("RLIF:", ", ".join(edges))

assert int(jnp.argmax(ours)) == 1 and int(by_file.argmax()) == 4
assert edges == ["input -> w_rec", "lif -> output", "lif -> w_rec", "w_rec -> lif"]
PY
nice -n 10 venv/bin/python trial.py
