import json
import re
from itertools import pairwise

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import INPUTS, OUTPUTS, chain, differences, on_grid, source_spikes, spikes
from random_networks import random_network
from stablespike.importers import not_carried

nir = pytest.importorskip("nir")

STEPS, DT = 4, 1e-4
SAMPLES = spikes(11, 270, STEPS)
SAID = {"dt": DT, "reset": "zero", "reset_timing": "same_step"}


def refuses(error, message):
    return pytest.raises(error, match=re.escape(message))


def values(size, value):
    return np.full(size, float(value))


def lif(size, **settings):
    given = {"tau": 2 * DT, "r": 2, "v_leak": 0, "v_threshold": 1, **settings}
    return nir.LIF(**{name: np.asarray(v) if np.ndim(v) else values(size, v)
                      for name, v in given.items()})


def weights(outputs, inputs, seed=0):
    return np.random.default_rng(seed).integers(-8, 8, (outputs, inputs)) / 8


def affine(outputs, inputs, seed=0):
    bias = np.random.default_rng(seed + 1).integers(-8, 8, outputs) / 8
    return nir.Affine(weights(outputs, inputs, seed), bias)


def graph(*nodes, shape=(INPUTS,), output=None):
    every = {"input": nir.Input(np.array(shape))}
    every |= {f"{type(node).__name__.lower()}{i}": node for i, node in enumerate(nodes)}
    every["output"] = nir.Output(None if output is None else np.array(output))
    names = list(every)
    return nir.NIRGraph(every, list(pairwise(names)), type_check=False)


def two_layers(**settings):
    return graph(
        affine(30, INPUTS), lif(30, **settings), nir.Linear(weights(10, 30)), lif(10, **settings),
        output=(10,),
    )


def network(layers, readout="counts", source=None):
    return ss.Network(source or ss.SpikeInput((INPUTS,)), layers, readout=readout)


def dense(outputs, inputs, seed=0, weight=None, **settings):
    rng = np.random.default_rng(seed)
    settings = {"leak": (1, None), "threshold": rng.integers(20, 300, outputs), **settings}
    extra = {key: settings.pop(key) for key in ("pool_before", "emit", "weight_bits", "recurrent")
             if key in settings}
    if extra.get("recurrent"):
        extra["recurrent"] = rng.integers(-8, 8, (outputs, outputs))
    return ss.Dense(
        rng.integers(-8, 8, (outputs, inputs)), rng.integers(-99, 99, outputs),
        neuron=ss.Neuron(**settings), **extra,
    )


def conv(outputs, inputs, seed=0, kernel=(3, 3), **settings):
    rng = np.random.default_rng(seed)
    settings = {"leak": (1, None), "threshold": rng.integers(20, 300, outputs), **settings}
    extra = {key: settings.pop(key) for key in ("pool_before", "pool_after", "stride", "padding")
             if key in settings}
    return ss.Conv2d(
        rng.integers(-8, 8, (outputs, inputs, *kernel)), rng.integers(-99, 99, outputs),
        neuron=ss.Neuron(**settings), **extra,
    )


# Our own networks, there and back.


@pytest.mark.parametrize(
    "ours",
    [
        network([dense(12, INPUTS), dense(5, 12, 1, leak=(2, 3), compare="gt", reset="zero")]),
        network([dense(12, INPUTS, leak=(None, None), reset_timing="next_step")]),
        network([dense(12, INPUTS, leak=(0, None), reset="none", v_init=-70)]),
        network([dense(12, INPUTS, leak=(2, 2), synapse_leak=(1, 1), threshold=9)]),
        network([dense(12, INPUTS), dense(5, 12, fires=False, threshold=None)], "membrane"),
        network([dense(5, INPUTS, leak=(None, None), fires=False, threshold=None)], "membrane"),
        network([dense(12, INPUTS, emit="both"), dense(5, 12, weight_bits=8)], "words"),
        network([dense(9, 8, pool_before=ss.SumPool2d(2))], source=ss.SpikeInput((2, 5, 4))),
        network([dense(9, 16)], source=ss.PixelInput((1, 4, 4), bits=8)),
        network([conv(4, 2, stride=(2, 1), padding=(2, 1)), conv(3, 4, 1, compare="gt", padding=0),
                 dense(9, 12)], source=ss.SpikeInput((2, 5, 4))),
        network([conv(4, 2, pool_before=ss.SumPool2d(2), padding=1, synapse_leak=(1, 1)),
                 dense(5, 16, emit="both"), dense(5, 5, recurrent=True)], "words",
                source=ss.PixelInput((2, 5, 4), bits=4)),
        network([dense(12, INPUTS, recurrent=True),
                 dense(5, 12, fires=False, threshold=None)], "membrane"),
    ],
)
def test_our_export_read_back(ours, tmp_path):
    file = tmp_path / "net.nir"
    written = ss.to_nir(ours, file, dt=1e-3)
    assert ss.from_nir(file) == ours
    assert ss.from_nir(written, dt=1e-3) == ours
    assert nir.read(file).nodes.keys() == written.nodes.keys()


def test_random_networks_there_and_back():
    there, reasons = 0, []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        ours = random_network(rng, width=(1, 12), weight_bits=int(rng.choice([4, 8])))
        try:
            written = ss.to_nir(ours)
        except ss.NotExpressible as error:
            reasons.append(error.reason)
            continue
        fires = [layer.neuron.fires for layer in ours.layers]
        if not all(fires[:-1]) or (not fires[-1] and ours.readout != "membrane"):
            with refuses(ValueError, "layers emit spikes" if not all(fires[:-1]) else "readout"):
                ss.from_nir(written)
            continue
        back = ss.from_nir(written)
        there += 1
        assert (back.input, back.readout, back.weight_bits) == (
            ours.input, ours.readout, ours.weight_bits
        )
        for mine, other in zip(back.layers, ours.layers, strict=True):
            assert (mine.weight == other.weight).all()
            assert (mine.bias == other.bias).all()
            assert (mine.threshold == other.threshold).all()
            assert (mine.emit, mine.pool_before) == (other.emit, other.pool_before)
            for name in ("leak", "synapse_leak", "reset", "reset_timing", "compare", "v_init"):
                assert getattr(mine.neuron, name) == getattr(other.neuron, name), (seed, name)
    assert there > 30
    for reason in ("skeleton", "turns the sign", "does not leak"):
        assert sum(reason in each for each in reasons) > 3
    assert len(reasons) < 250


def test_our_export_in_plain_nir_has_the_same_spikes():
    ours = network([dense(30, INPUTS, compare="gt", reset="zero"),
                    dense(10, 30, 1, compare="gt", reset="zero")])
    written = ss.to_nir(ours)
    for node in (written, *written.nodes.values()):
        node.metadata = {}
    with refuses(ValueError, "dt must be given: layer0 (LIF) is described in continuous time"):
        ss.from_nir(written)
    network_ = ss.from_nir(written, **SAID)
    for mine, other in zip(network_.layers, ours.layers, strict=True):
        assert (mine.weight == other.weight).all()
        assert (mine.threshold == other.threshold).all()
    assert network_.fidelity.assumed == (
        "forward Euler with dt = 0.0001", "a spike where v > v_threshold; reset zero",
    )


def test_what_nir_does_not_carry(tmp_path):
    ours = network([dense(12, INPUTS, v_init=3, emit="both"), dense(5, 12, recurrent=True)],
                   source=ss.PixelInput((INPUTS,), 4))
    lines = "\n".join(not_carried(ours))
    for part in ("readout", "rounding of the leak", "subtract, same_step", "equal to the threshold",
                 "v_init", "pixels of 4 bits", "skeleton", "widths", "one step later"):
        assert part in lines
    with refuses(ss.NotExpressible, "NIR has no node for emit='skeleton'"):
        ss.to_nir(network([dense(12, INPUTS, emit="skeleton"), dense(5, 12)]))
    with refuses(ss.NotExpressible, "a synaptic current that does not leak"):
        ss.to_nir(network([dense(12, INPUTS, synapse_leak=(None, None))]))
    maps = ss.SpikeInput((1, 5, 5))
    with refuses(ss.NotExpressible, "NIR has no node for the OR of spikes in a pool"):
        ss.to_nir(network([conv(2, 1, pool_after=ss.MaxPool2d(2))], source=maps))
    with refuses(ss.NotExpressible, "takes a kernel to be as wide as it is high"):
        ss.to_nir(network([conv(2, 1, kernel=(3, 2))], source=maps))
    with refuses(TypeError, "network must be a Network, not 'net'"):
        ss.to_nir("net")
    with refuses(ValueError, "dt must be a positive finite number, not 0"):
        ss.to_nir(ours, dt=0)
    with refuses(ss.FileError, "cannot be written"):
        ss.to_nir(ours, tmp_path / "no" / "net.nir")


def test_a_graph_of_ours_contradicted():
    written = ss.to_nir(network([dense(12, INPUTS)]))
    with refuses(ValueError, "dt must be 0.0001, as the graph says, not 0.1"):
        ss.from_nir(written, dt=0.1)
    with refuses(ValueError, "reset of layer0 must be 'subtract', as the graph says, not 'zero'"):
        ss.from_nir(written, reset="zero")
    with refuses(ValueError, "fraction_bits must be 4, as the graph says, not 2"):
        ss.from_nir(written, fraction_bits=2)
    for text in ("{", "3", "{}", '{"input": 3}'):
        written.metadata["stablespike"] = text
        if text != "{}":
            with refuses(ss.FileError, "its 'stablespike' metadata is damaged"):
                ss.from_nir(written)


def edited(node, **changes):
    """A graph of ours whose metadata, of itself or of a node, was changed by hand."""
    made = ss.to_nir(network([dense(12, INPUTS, synapse_leak=(2, None)), dense(5, 12)]))
    place = made.metadata if node is None else made.nodes[node].metadata
    kept = json.loads(place["stablespike"])
    place["stablespike"] = json.dumps({**kept, **changes})
    return made


def with_other_tau():
    made = edited("layer1")
    made.nodes["layer1"].tau = made.nodes["layer1"].tau * 2
    return made


LAYER, NODE = {"emit": "spikes", "weight_bits": None}, "layer1 (LIF): its 'stablespike' metadata "


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: edited("layer1", leak=[1]), NODE + "is damaged (not enough values to unpack"),
        (lambda: edited("layer1", leak=3), NODE + "is damaged (cannot unpack"),
        (lambda: edited("layer1", leak=["a", "b"]), NODE + "is damaged (leak"),
        (lambda: edited("layer1", leak=[99, None]), NODE + "is damaged (leak"),
        (lambda: edited("layer1", reset="soft"), NODE + "is damaged (reset must be one of"),
        (lambda: edited("layer1", leak=[2, None]),
         NODE + "says leak (2, None), a decay of 0.75, but its time constant says 0.5"),
        (lambda: edited("layer1", synapse_leak=[2, None]),
         NODE + "says synapse_leak (2, None), a decay of 0.75, but its time constant has none"),
        (lambda: edited("layer0", synapse_leak=[1, None]),
         "layer0 (CubaLIF): its 'stablespike' metadata says synapse_leak (1, None), a decay of 0."),
        (with_other_tau, NODE + "says leak (1, None), a decay of 0.5, but its time constant says "),
        (lambda: edited(None, layers=[]),
         "a NIR graph: its 'stablespike' metadata is of 0 layers, not of the 2 it has"),
        (lambda: edited(None, layers=[LAYER] * 3), "is of 3 layers, not of the 2 it has"),
        (lambda: edited(None, layers=[{**LAYER, "emit": "all"}] * 2),
         "a NIR graph: its 'stablespike' metadata is damaged (ValueError(\"emit must be one of"),
        (lambda: edited(None, input={"kind": "sound", "shape": [INPUTS]}),
         "a NIR graph: its 'stablespike' metadata is damaged (ValueError(\"kind must be one of"),
    ],
)
def test_metadata_of_ours_changed_by_hand(made, message):
    assert ss.from_nir(edited("layer0")).layers[0].neuron.synapse_leak == (2, None)
    with refuses(ss.FileError, message):
        ss.from_nir(made())


# What other frameworks write.


@pytest.mark.filterwarnings("ignore")
def test_graphs_of_snntorch(tmp_path):
    snn = pytest.importorskip("snntorch")
    from snntorch.export_nir import export_to_nir

    def all_of(size, value):
        return torch.full((size,), value)

    common = {"init_hidden": True, "reset_mechanism": "zero", "reset_delay": False}
    module = chain(
        snn.Leaky(beta=all_of(40, 0.5), threshold=all_of(40, 1.0), **common),
        snn.Synaptic(all_of(20, 0.5), all_of(20, 0.5), all_of(20, 1.5), output=True, **common), 0,
    )
    written = export_to_nir(module, torch.rand(1, INPUTS), ignore_dims=[0])
    nir.write(tmp_path / "net.nir", written)
    with refuses(ValueError, "cuba_current must be given for 3 (CubaLIF): 'new' if"):
        ss.from_nir(tmp_path / "net.nir", **SAID)
    with refuses(ss.NotExpressible, "cuba_current='last' delays the current by one step"):
        ss.from_nir(tmp_path / "net.nir", **SAID, cuba_current="last")
    ours = ss.from_nir(tmp_path / "net.nir", **SAID, cuba_current="new")
    assert ours.fidelity.exact
    assert ours.fidelity.exact_steps >= STEPS
    for neuron in (module[1], module[3]):
        neuron.reset_mem()
    source = source_spikes(module, [module[1], module[3]], SAMPLES)
    assert differences(ours, SAMPLES, source)[0] == 0


@pytest.mark.parametrize("hard", [True, False])
def test_graphs_of_spikingjelly(hard):
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    from spikingjelly.activation_based import functional, nir_exchange

    module = chain(
        neuron.LIFNode(v_threshold=0.5, v_reset=-0.5 if hard else 0.0),
        neuron.IFNode(v_reset=0.0), 0, fraction=8,
    )
    written = nir_exchange.export_to_nir(module, torch.rand(1, INPUTS), dt=DT)
    said = {**SAID, "v_init": "v_reset"} if hard else SAID
    if hard:
        with refuses(ValueError, "v_init must be given for _1 (LIF): its v_leak or v_reset is not"):
            ss.from_nir(written, **SAID)
    ours = ss.from_nir(written, **said)
    assert ours.fidelity.exact
    functional.reset_net(module)
    source = source_spikes(module, [module[1], module[3]], SAMPLES)
    # NIR fires above the threshold, SpikingJelly at it: where a membrane meets it they differ.
    different, compared = differences(ours, SAMPLES, source)
    assert 0 < different < 0.1 * compared
    ours = ss.from_nir(written, **said, compare="ge")
    assert ours.fidelity.exact
    assert "a spike where v >= v_threshold; reset zero" in ours.fidelity.assumed
    assert differences(ours, SAMPLES, source)[0] == 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rest", [0.0, 0.25])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_graphs_of_norse(reset, rest):
    norse = pytest.importorskip("norse.torch")
    from norse.torch.functional.reset import reset_subtract, reset_value
    from norse.torch.utils.export_nir import to_nir as norse_to_nir

    generator = torch.Generator().manual_seed(0)
    method = {"zero": reset_value, "subtract": reset_subtract}[reset]
    box = norse.LIFBoxParameters(
        tau_mem_inv=torch.tensor(500.0), v_th=torch.tensor(0.5), reset_method=method,
        v_leak=torch.tensor(rest),
    )
    layers = [
        on_grid(INPUTS, 40, generator), norse.LIFBoxCell(box),
        on_grid(40, OUTPUTS, generator), norse.LIFBoxCell(box),
    ]
    module = norse.SequentialState(*layers)
    written = norse_to_nir(module, torch.rand(1, INPUTS))
    with refuses(ValueError, "tau = 2e-06 must be at least dt = 0.001"):
        ss.from_nir(written, dt=1e-3, reset="zero")
    # Norse 1.1 writes dt / tau_mem_inv where 1 / tau_mem_inv is meant, so a step is dt squared.
    said = {"v_init": "v_leak"} if rest else {}
    ours = ss.from_nir(written, dt=1e-6, reset=reset, reset_timing="same_step", **said)
    assert ours.fidelity.exact
    state, kept = None, [[], []]
    with torch.no_grad():
        for t in range(STEPS):
            x, new = torch.from_numpy(SAMPLES[:, t]).float(), []
            for i, (linear, cell) in enumerate((layers[:2], layers[2:])):
                x, s = cell(linear(x), None if state is None else state[i])
                kept[i].append(x)
                new.append(s)
            state = new
    source = [torch.stack(each, 1).numpy() > 0 for each in kept]
    assert differences(ours, SAMPLES, source)[0] == 0


@pytest.mark.filterwarnings("ignore")
def test_a_cuba_graph_of_norse_needs_its_gain():
    norse = pytest.importorskip("norse.torch")
    from norse.torch.utils.export_nir import to_nir as norse_to_nir

    linear = on_grid(INPUTS, 40, torch.Generator().manual_seed(0))
    parameters = norse.LIFParameters(
        tau_mem_inv=torch.tensor(500.0), tau_syn_inv=torch.tensor(500.0), v_th=torch.tensor(0.5)
    )
    cell = norse.LIFCell(parameters)
    written = norse_to_nir(norse.SequentialState(linear, cell), torch.rand(1, INPUTS))
    said = {"dt": 1e-6, "reset": "zero", "cuba_current": "new"}
    state, kept = None, []
    with torch.no_grad():
        for t in range(STEPS):
            spike, state = cell(linear(torch.from_numpy(SAMPLES[:, t]).float()), state)
            kept.append(spike)
    source = [torch.stack(kept, 1).numpy() > 0]
    # Norse adds spikes to the current as they are; its graph says w_in = 1, which a step scales.
    assert differences(ss.from_nir(written, **said), SAMPLES, source)[0] > 0
    written.nodes["1"].w_in = np.array(2.0)
    ours = ss.from_nir(written, **said)
    assert ours.fidelity.exact
    assert differences(ours, SAMPLES, source)[0] == 0


# Nodes and their parameters.


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
    with refuses(ValueError, "v_init must be 'v_leak', 'v_reset' or a number, not 'rest'"):
        ss.from_nir(moved, **SAID, v_init="rest")
    rest = {**SMALL, "w_in": np.ones(1), "v_leak": np.array([0.5])}
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


def branching():
    made = two_layers()
    made.nodes["other"] = nir.Linear(weights(4, 30))
    made.edges += [("lif1", "other"), ("other", "output")]
    return made


def dangling():
    made = two_layers()
    made.edges.append(("lif1", "nobody"))
    return made


def recurrent():
    made = two_layers()
    made.nodes |= {"back": nir.Linear(weights(30, 30)), "more": nir.Linear(weights(30, 30))}
    made.edges += [("lif1", "back"), ("back", "more"), ("more", "lif1")]
    return made


def two_inputs():
    made = two_layers()
    made.nodes["second"] = nir.Input(np.array([3]))
    made.edges.append(("second", "affine0"))
    return made


def with_nan():
    made = two_layers()
    made.nodes["affine0"].weight[2, 5] = np.nan
    return made


def short_bias():
    made = two_layers()
    made.nodes["affine0"].bias = np.zeros(7)
    return made


def uneven():
    made = two_layers()
    made.nodes["lif1"].tau = values(29, 2 * DT)
    return made


def two_ends():
    inner = nir.NIRGraph(
        {"a": nir.Input(np.array([3])), "b": nir.Input(np.array([3])),
         "w": nir.Linear(weights(3, 3)), "c": nir.Output(np.array([3]))},
        [("a", "w"), ("b", "w"), ("w", "c")], type_check=False,
    )
    return graph(inner, lif(3), shape=(3,))


def joined():
    made = two_layers()
    made.nodes["other"] = nir.Linear(weights(30, 30))
    made.edges += [("lif1", "other")]
    made.nodes["end"] = nir.Output(np.array([30]))
    made.edges += [("other", "end")]
    return made


def pools(**settings):
    window = {name: np.array([2, 2]) for name in ("kernel_size", "stride")}
    node = nir.SumPool2d(**{**window, "padding": np.zeros(2, int), **settings})
    return graph(node, nir.Linear(weights(4, 9)), lif(4), shape=(1, 6, 6))


SMALL = {"w_in": np.array([0.0]), "tau_syn": np.array([2 * DT]), "tau_mem": np.array([2 * DT]),
         "r": np.array([2.0]), "v_leak": np.array([0.0]), "v_threshold": np.array([1.0])}


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (branching, "lif1 (LIF): the graph branches: it feeds linear2, other"),
        (dangling, "names 'nobody', which is no node"),
        (recurrent, "lif1 (LIF): it is recurrent, through lif1, back, more; the nearest that"),
        (two_inputs, "input, second (NIRGraph): these are its inputs"),
        (with_nan, "affine0 (Affine): weight must be finite, not nan (at [2, 5])"),
        (short_bias, "affine0 (Affine): bias must be (30,), one per output, not (7,)"),
        (two_ends, "nirgraph0 (NIRGraph): it has 2 inputs and 1 outputs"),
        (joined, "output, end (NIRGraph): these are its outputs"),
        (lambda: pools(kernel_size=np.array([2, 2, 2])), "must be one or two integers, not"),
        (lambda: graph(nir.Affine(np.ones((2, 3, INPUTS)), np.zeros(3)), lif(3)),
         "affine0 (Affine): weight must be (out, in), not (2, 3, 24)"),
        (lambda: graph(nir.Flatten({"input": None}, 2, -1), affine(3, INPUTS), lif(3)),
         "flatten0 (Flatten): (24,) has no axes 2 to -1"),
        (lambda: graph(affine(3, INPUTS), lif(3), shape=(0,)), "input (Input) has the shape (0,)"),
        (lambda: graph(nir.Linear(np.full((3, INPUTS), "a")), lif(3)),
         "linear0 (Linear) weight must be an array of real numbers, not of <U1"),
        (lambda: graph(nir.Linear(np.zeros((3, INPUTS), complex)), lif(3)),
         "linear0 (Linear) weight must be an array of real numbers, not of complex128"),
        (lambda: graph(nir.Linear(np.zeros((0, INPUTS))), lif(1)),
         "linear0 (Linear): its weight is empty, (0, 24)"),
        (lambda: graph(affine(1, INPUTS),
                       nir.CubaLIF(**{**SMALL, "w_in": np.ones(1), "tau_syn": np.array([DT / 2])})),
         "cubalif1 (CubaLIF): tau_syn = 5e-05 must be at least dt = 0.0001"),
        (lambda: graph(affine(1, INPUTS),
                       nir.CubaLIF(**{**SMALL, "w_in": np.ones(1), "v_leak": np.array([0.5])})),
         "v_init must be given for cubalif1"),
        (lambda: pools(stride=np.array([1, 1])), "window (2, 2), stride (1, 1), padding (0, 0)"),
        (lambda: pools(padding=np.array([1, 1])), "sumpool2d0 (SumPool2d): window (2, 2)"),
        (lambda: pools(kernel_size=np.array([9, 9]), stride=np.array([9, 9])),
         "sumpool2d0 (SumPool2d): SumPool2d(9) needs a map of at least its size"),
        (lambda: graph(affine(30, 23), lif(30)), "its weight must be (out, 24) for an input of"),
        (lambda: graph(affine(30, INPUTS), lif(29, tau=2 * DT, v_threshold=np.arange(1.0, 30))),
         "lif1 (LIF): its parameters are of 29 neurons, but its weights have 30 outputs"),
        (lambda: graph(affine(3, INPUTS), nir.IF(r=values(4, 1), v_threshold=values(4, 1))),
         "if1 (IF): its parameters are of 4 neurons, but its weights have 3 outputs"),
        (uneven, "lif1 (LIF): its parameters are of different sizes: 30 of r, 29 of tau, 30 of v"),
        (lambda: graph(affine(30, INPUTS), lif(30), output=(7,)),
         "output (Output) has the shape (7,), but 30 neurons feed it"),
        (lambda: graph(affine(30, INPUTS), lif(30, tau=np.linspace(DT, 3 * DT, 30))),
         "lif1 (LIF): tau differs between neurons, from 0.0001 to 0.0003: a layer has one leak"),
        (lambda: graph(affine(30, INPUTS), lif(30, r=-1)), "lif1 (LIF): r must be positive"),
        (lambda: graph(affine(30, INPUTS), lif(30, v_threshold=0)), "thresholds above the resting"),
        (lambda: graph(affine(1, INPUTS), nir.CubaLIF(**SMALL)), "w_in must be positive, not 0"),
        (lambda: graph(affine(30, INPUTS)), "affine0 (Affine): nothing follows it"),
        (lambda: graph(affine(30, INPUTS), lif(30), nir.Scale(values(30, 2))),
         "scale2 (Scale): it changes the last spikes"),
        (lambda: graph(lif(INPUTS)), "lif0 (LIF): there are no weights in front"),
        (lambda: graph(nir.Delay(values(INPUTS, 1)), affine(3, INPUTS), lif(3)),
         "delay0 (Delay): no layer of this array computes it; the nearest that can: Affine"),
        (lambda: graph(affine(3, INPUTS), nir.LI(values(3, 1), values(3, 1), values(3, 0)),
                       affine(3, 3), lif(3)), "its membrane goes on to affine2 (Affine)"),
        (lambda: graph(nir.Scale(values(3, 1)), affine(3, INPUTS), lif(3)),
         "scale0 (Scale): its factor must be one value or 24"),
        (lambda: graph(affine(3, INPUTS), lif(3), shape=(2, INPUTS)),
         "affine0 (Affine): its weight must be (out, 48) for an input of (2, 24)"),
    ],
)
def test_refused_graphs(made, message):
    with refuses(ValueError, message):
        ss.from_nir(made(), **SAID, cuba_current="new")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "dt must be given: lif1 (LIF) is described in continuous time"),
        ({"dt": -1.0}, "dt must be a positive finite number, not -1.0"),
        ({"dt": "small"}, "dt must be a positive finite number, not 'small'"),
        ({"dt": 1.0}, "lif1 (LIF): tau = 0.0002 must be at least dt = 1"),
        ({"dt": DT}, "reset must be given for lif1 (LIF): 'zero' (to v_reset"),
        ({"dt": DT, "reset": "hard"}, "reset must be one of 'subtract', 'zero', 'none', not"),
        ({"dt": DT, "reset": "subtract"}, "reset_timing must be given for lif1 (LIF)"),
        ({"dt": DT, "reset": "subtract", "reset_timing": "soon"}, "reset_timing must be one of"),
        ({**SAID, "compare": ">"}, "compare must be one of 'ge', 'gt', not '>'"),
        ({**SAID, "input": ss.SpikeInput((5,))}, "weight must be (out, 5) for an input of (5,)"),
    ],
)
def test_what_is_not_pinned_is_asked_for(said, message):
    with refuses(ValueError, message):
        ss.from_nir(two_layers(), **said)


def test_files_that_are_no_nir(tmp_path):
    missing, text, other = (tmp_path / name for name in ("no.nir", "text.nir", "other.nir"))
    with refuses(ss.FileError, "no.nir does not exist; expected a NIR file"):
        ss.from_nir(missing)
    with refuses(ss.FileError, "is a directory; expected a NIR file"):
        ss.from_nir(tmp_path)
    text.write_text("no graph\n" * 100)
    with refuses(ss.FileError, "text.nir is no NIR file, or one of another version"):
        ss.from_nir(text)
    import h5py

    with h5py.File(other, "w") as file:
        file["weights"] = np.zeros(3)
    with refuses(ss.FileError, "other.nir is no NIR file"):
        ss.from_nir(other)
    nir.write(other, lif(3))
    with refuses(ss.FileError, "it holds a LIF, not a NIRGraph"):
        ss.from_nir(other)
    nir.write(text, two_layers())
    whole = text.read_bytes()
    text.write_bytes(whole[: len(whole) // 2])
    with refuses(ss.FileError, "text.nir is no NIR file"):
        ss.from_nir(text)
    with refuses(TypeError, "source must be the path of a NIR file or a nir.NIRGraph, not 3"):
        ss.from_nir(3)


def test_steps_as_numpy_has_them():
    ours = ss.from_nir(two_layers(), **{**SAID, "dt": np.float32(DT)})
    assert ours.layers == ss.from_nir(two_layers(), **SAID).layers
    for dt in (np.float64("inf"), np.bool_(True), True, 1j):
        with refuses(ValueError, f"dt must be a positive finite number, not {dt!r}"):
            ss.from_nir(two_layers(), **{**SAID, "dt": dt})


def test_gains_of_their_own_go_into_the_weights():
    made = graph(affine(30, INPUTS), lif(30, r=np.repeat([2.0, 4.0], 15)), affine(10, 30),
                 nir.LI(values(10, 2 * DT), np.repeat([1.0, 2.0], 5), values(10, 0)))
    ours = ss.from_nir(made, **SAID, calibration=SAMPLES, weight_bits=8)
    assert ours.fidelity.exact
    assert ours.fidelity.different == 0
    assert ours.fidelity.same_prediction > 0.99
    with refuses(ValueError, "readout must be 'membrane', not 'counts': the last layer, li3"):
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
    with refuses(ValueError, "input (Input) has no shape: give input="):
        ss.from_nir(made, **SAID)
    assert ss.from_nir(made, **SAID, input=ss.SpikeInput((4, 6))).input.shape == (4, 6)
