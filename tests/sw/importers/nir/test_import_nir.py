"""NIR nodes and their parameters."""

import json
from itertools import pairwise

import numpy as np
import pytest
import stablespike as ss
from import_models import INPUTS, spikes
from nir_models import (
    CUBA,
    DT,
    SAID,
    SAMPLES,
    STEPS,
    affine,
    graph,
    lif,
    two_layers,
    values,
    weights,
)
from refusals import refuses

nir = pytest.importorskip("nir")


def test_nested_graphs_scales_and_flatten():
    deep, inner = (
        nir.NIRGraph(
            {"a.input": nir.Input(np.array([30])), "lif": node, "out": nir.Output(np.array([30]))},
            [("a.input", "lif"), ("lif", "out")], type_check=False,
        )
        for node in (lif(30), None)
    )
    inner.nodes["lif"] = deep
    nodes = {
        "in": nir.Input(np.array([1, 2, INPUTS // 2])),
        "flat": nir.Flatten({"input": np.array([1, 2, INPUTS // 2])}, 0, -1),
        "in_scale": nir.Scale(values(INPUTS, 0.5)),
        "w1": affine(30, INPUTS),
        "scale": nir.Scale(np.repeat([0.5, 2.0], 15)),
        "block": inner,
        "w2": nir.Linear(weights(10, 30)),
        "li": nir.LI(tau=values(10, 2 * DT), r=values(10, 1), v_leak=values(10, 0)),
        "out": nir.Output(np.array([10])),
    }
    names = list(nodes)
    made = nir.NIRGraph(nodes, list(pairwise(names)), type_check=False)
    ours = ss.from_nir(made, **SAID)
    assert ours.readout == "membrane"
    assert [report.name for report in ours.fidelity.layers] == ["block.lif.lif", "li"]
    assert ours.fidelity.exact
    rows = np.repeat([0.25, 1.0], 15)[:, None]
    plain = graph(
        nir.Affine(weights(30, INPUTS) * rows, made.nodes["w1"].bias * np.repeat([0.5, 2.0], 15)),
        lif(30), nir.Linear(weights(10, 30)), made.nodes["li"],
    )
    assert ss.from_nir(plain, **SAID).layers == ours.layers


@pytest.mark.parametrize(
    ("decay", "used", "shifts"),
    [(0.55, 0.5625, "1, +4"), (0.53, 0.53125, "1, +5"), (0.78, 0.78125, "2, +5"),
     (0.1, 0.125, "0, +3"), (0.6, 0.625, "2, 3"), (0.5, 0.5, "1, None")],
)
def test_a_decay_between_those_of_subtracted_terms(decay, used, shifts):
    """As in the Braille networks published with NIR, whose decays of 0.55 fell back to 0.5."""
    share = np.full(10, 1 - decay)
    nodes = (
        nir.LIF(tau=DT / share, r=1 / share, v_leak=0 * share, v_threshold=share / share),
        nir.CubaLIF(
            tau_syn=DT / share, tau_mem=np.full(10, 2 * DT), r=np.full(10, 2.0), w_in=share / share,
            v_leak=0 * share, v_threshold=share / share,
        ),
    )
    for node, kind in zip(nodes, ("leak", "synapse"), strict=True):
        said = {} if kind == "leak" else {"cuba_current": "new"}
        ours = ss.from_nir(graph(nir.Linear(weights(10, INPUTS)), node), **SAID, **said)
        line = f"{kind} {decay:g} asked, {used:g} used (shifts {shifts}), error {used - decay:+.2g}"
        assert line in str(ours.fidelity)
        neuron, report = ours.layers[0].neuron, ours.fidelity.as_dict()["layers"][0]
        leak, kept = (
            (neuron.leak, report["leak"]) if kind == "leak"
            else (neuron.synapse_leak, report["synapse_leak"])
        )
        assert leak.factor == used
        assert ss.Leak.of(json.loads(json.dumps(kept))) == leak


def test_nested_graphs_of_files_may_have_parameters_without_axes(tmp_path):
    scalar = nir.LIF(tau=np.array(2 * DT), r=np.array(2.0), v_leak=np.array(0.0),
                     v_threshold=np.array(1.0))
    for depth in range(3):
        node = scalar
        for _ in range(depth):
            node = nir.NIRGraph(
                {"in": nir.Input(np.array([30])), "n": node, "out": nir.Output(np.array([30]))},
                [("in", "n"), ("n", "out")], type_check=False,
            )
        nir.write(tmp_path / "net.nir", graph(affine(30, INPUTS), node, output=(30,)), None)
        ours = ss.from_nir(tmp_path / "net.nir", **SAID)
        assert ours == ss.from_nir(graph(affine(30, INPUTS), lif(30)), **SAID)


def test_parameters_without_axes_and_no_reset_value():
    node = nir.LIF(tau=np.array(2 * DT), r=np.array(2.0), v_leak=np.array(0.0),
                   v_threshold=np.array(1.0))
    ours = ss.from_nir(graph(affine(30, INPUTS), node), **SAID)
    assert ours.layers == ss.from_nir(graph(affine(30, INPUTS), lif(30)), **SAID).layers


def test_a_leak_toward_another_rest_goes_into_the_bias():
    moved = two_layers(v_leak=0.25, v_reset=0.125, v_threshold=1.125)
    ours = ss.from_nir(moved, **SAID, v_init="v_reset", calibration=SAMPLES)
    assert ours.fidelity.exact
    assert ours.fidelity.different == 0
    plain = ss.from_nir(two_layers(), **SAID)
    assert (ours.layers[0].threshold == plain.layers[0].threshold).all()
    assert (ours.layers[0].bias - plain.layers[0].bias == 8).all()
    started = ss.from_nir(moved, **SAID, v_init=0.25)
    assert started.layers[0].neuron.v_init == 16
    assert ss.from_nir(moved, **SAID, v_init="v_leak") == started
    with refuses(ValueError, "v_init ... 'v_leak', 'v_reset' or a number ... 'rest'"):
        ss.from_nir(moved, **SAID, v_init="rest")
    rest = {**CUBA, "w_in": np.ones(1), "v_leak": np.array([0.5])}
    with refuses(ss.NotExpressible, "a leak toward a rest other than the reset, behind a synaptic"):
        ss.from_nir(graph(affine(1, INPUTS), nir.CubaLIF(**rest)), **SAID, v_init=0,
                    cuba_current="new")
    with refuses(ss.NotExpressible, "v_reset is not 0, which reset='none' has no use for"):
        ss.from_nir(moved, dt=DT, reset="none", v_init=0)


def test_sum_and_average_pools_in_front():
    samples = spikes(3, 100, STEPS, inputs=50).reshape(100, STEPS, 2, 5, 5)
    window = np.array([2, 2])
    pool = nir.SumPool2d(window, window, np.zeros(2, int))
    average = nir.AvgPool2d(window, window, np.zeros(2, int))
    flat = nir.Flatten({"input": np.array([2, 2, 2])}, 0, -1)
    for node, gain in ((pool, 1), (average, 4)):
        made = graph(node, flat, affine(20, 8), lif(20, v_threshold=2 / gain), shape=(2, 5, 5))
        ours = ss.from_nir(made, **SAID, calibration=samples)
        assert ours.layers[0].pool_before == ss.SumPool2d(2)
        assert ours.fidelity.exact
        assert ours.fidelity.different == 0


def test_steps_as_numpy_has_them():
    ours = ss.from_nir(two_layers(), **{**SAID, "dt": np.float32(DT)})
    assert ours.layers == ss.from_nir(two_layers(), **SAID).layers
    for dt in (np.float64("inf"), np.bool_(True), True, 1j):
        with refuses(ValueError, f"dt ... positive finite number ... {dt!r}"):
            ss.from_nir(two_layers(), **{**SAID, "dt": dt})


def test_gains_of_their_own_go_into_the_weights():
    made = graph(affine(30, INPUTS), lif(30, r=np.repeat([2.0, 4.0], 15)), affine(10, 30),
                 nir.LI(values(10, 2 * DT), np.repeat([1.0, 2.0], 5), values(10, 0)))
    ours = ss.from_nir(made, **SAID, calibration=SAMPLES, weight_bits=8)
    assert ours.fidelity.exact
    assert ours.fidelity.different == 0
    assert ours.fidelity.same_prediction > 0.99
    with refuses(ValueError, "readout ... 'membrane' ... 'counts': the last layer, li3"):
        ss.from_nir(made, **SAID, readout="counts")
    source = made.nodes["affine2"].weight * np.repeat([0.5, 1.0], 5)[:, None]
    assert (ours.layers[1].weight * ours.fidelity.layers[1].scale_low == source).all()


def test_linear_nodes_in_a_row_are_one():
    first, second = affine(12, INPUTS), affine(30, 12, 3)
    merged = nir.Affine(second.weight @ first.weight, second.weight @ first.bias + second.bias)
    ours = ss.from_nir(graph(first, second, lif(30, v_threshold=9)), **SAID)
    assert ours.layers == ss.from_nir(graph(merged, lif(30, v_threshold=9)), **SAID).layers


def test_pools_are_calibrated_too():
    samples = spikes(3, 100, STEPS, inputs=50).reshape(100, STEPS, 2, 5, 5)
    window = np.array(2)
    pool = nir.SumPool2d(window, window, np.array(0))
    rng = np.random.default_rng(0)
    made = graph(pool, nir.Flatten({"input": None}, 0, -1), nir.Linear(rng.normal(size=(20, 8))),
                 lif(20), shape=(2, 5, 5))
    given = ss.from_nir(made, **SAID, calibration=samples).fidelity
    assert not given.exact
    assert given.layers[0].spikes.agreement > 0.95


def test_an_input_with_the_batch_of_one_left_in():
    made = graph(affine(3, INPUTS), lif(3), shape=(1, INPUTS))
    assert ss.from_nir(made, **SAID).input == ss.SpikeInput((INPUTS,))
    made.nodes["input"] = nir.Input(None)
    with refuses(ValueError, "input must be given: input (Input) has no shape"):
        ss.from_nir(made, **SAID)
    assert ss.from_nir(made, **SAID, input=ss.SpikeInput((4, 6))).input.shape == (4, 6)
