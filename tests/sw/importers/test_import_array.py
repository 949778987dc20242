"""Importers with ``array=``: scales at which everything fits, and what they cost."""

from dataclasses import replace

import numpy as np
import pytest
import stablespike as ss
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from import_models import INPUTS, spikes
from refusals import refuses
from snntorch_models import STEPS, imported, model

snn = pytest.importorskip("snntorch")

# Every option, and memory that does not matter for the golden model.
ANY = ss.ArrayConfig(acc_bits=12, convolution=True, recurrence=True)


def leaky(threshold=1.0, **settings):
    return snn.Leaky(beta=0.5, threshold=threshold, init_hidden=True, **settings)


def dense(inputs, hidden=20, offset=0.0, seed=0, threshold=1.0):
    """Return a module of two dense layers whose weights add up if they have an offset."""
    torch.manual_seed(seed)
    module = torch.nn.Sequential(
        torch.nn.Linear(inputs, hidden), leaky(threshold),
        torch.nn.Linear(hidden, 5), leaky(threshold, output=True),
    )
    with torch.no_grad():
        module[0].weight.add_(offset * module[0].weight.abs().mean())
    return module


def maps(seed=0):
    """Return a module with a convolution of many channels, a pool and a dense layer."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv2d(24, 6, 5, padding=2), leaky(), torch.nn.AvgPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(6 * 9, 4), leaky(output=True),
    )


def recurrent(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(300, 90),
        snn.RLeaky(beta=0.5, linear_features=90, init_hidden=True, output=True),
    )


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(["dense", "maps", "recurrent"]), seed=st.integers(0, 99),
    acc_bits=st.integers(9, 14), state_bits=st.integers(12, 16), fraction_bits=st.integers(0, 4),
    offset=st.sampled_from([0.0, 0.5, -1.0]), widths=st.sampled_from([(4, 4), (8, 8), (4, 8)]),
    membrane=st.booleans(), threshold=st.sampled_from([0.2, 1.0, 5.0]),
)
@pytest.mark.filterwarnings("ignore::stablespike.FidelityWarning")
def test_what_is_imported_for_an_array_compiles_for_it(
    kind, seed, acc_bits, state_bits, fraction_bits, offset, widths, membrane, threshold
):
    lanes, weights = widths
    array = replace(
        ANY, acc_bits=acc_bits, state_bits=state_bits, fraction_bits=fraction_bits,
        weight_bits=lanes, wide_weights=weights > lanes,
    )
    made = {
        "dense": lambda: (dense(400, offset=offset, seed=seed, threshold=threshold), (400,)),
        "maps": lambda: (maps(seed), (24, 6, 6)),
        "recurrent": lambda: (recurrent(seed), (300,)),
    }
    module, shape = made[kind]()
    said = {"steps": 3, "weight_bits": weights, "readout": "membrane" if membrane else None}
    free = ss.from_snntorch(module, shape, fraction_bits=fraction_bits, **said)
    try:
        ours = ss.from_snntorch(module, shape, array=array, **said)
    except ss.DoesNotFit:  # below
        reject()
    ss.compile(ours, array, steps=3, device="golden:")
    fitted = [layer.fit for layer in ours.fidelity.layers if layer.fit is not None]
    try:
        ss.compile(free, array, steps=3, device="golden:")
    except ss.DoesNotFit:
        assert fitted
        assert all(fit.factor > 1 and 1 <= fit.changed <= fit.of for fit in fitted)
    else:
        assert not fitted
        assert ours == free


def test_the_report_says_what_it_cost():
    module = dense(1500, offset=0.5)
    free = ss.from_snntorch(module, (1500,), steps=4).fidelity
    report = ss.from_snntorch(module, (1500,), steps=4, array="icebreaker").fidelity
    fit = report.layers[0].fit
    assert fit.weight_error == pytest.approx(free.layers[0].weight_error)
    assert report.layers[0].weight_error > fit.weight_error
    assert fit.of == 20
    assert report.layers[0].scale_high / free.layers[0].scale_high <= fit.factor
    assert "accumulators of 12 bits hold -2048 to 2047" in fit.reason
    text = str(report)
    assert f"to fit, {fit.changed} of 20 scales are coarser, by up to" in text
    assert "fitted to the array icebreaker, membranes of 16 bits" in text
    assert report.layers[1].fit is None


def test_what_is_exact_and_fits_stays_exact():
    module = model(snn.Leaky, beta=0.5)
    free, ours = imported(module), imported(module, array="icebreaker")
    assert ours == free
    assert ours.fidelity.exact
    assert (ours.fidelity.array, ours.fidelity.state_bits) == ("icebreaker", 16)


def test_weights_that_fit_in_steps_of_their_own_stay_exact():
    """All weights are integers, but those of the second neuron are multiples of 4."""
    array = replace(ANY, acc_bits=9)
    weight = np.zeros((2, 66))
    weight[0, :9] = 7
    weight[1] = 4
    module = torch.nn.Sequential(
        torch.nn.Linear(66, 2, bias=False), leaky(8.0, output=True),
    )
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor(weight))
    samples = spikes(0, 20, STEPS, inputs=66)
    with refuses(ss.DoesNotFit, "the sums of neuron 1 reach 0 to 264 ... hold -256 to 255 ... "
                 "imported with array=, or with a larger scale="):
        ss.compile(
            ss.from_snntorch(module, (66,), calibration=samples, scale=1.0), array, steps=STEPS,
            device="golden:",
        )
    ours = ss.from_snntorch(module, (66,), calibration=samples, array=array)
    assert ours.fidelity.exact
    assert ours.layers[0].weight.max(1).tolist() == [7, 1]


def test_narrow_membranes():
    """The thresholds need a scale at which the membranes of the array hold them."""
    module = dense(INPUTS, threshold=2.0)
    free = ss.from_snntorch(module, (INPUTS,), steps=4, weight_bits=8)
    assert free.layers[0].threshold.max() > 1 << 12
    array = replace(ANY, state_bits=12, weight_bits=8)
    ours = ss.from_snntorch(module, (INPUTS,), steps=4, array=array)
    assert ours.layers[0].threshold.max() <= 1 << 10
    assert ours.fidelity.layers[0].fit.reason == (
        "thresholds and biases in membranes of 12 bits"
    )
    assert ours.fidelity.state_bits == 12
    assert ours.weight_bits == 8
    assert ours.fidelity.array == "of its own"


def test_the_report_is_measured_with_the_membranes_of_the_array():
    """A membrane that adds up without a spike meets the end of 8 bits, but not of 16."""
    module = torch.nn.Sequential(
        torch.nn.Linear(8, 1, bias=False),
        snn.Leaky(beta=1.0, threshold=7.0, init_hidden=True, output=True),
    )
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[-7.0] * 4 + [7.0] * 4]))
    samples = np.zeros((1, 8, 8), dtype=np.int64)
    samples[:, :4, :4] = 1
    samples[:, 4:, 4:] = 1
    wide = ss.from_snntorch(module, (8,), calibration=samples, array=ANY)
    narrow = ss.from_snntorch(
        module, (8,), calibration=samples, array=replace(ANY, state_bits=8)
    )
    assert wide.layers == narrow.layers
    assert wide.fidelity.different == 0
    assert narrow.fidelity.different > 0
    assert "(state_bits 8)" in str(narrow.fidelity)


def test_the_widths_of_the_array():
    array = ss.ArrayConfig(weight_bits=8, fraction_bits=6)
    ours = imported(model(snn.Leaky, beta=0.5), array=array)
    assert (ours.weight_bits, ours.fraction_bits) == (8, 6)
    narrow = imported(model(snn.Leaky, beta=0.5), array=array, weight_bits=4)
    assert narrow.weight_bits == 4


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"array": "icebreakr"}, ValueError, "array must be an ArrayConfig or one of ... not 'ice"),
        ({"array": 4}, TypeError, "array must be an ArrayConfig or one of ... not 4"),
        ({"array": "icebreaker", "fraction_bits": 2}, ValueError,
         "fraction_bits must be 4, as the array icebreaker has them, not 2"),
        ({"array": "icebreaker", "weight_bits": 8}, ValueError,
         "weight_bits must be at most 4 for the array icebreaker, not 8"),
        ({"array": "icebreaker", "input": ss.PixelInput((INPUTS,), 8), "input_scale": 1},
         ValueError, "input must have pixels of at most 4 bits, the window of the array"),
        ({"array": replace(ANY, acc_bits=8), "scale": 0.125}, ss.DoesNotFit,
         "accumulators of 8 bits hold -128 to 127 at the scale given: give a larger one, or none"),
    ],
)
def test_contradictions_are_refused(options, error, message):
    with refuses(error, message):
        imported(model(snn.Leaky, beta=0.5, grid={"bias": False}), **options)


def test_no_scale_fits():
    module = dense(2000, offset=0.5)
    array = replace(ANY, acc_bits=8)
    with torch.no_grad():
        module[0].weight.fill_(0.5)
    with refuses(
        ss.DoesNotFit, "1 (snntorch.Leaky ... the sums of output 0 ... accumulators of 8 bits hold "
        "-128 to 127; at a scale at which they fit, no weights are left: give an array",
    ):
        ss.from_snntorch(module, (2000,), steps=4, array=array)


def test_memory_that_is_missing_is_said():
    module = dense(784, hidden=128)
    with pytest.warns(ss.FidelityWarning, match="too large for the array hx8k: weight rows: "):
        ours = ss.from_snntorch(module, (784,), steps=4, array="hx8k")
    assert "warning: too large for the array hx8k: weight rows: " in str(ours.fidelity)
    with refuses(ss.DoesNotFit, "weight rows"):
        ss.compile(ours, "hx8k", steps=4)
    assert ss.from_snntorch(module, (784,), steps=4, array="icebreaker").fidelity.misses == ()


def tutorial(*layers):
    torch.manual_seed(0)
    return torch.nn.Sequential(*layers, leaky(output=True))


# Networks that many start from, with max pools behind the neurons.
TUTORIALS = {
    "784-1000-10": (
        "artix-100t", (784,),
        lambda: tutorial(torch.nn.Linear(784, 1000), leaky(), torch.nn.Linear(1000, 10)),
    ),
    "12C5-64C5-10": (
        "ecp5-85f-maps", (1, 28, 28),
        lambda: tutorial(
            torch.nn.Conv2d(1, 12, 5), leaky(), torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(12, 64, 5), leaky(), torch.nn.MaxPool2d(2),
            torch.nn.Flatten(), torch.nn.Linear(64 * 16, 10),
        ),
    ),
    "12C5-32C5-10": (
        "ecp5-85f-maps", (2, 34, 34),
        lambda: tutorial(
            torch.nn.Conv2d(2, 12, 5), leaky(), torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(12, 32, 5), leaky(), torch.nn.MaxPool2d(2),
            torch.nn.Flatten(), torch.nn.Linear(32 * 25, 10),
        ),
    ),
    "NIR paper": (
        "ecp5-85f-maps", (2, 34, 34),
        lambda: tutorial(
            torch.nn.Conv2d(2, 16, 5, stride=2, padding=1, bias=False), leaky(),
            torch.nn.Conv2d(16, 16, 3, padding=1, bias=False), leaky(), torch.nn.AvgPool2d(2),
            torch.nn.Conv2d(16, 8, 3, padding=1, bias=False), leaky(), torch.nn.AvgPool2d(2),
            torch.nn.Flatten(), torch.nn.Linear(128, 256, bias=False), leaky(),
            torch.nn.Linear(256, 10, bias=False),
        ),
    ),
}


@pytest.mark.parametrize(("array", "shape", "make"), TUTORIALS.values(), ids=TUTORIALS)
@pytest.mark.filterwarnings("ignore::stablespike.FidelityWarning")
def test_networks_of_tutorials_have_a_preset(array, shape, make):
    ours = ss.from_snntorch(make(), shape, steps=2, array=array)
    assert ours.fidelity.misses == ()
    ss.compile(ours, array, steps=25)
