"""Every class of neurons of snnTorch and SpikingJelly: imported exactly, or refused by name."""

import math
from pathlib import Path

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import INPUTS, chain, differences, on_grid, source_spikes, spikes
from refusals import refuses
from stablespike.importers.frameworks import refused

snn = pytest.importorskip("snntorch")
neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
from spikingjelly.activation_based import functional, rnn, surrogate  # noqa: E402

STEPS = 4
SAMPLES = spikes(7, 270, STEPS)
PAGE = (Path(__file__).parents[4] / "docs" / "frameworks.md").read_text(encoding="utf-8")
TABLE = neuron.FewSpikeTable([1.0], [1.0], [1.0])
HALF = 1 - math.log(2)  # the beta with which a StateLeaky keeps half of its membrane

# Settings with a leak of 1/2 or none, for the classes that are imported as they are.
SPIKINGJELLY = {
    "IFNode": [{}, {"v_reset": None}, {"store_v_seq": True, "detach_reset": True}],
    "SimpleIFNode": [{}, {"v_reset": None}, {"v_reset": -0.5}],
    "HalfThresholdIFNode": [{}, {"v_threshold": 0.5}],
    "ActivationAwareIFNode": [
        {}, {"v_offset": 0.25}, {"v_offset": 0.25, "v_reset": 0.0},
        {"v_reset": -0.5, "v_offset": torch.tensor(-0.5)},
    ],
    "LIFNode": [
        {}, {"decay_input": False, "v_reset": None}, {"surrogate_function": surrogate.ATan()}
    ],
    "SimpleLIFNode": [
        {"tau": 2.0, "decay_input": False},
        {"tau": 2.0, "decay_input": True, "v_reset": -0.5, "v_threshold": 0.25},
    ],
    "OTTTLIFNode": [{}, {"decay_input": True, "v_reset": 0.0}],
    "SLTTLIFNode": [{}, {"decay_input": False, "v_reset": None}],
    "ParametricLIFNode": [{}, {"decay_input": False}],
    "CUBALIFNode": [{"v_decay": 0.5}],
}
# What others need, for those that are refused.
REFUSED = {
    "AdaptBaseNode": None, "BaseNode": None, "ILCBaseNode": None, "MPBNBaseNode": None,
    "NoisyBaseNode": None, "NoisyILCBaseNode": None, "NoisyNonSpikingBaseNode": None,
    "NonSpikingBaseNode": None, "SimpleBaseNode": None,
    "ComplementaryLIFNode": {}, "DSRLIFNode": {}, "EIFNode": {}, "FewSpikeNode": {"table": TABLE},
    "FlexSN": {"core": lambda x, v: (x, v), "num_states": 1}, "GatedLIFNode": {"T": 2},
    "HGNode": {"tables": [TABLE], "gate_thresholds": []},
    "ILCCUBALIFNode": {"act_dim": 4, "dec_pop_dim": 10}, "ILIFNode": {},
    "ILCIFNode": {"act_dim": 4, "dec_pop_dim": 10}, "IzhikevichNode": {}, "KLIFNode": {},
    "ILCLIFNode": {"act_dim": 4, "dec_pop_dim": 10},
    "LIAFNode": {"act": torch.relu, "threshold_related": False},
    "MPBNLIFNode": {"out_features": 40}, "MaskedPSN": {"k": 2, "T": 2},
    "NoisyCUBALIFNode": {"num_node": 40, "T": 2},
    "NoisyILCCUBALIFNode": {"act_dim": 4, "dec_pop_dim": 10, "T": 2},
    "NoisyNonSpikingIFNode": {"num_node": 40, "T": 2},
    "OutlierAwareThresholdNode": {"table": TABLE, "outlier_table": TABLE, "split_threshold": 1.0},
    "PSN": {"T": 2}, "QIFNode": {}, "RAFNode": {}, "STBIFNode": {"q_threshold": 1.0, "level": 4},
    "SlidingPSN": {"k": 2}, "TernaryIFNode": {}, "TernaryLIFNode": {},
}
ELSEWHERE = ("DSRIFNode", "NonSpikingIFNode", "NonSpikingLIFNode")  # in other tests
SNNTORCH = ("Lapicque", "Leaky", "Synaptic", "RLeaky", "RSynaptic", "StateLeaky", "LinearLeaky")
SNNTORCH_REFUSED = {
    "LIF": None, "SpikingNeuron": None, "Alpha": {"alpha": 0.9, "beta": 0.5},
    "AssociativeLeaky": {
        "in_dim": 40, "d_value": 5, "d_key": 8, "num_spiking_neurons": 40, "use_q_projection": False
    },
    "DeltaLeaky": {"beta": 0.5}, "LeakyParallel": {"input_size": 40, "hidden_size": 40},
    "SConv2dLSTM": {"in_channels": 1, "out_channels": 1, "kernel_size": 3},
    "SLSTM": {"input_size": 40, "hidden_size": 40},
}


def classes(package):
    return {
        name: kind for name, kind in vars(package).items()
        if isinstance(kind, type) and issubclass(kind, torch.nn.Module)
    }


def of_spikingjelly():
    return sorted(classes(neuron))


def of_snntorch():
    mine = {name: kind for name, kind in classes(snn).items() if "_neurons" in kind.__module__}
    return sorted(mine)


def documented(framework, name, reasons):
    """Whether the documentation has the row of a class, with the reason that the importer gives."""
    table = PAGE.partition(f"### Every class of {framework} ")[2].partition("## ")[0]
    row = f"| `{name}` | "
    if name in reasons:
        row += " | ".join(("refused", *reasons[name])) + " |"
    return row in table


def from_spikingjelly(module, **options):
    return ss.from_spikingjelly(module, (INPUTS,), steps=STEPS, **options)


def started(module):
    functional.reset_net(module)
    return source_spikes(module, [module[1], module[3]], SAMPLES)


@pytest.mark.parametrize("name", of_spikingjelly())
def test_every_class_of_spikingjelly_is_known(name):
    """A class of a new release makes this test fail, until it is imported or refused."""
    assert (name in SPIKINGJELLY) + (name in REFUSED) + (name in ELSEWHERE) == 1
    if REFUSED.get(name, {}) is not None:
        assert documented("SpikingJelly", name, refused.SPIKINGJELLY)


@pytest.mark.parametrize("name", of_snntorch())
def test_every_class_of_snntorch_is_known(name):
    assert (name in SNNTORCH) + (name in SNNTORCH_REFUSED) == 1
    if SNNTORCH_REFUSED.get(name, {}) is not None:
        assert documented("snnTorch", name, refused.SNNTORCH)


@pytest.mark.parametrize(
    ("name", "settings"),
    [(name, settings) for name, several in SPIKINGJELLY.items() for settings in several],
)
def test_neurons_of_the_same_rule_are_exact(name, settings):
    module = chain(*(getattr(neuron, name)(**settings) for _ in range(2)), seed=1).eval()
    network = from_spikingjelly(module)
    assert network.fidelity.exact
    assert network.fidelity.different == 0
    assert differences(network, SAMPLES, started(module))[0] == 0


@pytest.mark.parametrize("name", [name for name, made in REFUSED.items() if made is not None])
def test_other_neurons_of_spikingjelly_are_refused_by_name(name):
    node = getattr(neuron, name)(**REFUSED[name])
    layers = [on_grid(INPUTS, 40, torch.Generator()), node]
    with refuses(ss.NotExpressible, f"1 ({name}): ", "; the nearest that can: ") as caught:
        from_spikingjelly(torch.nn.Sequential(*layers))
    assert "no neuron of this array" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(refused.SPIKINGJELLY_RNN))
def test_recurrent_networks_of_spikingjelly_are_refused_by_name(name):
    sizes = (INPUTS, 5) if name.endswith("Cell") else (INPUTS, 5, 1)
    module = torch.nn.Sequential(getattr(rnn, name)(*sizes))
    reason, nearest = refused.SPIKINGJELLY_RNN[name]
    with refuses(ss.NotExpressible, f"0 ({name}): {reason}; the nearest that can: {nearest}"):
        from_spikingjelly(module)


@pytest.mark.parametrize("name", [k for k, made in SNNTORCH_REFUSED.items() if made is not None])
def test_other_neurons_of_snntorch_are_refused_by_name(name):
    node = getattr(snn, name)(**SNNTORCH_REFUSED[name])
    module = torch.nn.Sequential(on_grid(INPUTS, 40, torch.Generator()), node)
    with refuses(ss.NotExpressible, f"1 ({name}): ", "; the nearest that can: ") as caught:
        ss.from_snntorch(module, (INPUTS,), steps=STEPS)
    assert "no neuron of this array" not in str(caught.value)


@pytest.mark.parametrize("offset", [{}, {"v_reset": 0.0}])
def test_thresholds_per_channel_of_an_activation_aware_neuron(offset):
    thresholds = torch.arange(1, 41) / 8
    nodes = (
        neuron.ActivationAwareIFNode(thresholds, **offset), neuron.ActivationAwareIFNode(**offset)
    )
    module = chain(*nodes, seed=1)
    assert differences(from_spikingjelly(module), SAMPLES, started(module))[0] == 0
    module[1].channel_dim = 1
    with refuses(ss.NotExpressible, "1 (ActivationAwareIFNode): channel_dim=1 does not say"):
        from_spikingjelly(module)
    module = chain(neuron.ActivationAwareIFNode(v_offset=thresholds), neuron.IFNode(), 1)
    with refuses(ss.NotExpressible, "v_offset differs ... a layer starts from one membrane"):
        from_spikingjelly(module)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_dsr_neurons_send_spikes_of_the_size_of_their_threshold(alpha):
    nodes = neuron.DSRIFNode(T=STEPS, v_threshold=2.0, alpha=alpha), neuron.IFNode(step_mode="m")
    module = chain(*nodes, seed=1, bias=False)
    network = from_spikingjelly(module)
    with torch.no_grad():
        sizes = module[:2](torch.from_numpy(SAMPLES.swapaxes(0, 1)).float())
        functional.reset_net(module)
        last = module[2:](sizes)
    assert set(np.unique(sizes)) == {0, 2}
    source = [each.swapaxes(0, 1).numpy() > 0 for each in (sizes, last)]
    assert network.fidelity.different == 0
    assert differences(network, SAMPLES, source)[0] == 0
    with refuses(ss.NotExpressible, "1 (DSRIFNode): it changes the last spikes"):
        from_spikingjelly(module[:2])


class Sequence(torch.nn.Module):
    """Layers that take all steps of a sample in one call."""

    def __init__(self, first, **settings):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.linear = on_grid(INPUTS, 40, generator) if first is snn.StateLeaky else None
        sizes = {"channels": 40} if self.linear else {"in_features": INPUTS, "out_features": 40}
        self.first = first(beta=HALF, threshold=1 + 1 / 128, **sizes, **settings)
        if self.linear is None:
            self.first.linear = on_grid(INPUTS, 40, generator)
        self.last = snn.LinearLeaky(HALF, 40, 20, threshold=1 + 1 / 128, output=False)
        self.last.linear = on_grid(40, 20, generator)

    def forward(self, x):
        spk, _ = self.first(x if self.linear is None else self.linear(x))
        return self.last(spk)[-1]


@pytest.mark.parametrize("first", [snn.StateLeaky, snn.LinearLeaky])
def test_neurons_of_whole_samples_are_exact(first):
    module = Sequence(first)
    network = ss.from_snntorch(module, (INPUTS,), steps=STEPS)
    assert network.readout == "membrane"
    assert [layer.neuron.leak for layer in network.layers] == [(1, None), (1, None)]
    assert (network.layers[0].neuron.reset, network.layers[1].neuron.fires) == ("none", False)
    assert network.fidelity.exact
    with torch.no_grad():
        samples = torch.from_numpy(SAMPLES.swapaxes(0, 1)).float()
        spk, _ = module.first(samples if module.linear is None else module.linear(samples))
        membrane = module(samples).numpy()
    result = ss.Golden(network).run(SAMPLES, trace=True)
    assert (result.spikes[0] == spk.numpy().swapaxes(0, 1).astype(bool)).all()
    assert np.abs(result.readout / 128 - membrane).max() < 1e-5
    assert network.fidelity.same_prediction == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel_truncation_steps": 3}, "kernel_truncation_steps lets a membrane forget"),
        ({"state_quant": torch.round}, "state_quant rounds its membrane"),
        ({"graded_spikes_factor": 2.0}, "graded_spikes_factor is 2"),
    ],
)
def test_settings_of_neurons_of_whole_samples(settings, message):
    with refuses(ss.NotExpressible, f"first (StateLeaky): {message}"):
        ss.from_snntorch(Sequence(snn.StateLeaky, **settings), (INPUTS,))


class Quiet(neuron.LIFNode):
    """Changes nothing of the rule."""

    def __init__(self, note):
        super().__init__(v_threshold=0.5)
        self.note = note

    def extra_repr(self):
        return self.note

    def other(self):
        return self.note


class Loud(neuron.LIFNode):
    def single_step_functional_forward(self, inputs, states, **kwargs):
        return super().single_step_functional_forward((2 * inputs[0],), states, **kwargs)


class Mixed:
    def forward(self, *args):
        return 0 * super().forward(*args)


class Mixture(Mixed, neuron.IFNode):
    pass


class Own(neuron.BaseNode):
    def single_step_functional_forward(self, inputs, states, **kwargs):
        return (inputs[0] > 0,), states


def test_a_subclass_that_replaces_no_method_is_imported():
    module = chain(Quiet("a"), Quiet("b"), seed=2)
    plain = chain(neuron.LIFNode(v_threshold=0.5), neuron.LIFNode(v_threshold=0.5), seed=2)
    assert from_spikingjelly(module) == from_spikingjelly(plain)
    leaky = type("Mine", (snn.Leaky,), {"size": 3})
    module = chain(*(leaky(beta=0.5, init_hidden=True) for _ in range(2)), seed=2)
    plain = chain(*(snn.Leaky(beta=0.5, init_hidden=True) for _ in range(2)), seed=2)
    ours, theirs = (ss.from_snntorch(each, (INPUTS,)) for each in (module, plain))
    assert ours == theirs


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (Loud(), "it has a method single_step_functional_forward in place of that of LIFNode"),
        (Mixture(), "it has a method forward in place of that of IFNode"),
        (Own(), "no neuron of this array computes its rule"),
    ],
)
def test_a_subclass_with_another_rule_is_refused(node, reason):
    with refuses(ss.NotExpressible, f"1 ({type(node).__name__}): {reason}"):
        from_spikingjelly(chain(node, neuron.IFNode(), seed=2))


def test_a_neuron_with_a_method_of_its_own_is_refused():
    node = neuron.IFNode()
    node.forward = torch.relu
    with refuses(ss.NotExpressible, "1 (IFNode): it has a method forward in place of that"):
        from_spikingjelly(chain(node, neuron.IFNode(), seed=2))


def test_a_learned_time_constant_per_neuron_is_a_leak_per_neuron():
    node = neuron.ParametricLIFNode(v_threshold=0.25)
    # They keep half of the membrane, or nothing.
    node.w = torch.nn.Parameter(torch.where(torch.arange(40) % 2 == 0, 0.0, 50.0))
    module = chain(node, neuron.IFNode(), seed=2)
    network = from_spikingjelly(module)
    assert set(network.layers[0].neuron.leak) == {(1, None), (0, None)}
    assert network.fidelity.exact
    functional.reset_net(module)
    source = source_spikes(module, [module[1], module[3]], SAMPLES)
    assert differences(network, SAMPLES, source)[0] == 0


def test_a_time_constant_per_neuron_of_whole_samples_is_a_leak_per_neuron():
    betas = torch.where(torch.arange(40) % 2 == 0, HALF, 0.0)  # tau of 1 keeps exp(-1)
    module = Sequence(snn.StateLeaky)
    module.first = snn.StateLeaky(betas, channels=40, threshold=1 + 1 / 128)
    network = ss.from_snntorch(module, (INPUTS,), steps=STEPS)
    assert len(set(network.layers[0].neuron.leak)) == 2
    first = network.fidelity.layers[0]
    assert min(first.decay_asked) == pytest.approx(math.exp(-1))
    assert max(first.decay_asked) == pytest.approx(0.5)
