"""NIR nodes that make up neurons in parts, rules of integration, and shapes with more axes."""

from math import exp, log

import h5py
import numpy as np
import pytest
import stablespike as ss
from hypothesis import given, settings
from hypothesis import strategies as st
from import_models import INPUTS, differences
from nir_models import DT, SAID, SAMPLES, STEPS, affine, graph, lif, two_layers, values, weights
from refusals import refuses

nir = pytest.importorskip("nir")

FOUR = {"dt": 1.0, "reset": "subtract", "reset_timing": "same_step"}


def run(step):
    """Return (batch, steps, neurons) spikes of 20 neurons behind weights."""
    current = SAMPLES @ weights(20, INPUTS).T
    v, q, kept = np.zeros(current[:, 0].shape), np.zeros(current[:, 0].shape), []
    for t in range(STEPS):
        v, q, s = step(v, q, current[:, t])
        kept.append(s)
    return [np.stack(kept, 1)]


def li(size, tau=2.0, r=2.0, **more):
    return nir.LI(values(size, tau), values(size, r), values(size, 0), **more)


def never_reset(v, q, i):
    v = v / 2 + i
    return v, q, v > 1


def summed(v, q, i):
    v = v + i
    return v, q, v > 1


def behind_current(v, q, i):
    q = q / 2 + i
    v = v / 2 + q
    return v, q, v > 1


@pytest.mark.parametrize(
    ("nodes", "rule"),
    [
        ([li(20), nir.Threshold(values(20, 1))], never_reset),
        ([li(20), nir.Threshold(np.array([1.0]))], never_reset),
        ([nir.I(values(20, 1)), nir.Threshold(values(20, 1))], summed),
        ([li(20), nir.Scale(values(20, 0.25)), nir.Threshold(values(20, 0.25))], never_reset),
        ([li(20, r=0.5), nir.Scale(values(20, 8)), nir.Scale(values(20, 0.5)),
          nir.Threshold(values(20, 1))], never_reset),
        ([nir.CubaLI(values(20, 2), values(20, 2), values(20, 2), values(20, 0), 2.0),
          nir.Threshold(values(20, 1))], behind_current),
        ([li(20), li(20), nir.Threshold(values(20, 1))], behind_current),
        ([li(20, r=1), nir.Scale(values(20, 2)), li(20), nir.Threshold(values(20, 1))],
         behind_current),
    ],
)
def test_an_integrator_and_a_threshold_never_reset(nodes, rule):
    made = graph(nir.Linear(weights(20, INPUTS)), *nodes, output=(20,))
    ours = ss.from_nir(made, dt=1.0, cuba_current="new", fraction_bits=8)
    neuron = ours.layers[0].neuron
    assert (neuron.fires, neuron.reset, neuron.compare) == (True, "none", "gt")
    assert ours.fidelity.exact
    assert differences(ours, SAMPLES, run(rule))[0] == 0
    assert any(line.endswith("the Threshold; no reset") for line in ours.fidelity.assumed)
    at_it = ss.from_nir(made, dt=1.0, cuba_current="new", compare="ge")
    assert at_it.layers[0].neuron.compare == "ge"
    with refuses(ValueError, "reset ... 'none' or left out, not 'zero': "):
        ss.from_nir(made, dt=1.0, cuba_current="new", reset="zero")


def test_an_integrator_in_front_of_neurons_is_their_current():
    joined = nir.CubaLIF(values(20, 2), values(20, 2), values(20, 2), values(20, 0), values(20, 1),
                         w_in=values(20, 2))
    one = ss.from_nir(graph(affine(20, INPUTS), joined), **FOUR, cuba_current="new")
    parts = graph(affine(20, INPUTS), li(20), lif(20, tau=2))
    assert ss.from_nir(parts, **FOUR).layers == one.layers
    sums = ss.from_nir(graph(affine(20, INPUTS), nir.I(values(20, 1)), lif(20, tau=2)), **FOUR)
    assert sums.layers[0].neuron.synapse_leak == (None, None)
    assert sums.layers[0].neuron.leak == (1, None)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([lif(20), nir.Threshold(values(20, 0.5))], "threshold2 (Threshold): it follows lif1"),
        ([nir.Threshold(values(20, 0.5)), lif(20)], "threshold1 (Threshold): it follows affine0"),
        ([li(20), li(20), lif(20)], "li2 (LI + LI): its membrane goes on to lif3 (LIF)"),
        ([li(20), nir.CubaLI(values(20, 2), values(20, 2), values(20, 2), values(20, 0))],
         "cubali2 (LI + CubaLI): li1 (LI) is in front of its own current"),
        ([li(20), nir.Scale(values(20, -1)), nir.Threshold(values(20, 1))],
         "scale2 (Scale): it scales a membrane by -1"),
        ([li(20), nir.Threshold(values(20, 0))], "thresholds ... positive"),
        ([li(20), nir.Threshold(values(19, 1))], "different shapes: (20,) of r"),
        ([nir.LI(values(20, 2), values(20, 2), values(20, 1)), lif(20)],
         "li1 (LI): its v_leak is not 0, in front of lif2"),
        ([li(20), affine(20, 20), lif(20, tau=2)],
         "li1 (NIR LI, decay 0.5): its membrane goes on to affine2 (Affine)"),
    ],
)
def test_states_that_no_neuron_has(nodes, message):
    with refuses(ValueError, message):
        ss.from_nir(graph(affine(20, INPUTS), *nodes), **{**FOUR, "dt": 1e-4 if "lif1" in message
                                                          else 1.0}, cuba_current="new")


def test_a_readout_with_a_synaptic_current():
    tau = values(4, 2)
    node = nir.CubaLI(tau_syn=tau, tau_mem=tau, r=values(4, 1), v_leak=values(4, 0))
    made = graph(nir.Linear(weights(4, INPUTS)), node, output=(4,))
    with refuses(ValueError, "cuba_current ... given for cubali1 (CubaLI)"):
        ss.from_nir(made, dt=1.0)
    ours = ss.from_nir(made, dt=1.0, cuba_current="new", fraction_bits=8)
    assert ours.readout == "membrane"
    neuron = ours.layers[0].neuron
    assert (neuron.fires, neuron.leak, neuron.synapse_leak) == (False, (1, None), (1, None))
    current = SAMPLES @ weights(4, INPUTS).T / 4
    v = q = np.zeros((len(SAMPLES), 4))
    for t in range(STEPS):
        q = q / 2 + current[:, t]
        v = v / 2 + q
    outputs = ss.Golden(ours).run(SAMPLES).readout
    at = np.flatnonzero(v)[0]
    assert (outputs * v.flat[at] == v * outputs.flat[at]).all()


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0.1, 10), st.floats(1e-4, 10))
def test_the_exponential_rule(decay, r, dt):
    tau = -dt / log(decay)
    node = nir.LIF(values(3, tau), values(3, r), values(3, 0), values(3, 1))
    made = graph(nir.Linear(np.eye(3)), node, shape=(3,))
    said = {"dt": dt, "reset": "zero", "writer": "plain"}
    layer = ss.from_nir(made, **said, integration="exponential").fidelity.layers[0]
    assert abs(layer.decay_asked - decay) < 1e-5
    if dt < tau:
        euler = ss.from_nir(made, **said, integration="euler").fidelity.layers[0]
        assert abs(euler.decay_asked - (1 - dt / tau)) < 1e-5
        assert euler.decay_asked == ss.from_nir(made, **said).fidelity.layers[0].decay_asked


def test_the_exponential_rule_of_two_time_constants():
    first, second = (
        nir.LIF(values(n, -1 / log(d)), values(n, 1 / (1 - d)), values(n, 0), values(n, 1))
        for n, d in ((30, 0.5), (10, 0.75))
    )
    made = graph(affine(30, INPUTS), first, affine(10, 30), second)
    ours = ss.from_nir(made, **FOUR, integration="exponential")
    assert [layer.neuron.leak for layer in ours.layers] == [(1, None), (2, None)]
    assert ours.fidelity.exact
    assert ours.fidelity.layers[0].scale_low == 0.125
    assert "decays of exp(-dt / tau) with dt = 1" in ours.fidelity.assumed
    cuba = nir.CubaLIF(values(3, -1 / log(0.5)), values(3, -1 / log(0.75)), values(3, 4),
                       values(3, 0), values(3, 1), w_in=values(3, 2))
    ours = ss.from_nir(graph(nir.Linear(np.eye(3, INPUTS)), cuba), **FOUR, cuba_current="new",
                       integration="exponential")
    neuron = ours.layers[0].neuron
    assert (neuron.leak, neuron.synapse_leak) == ((2, None), (1, None))
    assert ours.fidelity.exact
    # The decay may be anything, so tau may be below dt.
    short = graph(affine(3, INPUTS), lif(3, tau=0.1, r=1))
    decay = ss.from_nir(short, **FOUR, integration="exponential").fidelity.layers[0].decay_asked
    assert abs(decay - exp(-10)) < 1e-9
    with refuses(ValueError, "tau = 0.1 ... at least dt = 1; forward Euler has no such step"):
        ss.from_nir(short, **FOUR)
    with refuses(ValueError, "integration ... 'euler', 'exponential' ... 'exact'"):
        ss.from_nir(short, **FOUR, integration="exact")
    with refuses(ValueError, "tau must be positive, not -1"):
        ss.from_nir(graph(affine(3, INPUTS), lif(3, tau=-1)), **FOUR, integration="exponential")


@pytest.mark.parametrize("lead", [(4,), (1, 4), (1, 1), (7, 1), (1,)])
@pytest.mark.parametrize("extra", [{}, {"input": ss.SpikeInput((INPUTS,))}])
def test_axes_of_batch_and_steps(lead, extra):
    made = graph(affine(30, INPUTS), lif(30), affine(10, 30), lif(10),
                 shape=(*lead, INPUTS), output=(*lead, 10))
    ours = ss.from_nir(made, **SAID, **extra)
    assert ours.input.size == INPUTS
    assert ours.layers == ss.from_nir(two_layers(), **SAID).layers[:1] + ours.layers[1:]
    if max(lead) > 1:
        assert ours.input.shape == (INPUTS,)
        line = f"the axes {lead} in front of the input are batch and steps"
        assert line in ours.fidelity.assumed
    for wrong in ((*lead, 9), (5, *lead, 10), (3, 10)):
        made.nodes["output"] = nir.Output(np.array(wrong))
        with refuses(ValueError, f"output (Output) has the shape {wrong}, but 10 neurons feed it"):
            ss.from_nir(made, **SAID, **extra)


@pytest.mark.parametrize("lead", [(), (1,), (4,), (1, 4)])
def test_maps_behind_axes_of_batch_and_steps(lead):
    kernel = weights(3, 2 * 9, 1).reshape(3, 2, 3, 3)
    conv = nir.Conv2d((6, 6), kernel, 1, 0, 1, 1, np.zeros(3))
    made = graph(conv, lif((3, 4, 4)), shape=(*lead, 2, 6, 6), output=(*lead, 3, 4, 4))
    ours = ss.from_nir(made, **SAID)
    assert ours.input.shape == (2, 6, 6)
    assert ours == ss.from_nir(graph(conv, lif((3, 4, 4)), shape=(2, 6, 6)), **SAID)


@pytest.mark.parametrize("axes", [(), (1,), (1, 1), (1, 30), (1, 1, 30)])
def test_parameters_with_an_axis_for_the_batch(axes):
    node = nir.LIF(**{name: np.full(axes, value) for name, value in (
        ("tau", 2 * DT), ("r", 2.0), ("v_leak", 0.0), ("v_threshold", 1.0), ("v_reset", 0.0))})
    ours = ss.from_nir(graph(affine(30, INPUTS), node), **SAID)
    assert ours.layers == ss.from_nir(graph(affine(30, INPUTS), lif(30)), **SAID).layers
    kernel = weights(3, 2 * 9, 1).reshape(3, 2, 3, 3)
    conv = nir.Conv2d((6, 6), kernel, 1, 0, 1, 1, np.zeros(3))
    sizes = {(): (), (1,): (1, 3, 1, 1), (1, 1): (1, 1, 3, 1, 1), (1, 30): (1, 3, 4, 4)}
    steps = np.broadcast_to(np.array([1.0, 2, 3])[:, None, None], (3, 4, 4))
    if axes in sizes:
        size, node = sizes[axes], lif(1)
        by_channel = steps if size[-1:] == (4,) else steps[:, :1, :1]
        node.v_threshold = np.reshape(by_channel if size else 1.0, size)
        made = ss.from_nir(graph(conv, node, shape=(2, 6, 6)), **SAID)
        assert (made.layers[0].threshold == (128 * np.array([1, 2, 3]) if axes else 128)).all()


def test_gains_with_an_axis_for_the_batch_and_a_way_back():
    back, gains = weights(20, 20, 3), np.repeat([2.0, 4.0], 10)
    made = graph(affine(20, INPUTS), lif(20, r=gains), output=(20,))
    made.nodes["back"] = nir.Linear(back)
    made.edges += [("lif1", "back"), ("back", "lif1")]
    plain = ss.from_nir(made, **SAID, weight_bits=8)
    made.nodes["lif1"].r = gains[None]
    assert ss.from_nir(made, **SAID, weight_bits=8) == plain


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (1, "same")])
@pytest.mark.parametrize("lead", [(), (4,)])
def test_convolutions_of_one_axis(stride, padding, lead):
    kernel, dense = weights(4, 2 * 3, 1).reshape(4, 2, 3), weights(5, 4 * 5, 2)
    length = {0: 8, 1: 5, "same": 10}[padding]
    dense = weights(5, 4 * length, 2)
    conv = nir.Conv1d(10, kernel, stride, padding, 1, 1, np.arange(4) / 8)
    made = graph(conv, lif((4, length)), nir.Flatten({"input": None}, 0, -1), nir.Linear(dense),
                 lif(5), shape=(*lead, 2, 10))
    ours = ss.from_nir(made, **SAID)
    assert ours.fidelity.exact
    samples = (np.random.default_rng(0).random((50, STEPS, 2, 10)) < 0.4).astype(int)
    spikes = ss.Golden(ours).run(samples.reshape(50, STEPS, *ours.input.shape), trace=True).spikes
    wide = np.pad(samples, ((0, 0), (0, 0), (0, 0), (1, 1))) if padding else samples
    windows = np.lib.stride_tricks.sliding_window_view(wide, 3, axis=3)[..., ::stride, :]
    current = np.einsum("btclk,ock->btol", windows, kernel) + np.arange(4)[:, None] / 8
    v, kept = np.zeros(current[:, 0].shape), []
    for t in range(STEPS):
        v = v / 2 + current[:, t]
        kept.append(v > 1)
        v = np.where(v > 1, 0, v)
    assert (spikes[0].reshape(50, STEPS, 4, length) == np.stack(kept, 1)).all()


def test_delays_of_nothing():
    made = graph(affine(20, INPUTS), nir.Delay(values(20, 0)), lif(20))
    assert ss.from_nir(made, **SAID).layers == ss.from_nir(
        graph(affine(20, INPUTS), lif(20)), **SAID).layers


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.nir"
    nir.write(path, two_layers())
    return path


def edit(path, name, **changes):
    """Change the parameters of a node in a file; None removes one."""
    with h5py.File(path, "r+") as kept:
        node = kept[f"node/nodes/{name}"]
        for each, value in changes.items():
            if each in node:
                del node[each]
            if value is not None:
                node[each] = value


def test_types_that_nir_does_not_know(file):
    edit(file, "lif1", type="AdaptiveLIF", tau_adaptation=np.ones(30))
    with refuses(ss.NotExpressible, "lif1 (AdaptiveLIF): no layer of this array computes it, and "
                 "NIR 1.0 has no such type; the nearest that can: Affine"):
        ss.from_nir(file, **SAID)


def test_everything_missing_is_asked_for_at_once():
    cuba = nir.CubaLIF(values(30, 2), values(30, 2), values(30, 1), values(30, 0.5), values(30, 1))
    made = graph(affine(30, INPUTS), lif(30), affine(30, 30), cuba)
    with refuses(ValueError, "dt, reset, cuba_current, v_init must be given: dt: lif1 (LIF)",
                 "reset for lif1 (LIF)", "cuba_current for cubalif3", "v_init for cubalif3"):
        ss.from_nir(made)


def test_nodes_that_a_writer_left_empty():
    made = two_layers()
    made.nodes["linear2"] = None  # as Norse 1.1.0 leaves layers that it does not know
    with refuses(ss.NotExpressible, "linear2 (None): the program that made the graph left it"):
        ss.from_nir(made, **SAID)


def test_nodes_with_other_parameters(file):
    edit(file, "lif1", refractory=np.ones(30))
    with refuses(ss.NotExpressible, "lif1 (LIF): it has parameters that NIR 1.0 does not "
                 "know: refractory"):
        ss.from_nir(file, **SAID)
    edit(file, "lif1", refractory=None, tau=None)
    with refuses(ss.FileError, "lif1 (LIF): it has no tau"):
        ss.from_nir(file, **SAID)
    edit(file, "lif1", tau=np.full(30, 2 * DT))
    edit(file, "affine0", weight=None)
    with refuses(ss.FileError, "affine0 (Affine): it has no weight"):
        ss.from_nir(file, **SAID)
    edit(file, "lif3", type=None)
    with refuses(ss.FileError, "net.nir is not a NIR file"):
        ss.from_nir(file, **SAID)


def test_files_without_what_newer_versions_add(file):
    ours = ss.from_nir(file, **SAID)
    for name in ("lif1", "lif3"):
        edit(file, name, v_reset=None)  # nir 1.0.4 has none
    assert ss.from_nir(file, **SAID) == ours
    with h5py.File(file, "r+") as kept:
        del kept["version"]
    assert ss.from_nir(file, **SAID) == ours


def test_names_with_a_slash(tmp_path):
    made = two_layers()
    names = {"lif1": "block/a/lif", "affine0": "block/w"}
    made.nodes = {names.get(name, name): node for name, node in made.nodes.items()}
    made.edges = [(names.get(a, a), names.get(b, b)) for a, b in made.edges]
    nir.write(tmp_path / "net.nir", made)
    ours = ss.from_nir(tmp_path / "net.nir", **SAID)
    assert ours.layers == ss.from_nir(two_layers(), **SAID).layers
    assert ours.fidelity.layers[0].name == "block/a/lif"


def test_a_rule_with_unknown_names():
    from stablespike.importers.semantics import Cell

    for name in ("reset", "reset_timing", "compare"):
        with refuses(ValueError, f"{name} ... one of ... 'hard'"):
            Cell(source="x", decay=0.5, threshold=np.ones(()), **{name: "hard"})
