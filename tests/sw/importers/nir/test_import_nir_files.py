"""NIR files as other programs write them, node by node: shapes, notes, names, what is damaged."""

from itertools import pairwise

import h5py
import numpy as np
import pytest
import stablespike as ss
from import_models import differences
from refusals import refuses
from stablespike.importers.nir.heaps import check_heaps

WEIGHT = np.eye(4, 8)
SAID = {"dt": 1.0, "reset": "zero"}


def put(group, values):
    for name, value in values.items():
        if isinstance(value, dict):
            put(group.create_group(name), value)
        elif isinstance(value, str) or name == "edges":
            group.create_dataset(name, data=value, dtype=h5py.string_dtype())
        else:
            group.create_dataset(name, data=value)


def written(path, nodes, edges=None, **more):
    names = list(nodes)
    edges = list(pairwise(names)) if edges is None else edges
    tree = {"type": "NIRGraph", "nodes": nodes, "edges": edges, **more}
    with h5py.File(path, "w") as file:
        put(file, {"version": "1.0.8", "node": tree})
    return path


def linear(weight=WEIGHT):
    return {"type": "Linear", "weight": weight}


def neurons(kind="LIF", size=4, **more):
    each = {"tau": 2.0, "r": 2.0, "v_leak": 0.0, "v_threshold": 1.0}
    if kind == "LI":
        del each["v_threshold"]
    values = {name: np.full(size, value) for name, value in each.items()}
    return {"type": kind, **values, **more}


def chain(*nodes, shape=(8,), output=(4,)):
    made = {"input": {"type": "Input", "shape": np.array(shape)}}
    made |= {f"n{index}": node for index, node in enumerate(nodes)}
    return {**made, "output": {"type": "Output", "shape": np.array(output)}}


def pool(**more):
    sizes = dict.fromkeys(("kernel_size", "stride"), np.array([2, 2]))
    return {"type": "SumPool2d", **sizes, "padding": np.zeros(2, int), **more}


def read(path, nodes, edges=None, more=None, **said):
    return ss.from_nir(written(path / "net.nir", nodes, edges, **(more or {})), **{**SAID, **said})


@pytest.mark.parametrize(
    ("nodes", "more"),
    [
        (chain(linear(), neurons(metadata={"training": {"rate": 0.1}})), {}),
        (chain(linear(), neurons(metadata=np.zeros(3))), {}),
        (chain(linear(), neurons()), {"metadata": {"by": {"name": "someone"}}}),
        (chain(linear(), neurons(input_type={"input": np.array([4])})), {}),
        (chain(linear(), neurons(v_reset=h5py.Empty("f"))), {}),
        (chain({"type": "Affine", "weight": WEIGHT, "bias": np.zeros((1, 4))}, neurons()), {}),
        (chain({"type": "Flatten", "start_dim": 1, "end_dim": -1}, linear(), neurons(),
               shape=(1, 8), output=(1, 4)), {}),
        (chain({"type": "Flatten", "start_dim": 2, "end_dim": 2}, linear(), neurons(),
               shape=(1, 3, 8), output=(1, 3, 4)), {}),
        (chain(linear(), neurons(), shape=(1, 1, 8), output=(1, 1, 4)), {}),
    ],
)
def test_notes_of_others_and_axes_in_front(tmp_path, nodes, more):
    network = read(tmp_path, nodes, more=more)
    assert network.input.shape == (8,)
    assert network.fidelity.exact


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (chain(linear(), neurons(tau=np.full((4, 1), 2.0))),
         "n1 (LIF): its parameters are of different shapes: (4,) of r, (4, 1) of tau"),
        (chain(linear(), neurons(tau=np.array([[2.0, 4], [8, 16]]))),
         "n1 (LIF): its parameters are of different shapes: (4,) of r, (2, 2) of tau"),
        (chain(linear(), neurons(r=np.zeros(0))), "n1 (LIF): r is empty"),
        (chain(linear(), neurons(v_threshold=np.zeros(0))), "n1 (LIF): v_threshold is empty"),
        (chain(linear(), neurons(tau=h5py.Empty("f"))), "n1 (LIF): it has no tau"),
        (chain(linear(), neurons(tau=np.full(4, 1e300))),
         "n1 (LIF): a step multiplies its input by 2e-300 to 2e-300, too far from 1 to compute"),
        (chain(linear(), neurons(other={"a": 1.0})),
         "n1 (LIF): it has parameters that NIR 1.0 does not know: other"),
        (chain(linear(), {"type": "AdaptiveLIF", "more": {"a": 1.0}}),
         "n1 (AdaptiveLIF): no layer of this array computes it, and NIR 1.0 has no such type"),
        (chain({"weight": WEIGHT}, neurons()), "node 'n0' has no type"),
        ({**chain(linear(), neurons()), "number": np.array(3)}, "'number', among its nodes, is"),
        (chain(linear(), neurons(), shape=(8.5,)), "input (Input) shape ... 8.5"),
        (chain(linear(), neurons(), output=(b"a",)), "output (Output) shape"),
        ({**chain(linear(), neurons()), "input": {"type": "Input", "shape": [8], "rate": 1.0}},
         "input (Input): it has parameters that NIR 1.0 does not know: rate"),
        (chain(pool(stride=np.zeros(2, int)), linear(), neurons(), shape=(1, 4, 8)),
         "n0 (SumPool2d): stride must be one or two integers from 1 to 1024, not"),
        (chain(pool(padding=np.array([-1, 0])), linear(), neurons(), shape=(1, 4, 8)),
         "n0 (SumPool2d): padding must be one or two integers from 0 to 1024, not"),
        (chain({"type": "Conv2d", "weight": np.ones((1, 1, 2, 2)), "stride": 1, "padding": 0,
                "dilation": 1 << 40, "groups": 1}, neurons(), shape=(1, 4, 4)),
         "n0 (Conv2d): dilation must be one or two integers from 1 to 64, not"),
        (chain({"type": "Flatten", "start_dim": 0.0, "end_dim": -1}, linear(), neurons()),
         "n0 (Flatten): start_dim must be one integer from -8 to 8, not"),
    ],
)
def test_files_that_are_refused(tmp_path, nodes, message):
    with refuses((ValueError, TypeError), message):
        read(tmp_path, nodes)


def test_nodes_of_one_name(tmp_path):
    inner = chain(linear(np.eye(4)), neurons(), shape=(4,))
    names = list(inner)
    nested = {"type": "NIRGraph", "nodes": inner, "edges": list(pairwise(names))}
    nodes = chain(linear(), neurons())
    ends = nodes.pop("output")
    nodes |= {"part.n0": linear(2 * np.eye(4)), "more": neurons(), "part": nested, "output": ends}
    with refuses(ValueError, "two nodes have the name 'part.n0', one of them in a nested graph"):
        read(tmp_path, nodes)


def test_an_input_without_a_shape_is_asked_for_with_the_rest(tmp_path):
    path = written(tmp_path / "net.nir", {**chain(linear(), neurons()), "input": {"type": "Input"}})
    with refuses(ValueError, "input, dt, reset must be given: input: input (Input) has no shape"):
        ss.from_nir(path)
    with refuses(ValueError, "input must be given: input (Input) has no shape"):
        ss.from_nir(path, **SAID)
    assert ss.from_nir(path, **SAID, input=ss.SpikeInput((8,))).fidelity.exact


@pytest.mark.parametrize("writer", ["spyx", "spikingjelly", "rockpool"])
@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"type": "SumPool2d", "kernel_size": np.array([2, 2])},
         "n0 (SumPool2d): it has no stride"),
        (pool(stride=np.zeros(2, int)), "n0 (SumPool2d): stride must be one or two integers from"),
        ({"type": "Linear"}, "n0 (Linear): it has no weight"),
    ],
)
def test_what_a_writer_reads_first_is_refused_by_name_too(tmp_path, writer, node, message):
    flat = {"type": "Flatten", "start_dim": 0, "end_dim": -1}
    r = {"spyx": 0.5, "spikingjelly": 2.0, "rockpool": 2.0}[writer]
    behind = [flat, linear(), neurons(r=np.full(4, r))]
    nodes = [node, *behind]
    if node["type"] == "Linear":
        nodes = [flat, node, neurons(r=np.full(4, r))]
        message = message.replace("n0", "n1")
    path = written(tmp_path / "net.nir", chain(*nodes, shape=(2, 2, 4)))
    with refuses(ValueError, message):
        ss.from_nir(path, writer=writer)


def test_numbers_in_names_cost_nothing(tmp_path):
    nodes = chain(linear(), neurons(r=np.full(4, 0.5)))
    nodes["layer_999999999999"] = nodes.pop("n1")
    nodes["output"] = nodes.pop("output")
    path = written(tmp_path / "net.nir", nodes)
    with refuses(ss.NotExpressible, "layer_0 (unknown): spyx's writer leaves out layers"):
        ss.from_nir(path, writer="spyx")


def test_writers_that_a_file_cannot_be_of(tmp_path):
    seconds = written(tmp_path / "net.nir", chain(
        linear(), neurons(tau=np.full(4, 2e-3), r=np.ones(4))))
    with refuses(ValueError, "n1 (LIF): tau is 0.002, and sinabs writes it in steps"):
        ss.from_nir(seconds, writer="sinabs")
    steps = written(tmp_path / "steps.nir", chain(linear(), neurons()))
    with refuses(ValueError, "writer='snntorch' does not fit: the parameters of its neurons imply "
                 "a step of 1, and snnTorch 1.0.0 writes with 0.0001; writer='plain'"):
        ss.from_nir(steps, writer="snntorch")


def test_spikes_come_back_to_the_synaptic_current(tmp_path):
    back = np.array([[0, 1, 0, -1], [1, 0, -1, 0], [0, 0.5, 0, 1], [-1, 0, 1, 0.5]])
    nodes = chain(linear(), neurons("LI"), neurons())
    nodes["back"] = linear(back)
    names = list(nodes)[:-1]
    edges = [*pairwise(names), ("n2", "back")]
    network = read(tmp_path, nodes, [*edges, ("back", "n1")])
    assert network.fidelity.exact

    samples = (np.random.default_rng(0).random((20, 4, 8)) < 0.4).astype(np.int64)
    fired, (q, v, s) = [], (np.zeros((20, 4)) for _ in range(3))
    for step in range(4):
        q = q / 2 + samples[:, step] @ WEIGHT.T + s @ back.T
        v = v / 2 + q
        s = (v > 1).astype(float)
        v = np.where(s > 0, 0, v)
        fired.append(s > 0)
    assert differences(network, samples, [np.stack(fired, 1)]) == (0, 320)

    with refuses(ss.NotExpressible, "n2 (LI + LIF): its spikes come back behind its synaptic "
                 "current, n1; the nearest that can: spikes that come back to n1"):
        read(tmp_path, nodes, [*edges, ("back", "n2")])


def test_recurrent_weights_of_another_size(tmp_path):
    nodes = chain(linear(), neurons(tau=np.array([2.0, 4, 8, 16]), r=np.full(4, 2.0)))
    nodes["back"] = linear(np.eye(3))
    edges = [("input", "n0"), ("n0", "n1"), ("n1", "output"), ("n1", "back"), ("back", "n1")]
    with refuses(ValueError, "n1 (LIF): its recurrent weight must be (4, 4), not (3, 3)"):
        read(tmp_path, nodes, edges)


def test_texts_that_pass_the_end_of_their_heap(tmp_path):
    path = written(tmp_path / "net.nir", chain(linear(), neurons()))
    assert ss.from_nir(path, **SAID).fidelity.exact
    check_heaps(str(path))
    # Not a file of HDF5: the check alone reads it.
    text = (1).to_bytes(8, "little") + (64).to_bytes(8, "little")
    other = tmp_path / "heap"
    other.write_bytes(b"GCOL\x01\0\0\0" + (48).to_bytes(8, "little") + text + bytes(16))
    with refuses(ValueError, "its texts are damaged at byte 16"):
        check_heaps(str(other))

