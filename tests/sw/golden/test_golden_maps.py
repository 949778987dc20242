"""Convolutional and recurrent networks on the golden device, from compile to the command line."""

import json
import re

import numpy as np
import pytest
import stablespike as ss
from board_model import board_device
from counters_by_hand import counters_by_hand
from random_networks import random_maps, random_samples
from stablespike.cli import main
from stablespike.device.open import GoldenDevice
from stablespike.device.verify import compare
from stablespike.golden.counters import COUNTER_DTYPE
from stablespike.golden.golden import Golden
from stablespike.spec import reference

ARRAY = ss.ArrayConfig(cores=2, lanes=4, window=4, weight_bits=8, acc_bits=24)


def on_golden(network, steps, array=ARRAY):
    device = ss.open_device("golden:")
    device.load(ss.compile(network, array, steps, device="golden:"))
    return device


def events(rng, shape, count=200):
    fields = [("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.int8)]
    made = np.zeros(count, dtype=fields)
    for name, high in zip("pyx", shape, strict=True):
        made[name] = rng.integers(0, high, count)
    made["t"] = np.sort(rng.integers(0, 600, count))
    return made


def camera(readout="counts"):
    """Events (p, y, x) through a convolution, OR pooling and a recurrent layer."""
    rng = np.random.default_rng(5)
    return ss.Network(
        ss.SpikeInput((2, 8, 8)),
        [
            ss.Conv2d(
                rng.integers(-3, 8, (4, 2, 3, 3)), padding=1, stride=2,
                neuron=ss.Neuron(threshold=[90, 120, 150, 180], leak=(1, None)),
                pool_after=ss.MaxPool2d(2), emit="both",
            ),
            ss.Dense(
                rng.integers(-3, 8, (5, 16)), recurrent=rng.integers(-8, 8, (5, 5)),
                neuron=ss.Neuron(threshold=100),
            ),
        ],
        readout,
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_run_is_what_the_reference_says(seed):
    rng = np.random.default_rng(seed)
    network, steps = random_maps(rng, pixel_bits=4), int(rng.integers(1, 9))
    samples = random_samples(rng, network, 3, steps)
    device = on_golden(network, steps)
    result = device.run(samples, trace=True)
    for n, sample in enumerate(samples):
        expected = reference.run(network, sample, steps, ARRAY.window)
        assert result.readout[n].tolist() == expected.readout
        for i, shape in enumerate(network.neuron_shapes):
            assert result.trace[i].shape == (3, steps, *shape)
            assert result.trace[i][n].reshape(steps, -1).tolist() == expected.spikes[i]
        counted = counters_by_hand(network, sample, steps, ARRAY.window, device.program.tiles)
        assert result.layer_counters[n][list(COUNTER_DTYPE.names)].tolist() == counted
    assert (result.layer_counters["cycles"] == -1).all()
    assert compare(result, device.run(samples, trace=True), device.program).mismatches == 0


def test_long_samples_of_large_maps_run_in_parts(monkeypatch):
    samples = np.random.default_rng(0).random((5, 6, 2, 8, 8)) < 0.3
    whole = on_golden(camera(), 6).run(samples, trace=True)
    device = GoldenDevice(spikes_at_once=2 * 6 * (64 + 5))
    device.load(on_golden(camera(), 6).program)
    sizes, run = [], Golden.run

    def counted(golden, values, *rest, **options):
        sizes.append(len(values))
        return run(golden, values, *rest, **options)

    monkeypatch.setattr(Golden, "run", counted)
    parts = device.run(samples, trace=True)
    assert sizes == [2, 2, 1]
    assert compare(whole, parts, device.program).mismatches == 0


def test_carried_state_counts_the_spikes_it_brings():
    network = camera("membrane")
    device, rng = on_golden(network, 3), np.random.default_rng(0)
    samples = rng.random((1, 6, 2, 8, 8)) < 0.3
    whole = on_golden(network, 6).run(samples)
    parts = [device.run(samples[:, a : a + 3], carry_state=True) for a in (0, 3)]
    assert (parts[1].readout == whole.readout).all()
    for name in COUNTER_DTYPE.names:
        both = sum(part.layer_counters[name] for part in parts)
        assert (both == whole.layer_counters[name]).all(), name
    assert whole.layer_counters["events"][0, 1] > 0


def test_a_recurrent_stream_takes_steps_as_they_come():
    network = camera()
    samples = np.random.default_rng(0).random((1, 5, 2, 8, 8)) < 0.3
    whole = on_golden(network, 5).run(samples)
    with on_golden(network, 5).stream() as live:
        with pytest.raises(ValueError, match="window must have 1 to 5 steps, not 6"):
            live.send(samples[0][[0, 1, 2, 3, 4, 0]])
        live.send(samples[0])
        at_once = list(live.results())
        live.reset()
        for step in samples[0]:
            live.send(step[None])
        total = sum(part.readout for part in live.results())
    assert len(at_once) == 1
    assert (at_once[0].readout == whole.readout).all()
    assert (total == whole.readout).all()


def test_events_and_agreement():
    network = camera()
    recordings = [events(np.random.default_rng(n), (2, 8, 8)) for n in range(4)]
    result = on_golden(network, 6).run(recordings, bin_time=100)
    assert result.readout.shape == result.readout_skeleton.shape == (4, 5)
    assert result.readout.any()
    assert result.agreement.dtype == bool


def test_a_difference_is_named_by_step_and_neuron():
    network = camera()
    device = on_golden(network, 6)
    samples = np.random.default_rng(0).random((2, 6, 2, 8, 8)) < 0.3
    good, bad = (device.run(samples, trace=True) for _ in range(2))
    bad.trace[0][1, 5, 2, 1, 3] ^= True
    found = compare(good, bad, device.program)
    assert (found.word_mismatches, found.words) == (1, 2 * 2 * 6 * (64 + 5))
    first = found.first
    assert (first.sample, first.layer, first.step, first.neuron) == (1, 0, 5, 2 * 16 + 4 + 3)


def test_other_devices_refuse_such_a_program():
    dense = ss.Network(ss.SpikeInput((9,)), [ss.Dense(np.eye(9), neuron=ss.Neuron(threshold=1))])
    device, _, _ = board_device(ss.compile(dense, ARRAY, 4))
    with pytest.raises(
        ss.DeviceMismatch, match="the program was compiled for golden: only, not for"
    ):
        device.load(ss.compile(dense, ARRAY, 4, device="golden:"))
    device.load(ss.compile(dense, ARRAY, 4))


def test_the_command_line(tmp_path, capsys):
    ss.save(camera(), tmp_path / "net")
    np.save(tmp_path / "samples.npy", np.random.default_rng(0).random((3, 6, 2, 8, 8)) < 0.3)
    arguments = [
        "compile", str(tmp_path / "net"), "--array", "icebreaker", "--steps", "6",
        "-o", str(tmp_path / "program"),
    ]
    assert main(arguments) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert re.search(r"layers\[1\] .*: the array has no recurrence.*golden:", error)
    assert main([*arguments, "--device", "golden:", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["device"], told["cycles"], told["needed"]) == ("golden:", {}, {})
    assert told["windows"] == 6
    program, samples = str(tmp_path / "program"), str(tmp_path / "samples.npy")
    assert main(["report", program]) == 0
    assert "for the device golden: only" in capsys.readouterr().out
    assert main(["verify", program, samples, "--device", "golden:"]) == 0
    for verb in (["run", "-o", str(tmp_path / "other")], ["verify"]):
        # Refused before a board is simulated.
        assert main([*verb, program, samples, "--device", "sim:icebreaker"]) == 3
        error = " ".join(capsys.readouterr().err.split())
        assert "compiled for golden: only, not for sim:icebreaker: compile its network" in error
    out = str(tmp_path / "result.npz")
    assert main(["run", program, samples, "--device", "golden:", "-o", out]) == 0
    with np.load(out) as read:
        assert read["readout"].shape == (3, 5)
