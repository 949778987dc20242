"""Options are refused where they mean nothing, whatever the device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import stablespike as ss
import torch
from stablespike.device.open import Device


@pytest.fixture
def device() -> Iterator[Device]:
    layer = ss.Dense(np.ones((2, 3)), neuron=ss.Neuron(threshold=20))
    network = ss.Network(ss.SpikeInput((3,)), [layer])
    with ss.open_device("golden:") as device:
        device.load(ss.compile(network, "icebreaker", 4))
        yield device


def test_flags_are_no_other_truth(device: Device) -> None:
    with pytest.raises(TypeError, match="trace must be True or False, not 'no'"):
        device.stream(trace="no")
    with pytest.raises(TypeError, match="counters must be True or False, not 1"):
        device.run(np.zeros((1, 4, 3)), counters=1)


@pytest.mark.parametrize(
    "options",
    [{"start": 5}, {"start": float("nan")}, {"start": np.array([1, 2])}, {"late": "drop"}],
)
def test_event_options_are_for_events(device: Device, options: dict) -> None:
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} is for event arrays"):
        device.run(np.zeros((1, 4, 3)), **options)


@pytest.mark.parametrize("timeout", [-5, 0, float("inf")])
@pytest.mark.parametrize("uri", ["golden:", "sim:icebreaker", "serial:/dev/none", "tcp:here:1"])
def test_a_timeout_is_positive(uri: str, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout must be a positive number"):
        ss.open_device(uri, timeout=timeout)


def test_tensors_numpy_has_no_type_for(device: Device) -> None:
    with pytest.raises(TypeError, match="samples must be an array of integers"):
        device.run(torch.zeros(1, 4, 3, dtype=torch.bfloat16))


def test_samples_in_an_array_of_objects(device: Device) -> None:
    """A list, as numpy keeps it: of recordings, of arrays, of neither."""
    shape = device.program.network.input.shape
    made = [np.array([(t, t % 3) for t in range(n)], [("t", int), ("x", int)]) for n in (3, 4)]
    samples = np.empty(2, object)
    samples[:] = made
    steps = device.program.steps
    found = device.run(samples, bin_count=steps).readout
    np.testing.assert_array_equal(found, device.run(made, bin_count=steps).readout)
    dense = np.empty(2, object)
    dense[:] = [np.zeros((steps, *shape)), np.ones((steps, *shape))]
    np.testing.assert_array_equal(device.run(dense).readout, device.run(list(dense)).readout)
    with pytest.raises(TypeError, match="not of Python objects: give one array, or a list of arr"):
        device.run(np.array([[None], [3]], object))
    with pytest.raises(TypeError, match=r"must be a list of event arrays, one per sample: \[event"):
        device.run({"t": [1], "x": [0]}, bin_count=steps)
