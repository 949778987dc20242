#!/usr/bin/env bash
# NIR files: scalars cannot be written, "/" in a name cannot be read, nodes come back by the alphabet
#
# Expected: nir.read gives back the graph that nir.write took: a LIF with one tau for all (0-d arrays, which nir.LIF
#   takes), names as they are in frameworks, nodes in the order they were added.
# Found (nir 1.0.8, h5py 3.16.0, 2026-11-30):
#   - 0-d parameters: TypeError from h5py ("Scalar datasets don't support chunk/filter options"), because gzip is the
#     default. compression=None writes them; they come back as numpy.float64, no longer as arrays.
#   - a node called "block/lif" is written without complaint, and reading the file raises KeyError('type'): HDF5 takes
#     the name for a path. Dots are fine.
#   - 12 nodes fc0 .. fc11 come back as fc0, fc1, fc10, fc11, fc2 ...; the edges keep their order.
# Why it matters: snnTorch's beta=0.9 and sinabs' tau are scalars, the "/" is flax's and TensorFlow's, and whoever walks
#   graph.nodes.values() as layers runs a network of ten layers right and one of eleven in another order.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'nir==1.0.8' 'h5py==3.16.0' 'numpy==2.4.6'
cat > trial.py <<'PY'
from importlib.metadata import version

import nir
import numpy as np

print(*(f"{name} {version(name)}" for name in ("nir", "h5py")))


def graph(nodes):
    names = list(nodes)
    return nir.NIRGraph(nodes, list(zip(names, names[1:])), type_check=False)


def lif(value):
    return nir.LIF(tau=value, r=value, v_leak=value, v_threshold=value, v_reset=value)


def attempt(action):
    try:
        return action()
    except (TypeError, KeyError) as error:
        return f"{type(error).__name__}: {error}"


scalar = graph({"lif": lif(np.array(0.5))})
refused = attempt(lambda: nir.write("scalar.nir", scalar))
print("0-d, as it comes:      ", refused)
nir.write("scalar.nir", scalar, compression=None)
tau = nir.read("scalar.nir", type_check=False).nodes["lif"].tau
print("0-d, compression=None: ", type(tau).__name__, tau)
outcome = {}
for name in "block.lif", "block/lif":
    written = graph({name: lif(np.full(2, 0.5))})
    nir.write("name.nir", written)
    outcome[name] = attempt(lambda: list(nir.read("name.nir", type_check=False).nodes))
    print(f"a node {name!r}:    ", outcome[name])
names = [f"fc{number}" for number in range(12)]
nir.write("order.nir", graph({name: nir.Linear(weight=np.eye(2)) for name in names}))
read = nir.read("order.nir", type_check=False)
print("nodes:", *read.nodes)
print("edges:", *(edge[0] for edge in read.edges))

assert refused.startswith("TypeError: Scalar datasets") and isinstance(tau, np.float64)
assert outcome["block.lif"] == ["block.lif"] and outcome["block/lif"].startswith("KeyError")
assert list(read.nodes) == sorted(names) != names and [edge[0] for edge in read.edges] == names[:-1]
PY
venv/bin/python trial.py
