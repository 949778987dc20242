"""SpikingJelly modules: the same spikes as their own neurons, or refused by name."""


import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import (
    FRAMES,
    INPUT_SCALE,
    INPUTS,
    OUTPUTS,
    chain,
    differences,
    frames,
    on_grid,
    sequence_spikes,
    source_spikes,
    spikes,
)
from refusals import refuses

neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
from spikingjelly.activation_based import functional, layer, surrogate  # noqa: E402

STEPS = 4
SAMPLES = spikes(7, 270, STEPS)
UNDECAYED = {"decay_input": False}


def model(kind, seed=0, bias=True, **settings):
    return chain(kind(**settings), kind(**settings), seed, bias=bias)


def imported(module, **options):
    return ss.from_spikingjelly(module, (INPUTS,), steps=STEPS, **options)


def started(module, samples=SAMPLES):
    functional.reset_net(module)
    return source_spikes(module, [module[1], module[3]], samples)


@pytest.mark.parametrize("source", FRAMES)
@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("settings", [UNDECAYED, {**UNDECAYED, "v_reset": None}])
def test_frames_are_exact(source, mode, settings):
    module = model(neuron.LIFNode, **settings)
    functional.set_step_mode(module, mode)
    network = ss.from_spikingjelly(module, (INPUTS,), input=source, input_scale=INPUT_SCALE)
    assert network.input == source
    assert network.fidelity.exact
    samples, values = frames(source, 3, 100, STEPS)
    functional.reset_net(module)
    neurons = [module[1], module[3]]
    if mode == "m":
        found = sequence_spikes(module, neurons, values, 0)
    else:
        found = source_spikes(module, neurons, values)
    assert differences(network, samples, found) == (0, 100 * STEPS * 60)


@pytest.mark.parametrize(
    ("kind", "settings", "reset", "leak"),
    [
        (neuron.LIFNode, UNDECAYED, "zero", (1, None)),
        (neuron.LIFNode, {**UNDECAYED, "v_reset": None}, "subtract", (1, None)),
        (neuron.LIFNode, {"v_threshold": 0.5}, "zero", (1, None)),
        (neuron.LIFNode, {"v_threshold": 0.5, "v_reset": None}, "subtract", (1, None)),
        (neuron.LIFNode, {**UNDECAYED, "v_reset": -0.5, "v_threshold": 0.5}, "zero", (1, None)),
        (neuron.LIFNode, {"v_reset": 0.25, "v_threshold": 0.5}, "zero", (1, None)),
        (neuron.ParametricLIFNode, {"v_threshold": 0.5}, "zero", (1, None)),
        (neuron.CUBALIFNode, {"v_decay": 0.5}, "zero", (1, None)),
        (neuron.CUBALIFNode, {"v_decay": 0.5, "v_reset": None}, "subtract", (1, None)),
        (neuron.IFNode, {}, "zero", (None, None)),
        (neuron.IFNode, {"v_reset": None}, "subtract", (None, None)),
        (neuron.IFNode, {"v_reset": -0.5}, "zero", (None, None)),
    ],
)
def test_dialects_are_exact(kind, settings, reset, leak):
    total = 0
    for seed in range(5):
        module = model(kind, seed, seed % 2 == 0, **settings)
        network = imported(module)
        used = network.layers[0].neuron
        assert (used.reset, used.reset_timing, used.compare) == (reset, "same_step", "ge")
        assert used.leak == leak
        assert network.fidelity.exact
        assert network.fidelity.exact_steps is None or network.fidelity.exact_steps >= STEPS
        assert network.fidelity.different == 0
        different, compared = differences(network, SAMPLES, started(module))
        assert different == 0
        total += compared
    assert total > 320_000


def test_without_leak_any_number_of_steps_is_exact():
    module = model(neuron.IFNode, v_reset=None)
    network = imported(module)
    assert network.fidelity.exact_steps is None
    samples = spikes(2, 20, 200)
    different, _ = differences(network, samples, started(module, samples))
    assert different == 0


def test_membranes_that_meet_the_end_of_their_range_are_not_called_exact():
    linear = torch.nn.Linear(20, 4, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([-1.0, 0.875]).repeat_interleave(10))
    samples = np.zeros((3, 80, 20), int)
    samples[0, :30, :10] = samples[0, 30:, 10:] = samples[1, :5, :10] = samples[1, 5:, 10:] = 1
    module = torch.nn.Sequential(linear, neuron.IFNode(v_reset=None))
    report = ss.from_spikingjelly(module, (20,), calibration=samples).fidelity
    assert report.different > 0
    assert (report.exact, report.exact_steps) == (False, 0)
    assert report.layers[0].exact
    assert (
        f"rounds nothing, but {report.different} spikes differ: membranes meet the end of their "
        "range (state_bits 16)"
    ) in str(report)
    report = ss.from_spikingjelly(module, (20,), calibration=samples[1:]).fidelity
    assert (report.exact, report.exact_steps, report.different) == (True, None, 0)
    assert "exact for any number of steps: 0 spikes differ" in str(report)


def test_other_time_constants_are_measured():
    module = model(neuron.LIFNode, tau=3.0, v_threshold=0.5)
    network = imported(module, calibration=SAMPLES, test=SAMPLES)
    report = network.fidelity
    assert not report.exact
    assert report.layers[0].decay_asked == pytest.approx(2 / 3)
    assert report.layers[0].decay_used == 0.6875
    different, _ = differences(network, SAMPLES, started(module))
    assert report.different == different > 0


def test_several_steps_at_once():
    module = torch.nn.Sequential(
        layer.Flatten(), layer.Linear(INPUTS, 30, bias=False), layer.BatchNorm1d(30),
        neuron.LIFNode(v_threshold=0.1), layer.Dropout(0.5), layer.Linear(30, OUTPUTS),
        neuron.IFNode(v_threshold=0.25),
    )
    torch.manual_seed(0)
    module[2].running_mean.uniform_(-0.1, 0.1)
    module[2].running_var.uniform_(0.5, 2)
    functional.set_step_mode(module, "m")
    network = ss.from_spikingjelly(module, (4, INPUTS // 4), steps=10, weight_bits=8)
    assert [child.step_mode for child in module if hasattr(child, "step_mode")] == ["m"] * 7
    assert module.training
    assert [report.name for report in network.fidelity.layers] == ["3", "6"]
    module.eval()
    samples = spikes(3, 50, 10)
    functional.reset_net(module)
    with torch.no_grad():
        sequence = torch.from_numpy(samples.swapaxes(0, 1).reshape(10, 50, 4, -1)).float()
        counts = module(sequence).sum(0).numpy()
    ours = ss.Golden(network).run(samples.reshape(50, 10, 4, -1)).readout
    assert counts.mean() > 0.5

    class Rates(torch.nn.Module):
        def __init__(self, scale):
            super().__init__()
            self.inner, self.scale = module, scale

        def forward(self, x):
            return {"rates": self.scale * self.inner(x).mean(0)}

    assert ss.from_spikingjelly(Rates(1), (4, INPUTS // 4), steps=10, weight_bits=8) == network
    with refuses(ss.NotExpressible, "inner.6 (IFNode): what the model returns is not its output"):
        ss.from_spikingjelly(Rates(3), (4, INPUTS // 4), steps=10)
    assert np.abs(ours - counts).mean() < 0.2 * counts.mean()


def nan_threshold():
    return model(neuron.LIFNode, v_threshold=float("nan"))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nan_threshold, "1 (LIFNode): v_threshold ... finite ... nan"),
        (lambda: model(neuron.LIFNode, v_reset=1.5), "thresholds above the resting membrane must"),
        (lambda: model(neuron.CUBALIFNode, v_reset=-0.5),
         "1 (CUBALIFNode): its v_reset is not 0"),
        (lambda: model(neuron.CUBALIFNode, c_decay=1.5),
         "1 (CUBALIFNode): c_decay ... 0 to 1 per step ... 1.5"),
        (lambda: model(neuron.QIFNode), "1 (QIFNode): its membrane grows by its square"),
        (lambda: model(neuron.IFNode, surrogate_function=surrogate.Sigmoid(spiking=False)),
         "1 (IFNode): its surrogate_function is not the step of v >= v_threshold"),
        (lambda: torch.nn.Sequential(layer.Linear(INPUTS, 4), layer.SynapseFilter()),
         "1 (SynapseFilter): no neuron of this array computes its rule"),
    ],
)
def test_refused_modules(module, message):
    with refuses(ValueError, message):
        imported(module())


def test_residuals_are_refused_by_name():
    class Residual(torch.nn.Module):
        def __init__(self):
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            self.a, self.b = (on_grid(INPUTS, INPUTS, generator) for _ in range(2))
            self.na, self.nb = neuron.IFNode(), neuron.IFNode()

        def forward(self, x):
            y = self.na(self.a(x))
            return self.nb(self.b(y + x))

    with refuses(ss.NotExpressible, "b (Linear): its input is not what any layer gave"):
        imported(Residual())


def scaled(scaler, factors=(0.5, 2.0), **settings):
    """Return a module whose second layer has scalers around its neurons, as ann2snn puts them."""
    plain = model(neuron.IFNode, v_reset=None)
    around = [scaler(factor, **settings) for factor in factors]
    return torch.nn.Sequential(
        plain[0], torch.nn.Sequential(around[0], plain[1], around[1]), plain[2], plain[3]
    )


@pytest.mark.parametrize("kind", ["VoltageScaler", "ChannelVoltageScaler"])
def test_scalers_of_ann2snn_are_folded_into_weights(kind):
    scaler = getattr(pytest.importorskip("spikingjelly.activation_based.ann2snn.modules"), kind)
    module = scaled(scaler)
    network = imported(module, weight_bits=8)
    assert network.fidelity.exact
    assert [report.name for report in network.fidelity.layers] == ["1.1", "3"]
    functional.reset_net(module)
    source = source_spikes(module, [module[1][1], module[3]], SAMPLES)
    assert differences(network, SAMPLES, source)[0] == 0
    with refuses(ss.NotExpressible, f"4 ({kind}): it changes the last spikes"):
        imported(module.append(scaler(2.0)))


def test_scalers_per_channel():
    modules = pytest.importorskip("spikingjelly.activation_based.ann2snn.modules")
    scaler, factors = modules.ChannelVoltageScaler, torch.tensor([0.5, 1.0, 2.0, 0.25] * 10)
    module = scaled(scaler, (factors, 1 / factors))
    network = imported(module, weight_bits=8)
    assert network.fidelity.exact
    functional.reset_net(module)
    source = source_spikes(module, [module[1][1], module[3]], SAMPLES)
    assert differences(network, SAMPLES, source)[0] == 0
    with refuses(ss.NotExpressible, "1.0 (ChannelVoltageScaler): channel_dim is -1"):
        imported(scaled(scaler, (factors, 1 / factors), channel_dim=-1))
