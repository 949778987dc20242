"""The samples of an import: those for the rounding, those for the report, and their labels."""

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import INPUTS, OUTPUTS, spikes
from refusals import refuses
from snntorch_models import STEPS, imported, model

snn = pytest.importorskip("snntorch")

SEEN, UNSEEN = spikes(1, 40, STEPS), spikes(2, 30, STEPS)
LABELS = np.random.default_rng(3).integers(0, OUTPUTS, 40)


def rounded(**options):
    """Import a module whose weights are off the grid: its rounding depends on the samples."""
    module = model(snn.Leaky, beta=0.5)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.mul_(0.9 + 0.01 * torch.arange(parameter.shape[1]))
    return imported(module, **options)


def right(network, samples, labels):
    return (ss.Golden(network).run(samples).prediction == labels).mean()


def test_every_fourth_sample_is_left_out_of_the_rounding():
    network = rounded(calibration=SEEN, labels=LABELS)
    held, rest = SEEN[3::4], np.delete(SEEN, np.s_[3::4], axis=0)
    report = network.fidelity
    assert report.samples == (
        "10 of 40 calibration samples (every 4th), which the rounding did not use, 4 steps"
    )
    assert report.count == 10
    assert report.accuracy == right(network, held, LABELS[3::4])
    assert network == rounded(calibration=rest, test=held)
    assert network != rounded(calibration=SEEN, test=held)
    spikes_of = report.layers[0].spikes
    assert spikes_of == rounded(calibration=rest, test=held).fidelity.layers[0].spikes


def test_test_samples_are_measured_and_nothing_else():
    network = rounded(calibration=SEEN, test=(UNSEEN, LABELS[:30]))
    report = network.fidelity
    assert report.samples == "30 test samples, 4 steps"
    assert report.accuracy == right(network, UNSEEN, LABELS[:30])
    apart = rounded(calibration=SEEN, test=UNSEEN, labels=LABELS[:30])
    assert apart == network
    assert apart.fidelity == report
    assert network == rounded(calibration=SEEN, test=UNSEEN[:5])
    alone = rounded(test=UNSEEN)
    assert alone == rounded()
    assert alone.fidelity.samples == "30 test samples, 4 steps"
    assert alone.fidelity.accuracy is None


def test_few_samples_serve_both():
    network = rounded(calibration=SEEN[:15], labels=LABELS[:15])
    assert network.fidelity.samples.startswith(
        "15 calibration samples, which the rounding used too (fewer than 16"
    )
    assert network.fidelity.accuracy == right(network, SEEN[:15], LABELS[:15])


def test_a_rounding_that_needs_no_samples_leaves_all_for_the_report():
    network = imported(model(snn.Leaky, beta=0.5, grid={"bias": False}), calibration=SEEN)
    assert network.fidelity.exact
    assert network.fidelity.samples == (
        "40 calibration samples, which the rounding did not need, 4 steps"
    )


def test_steps_first():
    first = np.swapaxes(SEEN, 0, 1), np.swapaxes(UNSEEN, 0, 1)
    network = rounded(calibration=first[0], test=first[1], time_axis=0)
    assert network == rounded(calibration=SEEN, test=UNSEEN)
    assert network.fidelity == rounded(calibration=SEEN, test=UNSEEN).fidelity


def test_thresholds_at_the_end_of_their_range():
    """The best leak is larger than the source's, but there is no room for larger thresholds."""
    module = model(snn.Leaky, beta=0.9, threshold=255.0, grid={"bias": False})
    network = imported(module, calibration=SEEN)
    assert network.layers[0].neuron.threshold == 255 * 8 * 16
    assert network.fidelity.layers[0].threshold_factor == 1


PIXELS = ss.PixelInput((INPUTS,), 4)
IMAGES = np.random.default_rng(0).random((20, INPUTS))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"test": (UNSEEN, LABELS[:30]), "labels": LABELS}, ValueError,
         "labels must not be given with test=(samples, labels)"),
        ({"test": UNSEEN, "labels": LABELS}, ValueError,
         "labels must be (30,) integers, one per test sample, not (40,)"),
        ({"calibration": SEEN, "test": UNSEEN[:, :3]}, ValueError,
         "test: samples must have 4 steps, not 3"),
        ({"test": UNSEEN[:0]}, ValueError, "test must hold at least 1 sample, not 0"),
        ({"test": UNSEEN + 1}, ValueError, "test: samples must be whole numbers from 0 to 1"),
        ({"calibration": IMAGES}, ValueError,
         ["calibration: samples must be (batch, steps, 24), not (20, 24); the network's input is",
          "spikes ... input=stablespike.PixelInput((24,), bits=4) ... input_scale= and steps="]),
        ({"calibration": np.stack([IMAGES] * 4, 1)}, ValueError,
         ["calibration: samples must be whole numbers from 0 to 1, not 0.6",
          "input=stablespike.PixelInput((24,), bits=4)"]),
        ({"test": torch.tensor(IMAGES), "input": PIXELS, "input_scale": 1 / 15}, ValueError,
         ["test: samples must be whole numbers from 0 to 15, not 0.6",
          "a value x from 0 to 1 is the pixel round(15 * x)"]),
    ],
)
def test_samples_that_do_not_fit(options, error, message):
    with refuses(error, *([message] if isinstance(message, str) else message)):
        rounded(**options)


def test_what_the_input_is_taken_for():
    said = "(24,) spikes, 0 or 1 in every step"
    assert rounded(calibration=SEEN).fidelity.input == said
    plain = rounded().fidelity
    assert plain.input == (
        f"{said} (images and other values need input=stablespike.PixelInput, "
        "or FrameInput)"
    )
    assert f"  input: {said}" in str(plain)
    assert rounded(input=ss.SpikeInput((INPUTS,))).fidelity.input == said
    pixels = rounded(input=PIXELS, input_scale=0.25).fidelity
    assert pixels.input == "(24,) pixels of 4 bits, times 0.25"
    signed = ss.PixelInput((INPUTS,), 4, zero=7)
    assert rounded(input=signed, input_scale=0.25).fidelity.input == (
        "(24,) pixels of 4 bits, counted from 7, times 0.25"
    )
    frames = rounded(input=ss.FrameInput((INPUTS,), 3, zero=4), input_scale=0.25).fidelity
    assert frames.input == "(24,) frames of 3 bits, new in every step, counted from 4, times 0.25"
    assert frames.samples == "64 random frames (seed 0; no calibration given), 4 steps"


@pytest.mark.filterwarnings("error")
def test_silence_is_a_warning():
    quiet = np.zeros((20, STEPS, INPUTS))
    module = model(snn.Leaky, beta=0.5, grid={"bias": False})
    with pytest.warns(ss.FidelityWarning, match="no neuron of any layer ever fired") as caught:
        network = imported(module, calibration=quiet)
    # It names the line that called the importer.
    assert caught[0].filename.endswith("snntorch_models.py")
    report = network.fidelity
    assert report.silent
    assert not report.exact
    assert report.same_prediction is None
    assert all(layer.spikes.overlap is None for layer in report.layers)
    assert not imported(module, calibration=SEEN).fidelity.warnings


@pytest.mark.parametrize(("work", "count"), [(1e9, 64), (60 * STEPS * 10, 10), (1, 4)])
def test_large_networks_are_measured_on_fewer_random_samples(monkeypatch, work, count):
    monkeypatch.setattr("stablespike.importers.measure._RANDOM_WORK", work)
    report = imported(model(snn.Leaky, beta=0.5)).fidelity
    assert report.count == count
    assert report.samples.startswith(f"{count} random samples")


def recordings_of(samples):
    """The events of spikes: at t = 10 k in the step k."""
    found = []
    for sample in samples:
        step, x = np.nonzero(sample)
        events = np.zeros(len(step), [("t", "i8"), ("x", "u2")])
        events["t"], events["x"] = 10 * step, x
        found.append(events)
    return found


def test_recordings_are_binned():
    wanted = rounded(calibration=SEEN, labels=LABELS)
    events = recordings_of(SEEN)
    found = rounded(calibration=events, labels=LABELS, bin_time=10, start=0)
    assert found == wanted
    assert found.fidelity == wanted.fidelity
    mixed = rounded(calibration=SEEN, test=recordings_of(UNSEEN), bin_time=10, start=0)
    assert mixed.fidelity == rounded(calibration=SEEN, test=UNSEEN).fidelity
