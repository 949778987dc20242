"""Raw signals on devices: a run encodes them as the encoder does, and carries its state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from board_model import board_device, same
from device_programs import golden, program_of, small
from refusals import refuses
from stablespike.encoders import Encoder
from stablespike.golden.golden import Golden

STEPS = 6
SIGNALS: dict[str, Encoder] = {
    "delta": ss.DeltaEncoder((3,), 0.5),
    "delta-step": ss.DeltaEncoder((3,), 0.5, "step"),
    "thermometer": ss.ThermometerEncoder((3,), [-1, 0, 1]),
    "frames": ss.QuantizeEncoder((9,), -9, 9, "clip"),
    "level": ss.PopulationEncoder((3,), [-1, 0, 1], 1, "level"),
}
VALUES: dict[str, Encoder] = {
    "regular": ss.RateEncoder((9,), -9, 9, "clip"),
    "random": ss.RateEncoder((9,), -9, 9, "clip", pattern="random", seed=4),
    "latency": ss.LatencyEncoder((9,), -9, 9, "clip"),
    "quantize": ss.QuantizeEncoder((9,), -9, 9, "clip"),
}
ENCODERS = SIGNALS | VALUES


def network_of(encoder: Encoder) -> ss.Network:
    network = small("membrane", pixels=encoder is VALUES["quantize"])
    if encoder is SIGNALS["frames"]:
        network = replace(network, input=ss.FrameInput((9,), 4, zero=3))
    if isinstance(encoder, ss.DeltaEncoder):  # it has two lines
        (first, last), rng = network.layers, np.random.default_rng(8)
        first = replace(first, weight=rng.integers(-6, 8, (11, 6)))
        network = replace(network, input=ss.SpikeInput((6,)), layers=(first, last))
    return replace(network, encoder=encoder)


def devices(program: ss.Program) -> list[Any]:
    """The golden model, and the model of a board, which takes no frames."""
    frames = program.network.input.kind == "frames"
    return [golden(program), *([] if frames else [board_device(program)[0]])]


def signal_of(encoder: Encoder, batch: int, steps: int = STEPS, seed: int = 1) -> Any:
    changes = any(encoder is each for each in SIGNALS.values())
    axes = (batch, steps) if changes else (batch,)
    rng = np.random.default_rng(seed)
    return rng.integers(-9, 10, (*axes, *encoder.shape)).cumsum(axis=len(axes) - 1) / 8


@pytest.mark.parametrize("name", ENCODERS)
def test_a_raw_signal_is_encoded(name: str) -> None:
    encoder = ENCODERS[name]
    network = network_of(encoder)
    program = program_of(network)
    signal = signal_of(encoder, 3)
    steps = STEPS if encoder.static else None
    encoded = encoder.encode(signal, steps)
    axes = encoded.ndim - len(encoder.output_shape)
    samples = encoded.reshape(*encoded.shape[:axes], *network.input.shape)
    wanted = golden(program_of(replace(network, encoder=None))).run(samples, trace=True)
    assert wanted.spikes.any()
    for device in devices(program):
        device.load(program)
        same(device.run(signal, trace=True), wanted)
        same(device.run(signal.astype(np.float32).tolist(), trace=True), wanted)
        same(device.run(samples, trace=True, encoded=True), wanted)
        (first, second) = device.run(iter([signal[:2], signal[2:]]), trace=True)
        np.testing.assert_array_equal([*first.readout, *second.readout], wanted.readout)
    alone = Golden(network)
    for found in (alone.run(signal, STEPS), alone.run(samples, STEPS, encoded=True)):
        np.testing.assert_array_equal(found.readout, wanted.readout)


@pytest.mark.parametrize("name", SIGNALS)
def test_the_steps_may_come_first(name: str) -> None:
    encoder = SIGNALS[name]
    device = golden(program_of(network_of(encoder)))
    signal = signal_of(encoder, 3)
    same(device.run(signal.swapaxes(0, 1), time_axis=0), device.run(signal))


@pytest.mark.parametrize("name", SIGNALS)
def test_carried_state_is_one_long_signal(name: str) -> None:
    network = network_of(SIGNALS[name])
    short, signal = program_of(network), signal_of(SIGNALS[name], 1, 5 * STEPS)
    whole = golden(program_of(network, 5 * STEPS)).run(signal)
    parts = signal.reshape(5, STEPS, -1)
    for device in devices(short):
        device.load(short)
        device.run(parts[:1], carry_state=True)
        with refuses(ValueError, "samples must be ... (2, 6, 4)"):
            device.run(np.zeros((2, STEPS, 4)), carry_state=True)
        *_, result = device.run(iter([parts[1:3], parts[3:]]), carry_state=True)
        np.testing.assert_array_equal(result.readout[-1], whole.readout[0])
        # Without a state to carry, neurons and encoder both start afresh.
        same(device.run(parts[:1]), golden(short).run(parts[:1]))
        after = device.run(parts[1:2], carry_state=True)
        device.load(short)
        again = device.run(parts[:2], carry_state=True)
        np.testing.assert_array_equal(after.readout[0], again.readout[1])


@pytest.mark.parametrize("name", SIGNALS)
def test_windows_of_a_stream_are_one_signal(name: str) -> None:
    network = network_of(SIGNALS[name])
    program, signal = program_of(network), signal_of(SIGNALS[name], 1, 3 * STEPS)
    whole = golden(program_of(network, 3 * STEPS)).run(signal)
    for device in devices(program):
        device.load(program)
        with device.stream() as stream:
            steps = min(3, program.window)
            for at in range(0, 3 * STEPS, steps):
                stream.send(signal[0, at : at + steps])
            *_, last = stream.results()
        np.testing.assert_array_equal(last.readout, whole.readout)


def test_a_run_goes_on_from_a_stream() -> None:
    encoder = SIGNALS["delta"]
    program, signal = program_of(network_of(encoder)), signal_of(encoder, 2)
    for device in devices(program):
        device.load(program)
        wanted = device.run(signal, carry_state=True).readout[1]
        device.load(program)
        with device.stream() as stream:
            stream.send(signal[0, :3])
            stream.send(signal[0, 3:])
            assert len([*stream.results()]) == 2
        found = device.run(signal[1:], carry_state=True).readout[0]
        np.testing.assert_array_equal(found, wanted)


def test_a_run_that_failed_leaves_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = SIGNALS["delta"]
    program, signal = program_of(network_of(encoder)), signal_of(encoder, 2)
    wanted = golden(program).run(signal[1:])
    device = golden(program)
    with monkeypatch.context() as patch:
        patch.setattr(device, "_part", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            device.run(signal[:1], carry_state=True)
    same(device.run(signal[1:], carry_state=True), wanted)


@pytest.mark.parametrize("name", ["regular", "random"])
def test_rates_go_on_from_window_to_window(name: str) -> None:
    network = network_of(VALUES[name])
    value = signal_of(VALUES[name], 1)
    whole = golden(program_of(network, 12)).run(value)
    device = golden(program_of(network))
    with device.stream() as stream:
        for steps in (3, 2, 1, None):
            stream.send(value[0], steps)
        *_, last = stream.results()
    np.testing.assert_array_equal(last.readout, whole.readout)


def test_a_refused_window_changes_nothing() -> None:
    network = network_of(SIGNALS["delta"])
    signal = signal_of(SIGNALS["delta"], 1, 8)
    whole = golden(program_of(network, 8)).run(signal)
    with golden(program_of(network)).stream() as stream:
        stream.send(signal[0, :4])
        with refuses(ValueError, "window must have 1 to 6 steps, not 7"):
            stream.send(np.full((7, 3), 100))
        with refuses(ValueError, "window must be (steps, 3), or (3) ... raw signal, not (2, 4)"):
            stream.send(np.full((2, 4), 100))
        stream.send(signal[0, 4:])
        *_, last = stream.results()
    np.testing.assert_array_equal(last.readout, whole.readout)


def test_signals_of_other_steps_are_refused_with_the_way_to_run_them() -> None:
    device = golden(program_of(network_of(SIGNALS["delta"])))
    signal = signal_of(SIGNALS["delta"], 2, 8)
    with refuses(ValueError, "samples must have 6 steps, not 4: lengths='own' runs samples of"):
        device.run(signal[:, :4])
    with refuses(ValueError, "samples must have 6 steps, not 8: compile the program with steps=8"):
        device.run(signal)
    assert device.run(signal[:, :4], lengths="own").lengths.tolist() == [4, 4]


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_of_their_own_lengths(name: str) -> None:
    network = network_of(SIGNALS[name])
    program, signal = program_of(network), signal_of(SIGNALS[name], 4)
    lengths, flags = [5, 6, 1, 4], [False, True, False, True]
    ragged, padded = [each[:n] for each, n in zip(signal, lengths, strict=True)], signal.copy()
    padded[np.arange(STEPS) >= np.array(lengths)[:, None]] = 0
    for device in devices(program):
        device.load(program)
        alone = [device.run([each], lengths="own", trace=True) for each in ragged]
        together = device.run(ragged, trace=True)
        same(together, ss.Result.joined(alone))
        same(device.run(padded, lengths=lengths, trace=True), together)
        turned = device.run(padded.swapaxes(0, 1), lengths=lengths, trace=True, time_axis=0)
        same(turned, together)
        with refuses(ValueError, "samples[0] must be 0 behind its 1 steps"):
            device.run(padded, lengths=[1, 6, 1, 4])
        with refuses(ValueError, "samples[1]: samples must be ... the raw signal"):
            device.run([ragged[0], np.zeros((2, 4))])
        # A flag for each, in a run and in streams: two words of two parts.
        parts = device.run(ragged, carry_state=flags)
        with device.stream() as stream:
            for each, carries in zip(ragged, flags, strict=True):
                stream.send(each, fresh=not carries)
            results = list(stream.results())
        same(ss.Result.joined(results), parts)
        whole = golden(program_of(network, 11)).run(np.concatenate(ragged[:2])[None])
        np.testing.assert_array_equal(parts.readout[1], whole.readout[0])


@pytest.mark.parametrize("name", ["regular", "latency", "quantize"])
def test_values_are_held_for_steps_of_their_own(name: str) -> None:
    network = network_of(VALUES[name])
    program, value = program_of(network), signal_of(VALUES[name], 3)
    for device in devices(program):
        device.load(program)
        held = device.run(value, lengths=[6, 2, 3], trace=True)
        alone = [
            device.run(value[i : i + 1], lengths=[n], trace=True) for i, n in enumerate([6, 2, 3])
        ]
        same(held, ss.Result.joined(alone))
        short = golden(program_of(network, 2)).run(value[1:2])
        np.testing.assert_array_equal(held.readout[1], short.readout[0])
        with refuses(ValueError, "lengths must be numbers of steps for samples that are held"):
            device.run(value, lengths="own")


def test_what_is_refused() -> None:
    plain, raw = golden(program_of(small())), golden(program_of(network_of(SIGNALS["delta"])))
    for device in (plain, raw):
        with refuses(TypeError, "encoded must be True or False, not 'yes'"):
            device.run(np.zeros((1, STEPS, 9)), encoded="yes")
    with refuses(ValueError, "encoded is for networks with an encoder", "leave it out"):
        plain.run(np.zeros((1, STEPS, 9)), encoded=True)
    with refuses(ValueError, "samples must be (batch, steps, 3), the raw signal that the Delta"):
        raw.run(np.zeros((1, STEPS, 6)))
    with refuses(ValueError, "samples must have 6 steps, not 5"):
        raw.run(np.zeros((1, 5, 3)))
    with refuses(ValueError, "samples must hold at least 1 sample, not 0"):
        raw.run(np.zeros((0, STEPS, 3)))
    events = np.array([(0, 1)], [("t", "i8"), ("x", "i8")])
    with refuses(ValueError, "samples are events", "DeltaEncoder takes a raw signal", "encoded"):
        raw.run([events], bin_time=1)
    assert raw.run([events], bin_time=1, encoded=True).counters["events"][0] > 0
    with refuses(ValueError, "bin_time is for event arrays"):
        raw.run(np.zeros((1, STEPS, 3)), bin_time=1)
    with refuses(ValueError, "samples must be whole numbers from 0 to 1, not 0.5"):
        raw.run(np.full((1, STEPS, 6), 0.5), encoded=True)
    with refuses(ValueError, "time_axis must be 0 or 1, not 2"):
        raw.run(np.zeros((1, STEPS, 3)), time_axis=2)
    rate = golden(program_of(network_of(VALUES["regular"])))
    with refuses(ValueError, "time_axis must be 1 for samples without steps", "RateEncoder"):
        rate.run(np.zeros((1, 9)), time_axis=0)
    with raw.stream() as stream:
        with refuses(ValueError, "events are for networks without an encoder", "encoder=None"):
            stream.feed(bin_time=1)
        with refuses(ValueError, "steps is for pixels"):
            stream.send(np.zeros((2, 3)), steps=2)
        stream.send(np.zeros((2, 6)), encoded=True)
