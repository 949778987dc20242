"""sinabs modules: the same spikes as their own neurons, or refused by name."""

import math

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import (
    FRAMES,
    INPUT_SCALE,
    INPUTS,
    chain,
    differences,
    frames,
    on_grid,
    sequence_spikes,
    spikes,
)
from refusals import refuses

layers = pytest.importorskip("sinabs.layers")
from sinabs.activation import (  # noqa: E402
    MaxSpike,
    MembraneReset,
    MembraneSubtract,
    MultiSpike,
    SingleSpike,
)
from sinabs.from_torch import from_model  # noqa: E402

STEPS = 4
SAMPLES = spikes(7, 270, STEPS)
HALF = 1 / math.log(2)  # the time constant of a decay of 1/2
ONE = {"spike_fn": SingleSpike}
QUARTER = torch.tensor(0.25)


def imported(module, shape=(INPUTS,), **options):
    return ss.from_sinabs(module, shape, **{"steps": STEPS, **options})


def started(module, samples=SAMPLES):
    neurons = [each for each in module if isinstance(each, layers.StatefulLayer)]
    for each in neurons:
        each.reset_states()
    folded = any(isinstance(each, layers.SqueezeMixin) for each in neurons)
    return sequence_spikes(module, neurons, samples, None if folded else 1)


def recurrent(kind, size, seed, **settings):
    generator = torch.Generator().manual_seed(seed)
    back = on_grid(size, size, generator, bias=False)
    return kind(rec_connect=back, **ONE, **settings)


class Other(SingleSpike):
    """A spike function that is not known."""


class Doubled(layers.IAF):
    """Neurons of a rule of their own."""

    def forward(self, values):
        return super().forward(2 * values)


def adaptive(**settings):
    return layers.ALIF(torch.tensor(HALF), torch.tensor(5.0), adapt_scale=0.0, **settings)


DIALECTS = {
    "IAF": lambda: layers.IAF(**ONE),
    "IAF, reset to 0": lambda: layers.IAF(**ONE, reset_fn=MembraneReset()),
    "IAF, reset to 0.25": lambda: layers.IAF(**ONE, reset_fn=MembraneReset(0.25)),
    "IAF, reset to -0.25": lambda: layers.IAF(**ONE, reset_fn=MembraneReset(-0.25)),
    "IAF, subtracts the threshold": lambda: layers.IAF(**ONE, reset_fn=MembraneSubtract(1.0)),
    "IAF, tau_syn": lambda: layers.IAF(**ONE, tau_syn=HALF),
    "IAFSqueeze": lambda: layers.IAFSqueeze(num_timesteps=STEPS, **ONE),
    "LIF": lambda: layers.LIF(HALF, **ONE),
    "LIF, reset to 0.25": lambda: layers.LIF(HALF, **ONE, reset_fn=MembraneReset(0.25)),
    "LIF, not normalised": lambda: layers.LIF(HALF, **ONE, norm_input=False),
    "LIF, train_alphas": lambda: layers.LIF(HALF, **ONE, train_alphas=True),
    "LIF, tau_syn": lambda: layers.LIF(HALF, HALF, spike_threshold=QUARTER, **ONE),
    "LIF, tau_syn, not normalised": lambda: layers.LIF(HALF, HALF, **ONE, norm_input=False),
    "LIF, at most 1 spike": lambda: layers.LIF(HALF, spike_fn=MaxSpike(1)),
    "LIFSqueeze": lambda: layers.LIFSqueeze(batch_size=270, tau_mem=HALF, **ONE),
    "ALIF that does not adapt": adaptive,
}


@pytest.mark.parametrize("source", FRAMES)
@pytest.mark.parametrize("name", ["IAF", "IAFSqueeze", "LIF", "LIF, tau_syn, not normalised"])
def test_frames_are_exact(source, name):
    module = chain(DIALECTS[name](), DIALECTS[name](), 0)
    network = ss.from_sinabs(module, (INPUTS,), input=source, input_scale=INPUT_SCALE)
    assert network.input == source
    assert network.fidelity.exact
    samples, values = frames(source, 3, 100, STEPS)
    assert differences(network, samples, started(module, values)) == (0, 100 * STEPS * 60)


@pytest.mark.parametrize("make", DIALECTS.values(), ids=DIALECTS)
def test_dialects_are_exact(make):
    total = 0
    for seed in range(2):
        module = chain(make(), make(), seed)
        network = imported(module)
        assert network.fidelity.exact
        assert network.fidelity.different == 0
        different, compared = differences(network, SAMPLES, started(module))
        assert different == 0
        total += compared
    assert total > 100_000


@pytest.mark.parametrize("settings", [{}, {"norm_input": False}, {"tau_syn": HALF}])
def test_one_leak_per_neuron_is_exact(settings):
    # They keep 1/2 of a membrane, or nothing.
    times = torch.where(torch.arange(40) % 2 == 0, HALF, 1e-3)
    first = layers.LIF(times, spike_threshold=QUARTER, **ONE, **settings)
    module = chain(first, layers.LIF(HALF, **ONE), 0)
    network = imported(module)
    assert set(network.layers[0].neuron.leak) == {(1, None), (0, None)}
    assert network.fidelity.exact
    assert differences(network, SAMPLES, started(module))[0] == 0


def test_recurrent_layers_are_exact():
    first = recurrent(layers.IAFRecurrent, 40, 1)
    second = recurrent(layers.LIFRecurrent, 20, 2, tau_mem=HALF)
    second.rec_connect = torch.nn.Sequential(torch.nn.Flatten(), second.rec_connect)
    module = chain(first, second, 0)
    network = imported(module)
    assert network.fidelity.exact
    assert network.layers[0].recurrent is not None
    assert differences(network, SAMPLES, started(module))[0] == 0


def test_a_network_made_of_a_model_of_torch():
    analog = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, bias=False), torch.nn.ReLU(), layers.SumPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(36, 5, bias=False), torch.nn.ReLU(),
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for each in analog.parameters():
            each.copy_(torch.randint(-4, 8, each.shape, generator=generator) / 8)
    made = from_model(analog, (2, 8, 8), batch_size=1, spike_fn=SingleSpike, min_v_mem=None)
    network = imported(made, (2, 8, 8))
    assert (network.fidelity.exact, network.fidelity.different) == (True, 0)
    samples = spikes(3, 1, 10, inputs=128)
    for each in made.modules():
        if isinstance(each, layers.StatefulLayer):
            each.reset_states()
    with torch.no_grad():
        counts = made(torch.from_numpy(samples[0]).float().reshape(10, 2, 8, 8)).sum(0)
    assert counts.sum() > 3
    ours = ss.Golden(network).run(samples.reshape(1, 10, 2, 8, 8)).readout[0]
    assert ours.tolist() == counts.tolist()
    default = from_model(analog, (2, 8, 8), batch_size=1)
    with refuses(ss.NotExpressible, "1 (sinabs IAFSqueeze(", "spike_fn=MultiSpike ... any number",
                 "min_v_mem=-1", "spike_fn=SingleSpike, min_v_mem=None"):
        imported(default, (2, 8, 8))
    near = imported(default, (2, 8, 8), approximate=True)
    assert near.fidelity.different > 0
    assert not near.fidelity.exact


def test_layers_that_know_no_steps_are_repeated():
    module = torch.nn.Sequential(
        layers.Repeat(torch.nn.Conv2d(2, 4, 3)), layers.IAF(**ONE),
        layers.Repeat(torch.nn.AvgPool2d(2)), torch.nn.Flatten(2), torch.nn.Linear(36, 5),
        layers.IAF(**ONE, spike_threshold=QUARTER),
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for each in module.parameters():
            if each.ndim:
                each.copy_(torch.randint(-8, 8, each.shape, generator=generator) / 8)
    network = imported(module, (2, 8, 8))
    assert (network.fidelity.exact, network.fidelity.different) == (True, 0)
    samples = spikes(3, 20, 6, inputs=128).reshape(20, 6, 2, 8, 8)
    assert differences(network, samples, started_maps(module, samples))[0] == 0


def started_maps(module, samples):
    for each in module:
        if isinstance(each, layers.StatefulLayer):
            each.reset_states()
    neurons = [module[1], module[5]]
    found = sequence_spikes(module, neurons, samples)
    return [found[0].reshape(20, 6, 4, 6, 6), found[1]]


def test_the_last_layer_may_be_a_leak():
    module = chain(layers.IAF(**ONE), layers.ExpLeak(HALF), 0)
    network = imported(module, calibration=SAMPLES)
    assert (network.readout, network.fidelity.exact) == ("membrane", True)
    assert network.fidelity.same_prediction == 1.0


def test_forward_may_sum_over_the_steps():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = chain(layers.IAF(**ONE), layers.IAF(**ONE), 0)

        def forward(self, x):
            return self.inner(x).sum(1)

    assert imported(Net()) == imported(Net().inner)


class Foreign(torch.nn.Module):
    """A chain with something foreign in its forward."""

    def __init__(self, change):
        super().__init__()
        self.inner, self.change = chain(layers.IAF(**ONE), layers.IAF(**ONE), 0), change

    def forward(self, x):
        return self.change(self.inner, x)


@pytest.mark.parametrize("change", [
    lambda inner, x: inner(x.flip(1)),
    lambda inner, x: inner(x.repeat_interleave(2, 1)),
    lambda inner, x: inner(x[:, 1:]),
    lambda inner, x: inner(x.transpose(0, 1)).transpose(0, 1),
    lambda inner, x: inner(2 * x),
    lambda inner, x: inner[3](inner[2](inner[1](inner[0](x).relu()))),
    lambda inner, x: inner[3](inner[2](inner[1](inner[0](x))).abs()),
    lambda inner, x: inner(x) * 2,
    lambda inner, x: inner(x).cumsum(1),
    lambda inner, x: torch.cat([inner(x[:, :2]), inner(x[:, 2:]).flip(1)], 1),
])
def test_what_is_foreign_in_forward_is_refused(change):
    with refuses(ValueError, "("):
        imported(Foreign(change))


def test_what_is_harmless_in_forward_is_read():
    plain = imported(Foreign(lambda inner, x: inner(x)))
    for harmless in (
        lambda inner, x: inner(x).sum(1),
        lambda inner, x: torch.stack([inner(x[:, t : t + 1])[:, 0] for t in range(x.shape[1])], 1),
        lambda inner, x: inner(x.clamp(0, 1)).mean(1),
    ):
        assert imported(Foreign(harmless)) == plain


def test_several_spikes_are_exact_where_none_can_be():
    module = chain(layers.IAF(), layers.LIF(HALF, norm_input=False), 0, bias=False)
    with torch.no_grad():
        for linear in (module[0], module[2]):
            linear.weight.zero_()[:, :8] = 0.125
            linear.weight[0, 2] = -0.25
    network = imported(module)
    assert (network.fidelity.exact, network.fidelity.approximations) == (True, ())
    assert differences(network, SAMPLES, started(module))[0] == 0
    # With a leak of 1/2, an input of -0.25 leads to -0.5 at most.
    leaking = layers.LIF(HALF, norm_input=False, min_v_mem=-0.5)
    assert imported(torch.nn.Sequential(module[2], leaking), (40,)).fidelity.exact
    with refuses(ss.NotExpressible, "1 (sinabs IAF(", "min_v_mem=-9"):
        imported(torch.nn.Sequential(module[0], layers.IAF(min_v_mem=-9.0)))
    with torch.no_grad():
        module[0].weight[3, 9] = 0.125
    with refuses(ss.NotExpressible, "1 (sinabs IAF(", "MultiSpike ... any number of times"):
        imported(module)


def test_a_lowest_membrane_that_signed_frames_may_reach():
    module = torch.nn.Sequential(
        torch.nn.Linear(INPUTS, INPUTS, bias=False),
        layers.LIF(HALF, spike_threshold=QUARTER, norm_input=False, min_v_mem=-0.5, **ONE),
    )
    with torch.no_grad():
        module[0].weight.copy_(torch.eye(INPUTS) / 8)
    # An input of -0.25 leads to -0.5 at most.
    for zero, scale in ((0, 1.0), (8, 1 / 4), (15, 1 / 8)):
        source = ss.FrameInput((INPUTS,), 4, zero)
        assert imported(module, input=source, input_scale=scale).fidelity.different == 0
    with refuses(ss.NotExpressible, "1 (sinabs LIF(", "min_v_mem=-0.5"):
        imported(module, input=ss.FrameInput((INPUTS,), 4, 15), input_scale=1 / 4)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: layers.IAF(), ["1 (sinabs IAF(", "spike_fn=MultiSpike lets a neuron spike any",
                                "spike_fn=SingleSpike"]),
        (lambda: layers.LIF(HALF, spike_fn=MaxSpike(3)), ["MaxSpike(3) ... spike 3 times"]),
        (lambda: layers.IAF(**ONE, min_v_mem=-1.0), ["min_v_mem=-1", "min_v_mem=None"]),
        (lambda: layers.IAF(**ONE, min_v_mem=0.5), ["1 (IAF): min_v_mem=0.5 is above 0"]),
        (lambda: layers.IAF(**ONE, reset_fn=MembraneSubtract(0.5)),
         ["1 (IAF): its reset subtracts 0.5, not the threshold", "MembraneSubtract()"]),
        (lambda: layers.IAF(**ONE, reset_fn=lambda s, state, t: state),
         ["1 (IAF): its reset_fn is", "MembraneSubtract() or MembraneReset()"]),
        (lambda: layers.IAF(**ONE, tau_syn=HALF, reset_fn=MembraneReset(0.5)),
         ["1 (IAF): reset_value=0.5", "MembraneReset(0.0)"]),
        (lambda: layers.IAF(spike_fn=Other), ["1 (IAF): its spike_fn is Other", "SingleSpike"]),
        (lambda: layers.ExpLeak(torch.tensor([2.0] * 39 + [3.0])),
         ["1 (ExpLeak): alpha_mem differs", "have one gain"]),
        (lambda: layers.LIF(
            torch.tensor([2.0] * 39 + [3.0]), reset_fn=MembraneReset(0.25), **ONE),
         ["1 (LIF): reset_value over the gain differs", "a layer has one v_init"]),
        (lambda: layers.LIF(float("inf"), **ONE), ["1 (LIF): its input is multiplied by 0"]),
        (lambda: layers.ALIF(torch.tensor(2.0), torch.tensor(5.0)),
         ["1 (ALIF): its threshold rises with every spike", "LIF"]),
        (lambda: adaptive(tau_syn=torch.tensor(2.0)), ["1 (ALIF): it has a tau_syn"]),
        (lambda: layers.IAFRecurrent(torch.nn.Linear(40, 40), **ONE),
         ["1 (sinabs IAFRecurrent(", "the bias of rec_connect is added in all steps but the first",
          "bias=False"]),
        (lambda: layers.ALIFRecurrent(QUARTER, QUARTER, torch.nn.Linear(40, 40)),
         ["1 (ALIFRecurrent): its threshold rises with every spike"]),
        (lambda: Doubled(**ONE), ["1 (Doubled): it has a method forward in place of that of IAF"]),
        (lambda: layers.IAFRecurrent(torch.nn.Bilinear(40, 40, 40), **ONE), ["Bilinear"]),
    ],
)
def test_refused_neurons(make, parts):
    module = chain(make(), layers.IAF(**ONE), 0)
    if "Bilinear" in parts[0]:
        module[1].rec_connect.forward = lambda x: x
    with refuses(ValueError, *parts):
        imported(module)


def test_refused_modules():
    class Merged(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = chain(layers.IAF(**ONE), layers.IAF(**ONE), 0)[:2]
            self.merge = layers.Merge()

        def forward(self, x):
            y = self.last(self.first(x))
            return self.merge(y, y)

    with refuses(ss.NotExpressible, "merge (Merge): it adds the outputs of two layers"):
        imported(Merged())
    pooled = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), layers.IAFSqueeze(batch_size=1, **ONE),
        layers.SpikingMaxPooling2dLayer((2, 2)),
    )
    with refuses(ss.NotExpressible, "2 (SpikingMaxPooling2dLayer): it passes the spikes of the",
                 "torch.nn.MaxPool2d"):
        imported(pooled, (1, 8, 8))
    folded = torch.nn.Sequential(torch.nn.Flatten(1), torch.nn.Linear(2 * INPUTS, 4),
                                 layers.IAFSqueeze(batch_size=1, **ONE))
    with refuses(ss.NotExpressible, "0 (Flatten): start_dim=1 flattens steps or samples",
                 "start_dim=2"):
        imported(folded, sample=torch.zeros(1, 2, INPUTS))
    with refuses(ValueError, "sample must be (1, steps, *sample_shape) ... not (2, 1, 24)"):
        imported(chain(layers.IAF(**ONE), layers.IAF(**ONE), 0), sample=torch.zeros(2, 1, INPUTS))
    with refuses(ss.NotExpressible, "1.module (SumPool2d): ceil_mode keeps odd edges"):
        imported(torch.nn.Sequential(
            layers.Repeat(torch.nn.Identity()),
            layers.Repeat(layers.SumPool2d(2, ceil_mode=True)), torch.nn.Flatten(2),
            torch.nn.Linear(4, 2), layers.IAF(**ONE),
        ), (1, 3, 3))


def test_other_time_constants_are_measured():
    module = chain(layers.LIF(5.0, spike_threshold=QUARTER, **ONE), layers.IAF(**ONE), 0)
    report = imported(module, calibration=SAMPLES).fidelity
    assert not report.exact
    assert report.layers[0].decay_asked == pytest.approx(np.exp(-0.2))
    assert report.layers[0].spikes.overlap > 0.9


def test_multi_spikes_are_those_of_sinabs():
    # What the refusals rest on: the spikes of these functions.
    values, one = torch.tensor([-2.0, 0.5, 1.0, 2.5]), torch.tensor(1.0)
    assert MultiSpike.apply(values, one, None).tolist() == [0, 0, 1, 2]
    assert SingleSpike.apply(values, one, None).tolist() == [0, 0, 1, 1]
