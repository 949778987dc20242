"""Comparison of plain integers, the golden model and a device: they must agree in every bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import stablespike as ss
from stablespike.device.open import Device
from stablespike.device.verify import compare
from stablespike.spec import reference

__all__ = ["agree"]


def agree(
    device: Device, program: ss.Program, samples: np.ndarray[Any, Any], carry: bool = False
) -> None:
    """Run samples on the device and the golden model, with traces; the first on plain integers too.

    Then they run without traces, since some arrays then take a group earlier, and readouts and
    counters are compared. With ``carry``, each sample starts from the state of the one before.
    """
    network, config, steps = program.network, program.config, program.steps
    device.load(program)
    got = device.run(samples, trace=True, carry_state=carry)
    with ss.open_device("golden:") as golden:
        golden.load(program)
        expected = golden.run(samples, trace=True, carry_state=carry)
        untraced = golden.run(samples, carry_state=carry)
    comparison = compare(expected, got, program)
    assert comparison.words > 0
    compare(untraced, device.run(samples, carry_state=carry), program, comparison)
    assert comparison.mismatches == 0, str(comparison.first)
    assert (got.layer_counters["cycles"].sum(axis=1) >= got.counters["lower_bound"]).all()
    for name in ("spikes", "stable", "events", "issued", "sops", "lower_bound"):
        np.testing.assert_array_equal(got.layer_counters[name], expected.layer_counters[name], name)

    plain = reference.run(network, samples[0], steps, config.window, state_bits=config.state_bits)
    for layer in range(len(network.layers)):
        for traced, steps_of in ((got.trace, plain.spikes), (got.skeleton, plain.skeleton)):
            assert traced[layer][0].reshape(steps, -1).astype(int).tolist() == steps_of[layer]
