"""Decays that differ between neurons: leaks per neuron, or as few as asked for."""

from dataclasses import replace

import numpy as np
import pytest
import stablespike as ss
import torch
from board_model import board_device, same
from hypothesis import given
from hypothesis import strategies as st
from import_models import HIDDEN, INPUTS, OUTPUTS, chain, differences, source_spikes, spikes
from refusals import refuses
from stablespike.importers.leaks import factors, layer_leaks
from stablespike.importers.semantics import Cell
from stablespike.network.leaks import closest_leak

snn = pytest.importorskip("snntorch")

STEPS = 3  # with 6 fraction bits, leaks of up to 1/8 round nothing
SAMPLES = spikes(11, 60, STEPS)
GRID = (0.0, 0.5, 0.75, 0.875, 1.0)
OPTIONS = {"fraction_bits": 6, "steps": STEPS}


def betas(count, seed, grid=GRID):
    return torch.tensor(np.random.default_rng(seed).choice(grid, count), dtype=torch.float32)


def module_of(kind, seed, first, second):
    settings = {"init_hidden": True}
    return chain(kind(**first, **settings), kind(**second, output=True, **settings), seed)


def run(module, samples=SAMPLES):
    neurons = [child for child in module.modules() if isinstance(child, snn.SpikingNeuron)]
    for neuron in neurons:
        neuron.reset_mem()
    return source_spikes(module, neurons, samples)


def kinds(layer):
    return len(layer.neuron.kinds(layer.channels)[0])


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
def test_learned_betas_of_snntorch_are_exact(reset):
    total = 0
    for seed in range(5):
        first, second = betas(HIDDEN, seed), betas(OUTPUTS, seed + 50)
        module = module_of(
            snn.Leaky, seed,
            {"beta": first, "learn_beta": True, "reset_mechanism": reset},
            {"beta": second, "learn_beta": True, "reset_mechanism": reset},
        )
        network = ss.from_snntorch(module, (INPUTS,), **OPTIONS)
        for layer, asked in zip(network.layers, (first, second), strict=True):
            assert np.allclose(factors(layer.neuron.leak), asked)
            assert kinds(layer) == len(set(asked.tolist()))
        report = network.fidelity
        assert report.exact
        assert report.exact_steps >= STEPS
        assert report.layers[0].decay_asked == tuple(first.tolist())
        assert report.layers[0].decay_error == 0
        different, compared = differences(network, SAMPLES, run(module))
        assert different == 0
        total += compared
    assert total > 50_000


def test_vectors_of_both_decays_and_recurrent_neurons():
    for seed in range(3):
        pairs = [(betas(n, seed + n, GRID[1:4]), betas(n, seed + n + 1, GRID[:3]))
                 for n in (HIDDEN, OUTPUTS)]
        module = module_of(
            snn.Synaptic, seed,
            *({"beta": beta, "alpha": alpha} for beta, alpha in pairs),
        )
        network = ss.from_snntorch(module, (INPUTS,), **OPTIONS)
        assert network.fidelity.exact
        assert kinds(network.layers[0]) == len(torch.stack(pairs[0]).unique(dim=1).T)
        assert differences(network, SAMPLES, run(module))[0] == 0
    recurrent = snn.RLeaky(
        beta=betas(OUTPUTS, 3), linear_features=OUTPUTS, init_hidden=True, output=True
    )
    with torch.no_grad():
        back = recurrent.recurrent
        back.weight.copy_(torch.round(back.weight * 20) / 8)
        back.bias.zero_()
    module = chain(snn.Leaky(beta=0.5, init_hidden=True), recurrent, 4)
    network = ss.from_snntorch(module, (INPUTS,), **OPTIONS)
    assert network.fidelity.exact
    assert kinds(network.layers[1]) == 5
    assert differences(network, SAMPLES, run(module))[0] == 0


def convolving(beta):
    generator = torch.Generator().manual_seed(3)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(2, 6, 3, padding=1), snn.Leaky(beta=beta, init_hidden=True),
        torch.nn.Flatten(), torch.nn.Linear(6 * 20, 5),
        snn.Leaky(beta=0.5, init_hidden=True, output=True),
    )
    with torch.no_grad():
        for parameter in layers.parameters():
            values = torch.randint(-8, 8, parameter.shape, generator=generator)
            parameter.copy_(values / 8)
    return layers


def test_a_convolution_has_a_leak_per_channel():
    beta = torch.tensor([0.5, 0.75, 0.5, 0.875, 0.75, 1.0]).reshape(6, 1, 1)
    module = convolving(beta)
    network = ss.from_snntorch(module, (2, 4, 5), **OPTIONS)
    assert network.layers[0].neuron.leak == (
        (1, None), (2, None), (1, None), (3, None), (2, None), (None, None)
    )
    assert network.fidelity.exact
    given = spikes(5, 40, STEPS, inputs=40).reshape(40, STEPS, 2, 4, 5)
    ours = ss.Golden(network).run(given, trace=True).spikes
    theirs = run(module, given)
    assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))
    uneven = beta.expand(6, 4, 5).clone()
    uneven[2, 1, 1] = 0.75
    with refuses(ss.NotExpressible, "its decay differs within a channel") as caught:
        ss.from_snntorch(convolving(uneven), (2, 4, 5), **OPTIONS)
    assert caught.value.nearest == "one decay per channel"


def test_the_array_computes_what_the_module_does():
    module = module_of(snn.Leaky, 7, {"beta": betas(HIDDEN, 8)}, {"beta": betas(OUTPUTS, 9)})
    network = ss.from_snntorch(module, (INPUTS,), **OPTIONS)
    array = ss.ArrayConfig(
        cores=2, lanes=4, window=2, fraction_bits=6, synaptic_current=False, state_groups=64,
    )
    program = ss.compile(network, array, STEPS)
    device, _, _ = board_device(program)
    with device, ss.open_device("golden:") as golden:
        results = []
        for each in (device, golden):
            each.load(program)
            results.append(each.run(SAMPLES[:8], trace=True))
    same(*results)
    for mine, theirs in zip(results[0].trace, run(module), strict=True):
        assert (mine == theirs[:8]).all()


def test_as_few_leaks_as_asked_for():
    beta = torch.linspace(0.3, 0.99, HIDDEN)
    module = module_of(snn.Leaky, 1, {"beta": beta}, {"beta": 0.5})
    asked = beta.double().numpy()
    errors = []
    for most in (None, 12, 4, 1):
        network = ss.from_snntorch(
            module, (INPUTS,), steps=STEPS, leaks=most, calibration=SAMPLES
        )
        found = kinds(network.layers[0])
        assert most is None or found <= most
        used = np.broadcast_to(factors(network.layers[0].neuron.leak), (HIDDEN,))
        report = network.fidelity.layers[0]
        errors.append(np.abs(used - asked).max())
        assert abs(report.decay_error) == pytest.approx(errors[-1], abs=1e-5)
        assert not report.exact
        text = str(network.fidelity)
        assert f"leak 0.3 to 0.99 asked ({HIDDEN} different), " in text
        assert f"used ({len(set(used.tolist()))} different), largest error " in text
    assert errors == sorted(errors)
    with pytest.raises(ValueError, match="leaks must be from 1 to"):
        ss.from_snntorch(module, (INPUTS,), leaks=0)


decays = st.lists(st.floats(0, 1), min_size=1, max_size=12).map(np.array)


@given(decays, st.none() | st.integers(1, 6), st.data())
def test_merged_decays_are_means_of_neighbours(asked, most, data):
    synapse = None
    if data.draw(st.booleans()):
        size = len(asked)
        synapse = np.array(data.draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)))
    cell = Cell("a neuron", asked, np.ones(()), synapse_decay=synapse)
    leak, synapse_leak = layer_leaks(cell, len(asked), most)
    assert (synapse_leak is None) == (synapse is None)
    used = np.broadcast_to(factors(leak), asked.shape)
    pairs = used if synapse_leak is None else zip(used, np.broadcast_to(
        factors(synapse_leak), asked.shape), strict=True)
    if most is not None:
        assert len(set(pairs)) <= most
    else:
        wanted = [closest_leak(decay).factor for decay in asked]
        assert used.tolist() == wanted
    # With a single decay per neuron, order is kept.
    if synapse is None:
        assert (np.diff(used[np.argsort(asked, kind="stable")]) >= 0).all()


def test_one_decay_needs_no_neurons_of_its_own():
    cell = Cell("a neuron", 0.8, np.ones(()), synapse_decay=np.array([0.5, 0.5]))
    assert layer_leaks(cell, 2, None) == (closest_leak(0.8), closest_leak(0.5))
    pinned = replace(cell, leak=ss.Leak(4, None))
    assert layer_leaks(pinned, 2, 1)[0] == (4, None)


@pytest.mark.parametrize("synapse", [False, True])
def test_vectors_of_time_constants_there_and_back(synapse, tmp_path):
    nir = pytest.importorskip("nir")
    rng = np.random.default_rng(0)
    few = [(1, None), (2, None), (1, 3), (0, None)]
    leaks = [few[i] for i in rng.integers(0, 4, 9)]
    channels = [few[i] for i in rng.integers(0, 4, 6)]
    extra = {"synapse_leak": leaks[::-1]} if synapse else {}
    network = ss.Network(
        ss.SpikeInput((2, 5, 5)),
        [
            ss.Conv2d(rng.integers(-7, 8, (6, 2, 3, 3)),
                      neuron=ss.Neuron(leak=channels, threshold=60, compare="gt")),
            ss.Dense(rng.integers(-7, 8, (9, 54)),
                     neuron=ss.Neuron(leak=leaks, threshold=rng.integers(20, 90, 9), **extra)),
        ],
    )
    written = ss.to_nir(network, tmp_path / "net.nir")
    tau = written.nodes["layer1"].tau_mem if synapse else written.nodes["layer1"].tau
    assert np.allclose(1 - 1e-4 / tau, [ss.Leak.of(leak).factor for leak in leaks])
    assert written.nodes["layer0"].tau.shape == (6, 3, 3)
    back = ss.from_nir(tmp_path / "net.nir")
    for ours, other in zip(network.layers, back.layers, strict=True):
        assert (ours.neuron.leak, ours.neuron.synapse_leak) == (
            other.neuron.leak, other.neuron.synapse_leak
        )
        assert (ours.weight == other.weight).all()
    assert back.fidelity.layers[1].exact
    # A file of another writer has the vectors, but no notes.
    graph = nir.read(tmp_path / "net.nir")
    for node in graph.nodes.values():
        node.metadata = {}
    graph.metadata = {}
    other = ss.from_nir(
        graph, dt=1e-4, reset="subtract", reset_timing="same_step", cuba_current="new"
    )
    assert factors(other.layers[1].neuron.leak).tolist() == [
        ss.Leak.of(leak).factor for leak in leaks
    ]
    # Notes that say other leaks than the time constants are refused.
    changed = ss.to_nir(network)
    node = changed.nodes["layer1"]
    if synapse:
        node.tau_mem[3] *= 3
    else:
        node.tau[3] *= 3
    with refuses(ss.FileError, "metadata says 9 different leaks for leak, a decay of 0 to 0.75"):
        ss.from_nir(changed)


def test_time_constants_that_differ_within_a_channel_are_refused():
    pytest.importorskip("nir")
    conv = ss.Conv2d(np.ones((2, 1, 2, 2)), neuron=ss.Neuron(leak=(1, None), threshold=9))
    graph = ss.to_nir(ss.Network(ss.SpikeInput((1, 4, 4)), [conv]))
    node = graph.nodes["layer0"]
    node.metadata = {}
    node.tau[1, 0, 0] *= 2
    node.r[1, 0, 0] *= 2
    with refuses(ss.NotExpressible, "its decay differs within a channel"):
        ss.from_nir(graph, dt=1e-4, reset="zero")


def test_some_neurons_that_leak_beside_some_that_do_not_have_no_nir_node():
    pytest.importorskip("nir")
    neuron = ss.Neuron(leak=[(1, None), (None, None)], threshold=9)
    network = ss.Network(ss.SpikeInput((3,)), [ss.Dense(np.ones((2, 3)), neuron=neuron)])
    with refuses(ss.NotExpressible, "NIR has no neurons of which some leak and some do not"):
        ss.to_nir(network)


def test_vectors_may_have_an_axis_of_the_batch():
    """Two shapes that snnTorch broadcasts in the same way."""
    first = betas(HIDDEN, 2)
    networks = [
        ss.from_snntorch(
            module_of(snn.Leaky, 2, {"beta": each}, {"beta": 0.5}), (INPUTS,), **OPTIONS
        )
        for each in (first, first[None])
    ]
    assert networks[0] == networks[1]
    beta = torch.tensor([0.5, 0.75, 0.5, 0.875, 0.75, 1.0]).reshape(6, 1, 1)
    maps = [
        ss.from_snntorch(convolving(each), (2, 4, 5), **OPTIONS) for each in (beta, beta[None])
    ]
    assert maps[0] == maps[1]


def test_lapicque_with_several_resistances():
    """snnTorch 1.0 takes one resistance, but computes with several that are set afterwards."""
    several = torch.tensor(np.random.default_rng(4).choice([1.0, 2.0, 4.0], HIDDEN)).float()
    settings = {"R": 2.0, "C": 1.0}
    module = module_of(snn.Lapicque, 6, settings, settings)
    module[1].R = several
    network = ss.from_snntorch(module, (INPUTS,), **OPTIONS)
    assert kinds(network.layers[0]) == 3
    assert network.fidelity.exact
    assert differences(network, SAMPLES, run(module))[0] == 0
    module[1].R, module[1].C = torch.tensor(2.0), several
    with refuses(ss.NotExpressible, "C differs between neurons, from 1 to 4: the array does not"):
        ss.from_snntorch(module, (INPUTS,), **OPTIONS)
