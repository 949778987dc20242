"""Chains of operations, and the values of their neurons."""

import numpy as np
import pytest
from refusals import refuses
from stablespike.importers.graph import assemble
from stablespike.importers.operations import Conv, Operation, Pool, Reshape, Scaling, Votes
from stablespike.importers.semantics import checked_decay, one_value, tidy


def test_tidy_undoes_float32():
    tau = np.float32(1e-4) / (1 - np.float32([0.5, 0.75, 0.9]))
    decays = tidy(1 - 1e-4 / tau.astype(float))
    assert decays[:2].tolist() == [0.5, 0.75]
    assert decays[2] == pytest.approx(0.9, abs=1e-6)
    assert tidy(0.1234567) == 0.1234567


def test_parameters_of_no_neurons():
    with refuses(ValueError, "lif (LIF): tau is empty"):
        one_value("lif", "LIF", "tau", np.zeros(0), "")
    with refuses(ValueError, "lif (LIF): decay ... 0 to 1 per"):
        checked_decay("lif", "LIF", "decay", 1.25)


def test_chains_that_are_none():
    pair, one = (2, 2), np.ones(())
    with refuses(ValueError, "the model has no layers"):
        assemble([], (3,), None)
    with refuses(TypeError, "x (Operation) is not an operation"):
        assemble([Operation("x", "Operation")], (3,), None)
    scale = Scaling("s", "Scale", one * 2, np.zeros(()))
    with refuses(ValueError, "p (Pool): it changes the last spikes"):
        assemble([scale, Pool("p", "Pool", "sum", pair, pair, (0, 0))], (1, 4, 4), None)
    with refuses(ValueError, "v (Votes): it takes the mean of 4 values, but ... (3,) has 3"):
        assemble([Votes("v", "Votes", 4)], (3,), None)
    with refuses(ValueError, "v (Votes): nothing follows it"):
        assemble([Votes("v", "Votes", 3)], (3,), None)
    conv = Conv("c", "Conv2d", np.ones((1, 1, 2, 2)), np.zeros(1), (1, 1), (0, 0), (1, 1), 1)
    with refuses(ValueError, "c (Conv2d): nothing follows it"):
        assemble([conv], (1, 4, 4), None)
    full = Conv("c", "Conv2d", np.ones((1, 1, 2, 2)), np.zeros(1), (1, 1), "full", (1, 1), 1)
    with refuses(ValueError, "c (Conv2d): padding must be integers, 'same' or 'valid', not 'full'"):
        assemble([full], (1, 4, 4), None)


def test_shapes_of_a_reshape():
    def after(shape, **said):
        return Reshape("r", "Reshape", **said).output_shape(shape)

    assert after((2, 3, 4)) == (24,)
    assert after((2, 3, 4), start=1) == (2, 12)
    assert after((2, 3, 4), start=-3, end=-2) == (6, 4)
    assert after((24,), sizes=(1, 6, 4)) == (1, 6, 4)
    assert after((2, 12), start=1, end=1, sizes=(3, -1)) == (2, 3, 4)
    for sizes in ((5, -1), (-1, -1), (5, 5), (0, -1)):
        with refuses(ValueError, "r (Reshape): (24,), of 24 elements, cannot be reshaped to"):
            after((24,), sizes=sizes)
    with refuses(ValueError, "r (Reshape): (24,) has no axes 1 to 2"):
        after((24,), start=1, end=2)
