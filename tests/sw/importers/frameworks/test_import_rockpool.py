"""rockpool modules: the same spikes as their own neurons, or refused by name."""

import math

import pytest
import stablespike as ss
import torch
from import_models import (
    FRAMES,
    HIDDEN,
    INPUT_SCALE,
    INPUTS,
    OUTPUTS,
    differences,
    frames,
    sequence_spikes,
    spikes,
)
from refusals import refuses

modules = pytest.importorskip("rockpool.nn.modules")
from rockpool.nn.combinators import Residual, Sequential  # noqa: E402
from rockpool.nn.modules.torch.lif_torch import PeriodicExponential, StepPWL  # noqa: E402

STEPS = 4
SAMPLES = spikes(7, 270, STEPS)
HALF = torch.tensor(1e-3 / math.log(2))  # the time constant of a decay of 1/2, in seconds
ONE = {"max_spikes_per_dt": 1.0}
DECAYS = {"leak_mode": "decays", **ONE}  # 1/2 by default


def imported(module, **options):
    return ss.from_rockpool(module, (INPUTS,), **{"steps": STEPS, **options})


def linear(inputs, outputs, generator, bias=False):
    """Return a LinearTorch with 4-bit weights in units of 1/8."""
    made = modules.LinearTorch((inputs, outputs), has_bias=bias)
    with torch.no_grad():
        made.weight.copy_(torch.randint(-8, 8, (inputs, outputs), generator=generator) / 8)
        if bias:
            made.bias.copy_(torch.randint(-8, 8, (outputs,), generator=generator) / 8)
    return made


def model(make, seed=0, bias=False, between=()):
    generator = torch.Generator().manual_seed(seed)
    return Sequential(
        linear(INPUTS, HIDDEN, generator, bias), make(HIDDEN, generator), *between,
        linear(HIDDEN, OUTPUTS, generator), make(OUTPUTS, generator),
    )


def started(module, samples=SAMPLES):
    module.reset_state()
    kinds = (modules.LIFTorch, modules.LIFNeuronTorch)
    neurons = [each for _, each in module.named_children() if isinstance(each, kinds)]
    return sequence_spikes(module, neurons, samples)


def eighths(low, high, count, generator):
    return torch.randint(low, high, (count,), generator=generator) / 8


def recurrent(count, generator):
    weight = torch.randint(-8, 8, (count, count), generator=generator) / 8
    return modules.LIFTorch(count, has_rec=True, w_rec=weight, **DECAYS)


DIALECTS = {
    "LIFTorch": lambda n, g: modules.LIFTorch(n, tau_mem=HALF, tau_syn=HALF, **ONE),
    "LIFTorch, decays": lambda n, g: modules.LIFTorch(n, **DECAYS),
    "LIFTorch, bitshifts": lambda n, g: modules.LIFTorch(n, leak_mode="bitshifts", **ONE),
    "LIFTorch, thresholds": lambda n, g: modules.LIFTorch(
        n, threshold=eighths(4, 12, n, g), **DECAYS
    ),
    "LIFTorch, PeriodicExponential": lambda n, g: modules.LIFTorch(
        n, spike_generation_fn=PeriodicExponential, **DECAYS
    ),
    "LIFTorch, recurrent": recurrent,
    "LIFBitshiftTorch": lambda n, g: modules.LIFBitshiftTorch(
        n, tau_mem=torch.full((n,), 2e-3), tau_syn=torch.full((n,), 2e-3), **ONE
    ),
    "LIFNeuronTorch": lambda n, g: modules.LIFNeuronTorch(n, tau_mem=HALF, **ONE),
    "LIFNeuronTorch, biases": lambda n, g: modules.LIFNeuronTorch(
        n, tau_mem=HALF, bias=eighths(-4, 4, n, g), **ONE
    ),
}


@pytest.mark.parametrize("source", FRAMES)
@pytest.mark.parametrize("name", ["LIFTorch, decays", "LIFTorch, recurrent", "LIFNeuronTorch"])
def test_frames_are_exact(source, name):
    module = model(DIALECTS[name])
    # With the inputs' scale, the weights between the neurons of a layer take 7 bits.
    options = {"input": source, "input_scale": INPUT_SCALE, "weight_bits": 8}
    network = ss.from_rockpool(module, (INPUTS,), **options)
    assert network.input == source
    assert network.fidelity.exact
    samples, values = frames(source, 3, 100, STEPS)
    assert differences(network, samples, started(module, values)) == (0, 100 * STEPS * 60)


@pytest.mark.parametrize("make", DIALECTS.values(), ids=DIALECTS)
def test_dialects_are_exact(make):
    total = 0
    for seed in range(2):
        module = model(make, seed, bias=bool(seed))
        network = imported(module)
        assert network.fidelity.exact
        assert network.fidelity.different == 0
        different, compared = differences(network, SAMPLES, started(module))
        assert different == 0
        total += compared
    assert total > 100_000


@pytest.mark.parametrize("make", [
    lambda n, tau: modules.LIFNeuronTorch(n, tau_mem=tau, **ONE),
    lambda n, tau: modules.LIFTorch(n, tau_mem=tau, tau_syn=HALF, **ONE),
    lambda n, tau: modules.LIFTorch(n, tau_mem=HALF, tau_syn=tau.reshape(-1, 1), **ONE),
], ids=["LIFNeuronTorch", "LIFTorch", "LIFTorch, synapse"])
def test_one_leak_per_neuron_is_exact(make):
    def neurons(count, generator):
        # They keep 1/2 of a state, or all of it.
        times = torch.where(torch.arange(count) % 2 == 0, HALF, torch.tensor(1e9))
        return make(count, times)

    module = model(neurons)
    network = imported(module)
    assert all(len(layer.neuron.kinds(layer.channels)[0]) == 2 for layer in network.layers)
    assert network.fidelity.exact
    assert differences(network, SAMPLES, started(module))[0] == 0


def test_several_synapses_of_a_neuron_are_added_up():
    generator = torch.Generator().manual_seed(0)
    module = Sequential(
        linear(INPUTS, 2 * HIDDEN, generator),
        modules.LIFTorch((2 * HIDDEN, HIDDEN), threshold=torch.tensor(2.0), **DECAYS),
        linear(HIDDEN, OUTPUTS, generator), modules.LIFTorch(OUTPUTS, **DECAYS),
    )
    network = imported(module, weight_bits=8)
    assert network.fidelity.exact
    assert differences(network, SAMPLES, started(module))[0] == 0


def test_layers_of_torch_dropout_and_a_synapse_at_the_end():
    generator = torch.Generator().manual_seed(0)
    first = torch.nn.Linear(INPUTS, HIDDEN)
    with torch.no_grad():
        for each in first.parameters():
            each.copy_(torch.randint(-8, 8, each.shape, generator=generator) / 8)
    module = Sequential(
        first, modules.LIFTorch(HIDDEN, **DECAYS), torch.nn.Dropout(),
        modules.UnitDropout(HIDDEN), linear(HIDDEN, OUTPUTS, generator),
        modules.ExpSynTorch(OUTPUTS, tau=HALF),
    )
    network = imported(module, calibration=SAMPLES)
    assert (network.readout, network.fidelity.exact) == ("membrane", True)
    assert network.fidelity.same_prediction == 1.0


def test_forward_may_call_the_layers_itself():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = model(DIALECTS["LIFTorch, decays"])

        def forward(self, x):
            out, _, _ = self.first(x)
            return out.sum(1)

    assert imported(Net()) == imported(Net().first)


def test_modules_with_the_interface_of_torch():
    module = model(DIALECTS["LIFTorch, decays"])
    wanted = imported(module)
    assert imported(module.to_torch()) == wanted


def test_what_is_computed_behind_the_layers_is_refused():
    generator = torch.Generator().manual_seed(0)
    inner = Residual(linear(HIDDEN, HIDDEN, generator), modules.LIFTorch(HIDDEN, **DECAYS))
    first = modules.LIFTorch(HIDDEN, **DECAYS)
    module = Sequential(linear(INPUTS, HIDDEN, generator), first, inner)
    with refuses(ss.NotExpressible, "1_LIFTorch (LIFTorch): what the model returns is not its"):
        imported(module)


@pytest.mark.parametrize("change", [
    lambda inner, x: inner(x.flip(1))[0],
    lambda inner, x: inner(2 * x)[0],
    lambda inner, x: inner(x.repeat_interleave(2, 1))[0],
    lambda inner, x: inner(x.transpose(0, 1))[0].transpose(0, 1),
    lambda inner, x: inner(x)[0].cumsum(1),
    # A second call begins with the state of the first sample alone.
    lambda inner, x: torch.cat([inner(x[:, :2])[0], inner(x[:, 2:])[0]], 1),
])
def test_what_is_foreign_in_forward_is_refused(change):
    class Foreign(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model(DIALECTS["LIFTorch, decays"])

        def forward(self, x):
            return change(self.inner, x)

    with refuses(ValueError, "("):
        imported(Foreign())


def test_several_spikes_are_exact_where_none_can_be():
    module = model(lambda n, g: modules.LIFTorch(n, leak_mode="decays"))
    # A membrane of at most 1 keeps 1/2 of it, and a current that adds up gets at most 1.5.
    with torch.no_grad():
        for _, each in module.named_children():
            if isinstance(each, modules.LinearTorch):
                each.weight.zero_()[:12] = 0.125
    network = imported(module)
    assert (network.fidelity.exact, network.fidelity.approximations) == (True, ())
    often = spikes(7, 100, STEPS, rate=0.95)
    assert differences(network, often, started(module, often))[0] == 0
    with torch.no_grad():
        module[0].weight[12, 0] = 0.125
    with refuses(ss.NotExpressible, "1_LIFTorch (rockpool LIFTorch(", "max_spikes_per_dt=65536"):
        imported(module)


def test_synapses_of_a_neuron_with_different_leaks():
    times = torch.linspace(1e-3, 2e-3, 2 * HIDDEN).reshape(-1, 2)
    module = Sequential(
        linear(INPUTS, 2 * HIDDEN, torch.Generator()),
        modules.LIFTorch((2 * HIDDEN, HIDDEN), tau_syn=times, **ONE),
    )
    with refuses(ss.NotExpressible, "beta differs between the synapses of a neuron", "tau_syn"):
        imported(module)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda n: modules.LIFTorch(n),
         ["1_LIFTorch (rockpool LIFTorch(", "max_spikes_per_dt=65536 lets a neuron spike several",
          "max_spikes_per_dt=1.0"]),
        (lambda n: modules.LIFNeuronTorch(n), ["max_spikes_per_dt=65536"]),
        (lambda n: modules.LIFBitshiftTorch(n, tau_mem=torch.full((n,), 2e-3),
                                            tau_syn=torch.full((n,), 2e-3)),
         ["max_spikes_per_dt=31"]),
        (lambda n: modules.LIFTorch(n, max_spikes_per_dt=0.5, leak_mode="decays"),
         ["max_spikes_per_dt must be at least 1, not 0.5"]),
        (lambda n: modules.LIFTorch(n, bias=torch.ones(n), **DECAYS),
         ["1_LIFTorch (LIFTorch): its bias is 1", "a bias of 0, or LIFNeuronTorch"]),
        (lambda n: modules.LIFTorch(n, noise_std=0.1, **DECAYS),
         ["1_LIFTorch (LIFTorch): noise_std=0.1 adds random numbers", "noise_std=0.0"]),
        (lambda n: modules.ExpSynTorch(n, tau=torch.linspace(1e-3, 2e-3, n)),
         ["tau differs between neurons", "have one gain"]),
        (lambda n: modules.LIFTorch(n, spike_generation_fn=Graded, **DECAYS),
         ["its spike_generation_fn is not the step of vmem >= threshold", "StepPWL"]),
        (lambda n: modules.aLIFTorch(n), ["1_aLIFTorch (aLIFTorch): no neuron of this array"]),
        (lambda n: modules.RateTorch(n), ["1_RateTorch (RateTorch): no neuron of this array"]),
    ],
)
def test_refused_neurons(make, parts):
    with refuses(ValueError, *parts):
        imported(model(lambda n, g: make(n)))


class Graded(torch.autograd.Function):
    """Spikes of any size."""

    @staticmethod
    def forward(ctx, values, threshold, window, most):
        return (values >= threshold) * values


def test_spikes_are_those_of_rockpool():
    # What the refusals rest on: the spikes of these functions.
    values, one, window = torch.tensor([-2.0, 0.5, 1.0, 2.5]), torch.tensor(1.0), torch.tensor(0.5)
    for function in (StepPWL, PeriodicExponential):
        assert function.apply(values, one, window, torch.tensor(9.0)).tolist() == [0, 0, 1, 2]
        assert function.apply(values, one, window, one).tolist() == [0, 0, 1, 1]
