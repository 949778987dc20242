#!/usr/bin/env bash
# nir 1.0.4 and 1.0.8 say different things about a spike, and 1.0.4 cannot read neurons of 1.0.8
#
# Expected: patch releases of an exchange format agree on what its primitives mean, and read each other's files.
# Found (nir 1.0.4 and 1.0.8, 2026-11-30): where an IF, LIF or CubaLIF spikes, 1.0.4 says v = v - v_threshold, and 1.0.8
#   says v = v_reset, a parameter that 1.0.4 does not have. 1.0.8 writes it in any case, and 1.0.4 then raises a TypeError
#   for every neuron. A file of 1.0.4 is read by 1.0.8 with v_reset = 0, a reset to zero where it was a subtraction. Files
#   have the version in them, and nothing reads it. Both are what pip installs today: sinabs and rockpool require 1.0.4.
# Why it matters: the same file is two networks, and a tool with the one cannot open what the other wrote.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
for release in 1.0.4 1.0.8; do
  python3 -m venv "venv-$release"
  "venv-$release/bin/pip" install -q --disable-pip-version-check "nir==$release" 'h5py==3.16.0' 'numpy==2.4.6'
done
cat > write.py <<'PY'
import sys

import nir
import numpy as np

one = np.ones(1)
graph = nir.NIRGraph.from_list(nir.Linear(np.ones((1, 1))), nir.LIF(tau=one, r=one, v_leak=0 * one, v_threshold=one))
nir.write(sys.argv[1], graph)
PY
cat > read.py <<'PY'
import sys
from importlib.metadata import version

import nir

rule = [line.strip() for line in nir.LIF.__doc__.splitlines() if "z=1" in line]
print(f"nir {version('nir')}: a spike sets v to {rule[0].split('&')[0].strip()}")
try:
    lif = next(node for node in nir.read(sys.argv[1]).nodes.values() if isinstance(node, nir.LIF))
    print(f"  reads {sys.argv[1]}, v_reset {getattr(lif, 'v_reset', 'missing')}")
except TypeError as error:
    print(f"  does not read {sys.argv[1]}: {error}")
PY
nice -n 10 venv-1.0.4/bin/python write.py 1.0.4.nir
nice -n 10 venv-1.0.8/bin/python write.py 1.0.8.nir
{ venv-1.0.4/bin/python read.py 1.0.8.nir; venv-1.0.8/bin/python read.py 1.0.4.nir; } | tee out.txt
grep -q 'nir 1.0.4: a spike sets v to v-v_{thr}' out.txt
grep -q 'nir 1.0.8: a spike sets v to v_{reset}' out.txt
grep -q "does not read 1.0.8.nir: .*v_reset" out.txt
grep -q 'reads 1.0.4.nir, v_reset \[0.\]' out.txt
