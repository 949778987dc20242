"""Frames, and values counted from a zero, in the importers: what is exact, and what is refused."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import (
    FRAMES,
    INPUT_SCALE,
    INPUTS,
    differences,
    frames,
    on_grid,
    our_spikes,
    source_spikes,
)
from refusals import refuses
from snntorch_models import model, neurons
from stablespike.importers.layers import FloatLayer
from stablespike.importers.semantics import Cell
from stablespike.importers.settings import Settings
from stablespike.importers.tracing.folded import sums_exactly
from stablespike.importers.tracing.trials import Domain

snn = pytest.importorskip("snntorch")

STEPS = 4
SIGNED = FRAMES[1]
SAMPLES, VALUES = frames(SIGNED, 5, 60, STEPS)
LIF = {"beta": 0.5, "init_hidden": True}


def imported(module, source=SIGNED, **options):
    return ss.from_snntorch(
        module, source.shape, **{"input": source, "input_scale": INPUT_SCALE, **options}
    )


def own_spikes(module, values, step=None):
    for each in neurons(module):
        each.reset_mem()
    return source_spikes(step or module, neurons(module), values)


def eighths(module, seed=0):
    """Set the weights and biases of a module on a grid of 1/8."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, each in module.named_parameters():
            if name.endswith(("weight", "bias")):
                each.copy_(torch.randint(-8, 8, each.shape, generator=generator) / 8)
    return module


def rounded(seed=0):
    """Return a module whose weights are on no grid."""
    module = model(snn.Leaky, seed, beta=0.5)
    with torch.no_grad():
        for each in module.parameters():
            if each.ndim > 1:
                each.mul_(0.9 + 0.01 * torch.arange(each.shape[1]))
    return module


@pytest.mark.parametrize("kind", [ss.FrameInput, ss.PixelInput])
def test_what_a_model_receives(kind):
    settings = Settings(input=kind((3,), 4, zero=6), input_scale=0.25)
    assert settings.received == (-1.5, 2.25)
    assert Settings().received == (0, 1)
    domain = Domain.of(settings, torch.float32)
    legal = np.arange(-6, 10) / 4
    assert set(domain.draw()((500,)).tolist()) == set(legal)
    assert set(domain.samples((50,), 7, 10, False).unique().tolist()) <= set(legal)
    assert domain.significant == 4
    assert Domain(4, 0, 0.75, torch.float32).significant == 6


def test_sums_of_wide_inputs_are_rounded():
    layer = FloatLayer("n", np.ones((1, 8)), np.zeros(1), Cell("", 1.0, np.ones(())), (8,))
    assert sums_exactly(layer, 23)
    assert sums_exactly(layer, 23, bits=20)
    assert not sums_exactly(layer, 23, bits=21)


@pytest.mark.parametrize(("bits", "zero"), [(1, 0), (1, 1), (2, 3), (4, 0), (4, 5), (6, 32)])
@pytest.mark.parametrize("kind", [ss.FrameInput, ss.PixelInput])
def test_any_zero_is_exact(kind, bits, zero):
    module, source = model(snn.Leaky, beta=0.5), kind((INPUTS,), bits, zero)
    network = imported(module, source, steps=STEPS)
    assert network.input == source
    assert network.fidelity.exact
    assert network.fidelity.different == 0
    samples, values = frames(source, 1, 60, STEPS)
    if kind is ss.PixelInput:
        samples, values = samples[:, 0], np.repeat(values[:, :1], STEPS, 1)
        ours = ss.Golden(network).run(samples, STEPS, trace=True).spikes
        theirs = own_spikes(module, values)
        assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))
    else:
        assert differences(network, samples, own_spikes(module, values)) == (0, 60 * STEPS * 60)


class Recurrent(torch.nn.Module):
    """A spoken word's network, which loops over the steps itself."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(INPUTS, 40)
        self.hidden = snn.RLeaky(beta=0.5, linear_features=40)
        self.last = torch.nn.Linear(40, 20)
        self.out = snn.Leaky(beta=0.5)

    def forward(self, x):
        spikes, hidden = self.hidden.init_rleaky()
        out, found = self.out.init_leaky(), []
        for step in x:
            spikes, hidden = self.hidden(self.first(step), spikes, hidden)
            fired, out = self.out(self.last(spikes), out)
            found.append(fired)
        return torch.stack(found)


@pytest.mark.parametrize("source", FRAMES)
def test_a_recurrent_forward_with_steps_of_its_own(source):
    module = eighths(Recurrent())
    samples, values = frames(source, 2, 60, STEPS)
    network = imported(module, source, weight_bits=8, calibration=samples)
    assert network.recurrent
    assert network.fidelity.exact
    assert network.fidelity.different == 0
    assert "of up to 6 steps" in "".join(network.fidelity.assumed)
    with torch.no_grad():
        found = module(torch.tensor(values).float().swapaxes(0, 1)).swapaxes(0, 1).numpy() > 0
    ours = our_spikes(network, samples)[-1]
    assert 0.01 < ours.mean() < 0.9
    assert (ours == found).all()


MAPS = {
    "convolution": ((2, 7, 7), lambda: [torch.nn.Conv2d(2, 6, 3, stride=2)]),
    "average pool": ((2, 8, 8), lambda: [torch.nn.AvgPool2d(2), torch.nn.Conv2d(2, 6, 3)]),
    "pool and dense": ((2, 6, 6), lambda: [
        torch.nn.AvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(18, 20)]),
    "one axis": ((3, 20), lambda: [torch.nn.Conv1d(3, 6, 5, stride=2)]),
    # The zeros around the map have no weights then.
    "padded, flattened": ((1, 4, 4), lambda: [
        torch.nn.ZeroPad2d(1), torch.nn.Flatten(), torch.nn.Linear(36, 20)]),
}


@pytest.mark.parametrize(("shape", "make"), MAPS.values(), ids=MAPS)
def test_maps_counted_from_a_zero(shape, make):
    module = eighths(torch.nn.Sequential(*make(), snn.Leaky(**LIF, output=True)))
    read = (shape[0], 1, shape[1]) if len(shape) == 2 else shape
    source = ss.FrameInput(read, 4, zero=8)
    network = ss.from_snntorch(module, shape, input=source, input_scale=INPUT_SCALE, steps=STEPS)
    assert network.fidelity.exact
    samples, values = frames(source, 4, 30, STEPS)
    found = own_spikes(module, values.reshape(30, STEPS, *shape))
    ours = our_spikes(network, samples)[0].reshape(found[0].shape)
    assert 0.01 < ours.mean() < 0.9
    assert (ours == found[0]).all()


def test_a_zero_in_front_of_a_padded_convolution():
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1), snn.Leaky(**LIF, output=True)
    )
    unsigned = imported(module, ss.FrameInput((1, 6, 6), 4), steps=STEPS)
    assert unsigned.layers[0].padding == (1, 1)
    with refuses(
        ss.NotExpressible, "1 (snntorch.Leaky", "its convolution pads the input with 0 ((1, 1)), "
        "and with input.zero=8 a 0 of the array is -8 of the model",
        "without padding, on samples that are padded with 8",
    ):
        imported(module, ss.FrameInput((1, 6, 6), 4, zero=8), steps=STEPS)


def test_a_membrane_is_read():
    module = torch.nn.Sequential(on_grid(INPUTS, 10, torch.Generator().manual_seed(0)))
    network = imported(module, readout="membrane", test=SAMPLES)
    assert network.fidelity.exact
    assert network.fidelity.same_prediction == 1
    with torch.no_grad():
        sums = module(torch.tensor(VALUES).float()).sum(1).double().numpy()
    ours = ss.Golden(network).run(SAMPLES).readout
    assert np.array_equal(ours / 16 * network.fidelity.layers[0].scale_low, sums)


@pytest.mark.filterwarnings("ignore::stablespike.FidelityWarning")
def test_calibration_counts_from_the_zero():
    """Currents are rounded best for what the model receives, whatever stands for 0."""
    source, other = ss.FrameInput((INPUTS,), 4, zero=6), ss.FrameInput((INPUTS,), 5, zero=17)
    samples, _ = frames(ss.FrameInput((INPUTS,), 4), 6, 100, STEPS)
    module = rounded()
    network = imported(module, source, calibration=samples)
    shifted = imported(module, other, calibration=samples + 11)
    assert network.layers == shifted.layers
    assert network.fidelity.layers == shifted.fidelity.layers
    plain = imported(module, source)
    assert network.layers != plain.layers


def test_calibration_helps():
    agreement = {True: 0.0, False: 0.0}
    for seed, given in product(range(3), agreement):
        samples, _ = frames(SIGNED, seed, 100, STEPS)
        unseen, values = frames(SIGNED, 50 + seed, 100, STEPS)
        module = rounded(seed)
        network = imported(module, calibration=samples if given else None)
        different, compared = differences(network, unseen, own_spikes(module, values))
        agreement[given] += (1 - different / compared) / 3
    assert 0.9 < agreement[False] < agreement[True]


def test_an_encoder_of_what_the_model_receives():
    network = imported(rounded(), calibration=SAMPLES)
    low, high = Settings(input=SIGNED, input_scale=INPUT_SCALE).received
    encoder = ss.QuantizeEncoder(SIGNED.shape, low=low, high=high, bits=SIGNED.bits)
    assert encoder.zero == SIGNED.zero
    program = ss.compile(replace(network, encoder=encoder), "icebreaker", steps=STEPS)
    with ss.open_device("golden:") as device:
        device.load(program)
        ran = device.run(VALUES).readout
    assert np.array_equal(ran, ss.Golden(network).run(SAMPLES).readout)


def test_steps_first():
    module = rounded()
    network = imported(module, calibration=SAMPLES)
    first = imported(module, calibration=SAMPLES.swapaxes(0, 1), time_axis=0)
    assert network == first
    assert network.fidelity == first.fidelity


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calibration": SAMPLES[:, 0]},
         ["calibration: samples must be (batch, steps, 24), not (60, 24)",
          "frames have an axis of steps behind that of the batch"]),
        ({"calibration": SAMPLES, "steps": 5}, ["calibration: samples must have 5 steps, not 4"]),
        ({"calibration": SAMPLES, "test": SAMPLES[:, :3]},
         ["test: samples must have 4 steps, not 3"]),
        ({"calibration": SAMPLES + 1}, ["calibration: samples must be whole numbers from 0 to 15",
                                        "not 16", "the network's zero is 8"]),
        ({"calibration": VALUES},
         ["calibration: samples must be whole numbers from 0 to 15, not",
          "y in the units of the model is the integer round(y / 0.125) + 8"]),
        ({"test": torch.tensor(VALUES).abs(), "input": FRAMES[0]},
         ["test: samples must be whole numbers from 0 to 15, not",
          "y in the units of the model is the integer round(y / 0.125)"]),
        ({"calibration": SAMPLES, "input": ss.PixelInput((INPUTS,), 4), "steps": 4},
         ["calibration: samples must be (batch, 24), not (60, 4, 24)",
          "input=stablespike.FrameInput((24,), bits=4)"]),
        ({"calibration": SAMPLES, "input": None, "input_scale": None},
         ["calibration: samples must be whole numbers from 0 to 1",
          "for values that change from step to step input=stablespike.FrameInput((24,), bits=4)"]),
    ],
)
def test_samples_that_are_no_frames(options, message):
    with refuses(ValueError, *message):
        ss.from_snntorch(
            rounded(), (INPUTS,), **{"input": SIGNED, "input_scale": INPUT_SCALE, **options}
        )


class Repeating(torch.nn.Module):
    """A forward that takes one image for all steps."""

    def __init__(self):
        super().__init__()
        self.layer, self.neuron = torch.nn.Linear(INPUTS, 20), snn.Leaky(**LIF)

    def forward(self, x):
        return torch.stack([self.neuron(self.layer(x)) for _ in range(5)])


def test_a_forward_that_repeats_its_input_takes_no_frames():
    with refuses(
        ss.NotExpressible, "forward repeats what it is called with over 5 steps (a repetition), "
        "which is not one step of frames", "input=PixelInput(...)",
    ):
        imported(Repeating())
    pixels = ss.PixelInput((INPUTS,), 4, zero=8)
    assert imported(Repeating(), pixels).fidelity.steps == 5


class Before(torch.nn.Module):
    """A module that changes its input first."""

    def __init__(self, change):
        super().__init__()
        self.change, self.layers = change, model(snn.Leaky, beta=0.5)

    def forward(self, x):
        return self.layers(self.change(x))


@pytest.mark.parametrize(
    "change", [torch.abs, torch.relu, lambda x: x.clamp(0, 2), lambda x: x.clamp(min=-0.5)]
)
def test_what_changes_no_legal_value_does_no_harm(change):
    assert imported(Before(change), FRAMES[0], steps=STEPS).fidelity.exact
    with refuses(ss.NotExpressible, ""):
        imported(Before(change), steps=STEPS)


def wide(inputs, offset=0.05):
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(inputs, 20), snn.Leaky(**LIF, threshold=0.5, output=True)
    )
    with torch.no_grad():
        module[0].weight.add_(offset)
    return module


@pytest.mark.filterwarnings("ignore::stablespike.FidelityWarning")
def test_a_zero_that_is_folded_fits_the_membranes():
    source = ss.FrameInput((300,), 4, zero=15)
    network = imported(wide(300), source, steps=STEPS)
    fit = network.fidelity.layers[0].fit
    assert fit.reason == (
        "thresholds and biases, with the input's zero of 15 folded in, in membranes of 16 bits"
    )
    assert "  to fit, 20 of 20 scales are coarser" in str(network.fidelity)
    assert fit.weight_error < network.fidelity.layers[0].weight_error
    pooled = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.Flatten(), *wide(75))
    maps = imported(pooled, ss.FrameInput((3, 10, 10), 4, zero=15), steps=STEPS)
    assert maps.fidelity.layers[0].fit is not None
    biases = np.abs(network.without_zero.layers[0].bias)
    assert 20_000 < biases.max() <= 32_767
    free = imported(wide(300), ss.FrameInput((300,), 4), steps=STEPS)
    assert free.fidelity.layers[0].fit is None
    with pytest.raises(ValueError, match=r"folded into the biases.*; fewer bits and"):
        ss.Network(source, free.layers)


@pytest.mark.filterwarnings("ignore::stablespike.FidelityWarning")
def test_frames_for_an_array_compile_for_it():
    compiled = fitted = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        bits = int(rng.integers(1, 9))
        source = ss.FrameInput((120,), bits, int(rng.integers(0, 1 << bits)))
        array = ss.ArrayConfig(
            acc_bits=int(rng.integers(10, 14)), state_bits=int(rng.integers(13, 17)), window=8,
            weight_bits=8,
        )
        module = wide(120, float(rng.choice([-0.05, 0, 0.05])))
        try:
            network = imported(module, source, steps=STEPS, array=array)
        except ss.DoesNotFit:  # below
            continue
        assert not network.fidelity.misses
        program = ss.compile(network, array, steps=STEPS)
        samples = frames(source, seed, 5, STEPS)[0]
        with ss.open_device("golden:") as device:
            device.load(program)
            ran = device.run(samples).readout
        assert np.array_equal(ran, ss.Golden(network, array.state_bits).run(samples).readout)
        compiled += 1
        fitted += "folded in" in str(network.fidelity.layers[0].fit)
    assert compiled > 6
    assert fitted > 2


def test_frames_wider_than_the_window_are_lines():
    module = model(snn.Leaky, beta=0.5, grid={"bias": False})
    source = ss.FrameInput((INPUTS,), 6)
    narrow = imported(module, source, steps=STEPS, array="icebreaker", input_scale=1 / 64)
    assert not narrow.fidelity.misses
    ss.compile(narrow, "icebreaker", steps=STEPS)
    fit = narrow.fidelity.layers[0].fit
    assert "with its inputs as lines of single bits, times 1 to 32" in fit.reason
    small = ss.FrameInput((INPUTS,), 4)
    assert imported(module, small, steps=STEPS, array="icebreaker").fidelity.layers[0].fit is None
    with refuses(ValueError, "input must have pixels of at most 4 bits, the window of the array "
                 "icebreaker, not 6"):
        imported(module, ss.PixelInput((INPUTS,), 6), steps=STEPS, array="icebreaker")


@pytest.mark.filterwarnings("ignore::stablespike.FidelityWarning")
def test_a_zero_for_which_there_is_no_room():
    source = ss.FrameInput((2000,), 8, zero=255)
    with refuses(
        ss.DoesNotFit, "1 (snntorch.Leaky", "(with the input's zero folded into it) or v_init of "
        "output", "membranes of 16 bits", "no weights are left: give fewer fraction_bits, an "
        "input of fewer bits",
    ):
        imported(wide(2000, 0.5), source, steps=STEPS)
    with refuses(ss.DoesNotFit, "folded into it", "at the scale given: give a larger one"):
        imported(wide(300), ss.FrameInput((300,), 4, zero=15), steps=STEPS, scale=0.002)
