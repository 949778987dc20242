"""The report of an import."""

import json

import numpy as np
import pytest
import stablespike as ss
from refusals import refuses
from reports import report, spikes
from stablespike.network.fidelity import Fidelity
from stablespike.network.layer_fidelity import ArrayFit, compare_spikes


def test_spikes_compared():
    """The first neuron always fires in the source alone, the second in ours alone."""
    source, ours = np.zeros((4, 1, 3), bool), np.zeros((4, 1, 3), bool)
    source[:, :, 0] = ours[:, :, 1] = source[0, :, 2] = ours[0, :, 2] = True
    found = compare_spikes(source, ours)
    assert (found.total, found.different) == (12, 8)
    assert found.agreement == pytest.approx(4 / 12)
    assert found.overlap == pytest.approx(1 / 9)
    assert found.rate_source == found.rate == pytest.approx(5 / 12)
    assert found.rate_error == pytest.approx(2 / 3)
    assert (found.neurons, found.active_source, found.active) == (3, 2, 2)
    assert (found.always_source, found.always) == (1, 1)
    with pytest.raises(ValueError, match=r"ours.*\(4, 1, 3\) as the source's.*\(4, 1"):
        compare_spikes(source, ours[:, :, :2])


def test_nothing_and_nothing_is_no_agreement():
    found = compare_spikes(spikes(), spikes())
    assert found.overlap is None
    assert found.silent
    assert (found.rate_source, found.rate, found.agreement) == (0, 0, 1)
    assert found.warnings == ("it never fired, in the source or here",)


@pytest.mark.parametrize(
    ("source", "ours", "said"),
    [
        (spikes([0, 1]), spikes(), "it never fired here, but did in the source"),
        (spikes(), spikes([0, 1]), "it never fired in the source, but did here"),
        (spikes([0], [1, 2]), spikes([], [0, 1, 2]),
         "all of its neurons fired in every step (saturated) here, but not in the source"),
        (spikes([2]), spikes([2]),
         "all of its spikes are of one of its 3 neurons in the source and here"),
    ],
)
def test_what_says_little_is_said(source, ours, said):
    found = compare_spikes(source, ours)
    assert found.overlap is not None
    assert found.warnings == (said,)


def test_firing_neurons_need_no_words():
    assert compare_spikes(spikes([0, 1], [2]), spikes([0, 1], [2])).warnings == ()
    one = compare_spikes(spikes([0], neurons=1), spikes([0], neurons=1))
    assert one.warnings == ()


def test_silence_is_neither_exact_nor_praised():
    assert report().exact
    silent = report(spikes=compare_spikes(spikes(), spikes()), same_prediction=None, undecided=2)
    assert silent.silent
    assert not silent.exact
    assert silent.exact_steps == 0
    first, *_, last = str(silent).splitlines()
    assert first.startswith("warning: no neuron of any layer ever fired on these samples")
    assert last.endswith("no neuron ever fired on these samples, so nothing was compared")
    assert "100" not in str(silent)
    assert "not compared: in all of 2 samples the outputs are all equal" in str(silent)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nonzero": 0, "zeroed": 12}, "layer one: all of its 12 weights were rounded to 0"),
        ({"nonzero": 0}, "layer one: all of its weights are 0 in the source"),
        ({"cut_off": 3}, "layer one: all weights of 3 of its neurons were rounded to 0"),
        ({"array": "small", "misses": ("rows: 9 needed",)},
         "too large for the array small: rows: 9 needed"),
    ],
)
def test_warnings_come_first(changes, said):
    made = report(**changes)
    assert made.warnings[0].startswith(said)
    assert str(made).startswith(f"warning: {said}")
    assert made.as_dict()["warnings"] == list(made.warnings)


def test_json_there_and_back():
    fit = ArrayFit(1.5, 1, 3, 0.01, "sums")
    for made in (
        report(), report(fit=fit, leak=ss.Leak(1, 4, add=True), synapse_leak=ss.Leak(3)),
        report(spikes=None, exact_steps=5), report(spikes=compare_spikes(spikes(), spikes())),
    ):
        text = json.dumps(made.as_dict(), allow_nan=False)
        back = Fidelity.from_dict(json.loads(text))
        assert back == made
        assert back.layers[0].leak.add is made.layers[0].leak.add
        assert str(back) == str(made)
    assert Fidelity.from_dict({**report().as_dict(), "newer": 1}) == report()


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("steps", "4", TypeError, "fidelity.steps ... int ... '4'"),
        ("steps", True, TypeError, "fidelity.steps ... int ... True"),
        ("same_prediction", float("nan"), ValueError, "fidelity.same_prediction ... finite"),
        ("misses", "no", TypeError, "fidelity.misses ... list ... 'no'"),
        ("layers", [3], TypeError, "fidelity.layers[0] ... dictionary ... 3"),
    ],
)
def test_damaged_reports(name, value, error, message):
    with refuses(error, message):
        Fidelity.from_dict({**report().as_dict(), name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("decay_asked", [0.5, 0.25], "decay_asked and decay_used ... one per neuron, not 2 and 3"),
        ("decay_used", [], "decay_asked and decay_used ... one per neuron, not 0 and 3"),
        ("decay_used", None, "a decay must be of type float, not None"),
        ("synapse_used", None, "synapse_asked and synapse_used must both be None, or neither"),
        ("leak", None, "leak must be two shifts"),
    ],
)
def test_decays_of_a_report_belong_together(name, value, message):
    three = (0.5, 0.25, 0.125)
    values = report(
        decay_asked=three, decay_used=three, synapse_asked=three, synapse_used=0.5
    ).as_dict()
    assert str(Fidelity.from_dict(values))
    values["layers"][0][name] = value
    with refuses((ValueError, TypeError), message):
        Fidelity.from_dict(values)


def test_outputs_that_are_all_equal_are_no_agreement():
    equal = report(spikes=None, same_prediction=None, undecided=2, readout="membrane")
    assert equal.warnings[0].startswith("the outputs are all equal in all of 2 samples")
    assert str(equal).startswith("warning: the outputs are all equal in all of 2 samples")


def test_a_report_that_lacks_something():
    values = report().as_dict()
    del values["layers"][0]["leak"]
    with pytest.raises(KeyError, match=r"fidelity.layers\[0\].leak"):
        Fidelity.from_dict(values)
