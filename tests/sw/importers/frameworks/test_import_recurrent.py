"""Recurrent neurons of snnTorch and ways back in NIR graphs."""

from itertools import pairwise

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import INPUTS, OUTPUTS, differences, on_grid, source_spikes, spikes
from refusals import refuses

nir = pytest.importorskip("nir")
snn = pytest.importorskip("snntorch")

STEPS, DT, HIDDEN = 4, 1e-4, 30
SAMPLES = spikes(7, 200, STEPS)
RLEAKY, RSYNAPTIC = {"beta": 0.5}, {"alpha": 0.5, "beta": 0.5}
SQUARE = {"linear_features": HIDDEN}
SAID = {"dt": DT, "reset": "zero", "reset_timing": "same_step"}


def model(kind, **settings):
    generator = torch.Generator().manual_seed(4)
    neurons = kind(init_hidden=True, **settings)
    with torch.no_grad():
        for parameter in neurons.recurrent.parameters():
            values = torch.randint(-8, 8, parameter.shape, generator=generator)
            parameter.copy_(values / 8)
    return torch.nn.Sequential(
        on_grid(INPUTS, HIDDEN, generator), neurons,
        on_grid(HIDDEN, OUTPUTS, generator), snn.Leaky(beta=0.5, init_hidden=True, output=True),
    )


def started(module):
    for neurons in (module[1], module[3]):
        neurons.reset_mem()
    return source_spikes(module, [module[1], module[3]], SAMPLES)


@pytest.mark.parametrize(
    ("kind", "settings", "reset"),
    [
        (snn.RLeaky, {**RLEAKY, **SQUARE}, "subtract"),
        (snn.RLeaky, {**RLEAKY, **SQUARE, "reset_mechanism": "none"}, "none"),
        (snn.RLeaky, {**RLEAKY, **SQUARE, "reset_mechanism": "zero", "reset_delay": False}, "zero"),
        (snn.RLeaky, {**RLEAKY, "all_to_all": False, "V": 1.0}, "subtract"),
        (snn.RLeaky, {**RLEAKY, "all_to_all": False, "V": torch.arange(HIDDEN) / 8}, "subtract"),
        (snn.RSynaptic, {**RSYNAPTIC, **SQUARE}, "subtract"),
        (snn.RSynaptic, {**RSYNAPTIC, **SQUARE, "reset_mechanism": "none"}, "none"),
    ],
)
def test_recurrent_neurons_are_exact(kind, settings, reset):
    module = model(kind, **settings)
    network = ss.from_snntorch(module, (INPUTS,), steps=STEPS)
    layer = network.layers[0]
    assert layer.recurrent.shape == (HIDDEN, HIDDEN)
    assert layer.neuron.reset == reset
    assert network.fidelity.exact
    assert network.fidelity.different == 0
    assert differences(network, SAMPLES, started(module))[0] == 0
    if not settings.get("all_to_all", True):
        assert (layer.recurrent == np.diag(np.diag(layer.recurrent))).all()


def test_what_is_rounded_is_calibrated():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(INPUTS, HIDDEN),
        snn.RLeaky(beta=0.9, threshold=0.5, init_hidden=True, output=True, **SQUARE),
    )
    report = ss.from_snntorch(module, (INPUTS,), calibration=SAMPLES).fidelity
    assert not report.exact
    assert report.layers[0].spikes.agreement > 0.9
    finer = ss.from_snntorch(module, (INPUTS,), calibration=SAMPLES, weight_bits=8).fidelity
    assert finer.different < report.different


def map_of(neurons):
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), neurons)


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (lambda: model(snn.RLeaky, **RLEAKY, **SQUARE, reset_mechanism="zero"), (INPUTS,),
         "its delayed reset to zero drops the whole next step"),
        (lambda: model(snn.RLeaky, **RLEAKY, **SQUARE, reset_delay=False), (INPUTS,),
         "with reset_delay=False it subtracts in two parts"),
        (lambda: map_of(snn.RLeaky(0.5, conv2d_channels=2, kernel_size=3, init_hidden=True)),
         (1, 5, 5), "1 (RLeaky): its spikes come back through a Conv2d; the nearest that can: lin"),
        (lambda: map_of(snn.RLeaky(0.5, all_to_all=False, V=1.0, init_hidden=True)), (1, 5, 5),
         "1 (RLeaky): it is recurrent, behind a convolution; the nearest that can: recurrent"),
    ],
)
def test_refused_modules(module, shape, message):
    with refuses(ss.NotExpressible, message):
        ss.from_snntorch(module(), shape)


def graph(back, gain=1.0, neurons=HIDDEN, **extra):
    rng = np.random.default_rng(0)
    nodes = {
        "input": nir.Input(np.array([INPUTS])),
        "weight": nir.Linear(rng.integers(-8, 8, (neurons, INPUTS)) / 8),
        "lif": nir.LIF(np.full(neurons, 2 * DT), 2 * np.broadcast_to(gain, (neurons,)),
                       np.zeros(neurons), np.full(neurons, 2.0)),
        "output": nir.Output(np.array([neurons])),
    }
    edges = [*pairwise(nodes), ("lif", "back"), ("back", "lif")]
    return nir.NIRGraph({**nodes, "back": back, **extra}, edges, type_check=False)


def test_a_way_back_in_a_graph(tmp_path):
    rng = np.random.default_rng(1)
    weight, bias = rng.integers(-8, 8, (HIDDEN, HIDDEN)) / 8, rng.integers(-8, 8, HIDDEN) / 8
    for gain in (1.0, np.repeat([0.5, 1.0], HIDDEN // 2)):
        made = graph(nir.Affine(weight, bias), gain)
        nir.write(tmp_path / "net.nir", made)
        network = ss.from_nir(
            tmp_path / "net.nir", **SAID, calibration=SAMPLES, weight_bits=8
        )
        assert "spikes come back to their layer one step later" in network.fidelity.assumed
        assert network.fidelity.exact
        assert network.fidelity.different == 0
        # By hand, in float64.
        rows = np.broadcast_to(gain, (HIDDEN,))
        v, fired, source = np.zeros((200, HIDDEN)), np.zeros((200, HIDDEN)), []
        for t in range(STEPS):
            current = SAMPLES[:, t] @ made.nodes["weight"].weight.T + fired @ weight.T + bias
            v = v / 2 + rows * current
            fired = (v > 2.0).astype(float)
            v = np.where(fired > 0, 0, v)
            source.append(fired > 0)
        assert differences(network, SAMPLES, [np.stack(source, 1)])[0] == 0


@pytest.mark.filterwarnings("ignore")
def test_recurrent_graphs_of_snntorch():
    from snntorch.export_nir import export_to_nir

    module = model(snn.RLeaky, **RLEAKY, **SQUARE, reset_mechanism="zero", reset_delay=False)
    module[3] = snn.Leaky(beta=torch.full((OUTPUTS,), 0.5), threshold=torch.ones(OUTPUTS),
                          init_hidden=True, output=True, reset_mechanism="zero", reset_delay=False)
    written = export_to_nir(module, torch.rand(1, INPUTS), ignore_dims=[0])
    network = ss.from_nir(written, **SAID)
    assert network.fidelity.exact
    assert differences(network, SAMPLES, started(module))[0] == 0


def test_other_ways_back_are_refused():
    square = nir.Linear(np.eye(HIDDEN))
    two = graph(square, more=square)
    two.edges += [("lif", "more"), ("more", "lif")]
    with refuses(ss.NotExpressible, "lif (LIF): it is recurrent, through lif, more; the nearest"):
        ss.from_nir(two, **SAID)
    with refuses(ss.NotExpressible, "lif (LIF): it is recurrent, through lif, back"):
        ss.from_nir(graph(nir.Scale(np.ones(HIDDEN))), **SAID)
    with refuses(ValueError, "lif (LIF): its recurrent weight ... (30, 30), as many as the"):
        ss.from_nir(graph(nir.Linear(np.ones((HIDDEN, 9)))), **SAID)
    with refuses(ValueError, "lif, back (Linear): weight ... finite ... nan"):
        ss.from_nir(graph(nir.Linear(np.full((HIDDEN, HIDDEN), np.nan))), **SAID)
