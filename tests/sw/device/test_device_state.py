"""State that is carried from sample to sample, and streams."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from board_model import board_device, same
from device_programs import ARRAY, golden, program_of, small, spikes


def test_carried_state() -> None:
    program = program_of(small("membrane"))
    device, _, _ = board_device(program)
    device.load(program)
    reference = golden(program)
    for carry, seed in ((True, 1), (True, 2), (False, 3), (True, 4), (False, 5)):
        batch = spikes(3, seed=seed)
        same(
            device.run(batch, carry_state=carry, trace=True),
            reference.run(batch, carry_state=carry, trace=True),
        )


def test_carried_state_is_one_long_sample() -> None:
    network = small("membrane")
    long, short = program_of(network, 24), program_of(network, 8)
    batch = spikes(1, 24)
    whole = golden(long).run(batch, trace=True)
    for device in (golden(short), board_device(short)[0]):
        device.load(short)
        parts = device.run(batch.reshape(3, 8, 9), carry_state=True, trace=True)
        np.testing.assert_array_equal(parts.readout[-1], whole.readout[0])
        np.testing.assert_array_equal(parts.stable.sum(axis=0), whole.stable[0])
        np.testing.assert_array_equal(np.concatenate(parts.trace[0]), whole.trace[0][0])


def test_loading_forgets_the_state() -> None:
    program = program_of(small("membrane"))
    for device in (golden(program), board_device(program)[0]):
        device.load(program)
        first = device.run(spikes(1), carry_state=True)
        device.load(program)
        same(device.run(spikes(1), carry_state=True), first)


def test_carry_needs_state() -> None:
    program = program_of(small(), steps=4, array=replace(ARRAY, state=False))
    for device in (golden(program), board_device(program)[0]):
        device.load(program)
        device.run(spikes(2, 4))
        with pytest.raises(ValueError, match=r"carry_state and streams need an array that keeps"):
            device.run(spikes(2, 4), carry_state=True)
        with pytest.raises(ValueError, match=r"carry_state and streams need an array that keeps"):
            device.stream()


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("wait", [False, True])
def test_a_stream(pixels: bool, wait: bool) -> None:
    program = program_of(small("membrane", pixels=pixels), steps=4)
    rng = np.random.default_rng(3)
    sizes = [4, 4, 1, 3, 4, 2, 4, 4, 4, 4]
    windows = [rng.integers(0, 16, 9) if pixels else rng.random((n, 9)) < 0.4 for n in sizes]
    steps: list[Any] = sizes if pixels else [None] * len(sizes)
    outcomes = []
    for device in (golden(program), board_device(program)[0]):
        device.load(program)
        device.run(windows[0][None] if pixels else spikes(1, 4))
        got = []
        with device.stream(trace=True) as live:
            for window, count in zip(windows, steps, strict=True):
                live.send(window, count)
                got += list(live.results(wait))
            got += list(live.results())
        outcomes.append(got)
        assert [r.steps for r in got] == sizes
    for theirs, ours in zip(*outcomes, strict=True):
        same(ours, theirs)


def test_a_stream_is_one_sample() -> None:
    network, batch = small("membrane"), spikes(1, 24)
    whole = golden(program_of(network, 24)).run(batch, trace=True)
    device, _, _ = board_device(program_of(network, 4))
    device.load(program_of(network, 4))
    with device.stream(trace=True) as live:
        for at in range(0, 24, 4):
            live.send(batch[0, at : at + 4])
        parts = list(live.results())
    np.testing.assert_array_equal(parts[-1].readout, whole.readout)
    np.testing.assert_array_equal(np.concatenate([p.trace[1][0] for p in parts]), whole.trace[1][0])


def test_a_stream_pushes_back() -> None:
    program = program_of(small(), steps=4)
    device, _, transport = board_device(program)
    device.load(program)
    worst = 0

    def look() -> None:
        nonlocal worst
        worst = max(worst, sum(len(c) + 1 for c in transport.device.queue))

    transport.on_read = look
    with device.stream() as live:
        for _ in range(200):
            live.send(np.ones((4, 9)))
            look()
        assert len(list(live.results())) == 200
    assert worst <= ARRAY.receive_bytes
    assert len(transport.device.executed_commands) > 200


def test_a_stream_left_early() -> None:
    program = program_of(small(), steps=4)
    for device in (golden(program), board_device(program)[0]):
        device.load(program)
        with device.stream() as live:
            for _ in range(20):
                live.send(np.ones((4, 9)))
        with pytest.raises(ss.DeviceError, match=r"stream has ended: .* device\.stream"):
            live.send(np.ones((4, 9)))
        with pytest.raises(ValueError, match="window must be"), device.stream() as live:
            live.send(np.ones((4, 8)))
        other = device.stream()
        other.send(np.ones((4, 9)))
        same(device.run(spikes(2, 4)), golden(program).run(spikes(2, 4)))
        with pytest.raises(ss.DeviceError, match="began something else"):
            list(other.results())


def test_windows_a_stream_refuses() -> None:
    program = program_of(small(), steps=4)
    pixels = program_of(small(pixels=True), steps=4)
    for device in (golden(program), board_device(program, pixels)[0]):
        device.load(program)
        with device.stream() as live:
            with pytest.raises(ValueError, match="window must have 1 to 4 steps, not 5: send it"):
                live.send(np.ones((5, 9)))
            with pytest.raises(ValueError, match=r"window must be \(steps, 9\), or \(9\) for"):
                live.send(np.ones((4, 8)))
            with pytest.raises(ValueError, match="steps is for pixels"):
                live.send(np.ones((4, 9)), 4)
            live.send([[1] * 9])
            assert len(list(live.results())) == 1
        device.load(pixels)
        bad_steps = pytest.raises(ValueError, match="steps must be from 1 to 4, not 5")
        with device.stream() as live, bad_steps:
            live.send(np.ones(9), 5)
