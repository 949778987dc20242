"""Inputs between which several spikes per step, and a lowest membrane, make no difference."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from stablespike.importers.layers import FloatLayer
from stablespike.importers.semantics import Cell

EIGHTHS = st.integers(-16, 16).map(lambda n: n / 8)
DECAYS = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
CURRENTS = st.lists(EIGHTHS, min_size=1, max_size=30)


def cell(decay, synapse, threshold=1.0):
    made = Cell("", decay, np.asarray(threshold), synapse_decay=synapse)
    return made.of_several_spikes("several spikes", "one")


def several(rule, currents, lowest=-np.inf):
    """Return the spikes of neurons that spike as often as they pass their threshold."""
    v = q = 0.0
    counts = []
    for current in currents:
        q = current if rule.synapse_decay is None else rule.synapse_decay * q + current
        v = rule.decay * v + q
        counts.append(max(int(v // rule.threshold), 0))
        v = max(v - counts[-1] * rule.threshold, lowest)
    return counts


def runs(rule, currents):
    spikes, _ = rule.run(np.asarray(currents, float)[:, None, None])
    return spikes.reshape(-1).astype(int).tolist()


@given(DECAYS, st.none() | DECAYS, CURRENTS)
def test_no_neuron_passes_its_threshold_twice_within_the_range(decay, synapse, currents):
    rule = cell(decay, synapse)
    low, high = rule.within
    assert low == -np.inf
    inside = [min(each, float(high)) for each in currents]
    assert several(rule, inside) == runs(rule, inside)


@given(DECAYS)
def test_beyond_the_range_a_neuron_may_pass_it_twice(decay):
    rule = cell(decay, None)
    currents = [1 - 2.0**-20, float(rule.within[1]) + 2.0**-10]
    assert several(rule, currents) == [0, 2]
    assert runs(rule, currents) == [0, 1]


def layer(rule, weight, bias=0.0, **more):
    return FloatLayer("n", np.asarray(weight), np.asarray([bias]), rule, (2,), **more)


def test_a_layer_is_exact_if_its_inputs_stay_within():
    rule = cell(0.5, None)  # up to 1.5
    assert layer(rule, [[1.0, 0.5]]).is_exact_for(1.0)
    assert not layer(rule, [[1.0, 0.5]]).is_exact_for(2.0)
    assert not layer(rule, [[1.0, 0.5]], 0.125).is_exact_for(1.0)
    assert layer(rule, [[1.5, -2.0]]).is_exact_for(1.0)
    low = rule.unless("no membrane below -1", "none", (np.asarray(-0.5), np.asarray(np.inf)))
    assert low.inexact == "several spikes, and no membrane below -1"
    assert layer(low, [[1.0, -0.5]]).is_exact_for(1.0)
    assert not layer(low, [[1.0, -0.625]]).is_exact_for(1.0)
    assert layer(low, [[0.5, 0.25]]).is_exact_for(1.0, -0.5)
    assert not layer(low, [[0.5, 0.25]]).is_exact_for(1.0, -1.0)
    assert not layer(rule, [[-2.0, 0.5]]).is_exact_for(1.0, -1.0)
    back = replace(low, recurrent=np.asarray([[-0.25]]))
    assert layer(back, [[0.5, 0.0]]).is_exact_for(1.0, -0.5)
    assert not layer(back, [[0.5, 0.0]]).is_exact_for(1.0, -0.75)
    assert not layer(low.unless("more", "less"), [[0.0, 0.0]]).is_exact_for(1.0)
    assert layer(Cell("", 0.5, np.asarray(1.0)), [[9.0, 9.0]]).is_exact_for(1.0)
    assert not layer(Cell("", 0.5, np.asarray(1.0), inexact="x"), [[0.0, 0.0]]).is_exact_for(1.0)
