"""NIR files with the numbers that other programs write, and the spikes of those programs' rules."""

from itertools import pairwise

import numpy as np
import pytest
import stablespike as ss
from import_models import INPUTS, differences
from nir_models import SAMPLES, STEPS, graph, weights
from refusals import refuses

nir = pytest.importorskip("nir")

HALF = 1 / np.log(2)  # steps in which a decay of exp(-dt / tau) is 1/2
SIZES = (INPUTS, 40, 20)


def full(size, value):
    return np.full(size, value, np.float32)


def network(make, biases=(True, True), wire=None):
    """Return a graph of two layers, of weights and what ``make`` gives for their size."""
    nodes = []
    for (inputs, outputs), biased in zip(pairwise(SIZES), biases, strict=True):
        bias = weights(outputs, 1, 7)[:, 0] * biased
        nodes += [nir.Affine(weights(outputs, inputs), bias), *make(outputs)]
    return graph(*nodes, output=(SIZES[-1],))


def spikes_of(step, biases=(True, True), late=False):
    """Return spikes of two layers, with ``step(v, q, current, spiked)`` as the neurons' rule.

    ``late`` layers send spikes one step after they are made, as their framework does; the spikes
    are returned as of the step in which they are made.
    """
    values, result = SAMPLES.astype(float), []
    for layer, ((inputs, outputs), biased) in enumerate(zip(pairwise(SIZES), biases, strict=True)):
        weight, bias = weights(outputs, inputs), weights(outputs, 1, 7)[:, 0] * biased
        v, q, s = (np.zeros((len(values), outputs)) for _ in range(3))
        if late and layer:
            v, q, s = step(v, q, np.broadcast_to(bias, v.shape), s)
            assert not s.any()
        made = []
        for t in range(STEPS):
            v, q, s = step(v, q, values[:, t] @ weight.T + bias, s)
            made.append(s)
        values = np.stack(made, 1)
        result.append(values > 0)
    return result


def rockpool_lif(v, q, i, s):
    v = v / 2 + i
    s = (v >= 1).astype(float)
    return v - s, q, s


def rockpool_cuba(v, q, i, s):
    q = (q + i) / 2
    v = v / 2 + q
    s = (v >= 1).astype(float)
    return v - s, q, s


def sinabs_lif(v, q, i, s):
    v = v / 2 + i / 2
    s = (v >= 0.25).astype(float)
    return v - s * 0.25, q, s


def sinabs_reset(v, q, i, s):
    v = v / 2 + i / 2
    s = (v >= 0.25).astype(float)
    return v * (1 - s), q, s


def iaf(v, q, i, s):
    v = v + i
    s = (v >= 1).astype(float)
    return v - s, q, s


def delayed_lif(v, q, i, s):
    v = v / 2 + i - s
    return v, q, (v > 1).astype(float)


def delayed_if(v, q, i, s):
    v = v + i - s
    return v, q, (v > 1).astype(float)


def spyx_cuba(v, q, i, s):
    v, q = v - s, q / 2 + i
    v = v / 2 + q
    return v, q, (v > 1).astype(float)


def never_reset(v, q, i, s):
    v = v / 2 + i
    return v, q, (v > 1).astype(float)


def norse_box(v, q, i, s):
    v = v / 2 + i / 2
    s = (v > 0.5).astype(float)
    return v * (1 - s), q, s


def norse_lif(v, q, i, s):
    q = q / 2 + i
    v = v / 2 + q / 2
    s = (v > 0.5).astype(float)
    return v * (1 - s), q, s


def norse_iaf(v, q, i, s):
    v = v + i
    s = (v > 1).astype(float)
    return v * (1 - s), q, s


def jelly_lif(v, q, i, s):
    v = v / 2 + i / 2
    s = (v >= 0.5).astype(float)
    return v * (1 - s), q, s


def snn_synaptic(v, q, i, s):
    q = q / 2 + i
    v = v / 2 + q - s
    return v, q, (v > 1).astype(float)


def lif(size, tau, r, threshold=1.0, **more):
    return nir.LIF(tau=full(size, tau), r=full(size, r), v_leak=full(size, 0),
                   v_threshold=full(size, threshold), **more)


def cuba(size, tau, r, threshold=1.0, **more):
    return nir.CubaLIF(tau_mem=full(size, tau), tau_syn=full(size, tau), r=full(size, r),
                       v_leak=full(size, 0), v_threshold=full(size, threshold), **more)


def single(kind, **values):
    """Return a node whose parameters have no axes."""
    return kind(**{name: np.asarray(value, np.float32) for name, value in values.items()})


ONLY_FIRST = (True, False)
ROCKPOOL = HALF * 1e-3
WRITTEN = {
    "rockpool LIF": ("rockpool", lambda n: [lif(n, ROCKPOOL, HALF / 2)], rockpool_lif, {}),
    "rockpool CubaLIF": (
        "rockpool", lambda n: [cuba(n, ROCKPOOL, HALF / 2)], rockpool_cuba, {}),
    "rockpool, a step of 10 ms": (
        "rockpool", lambda n: [lif(n, HALF * 1e-2, HALF / 2)], rockpool_lif, {"dt": 1e-2}),
    "rockpool ExpSyn, LIF": (
        "rockpool",
        lambda n: [nir.LI(full(n, ROCKPOOL), full(n, HALF / 2), full(n, 0)),
                   lif(n, ROCKPOOL, HALF / 2)],
        rockpool_cuba, {}),
    "sinabs LIF": (
        "sinabs",
        lambda n: [single(nir.LIF, tau=HALF, r=1, v_leak=0, v_threshold=0.25)], sinabs_lif, {}),
    "sinabs LIF, MembraneReset": (
        "sinabs",
        lambda n: [single(nir.LIF, tau=[HALF], r=[1], v_leak=[0], v_threshold=[0.25])],
        sinabs_reset, {"reset": "zero"}),
    "sinabs IF": ("sinabs", lambda n: [nir.IF(full(n, 1), full(n, 1))], iaf, {}),
    "spyx LIF": ("spyx", lambda n: [lif(n, 2, 0.5)], delayed_lif, {}),
    "spyx LIF, a step of 1 ms": ("spyx", lambda n: [lif(n, 2e-3, 0.5)], delayed_lif, {}),
    "spyx CuBaLIF": ("spyx", lambda n: [cuba(n, 2, 0.5)], spyx_cuba, {}),
    "spyx IF": ("spyx", lambda n: [nir.IF(full(n, 1), full(n, 1))], delayed_if, {}),
    "spyx PSU_LIF": (
        "spyx",
        lambda n: [nir.LI(full(n, 2), full(n, 1), full(n, 0)), nir.Threshold(full(n, 1))],
        never_reset, {}),
    "norse LIF": (
        "norse",
        lambda n: [single(nir.LIF, tau=2e-6, r=1, v_leak=0, v_threshold=0.5)], norse_box, {}),
    "norse CubaLIF": (
        "norse",
        lambda n: [single(nir.CubaLIF, tau_mem=2e-6, tau_syn=2e-6, r=1, v_leak=0,
                          v_threshold=0.5)], norse_lif, {}),
    "norse IF": ("norse", lambda n: [single(nir.IF, r=1, v_threshold=1)], norse_iaf, {}),
    "snntorch LIF": ("snntorch", lambda n: [lif(n, 2e-4, 2)], delayed_lif, {}),
    "snntorch CubaLIF": (
        "snntorch", lambda n: [cuba(n, 2e-4, 2, w_in=full(n, 2))], snn_synaptic, {}),
    "spikingjelly LIF": ("spikingjelly", lambda n: [lif(n, 2e-4, 1, 0.5)], jelly_lif, {}),
    "spikingjelly LIF, no decay_input": (
        "spikingjelly", lambda n: [lif(n, 2e-4, 2, 1)],
        lambda v, q, i, s: tuple(x * y for x, y in zip(
            jelly_lif(v / 2, q, i, s), (2, 1, 1), strict=True)), {}),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_spikes_of_the_writers_own_rule(name):
    writer, make, rule, said = WRITTEN[name]
    late = writer == "spyx" and "PSU" not in name
    biases = ONLY_FIRST if late else (True, True)
    ours = ss.from_nir(network(make, biases), writer=writer, fraction_bits=8, **said)
    assert ours.fidelity.exact
    assert all(layer.exact_steps is None or layer.exact_steps >= STEPS
               for layer in ours.fidelity.layers)
    assert differences(ours, SAMPLES, spikes_of(rule, biases))[0] == 0


@pytest.mark.parametrize("name", [name for name in WRITTEN if name.split()[0] in (
    "rockpool", "spyx", "norse") and "IF" not in name.split()[1:2]])
def test_a_file_that_means_something_else_is_asked_about(name):
    writer, make, *_ = WRITTEN[name]
    step = {"rockpool": 1e-3, "spyx": 1.0, "norse": 1e-7}[writer]
    step = 1e-2 if "10 ms" in name else 1e-3 if "1 ms" in name else step
    said = {"dt": step, "reset": "subtract", "reset_timing": "same_step", "cuba_current": "new"}
    made = network(make)
    if "PSU" in name:  # by NIR's equations that is a neuron like any other
        del said["reset"]
        assert ss.from_nir(made, **said).layers[0].neuron.reset == "none"
        return
    with refuses(ValueError, "a NIR graph looks like a file of ", f"writer='{writer}'",
                 "writer='plain' for the equations as they are"):
        ss.from_nir(made, **said)
    ss.from_nir(made, writer="plain", **said)
    if "1 ms" not in name:
        with refuses(ValueError, "must be given", f"; or give writer='{writer}' if "):
            ss.from_nir(made)


def test_what_changes_nothing_is_not_asked():
    said = {"dt": 1.0, "reset": "subtract", "reset_timing": "same_step", "compare": "ge"}
    # sinabs, and anyone else, writes IF so, and it is the same by the equations.
    ss.from_nir(network(WRITTEN["sinabs IF"][1]), **said)
    # The caller says that the equations are solved exactly.
    made = network(WRITTEN["sinabs LIF"][1])
    by_hand = ss.from_nir(made, **said, integration="exponential")
    assert by_hand.layers == ss.from_nir(made, writer="sinabs").layers
    with refuses(ValueError, "looks like a file of sinabs 3.1.3 (single values of tau, in steps"):
        ss.from_nir(made, **said)
    # Norse's square of dt, as the caller may know it.
    box = {"dt": 1e-6, "reset": "zero"}
    made = network(WRITTEN["norse LIF"][1])
    assert ss.from_nir(made, **box).layers == ss.from_nir(made, writer="norse").layers
    made = network(WRITTEN["snntorch LIF"][1])
    plain = {"dt": 1e-4, "reset": "zero"}
    assert ss.from_nir(made, **plain).layers == ss.from_nir(
        made, writer="snntorch", reset="zero").layers
    with refuses(ValueError, "looks like a file of snnTorch 1.0.0 (r = tau / 1e-4)"):
        ss.from_nir(made, **{**plain, "dt": 1e-5})


@pytest.mark.parametrize("tau", [1.5, 2.0, 20.0])
@pytest.mark.parametrize("unit", [1.0, 1e-3])
@pytest.mark.parametrize("axes", [(), (1,), (20,)])
def test_a_graph_made_by_hand_is_not_asked_about(tau, unit, axes):
    if unit == 1.0 and not axes:
        return  # sinabs writes single values of tau in steps
    one = np.ones(axes)
    node = nir.LIF(tau=tau * unit * one, r=one, v_leak=0 * one, v_threshold=0.5 * one)
    made = graph(nir.Linear(weights(20, INPUTS)), node, output=(20,))
    said = {"dt": unit, "reset": "zero"}
    assert ss.from_nir(made, **said) == ss.from_nir(made, **said, writer="plain")


def test_names_of_torch_fx_are_those_of_spikingjelly():
    made = network(WRITTEN["spikingjelly LIF"][1])
    names = {name: f"_{at}" for at, name in enumerate(list(made.nodes)[1:-1])}
    made.nodes = {names.get(name, name): node for name, node in made.nodes.items()}
    made.edges = [(names.get(a, a), names.get(b, b)) for a, b in made.edges]
    said = {"dt": 1e-4, "reset": "zero"}
    with refuses(ValueError, "looks like a file of SpikingJelly 2.0.0 (names such as _0"):
        ss.from_nir(made, **said)
    ss.from_nir(made, **said, compare="gt")  # said by the caller
    assert ss.from_nir(made, **said, compare="ge") == ss.from_nir(made, writer="spikingjelly")


@pytest.mark.parametrize(
    ("name", "said", "message"),
    [
        ("rockpool LIF", {"reset": "zero"}, "reset must not be 'zero': writer='rockpool' has 'sub"),
        ("rockpool LIF", {"integration": "euler"}, "integration must not be 'euler'"),
        ("rockpool LIF", {"dt": 1e-2}, "dt must be 0.001, which the parameters imply if rockpool"),
        ("rockpool LIF", {"v_init": 0.5}, "v_init must not be 0.5: writer='rockpool' has 0.0"),
        ("spyx LIF", {"compare": "ge"}, "compare must not be 'ge': writer='spyx' has 'gt'"),
        ("spyx LIF", {"integration": "exponential"}, "integration must not be 'exponential'"),
        ("spyx CuBaLIF", {"reset_timing": "next_step"}, "writer='spyx' has 'same_step'"),
        ("sinabs LIF", {"dt": 0.5}, "dt must be 1 for writer='sinabs', not 0.5"),
        ("norse IF", {"reset": "subtract"}, "reset must not be 'subtract': writer='norse' has 'z"),
        ("snntorch LIF", {"dt": 1e-3}, "dt must be 0.0001 for writer='snntorch', not 0.001"),
        ("spikingjelly LIF", {"compare": "gt"}, "compare must not be 'gt'"),
        ("spikingjelly LIF, no decay_input", {"dt": 1e-3}, "dt must be 0.0001, which the param"),
    ],
)
def test_what_a_writer_contradicts(name, said, message):
    writer, make, _, _ = WRITTEN[name]
    with refuses(ValueError, message):
        ss.from_nir(network(make), writer=writer, approximate=True, **said)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("snntorch LIF", "rockpool"), ("sinabs LIF", "rockpool"), ("spyx LIF", "rockpool"),
        ("norse LIF", "rockpool"), ("norse CubaLIF", "spikingjelly"),
    ],
)
def test_a_file_that_looks_like_one_of_another_writer(name, other):
    writer, make, _, _ = WRITTEN[name]
    made = network(make, biases=(False, False))
    with refuses(ValueError, f"writer='{other}' does not fit: a NIR graph looks like a file of ... "
                 f": give writer='{writer}', or dt=") as refused:
        ss.from_nir(made, writer=other)
    step = float(str(refused.value).partition("dt=")[2].split()[0])
    assert ss.from_nir(made, writer=other, dt=step).fidelity.assumed


@pytest.mark.parametrize(
    ("writer", "make", "message"),
    [
        ("snntorch", lambda n: [nir.IF(full(n, 1), full(n, 1))],
         "if1 (IF): snnTorch 1.0.0 does not write it; the nearest that can: LIF, CubaLIF"),
        ("sinabs", lambda n: [lif(n, HALF, 2)], "lif1 (LIF): r is 2, where sinabs writes 1"),
        ("norse", lambda n: [lif(n, 2e-6, 2)], "lif1 (LIF): r is 2, where Norse writes 1"),
        ("spyx", lambda n: [lif(n, 2, 3)], "imply steps from -4 to -4, and spyx 1.0.0 writes with"),
        ("spyx", lambda n: [cuba(n, 2, 0.5, w_in=full(n, 2))], "w_in is 2, where spyx writes 1"),
        ("rockpool", lambda n: [cuba(n, ROCKPOOL, HALF / 2, w_in=full(n, 2))],
         "w_in is 2, where rockpool writes 1"),
        ("rockpool", lambda n: [lif(n, ROCKPOOL * n / 20, HALF / 2)], "imply steps from 0.001 to"),
        ("snntorch", lambda n: [lif(n, 2e-4, 1)], "imply a step of 0.0002, and snnTorch"),
        ("snntorch", lambda n: [lif(n, 2e-4, 2, v_reset=full(n, -1))], "v_reset is -1, where snnT"),
        ("spikingjelly", lambda n: [lif(n, 2e-4, 1, v_reset=full(n, -1))], "v_leak is 0, where"),
    ],
)
def test_what_a_writer_does_not_write(writer, make, message):
    with refuses(ValueError, message):
        ss.from_nir(network(make, ONLY_FIRST), writer=writer)


def test_unknown_writers_and_graphs_of_ours():
    made = network(WRITTEN["rockpool LIF"][1])
    with refuses(ValueError, "writer ... 'rockpool', 'spyx', 'sinabs', 'norse'", "'plain'"):
        ss.from_nir(made, writer="lava")
    ours = ss.to_nir(ss.from_nir(made, writer="rockpool"))
    for writer in ("rockpool", "plain"):
        with refuses(ValueError, f"writer must not be '{writer}': a NIR graph was written by to_n"):
            ss.from_nir(ours, writer=writer)
    ours.metadata = {}
    with refuses(ValueError, "writer must not be 'rockpool': a NIR graph was written by to_nir"):
        ss.from_nir(ours, writer="rockpool")
    with refuses(ValueError, "integration must be 'euler', as to_nir writes a NIR graph"):
        ss.from_nir(ss.to_nir(ss.from_nir(made, writer="rockpool")), integration="exponential")


def test_the_report_says_what_a_file_does_not():
    lines = ss.from_nir(network(WRITTEN["rockpool LIF"][1]), writer="rockpool").fidelity.assumed
    assert lines[:2] == (
        "decays of exp(-dt / tau) with dt = 0.001",
        "a spike where v >= v_threshold; reset subtract, same_step",
    )
    assert any("rockpool 3.1.0: a neuron spikes at most once" in line for line in lines)
    assert any("no recurrent weights, and neurons without bias" in line for line in lines)
    made = network(WRITTEN["spyx LIF"][1], ONLY_FIRST)
    lines = ss.from_nir(made, writer="spyx").fidelity.assumed
    assert any("outputs of step t + 2 are those of step t here" in line for line in lines)


def test_a_bias_behind_late_spikes_acts_before_them():
    make = WRITTEN["spyx LIF"][1]
    with refuses(ss.NotExpressible, "lif3 (NIR LIF, decay 0.5): its biases act 1 steps before"):
        ss.from_nir(network(make), writer="spyx")
    made = network(make)
    nearest = ss.from_nir(made, writer="spyx", approximate=True)
    assert "lif3: its biases act" in str(nearest.fidelity)
    made.nodes["affine2"].bias = np.full(20, 0.25)
    ours = ss.from_nir(made, writer="spyx", fraction_bits=8)
    assert ours.layers[1].neuron.v_init == ours.layers[1].bias[0] != 0
    source, values = [], SAMPLES.astype(float)
    for layer in (0, 1):
        affine, out = made.nodes[f"affine{2 * layer}"], []
        v = np.zeros((len(values), len(affine.bias)))
        for t in range(STEPS):  # as spyx does: spikes of the membrane of the step before
            s = (v > 1).astype(float)
            v = v / 2 + values[:, t] @ affine.weight.T + affine.bias - s
            out.append(s)
        values = np.stack(out, 1)
        source.append(values)
    spikes = ss.Golden(ours).run(SAMPLES, trace=True).spikes
    assert (spikes[0][:, :-1] == source[0][:, 1:]).all()
    assert (spikes[1][:, :-2] == source[1][:, 2:]).all()
    assert source[1][:, 2:].any()


def spyx_graph(*nodes, shape=(INPUTS,)):
    every = {"input": nir.Input(np.array(shape))}
    every |= {name: node for name, node in nodes}
    every["output"] = nir.Output(None)
    return nir.NIRGraph(every, list(pairwise(every)), type_check=False)


def test_layers_that_spyx_leaves_out():
    made = spyx_graph(
        ("layer_0", nir.Linear(weights(40, INPUTS))), ("layer_2", nir.Linear(weights(20, 40))),
        ("layer_3", lif(20, 2, 0.5)),
    )
    with refuses(ss.NotExpressible, "layer_1 (unknown): spyx's writer leaves out layers"):
        ss.from_nir(made, writer="spyx")


def test_loops_of_spyx_are_wired_right():
    back = weights(20, 20, 5)
    inner = nir.NIRGraph(
        {"lif": lif(20, 2, 0.5), "w_rec": nir.Linear(back), "in": nir.Input(np.array([20])),
         "out": nir.Output(np.array([20]))},
        [("in", "w_rec"), ("w_rec", "lif"), ("lif", "w_rec"), ("lif", "out")], type_check=False,
    )
    made = spyx_graph(("layer_0", nir.Linear(weights(20, INPUTS))), ("layer_1", inner))
    with refuses(ss.NotExpressible, "layer_1 (NIRGraph): its input goes to its recurrent weights",
                 "writer='spyx', which puts it right"):
        ss.from_nir(made, dt=1, reset="subtract", reset_timing="next_step")
    ours = ss.from_nir(made, writer="spyx", fraction_bits=8)
    v, s, kept = np.zeros((len(SAMPLES), 20)), np.zeros((len(SAMPLES), 20)), []
    for t in range(STEPS):
        v = v / 2 + SAMPLES[:, t] @ weights(20, INPUTS).T + s @ back.T - s
        s = (v > 1).astype(float)
        kept.append(s)
    assert differences(ours, SAMPLES, [np.stack(kept, 1) > 0])[0] == 0


def test_maps_of_spyx_are_flattened_channels_last():
    kernel, dense = weights(3, 2 * 9, 1).reshape(3, 2, 3, 3), weights(5, 3 * 2 * 2, 2)
    window = np.array([2, 2])
    nodes = [
        ("layer_0", nir.Conv2d((4, 4), kernel, 1, "same", 1, 1, np.zeros(3))),
        ("layer_1", lif((3, 4, 4), 2, 0.5)),
        ("layer_2", nir.SumPool2d(window, window, np.zeros(2, int))),
        ("layer_3", nir.Flatten({"input": None}, 0, -1)), ("layer_4", nir.Linear(dense)),
        ("layer_5", lif(5, 2, 0.5)),
    ]
    ours = ss.from_nir(spyx_graph(*nodes, shape=(2, 4, 4)), writer="spyx")
    ordered = dense.reshape(5, 2, 2, 3).transpose(0, 3, 1, 2).reshape(5, -1)
    assert (ours.layers[1].weight * ours.fidelity.layers[1].scale_low == ordered).all()
    padded = nodes.copy()
    padded[2] = ("layer_2", nir.SumPool2d(window, window, np.ones(2, int)))
    with refuses(ss.NotExpressible, "layer_2 (SumPool2d): spyx writes the padding of both sides"):
        ss.from_nir(spyx_graph(*padded, shape=(2, 4, 4)), writer="spyx")
    with refuses(ss.NotExpressible, "layer_1 (Flatten): the shape of the map that spyx flattens"):
        ss.from_nir(spyx_graph(nodes[0], ("layer_1", nodes[3][1]), ("layer_2", nodes[4][1]),
                               ("layer_3", nodes[5][1]), shape=(2, 4, 4)), writer="spyx")
