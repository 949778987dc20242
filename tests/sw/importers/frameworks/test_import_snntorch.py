"""snnTorch modules: the same spikes as their own neurons, or refused by name."""

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import INPUTS, differences, on_grid, source_spikes, spikes
from refusals import refuses
from snntorch_models import LIF, SAMPLES, STEPS, ending, imported, model, neurons, started

snn = pytest.importorskip("snntorch")

SEEDS = range(5)
LEAKY, SYNAPTIC = {"beta": 0.5}, {"alpha": 0.5, "beta": 0.5}
EXACT = [
    (snn.Leaky, LEAKY, "subtract", "next_step"),
    (snn.Leaky, {**LEAKY, "reset_mechanism": "zero"}, "zero", None),
    (snn.Leaky, {**LEAKY, "reset_mechanism": "zero", "reset_delay": False}, "zero", None),
    (snn.Leaky, {**LEAKY, "reset_mechanism": "none"}, "none", None),
    (snn.Leaky, {**LEAKY, "reset_mechanism": "none", "reset_delay": False}, "none", None),
    (snn.Synaptic, SYNAPTIC, "subtract", "next_step"),
    (snn.Synaptic, {**SYNAPTIC, "reset_mechanism": "zero", "reset_delay": False}, "zero", None),
    (snn.Synaptic, {**SYNAPTIC, "reset_mechanism": "none"}, "none", None),
    (snn.Lapicque, {"R": 1, "C": 2}, "subtract", "next_step"),
    (snn.Lapicque, {"R": 1, "C": 2, "reset_mechanism": "none"}, "none", None),
    (snn.Lapicque, {"R": 2, "C": 0.5, "time_step": 0.5}, "subtract", "next_step"),
]


@pytest.mark.parametrize(("kind", "settings", "reset", "timing"), EXACT)
def test_dialects_are_exact(kind, settings, reset, timing):
    total = 0
    for seed in SEEDS:
        module = model(kind, seed, {"bias": seed % 2 == 0}, **settings)
        network = imported(module)
        neuron = network.layers[0].neuron
        assert (neuron.reset, neuron.compare) == (reset, "gt")
        assert timing is None or neuron.reset_timing == timing
        assert neuron.leak == (1, None)
        assert network.fidelity.exact
        assert network.fidelity.exact_steps >= STEPS
        assert network.fidelity.different == 0
        different, compared = differences(network, SAMPLES, started(module))
        assert different == 0
        total += compared
    assert total > 320_000


@pytest.mark.parametrize(
    ("kind", "settings", "reason"),
    [
        (snn.Leaky, {**LEAKY, "reset_delay": False}, "reset once more without one"),
        (snn.Synaptic, {**SYNAPTIC, "reset_delay": False}, "reset once more without one"),
        (snn.Synaptic, {**SYNAPTIC, "reset_mechanism": "zero"}, "drops the whole next step"),
        (snn.Lapicque, {"beta": 0.5, "reset_mechanism": "zero"}, "drops the whole next step"),
    ],
)
def test_other_rules_are_refused_or_measured(kind, settings, reason):
    module = model(kind, **settings)
    with refuses(ss.NotExpressible, f"1 (snntorch.{kind.__name__}(") as caught:
        imported(module)
    assert reason in caught.value.reason
    assert "approximate=True" in caught.value.nearest
    network = imported(module, approximate=True, calibration=SAMPLES, test=SAMPLES)
    report = network.fidelity
    assert not report.exact
    assert report.exact_steps == 0
    assert reason in report.approximations[0]
    # What the report says is what the framework's own neurons and the golden model do.
    different, _ = differences(network, SAMPLES, started(module))
    assert report.different == different > 0


def test_lapicque_decays_by_its_resistance_and_capacity():
    network = imported(model(snn.Lapicque, beta=0.5))
    asked = network.fidelity.layers[0].decay_asked
    assert asked == pytest.approx(1 - np.log(2))
    assert network.layers[0].neuron.leak == (1, 2)
    assert network.fidelity.layers[0].decay_error == pytest.approx(0.25 - asked)


def test_other_leaks_and_longer_runs_are_measured():
    module = model(snn.Leaky, beta=0.9)
    network = ss.from_snntorch(module, (INPUTS,), steps=40)
    report = network.fidelity
    assert not report.exact
    assert report.steps == 40
    layer = report.layers[0]
    assert (layer.decay_asked, layer.decay_used) == pytest.approx((0.9, 0.90625))
    assert 0 < layer.spikes.different < layer.spikes.total
    assert layer.spikes.agreement == 1 - layer.spikes.different / layer.spikes.total
    longer = ss.from_snntorch(model(snn.Leaky, beta=0.5), (INPUTS,), steps=40).fidelity
    assert longer.exact
    assert longer.exact_steps == 5
    assert f"exact for up to 5 steps; over 40, {longer.different} spikes differ" in str(longer)


def test_thresholds_per_neuron_and_a_membrane_readout():
    generator = torch.Generator().manual_seed(3)
    thresholds = torch.arange(1, 41) / 16 + 0.5
    module = torch.nn.Sequential(
        on_grid(INPUTS, 40, generator), snn.Leaky(beta=0.5, threshold=thresholds, init_hidden=True),
        on_grid(40, 10, generator), snn.Leaky(beta=0.5, init_hidden=True, output=True,
                                              reset_mechanism="none"),
    )
    network = imported(module, readout="membrane", calibration=SAMPLES)
    assert network.layers[0].neuron.threshold.tolist() == (thresholds * 8 * 16).int().tolist()
    assert network.fidelity.different == 0
    assert network.fidelity.same_prediction == 1
    delayed = model(snn.Leaky, beta=0.5, reset_mechanism="zero")
    with refuses(ss.NotExpressible, "the last membrane is not yet reset where it spiked"):
        imported(delayed, readout="membrane")


def test_calibration_brings_the_spikes_closer():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(60, 50), snn.Leaky(beta=0.95, threshold=0.5, init_hidden=True),
        torch.nn.Linear(50, 20), snn.Leaky(beta=0.95, threshold=0.5, init_hidden=True, output=True),
    )
    rng = np.random.default_rng(0)
    samples = (rng.random((400, 20, 60)) < rng.random(60) ** 2).astype(np.int64)
    seen, unseen = samples[:200], samples[200:]
    for neuron in neurons(module):
        neuron.reset_mem()
    source = source_spikes(module, neurons(module), unseen)
    plain = ss.from_snntorch(module, (60,), steps=20)
    for neuron in neurons(module):
        neuron.reset_mem()
    counts = source_spikes(module, neurons(module), seen)[-1].sum(1)
    labels = np.where(np.arange(200) < 50, 0, counts.argmax(1))
    calibrated = ss.from_snntorch(module, (60,), calibration=seen, labels=labels)
    assert differences(calibrated, unseen, source)[0] < 0.8 * differences(plain, unseen, source)[0]
    report = calibrated.fidelity
    assert report.samples == (
        "50 of 200 calibration samples (every 4th), which the rounding did not use, 20 steps"
    )
    assert "random samples" in plain.fidelity.samples
    assert plain.fidelity.layers[0].threshold_factor == 1
    # The leak used is 1 - 2**-5 - 2**-6, less than asked: currents add up to more.
    factors = [layer.threshold_factor for layer in report.layers]
    assert all(1 <= factor <= 0.05 / (1 - 0.953125) for factor in factors)
    assert max(factors) > 1
    held, classes = seen[3::4], labels[3::4]
    assert report.count == len(held)
    assert report.accuracy == (ss.Golden(calibrated).run(held).prediction == classes).mean()
    assert report.accuracy_source == (counts[3::4].argmax(1) == classes).mean() > report.accuracy
    assert report.as_dict()["layers"][1]["spikes"]["different"] > 0
    assert "for the leak" in str(report)


def nan_weights():
    module = model(snn.Leaky, beta=0.5)
    module[2].weight.data[3, 1] = float("nan")
    return module


def other_subclass():
    class Own(snn.Leaky):
        def fire(self, mem):
            return 1 - super().fire(mem)

    return model(Own, beta=0.5)


def changed_reset():
    module = model(snn.Leaky, beta=0.5)
    module[1].reset_mechanism = "zero"
    return module


def mismatched():
    generator = torch.Generator().manual_seed(0)
    linear = on_grid(INPUTS // 2, 8, generator)
    return torch.nn.Sequential(
        torch.nn.Unflatten(1, (2, INPUTS // 2)), linear,
        snn.Leaky(beta=0.5, init_hidden=True, output=True),
    )


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nan_weights, "2 (Linear): weight ... finite ... nan (at [3, 1])"),
        (other_subclass, "1 (Own): it has a method fire in place of that of Leaky"),
        (changed_reset, "1 (Leaky): its reset_mechanism was changed to 'zero' after it was made"),
        (lambda: torch.nn.Sequential(torch.nn.Linear(INPUTS, 5, dtype=torch.complex64)),
         "0 (Linear) weight ... real numbers ... of complex64"),
        (lambda: torch.nn.Sequential(torch.nn.Linear(INPUTS, 0), snn.Leaky(**LIF)),
         "0 (Linear): its weight is empty, (0, 24)"),
        (lambda: torch.nn.Sequential(torch.nn.RNN(INPUTS, 5), snn.Leaky(**LIF)),
         "0 (RNN): it is recurrent, and recurrence is not runnable on this array yet"),
        (lambda: torch.nn.Sequential(torch.nn.GRUCell(INPUTS, 5), snn.Leaky(**LIF)),
         "0 (GRUCell): it is recurrent"),
        (mismatched, "1 (Linear): its weight must be (out, 24) for an input of (2, 12)"),
        (lambda: model(snn.Leaky, beta=0.5, threshold=-1.0),
         "1 (Leaky): thresholds above the resting membrane ... positive ... -1"),
        (lambda: ending(snn.Leaky(**LIF, inhibition=True)), "inhibition=True lets one neuron"),
        (lambda: ending(snn.Leaky(**LIF, graded_spikes_factor=2.0)), "graded_spikes_factor is 2"),
        (lambda: ending(snn.Leaky(**LIF, state_quant=torch.round)), "state_quant rounds"),
        (lambda: ending(snn.Leaky(**LIF, spike_grad=torch.sigmoid)), "its spike_grad is not"),
        (lambda: ending(torch.nn.ReLU()), "3 (ReLU): it is an activation function"),
        (lambda: ending(), "2 (Linear): nothing follows it"),
        (lambda: ending(snn.Alpha(alpha=0.9, beta=0.5, init_hidden=True)),
         "3 (Alpha): it has two synaptic currents ... the nearest that can: Synaptic"),
    ],
)
@pytest.mark.filterwarnings("ignore:Inhibition", "ignore:Initializing zero-element")
def test_refused_modules(module, message):
    with refuses(ValueError, message):
        imported(module())


def test_a_pool_in_front_and_batch_norm_are_folded():
    generator = torch.Generator().manual_seed(5)
    norm = torch.nn.BatchNorm1d(12)
    with torch.no_grad():
        norm.running_mean.copy_(torch.randint(-4, 5, (12,), generator=generator) / 8)
        norm.running_var.fill_(3.0)
        norm.eps = 1.0
        norm.weight.fill_(2.0)
        norm.bias.copy_(torch.randint(-4, 5, (12,), generator=generator) / 8)
    module = torch.nn.Sequential(
        torch.nn.AvgPool2d(2), torch.nn.Flatten(), torch.nn.Dropout(0.5),
        on_grid(9, 12, generator), norm, snn.Leaky(**LIF),
        on_grid(12, 5, generator), snn.Leaky(**LIF),
    )
    samples = spikes(1, 200, STEPS, inputs=36).reshape(200, STEPS, 1, 6, 6)
    network = ss.from_snntorch(module, (1, 6, 6), calibration=samples)
    assert network.layers[0].pool_before == ss.SumPool2d(2)
    assert network.fidelity.exact
    assert network.fidelity.different == 0
    module.eval()
    for neuron in neurons(module):
        neuron.reset_mem()
    different, _ = differences(network, samples, source_spikes(module, neurons(module), samples))
    assert different == 0
    assert norm.training is False


def test_a_last_linear_layer_is_summed_where_asked():
    network = imported(ending(), readout="membrane", calibration=SAMPLES)
    last = network.layers[-1].neuron
    assert (last.leak, last.fires) == ((None, None), False)
    assert network.fidelity.same_prediction == 1


def test_a_membrane_that_differs_can_be_allowed():
    delayed = model(snn.Leaky, beta=0.5, reset_mechanism="zero")
    report = imported(delayed, readout="membrane", approximate=True).fidelity
    assert "the last membrane is not yet reset" in report.approximations[0]
    assert report.different == 0
    assert not report.exact


def test_pixels_of_another_scale():
    generator = torch.Generator().manual_seed(0)
    module = torch.nn.Sequential(
        on_grid(16, 30, generator), snn.Leaky(beta=0.5, init_hidden=True, output=True)
    )
    pixels = np.random.default_rng(0).integers(0, 16, (50, 1, 4, 4))
    network = ss.from_snntorch(
        module, (16,), input=ss.PixelInput((1, 4, 4), 4), input_scale=1 / 16, calibration=pixels,
        steps=4, fraction_bits=6,
    )
    module[1].reset_mem()
    seen = np.repeat(pixels.reshape(50, 1, 16), 4, 1)
    source = source_spikes(lambda x: module(x / 16), [module[1]], seen)
    ours = ss.Golden(network).run(pixels, 4, trace=True).spikes
    assert 0.01 < ours[0].mean() < 0.9
    assert (ours[0] == source[0]).all()
