from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import stablespike as ss  # noqa: E402
from stablespike.network import RESETS  # noqa: E402
from stablespike.spec.reference import neuron_step  # noqa: E402
from stablespike.train import ExactNeuron  # noqa: E402
from stablespike.train.exact import spike, straight_through  # noqa: E402

shift = st.none() | st.integers(0, 5)
leaks = st.tuples(shift, shift) | st.builds(
    lambda a, more: ss.Leak(a, a + more, add=True), st.integers(0, 5), st.integers(1, 5)
)


@settings(max_examples=60, deadline=None)
@given(
    leak=leaks,
    reset=st.sampled_from(RESETS),
    reset_timing=st.sampled_from(("same_step", "next_step")),
    compare=st.sampled_from(("ge", "gt")),
    synapse_leak=st.none() | leaks,
    v_init=st.integers(-300, 300),
    fires=st.booleans(),
    scale=st.sampled_from((1, 7, 127)),
    seed=st.integers(0, 1 << 30),
)
def test_every_setting_is_that_of_the_golden_model(scale: int, seed: int, **kept: Any):
    """Membranes saturate at the largest scale."""
    rng = np.random.default_rng(seed)
    inputs = rng.integers(0, 2, (5, 6, 40))
    weight = rng.integers(-scale, scale + 1, (9, 40))
    bias, theta = rng.integers(-500, 500, 9), rng.integers(1, 40 * scale, 9)
    neuron = ExactNeuron(**kept)
    network = ss.Network(
        input=ss.SpikeInput((40,)),
        layers=(ss.Dense(weight, bias, neuron=neuron.neuron(theta)),),
        readout="membrane", weight_bits=8, fraction_bits=4,
    )
    golden = ss.Golden(network).run(inputs, trace=True)
    current = torch.from_numpy((bias + 16 * inputs @ weight.T).swapaxes(0, 1)).float()
    spikes, v = neuron(current, torch.from_numpy(theta).float())
    assert np.array_equal(v.numpy().astype(np.int64), golden.readout)
    assert np.array_equal(spikes.numpy().swapaxes(0, 1).astype(bool), golden.spikes[0])


def test_constant_current_is_that_of_every_step():
    current = torch.arange(-20.0, 60.0).view(2, 40)
    neuron = ExactNeuron(leak=(1, None))
    for one, other in zip(
        neuron(current, 25.0, 4), neuron(current.expand(4, 2, 40), 25.0), strict=True
    ):
        assert torch.equal(one, other)


def test_gradients_are_those_of_the_real_neuron():
    """Below the threshold the gradient has the leak's factor, as if nothing were rounded."""
    for leak, factor in (((1, 3), 1 - 2**-1 - 2**-3), (ss.Leak(1, 4, add=True), 0.5625)):
        for rule in ({}, {"reset_timing": "next_step"}):  # in few passes, and step by step
            current = torch.zeros(3, 1, 1).requires_grad_()
            neuron = ExactNeuron(leak=leak, width=0.5, **rule)
            neuron(current + 1, 1000.0)[1].sum().backward()
            assert torch.allclose(current.grad.flatten(), torch.tensor([factor**2, factor, 1.0]))


def test_every_added_term_at_every_membrane():
    """Of 8 bits, in few passes and step by step. The current of the first step is the membrane."""
    states = torch.arange(-128.0, 128.0)
    current = torch.stack((states, torch.zeros(256)))[:, None]
    for a, c in combinations(range(16), 2):
        leak = ss.Leak(a, c, add=True)
        left = [neuron_step(ss.Neuron(leak=leak, fires=False), 1, v, 0, 0, 0, 8)[0]
                for v in range(-128, 128)]
        for rule in ({}, {"fires": False}):
            neuron = ExactNeuron(leak=leak, state_bits=8, **rule)
            assert neuron(current, 1000.0)[1][0].tolist() == left, (leak, rule)


def test_no_gradient_through_a_saturated_membrane():
    current = torch.full((1, 1, 2), 40_000.0)
    current[0, 0, 1] = 4.0
    current.requires_grad_()
    _, v = ExactNeuron(fires=False)(current)
    v.sum().backward()
    assert v.tolist() == [[32767.0, 4.0]]
    assert current.grad.flatten().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("compare", ["ge", "gt"])
def test_surrogate_is_a_triangle(compare: str):
    distance = torch.tensor([-3.0, -1.0, 0.0, 0.5, 2.0]).requires_grad_()
    fired = spike(distance, 2.0, compare)
    fired.sum().backward()
    assert fired.tolist() == [0, 0, float(compare == "ge"), 1, 1]
    assert distance.grad.tolist() == [0.0, 0.25, 0.5, 0.375, 0.0]


def test_straight_through():
    latent = torch.tensor([0.4, 1.6]).requires_grad_()
    whole = straight_through(latent, torch.round)
    (whole * torch.tensor([2.0, 3.0])).sum().backward()
    assert whole.tolist() == [0.0, 2.0]
    assert latent.grad.tolist() == [2.0, 3.0]


@pytest.mark.parametrize(("shape", "steps"), [((2, 3), None), ((4, 2, 3), 4), ((3,), 2)])
def test_refused_currents(shape: tuple[int, ...], steps: int | None):
    with pytest.raises(ValueError, match=r"current.*\(T, batch, neurons\) without steps="):
        ExactNeuron()(torch.zeros(shape), 1.0, steps)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"leak": (16, None)}, "leak"),
        ({"reset": "hard"}, "reset.*one of"),
        ({"state_bits": 17}, "state_bits.*8 to 16.*17"),
        ({"width": 0.0}, "width.*more than 0.*0.0"),
    ],
)
def test_refused_settings(change: dict[str, Any], match: str):
    with pytest.raises(ValueError, match=match):
        ExactNeuron(**change)
