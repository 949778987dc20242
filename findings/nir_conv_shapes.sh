#!/usr/bin/env bash
# NIR's shape check and convolutions: depthwise files cannot be read back, oblong kernels have the wrong size
#
# Expected: nir.Conv2d follows PyTorch's layout (its docstring links to it), so a depthwise convolution (groups=2,
#   weight (2, 1, 3, 3)) takes 2 channels, a 3 x 5 kernel on 8 x 8 gives 6 x 4, and what nir.write wrote nir.read reads.
# Found (nir 1.0.8, 2026-11-30):
#   - the channels of the input are taken from weight.shape[1] without the groups. With input_shape left open the graph
#     is accepted, and written; building it has filled input_shape in, so reading that same file raises ValueError
#     ("type mismatch"). type_check=False reads it.
#   - the height of the kernel is used for both sides: 3 x 5 on 8 x 8 is typed 6 x 6. A graph whose neurons have the
#     true shape, 6 x 4, is refused; one whose neurons have 6 x 6 is accepted.
# Why it matters: depthwise layers are usual in small event-camera networks, oblong kernels in audio ones. An exporter's
#   own test (build, write) passes; whoever loads the file sees the error, or neurons of a shape no layer makes.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'nir==1.0.8' 'h5py==3.16.0' 'numpy==2.4.6'
cat > trial.py <<'PY'
import nir
import numpy as np


def conv(weight, groups=1, shape=None):
    return nir.Conv2d(input_shape=shape, weight=np.ones(weight, np.float32), stride=1, padding=0, dilation=1,
                      groups=groups, bias=np.zeros(weight[0], np.float32))


def graph(layer, neurons=None):
    nodes, edges = {"in": nir.Input(np.array([2, 8, 8])), "conv": layer}, [("in", "conv")]
    if neurons:
        one = np.ones(neurons, np.float32)
        nodes["lif"] = nir.LIF(tau=one, r=one, v_leak=0 * one, v_threshold=one, v_reset=0 * one)
        edges.append(("conv", "lif"))
    nodes["out"] = nir.Output(None)
    edges.append((edges[-1][1], "out"))
    return nir.NIRGraph(nodes, edges)


def attempt(action):
    try:
        return action()
    except ValueError as error:
        return f"ValueError: {error}"


print("nir", nir.__version__)
built = graph(conv((2, 1, 3, 3), groups=2))
print("depthwise, input_shape open:", built.output_type)
nir.write("depthwise.nir", built)
read = attempt(lambda: nir.read("depthwise.nir"))
print("that file read again:       ", read)
print("  with type_check=False:    ", sorted(nir.read("depthwise.nir", type_check=False).nodes))
given = attempt(lambda: graph(conv((2, 1, 3, 3), groups=2, shape=(8, 8))))
print("depthwise, input_shape 8x8: ", given)
oblong = graph(conv((2, 2, 3, 5), shape=(8, 8))).output_type["out"].tolist()
print("3 x 5 kernel on 8 x 8:      ", oblong)
true = attempt(lambda: graph(conv((2, 2, 3, 5), shape=(8, 8)), (2, 6, 4)))
print("neurons of 6 x 4 behind it: ", true)
false = attempt(lambda: graph(conv((2, 2, 3, 5), shape=(8, 8)), (2, 6, 6)))
print("neurons of 6 x 6 behind it: ", "accepted" if isinstance(false, nir.NIRGraph) else false)

assert "type mismatch" in read and "type mismatch" in given
assert oblong == [2, 6, 6] and "type mismatch" in true and isinstance(false, nir.NIRGraph)
PY
venv/bin/python trial.py
