"""Leaks: the closest to a decay, and when they round; one per neuron: what is accepted, how it is
kept, and which neurons are of a kind."""

from pathlib import Path

import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses
from stablespike.network import Leak
from stablespike.network.leaks import closest_leak, exact_steps

FEW = [(1, None), (None, None), (2, 5), (0, None)]
leaks = st.sampled_from(FEW)


def dense(outputs: int, **neuron: object) -> ss.Dense:
    return ss.Dense(np.ones((outputs, 2)), neuron=ss.Neuron(threshold=1, **neuron))


@given(st.lists(st.tuples(leaks, leaks), min_size=1, max_size=12), st.booleans())
def test_neurons_of_equal_leaks_are_of_a_kind(pairs, synapse) -> None:
    membranes, synapses = zip(*pairs, strict=True)
    neuron = ss.Neuron(
        leak=list(membranes), threshold=np.arange(1, len(pairs) + 1),
        synapse_leak=synapses if synapse else None,
    )
    kinds, kind = neuron.kinds(len(pairs))
    known = list(dict.fromkeys(pairs if synapse else membranes))
    assert [(k.leak, k.synapse_leak) if synapse else k.leak for k in kinds] == known
    for n, pair in enumerate(pairs):
        assert kinds[kind[n]].leak == pair[0]
        assert kinds[kind[n]].synapse_leak == (pair[1] if synapse else None)
        assert kinds[kind[n]].reset == neuron.reset


def test_equal_leaks_are_one() -> None:
    layer = dense(3, leak=[(1, 2)] * 3, synapse_leak=[(1, None), (1, None), (2, None)])
    assert layer.neuron.leak == (1, 2)
    assert isinstance(layer.neuron.leak, ss.Leak)
    assert layer.neuron.synapse_leak == ((1, None), (1, None), (2, None))
    # Two numbers are the shifts of one leak, two pairs are two leaks.
    assert dense(2, leak=[1, 2]).neuron.leak == (1, 2)
    assert dense(2, leak=[[1, 2], [3, 4]]).neuron.leak == ((1, 2), (3, 4))
    assert dense(2, leak=[[1, 2], ss.Leak(1, 2)]).neuron == dense(2, leak=(1, 2)).neuron


@pytest.mark.parametrize(
    ("leak", "message"),
    [
        ([(1, None)] * 2, r"leak must be one leak or 3 of them, one per output, not 2"),
        ([(1, None)] * 4, r"leak must be one leak or 3 of them, one per output, not 4"),
        ([(1, None), None, (2, None)], r"leak\[1\] must be two shifts .* not None; \(None, None\)"),
        ([(1, None), (1, 16), (2, None)], r"leak\[1\]\[1\] must be from 0 to 15, not 16"),
        ([(1, None), ((1, 2), (3, 4)), (2, 3)], r"leak\[1\] must be one leak \(a, c\) here"),
        ([], r"leak must be two shifts"),
    ],
)
def test_refused(leak, message) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        dense(3, leak=leak)


def test_a_convolution_has_one_per_channel() -> None:
    weight = np.ones((2, 1, 2, 2))
    for count in (1, 3):
        neuron = ss.Neuron(threshold=1, leak=[(1, None), (2, None), (3, None)][:count])
        with pytest.raises(ValueError, match=f"2 of them, one per output channel, not {count}"):
            ss.Conv2d(weight, neuron=neuron)


def test_files_keep_them(tmp_path: Path) -> None:
    layer = dense(3, leak=[(1, None), (2, 5), (1, None)], synapse_leak=[(1, 2), (3, 4), (5, 6)])
    network = ss.Network(ss.SpikeInput((2,)), [layer])
    ss.save(network, tmp_path / "net.safetensors")
    assert ss.load(tmp_path / "net.safetensors") == network
    program = ss.compile(network, ss.ArrayConfig(), 4)
    ss.save_program(program, tmp_path / "program.safetensors")
    assert ss.load_program(tmp_path / "program.safetensors").network == network


def test_training_takes_one_leak() -> None:
    train = pytest.importorskip("stablespike.train")
    with pytest.raises(TypeError, match=r"leak must be one leak .* here, not one per neuron"):
        train.ExactNeuron(leak=[(1, None), (2, None)])
    for name in ("leak", "synapse_leak", "readout_leak"):
        with pytest.raises(TypeError, match=f"^{name} must be one leak"):
            train.Recipe(**{name: ((1, None), (2, None))})


@given(st.floats(0, 1))
def test_the_closest_leak_is_the_closest(decay):
    leak = closest_leak(decay)
    best = abs(leak.factor - decay)
    pairs = [(None, None), *((a, None) for a in range(16))]
    pairs += [(a, c) for a in range(16) for c in range(16)]
    pairs += [Leak(a, c, add=True) for a in range(16) for c in range(a + 1, 16)]
    factors = [Leak.of(pair).factor for pair in pairs]
    assert best <= min(abs(factor - decay) for factor in factors if factor >= 0)


@pytest.mark.parametrize(
    ("decay", "leak"),
    [(1, (None, None)), (0, (0, None)), (0.5, (1, None)), (0.75, (2, None)), (0.625, (2, 3)),
     (0.9, (4, 5)), (1 - 2**-15, (15, None)),
     # Between one half and 5/8 the second term is added.
     (0.55, Leak(1, 4, add=True)), (0.54, Leak(1, 5, add=True)), (0.59, Leak(1, 4, add=True)),
     (0.77, Leak(2, 6, add=True)), (0.125, Leak(0, 3, add=True)),
     # Halfway, the second term is subtracted.
     (0.59375, (2, 3))],
)
def test_closest_leaks(decay, leak):
    assert closest_leak(decay) == leak


def test_a_decay_that_two_subtracted_terms_have_keeps_them():
    """Networks that were imported before the second term could be added keep their leaks."""
    before = [Leak(), *(Leak(a) for a in range(16))]
    before += [Leak(a, c) for a in range(1, 16) for c in range(a, 16)]
    for leak in before:
        first = next(each for each in before if each.factor == leak.factor)
        assert closest_leak(leak.factor) == first


def test_no_leak_has_such_a_decay():
    with refuses(ValueError, "decay ... 0 to 1 ... 1.5"):
        closest_leak(1.5)


@pytest.mark.parametrize(
    ("leak", "synapse", "values", "steps"),
    [
        ((1, None), None, [16, 32], 5),
        ((1, None), None, [8, 32], 4),
        ((1, None), None, [1], 1),
        ((2, None), None, [16], 3),
        ((1, 3), None, [16], 2),
        (Leak(1, 4, add=True), None, [16], 2),
        (Leak(1, 5, add=True), None, [16], 1),
        ((1, None), (2, None), [0, 16], 3),
        ((None, None), None, [1], None),
        ((0, None), None, [1], None),
    ],
)
def test_exact_steps(leak, synapse, values, steps):
    assert exact_steps(leak, synapse, values, 4) == steps
