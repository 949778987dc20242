"""Runs: the same integers as golden, results, batches, arguments."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from board_model import Board, board_device, same
from device_programs import ARRAY, golden, program_of, small, spikes
from random_networks import random_network, random_samples
from refusals import refuses
from stablespike.device.open import GoldenDevice, open_device
from stablespike.device.result import NO_HARDWARE, LinkBytes
from stablespike.spec.array import ArrayConfig


@pytest.mark.parametrize("seed", range(40))
def test_the_same_integers_as_golden(seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = ArrayConfig(
        cores=int(rng.integers(1, 5)), lanes=int(rng.choice([4, 8, 16])),
        window=int(rng.choice([1, 2, 4, 8, 16])), acc_bits=20, result_bytes=8192,
    )
    steps, batch = int(rng.integers(1, 20)), int(rng.integers(1, 5))
    network = random_network(rng, width=(1, 30), pixel_bits=array.window)
    program = program_of(network, steps, array)
    samples = random_samples(rng, network, batch, steps)
    device, _, _ = board_device(program, board=Board(program, shuffle=seed + 1))
    device.load(program)
    carry = bool(rng.random() < 0.3)
    reference = golden(program)
    for trace in (True, False):
        ours = device.run(samples, trace=trace, carry_state=carry)
        same(ours, reference.run(samples, trace=trace, carry_state=carry))
        assert (ours.counters["cycles"] > 0).all()
        assert bool(ours.trace) == trace


def test_pixels_travel_once() -> None:
    program = program_of(small(pixels=True), steps=10)
    device, board, _ = board_device(program)
    device.load(program)
    samples = np.random.default_rng(0).integers(0, 16, (5, 9))
    same(device.run(samples), golden(program).run(samples))
    assert [head["repeat"] for head in board.heads] == [0, 1, 1] * 5
    assert [head["steps"] + 1 for head in board.heads[:3]] == [4, 4, 2]


@pytest.mark.parametrize("readout", ["counts", "words", "membrane"])
@pytest.mark.parametrize("emit", ["spikes", "skeleton", "both"])
def test_every_readout(readout: str, emit: str) -> None:
    program = program_of(small(readout, emit))
    device, _, _ = board_device(program)
    device.load(program)
    ours, theirs = device.run(spikes(8)), golden(program).run(spikes(8))
    same(ours, theirs)
    assert ours.readout.dtype == np.int64
    assert ours.readout.shape == ((8, 5, 2) if readout == "words" else (8, 5))
    assert (ours.agreement is not None) == (emit == "both")


def test_negative_membranes() -> None:
    network = ss.Network(
        ss.SpikeInput((9,)),
        [ss.Dense(np.full((3, 9), -8), neuron=ss.Neuron(fires=False, threshold=None))],
        "membrane", 4, 4,
    )
    program = program_of(network)
    device, _, _ = board_device(program)
    device.load(program)
    result = device.run(np.ones((1, 6, 9)))
    assert (result.readout < 0).all()
    same(result, golden(program).run(np.ones((1, 6, 9))))


def test_the_shapes_of_a_result() -> None:
    program = program_of(small())
    device, _, _ = board_device(program)
    device.load(program)
    result = device.run(spikes(4), trace=True)
    assert len(result) == 4
    assert result.prediction.shape == (4,)
    assert result.consistency.shape == result.spikes.shape == result.stable.shape == (4, 2)
    assert result.counters.shape == (4,)
    assert result.layer_counters.shape == (4, 2)
    assert [t.shape for t in result.trace] == [(4, 6, 11), (4, 6, 5)]
    assert [t.shape for t in result.skeleton] == [(4, 6, 11), (4, 6, 5)]
    assert set(result.arrays()) >= {"readout", "trace_0", "skeleton_1", "layer_counters"}
    np.testing.assert_array_equal(result.spikes[:, 0], result.trace[0].sum(axis=(1, 2)))
    both = result.joined([result, result])
    assert len(both) == 8
    assert both.link_bytes.total == 2 * result.link_bytes.total > 0


def test_without_counters() -> None:
    program = program_of(small())
    device, _, _ = board_device(program)
    device.load(program)
    for each in (device, golden(program)):
        result = each.run(spikes(), counters=False)
        assert (result.counters["cycles"] == NO_HARDWARE).all()
        assert (result.spikes == NO_HARDWARE).all()
        assert np.isnan(result.consistency).all()
    same(device.run(spikes()), golden(program).run(spikes()))


@pytest.mark.parametrize("readout", ["counts", "words", "membrane"])
def test_only_results_come_back_without_counters(readout: str) -> None:
    """Each core sends the packets of its groups of the last layer, and nothing else."""
    program = program_of(small(readout), steps=9)
    device, board, _ = board_device(program)
    device.load(program)
    sent: list[list[int]] = []

    def change(packets: list[list[bytes]]) -> list[list[bytes]]:
        sent.append([len(each) for each in packets])
        return packets

    board.change = change
    result = device.run(spikes(5, steps=9), counters=False)
    groups = [tile.groups for tile in program.tiles[-1]]
    nothing = [0] * len(groups)
    windows = [nothing, nothing, groups] if readout == "membrane" else [groups] * 3
    assert sent == windows * 5
    np.testing.assert_array_equal(
        result.readout, golden(program).run(spikes(5, steps=9)).readout
    )


def test_busy_time_counts_with_times() -> None:
    program = program_of(small())
    device, board, _ = board_device(program)
    device.load(program)
    device.run(spikes())
    before = device.busy_time
    device.run(spikes(), counters=False)
    assert device.busy_time == before
    device.times = True
    device.run(spikes(), counters=False)
    assert device.busy_time == board.clock + 1 > before
    counted = device.run(spikes())
    assert device.busy_time - before == 2 * counted.counters["cycles"].sum()


def test_golden_has_no_cycles() -> None:
    result = golden(program_of(small())).run(spikes())
    for name in ("cycles", "wait", "drain"):
        assert (result.counters[name] == NO_HARDWARE).all()
        assert (result.layer_counters[name] == NO_HARDWARE).all()
    assert (result.counters["sops"] > 0).all()
    assert result.link_bytes.total == 0
    assert ss.open_device("golden:").busy_time == 0


def test_golden_in_parts_is_golden_whole() -> None:
    program = program_of(small("words", "both"))
    whole = golden(program).run(spikes(9), trace=True)
    parts = GoldenDevice(samples_at_once=2)
    parts.load(program)
    same(parts.run(spikes(9), trace=True), whole)


@pytest.mark.parametrize("begin", [0, (1 << 32) - 60, (1 << 31) - 60, (1 << 32) - 900])
def test_cycles(begin: int) -> None:
    program = program_of(small())
    device, board, _ = board_device(program)
    device.load(program)
    batch = spikes(20)
    before = board.clock
    device.run(batch[:1])
    board.clock = begin - (board.clock - before)
    device.run(batch[:1])  # the clock has jumped: the cycles of this sample mean nothing
    assert board.clock == begin
    for each in (batch, batch[:1], batch):
        before = board.clock
        result = device.run(each)
        assert result.counters["cycles"].sum() == board.clock - before
        assert device.busy_time == (board.clock + 1) % (1 << 32)  # core 1 ends a cycle later
        layers = result.layer_counters
        np.testing.assert_array_equal(layers["cycles"].sum(axis=1), result.counters["cycles"])
        assert (layers["wait"] == 2 * 2 * 2).all()
        assert (layers["drain"] == 5 * 2 * 2).all()
        assert (result.counters["wait"] == 2 * 2 * 2 * 2).all()
        assert (layers["cycles"] >= layers["lower_bound"]).all()
    device.run(batch, counters=False)
    before = board.clock
    assert device.run(batch).counters["cycles"].sum() == board.clock - before


def test_cycles_begin_anew_with_a_session() -> None:
    program = program_of(small())
    device, _, transport = board_device(program)
    device.load(program)
    first = device.run(spikes(2)).counters["cycles"]
    results = device.run(iter([spikes(2)] * 50))
    next(results)
    results.close()  # while more of them are under way: the session is given up
    assert transport.device.hellos == 1
    np.testing.assert_array_equal(device.run(spikes(2)).counters["cycles"], first)
    assert transport.device.hellos == 2


def test_batches_overlap() -> None:
    program = program_of(small())
    device, _, transport = board_device(program)
    device.load(program)
    taken: list[int] = []

    def batches() -> Iterator[Any]:
        for i in range(30):
            taken.append(i)
            yield spikes(2, seed=i)

    reference, ahead = golden(program), 0
    for i, result in enumerate(device.run(batches(), trace=True)):
        same(result, reference.run(spikes(2, seed=i), trace=True))
        ahead = max(ahead, taken[-1] - i)
    assert i == 29
    assert ahead >= 1, "no input went out before the results of the batch before were there"
    assert transport.now == 0
    for trace in (True, False):
        assert list(device.run(iter([]), trace=trace)) == []
    same(device.run(spikes(2)), reference.run(spikes(2)))
    assert transport.device.hellos == 1


def test_golden_takes_batches_too() -> None:
    device = golden(program_of(small()))
    results = list(device.run(spikes(2, seed=i) for i in range(3)))
    assert [len(r) for r in results] == [2, 2, 2]


def test_a_bad_batch_leaves_the_device_usable() -> None:
    program = program_of(small())
    for device in (golden(program), board_device(program)[0]):
        device.load(program)
        with pytest.raises(ValueError, match="samples must have 6 steps, not 5"):
            list(device.run(iter([spikes(), spikes(steps=5)])))
        same(device.run(spikes()), golden(program).run(spikes()))


def test_an_iterator_ends_when_something_else_begins() -> None:
    program = program_of(small())
    for device in (golden(program), board_device(program)[0]):
        device.load(program)
        results = device.run(spikes(seed=i) for i in range(5))
        next(results)
        same(device.run(spikes(seed=9)), golden(program).run(spikes(seed=9)))
        with pytest.raises(ss.DeviceError, match="began something else before all results"):
            next(results)
        late = device.run(iter([spikes()]))
        device.run(spikes())
        with pytest.raises(ss.DeviceError, match="began something else before all results"):
            next(late)


def test_an_iterator_given_up_leaves_the_device_usable() -> None:
    program = program_of(small())
    device, _, transport = board_device(program)
    device.load(program)
    results = device.run(spikes(seed=i) for i in range(50))
    next(results)
    results.close()
    same(device.run(spikes()), golden(program).run(spikes()))
    assert transport.device.hellos == 2


def test_arguments_of_run() -> None:
    program = program_of(small())
    pixels = program_of(small(pixels=True))
    events = np.zeros(2, dtype=[("t", "i8"), ("x", "i2")])
    device = golden(program)
    with pytest.raises(TypeError, match="trace must be True or False, not 1"):
        device.run(spikes(), trace=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="time_axis must be 0 or 1, not 2"):
        device.run(spikes(), time_axis=2)
    with pytest.raises(ValueError, match=r"samples must be \(batch, steps, 9\), not \(3, 6, 8\)"):
        device.run(spikes()[:, :, :8])
    with pytest.raises(ValueError, match="samples must have 6 steps, not 5"):
        device.run(spikes(steps=5))
    bad = spikes().astype(float)
    bad[1, 2, 3] = 2
    said = r"whole numbers from 0 to 1, not 2\.0 \(at \[1, 2, 3\]\): .*PixelInput\(\(9,\), bits=4"
    with pytest.raises(ValueError, match=said):
        device.run(bad)
    with pytest.raises(ValueError, match=r"samples must be .*, not \(3, 9\); .*PixelInput"):
        device.run(spikes()[:, 0])
    with pytest.raises(ValueError, match=r"from 0 to 15, not 0\.5 .*the pixel round\(15 \* x\)"):
        golden(pixels).run(np.full((2, 9), 0.5))
    with pytest.raises(ValueError, match="samples must hold at least 1 sample, not 0"):
        device.run(spikes(0))
    with pytest.raises(TypeError, match="samples must be a list of event arrays"):
        device.run(events, bin_time=1)
    with pytest.raises(ValueError, match="time_axis must be 1 for events, not 0"):
        device.run([events], time_axis=0, bin_time=1)
    with pytest.raises(ValueError, match=r"bin_time is for event arrays.*leave it out"):
        device.run(spikes(), bin_time=1)
    with pytest.raises(ValueError, match=r"bin_count is for event arrays.*leave it out"):
        device.run(spikes(), bin_count=6)
    with pytest.raises(TypeError, match="samples must be an array of integers"):
        device.run("spikes")
    same(device.run(spikes().swapaxes(0, 1), time_axis=0), device.run(spikes()))
    same(device.run(spikes().astype(float).tolist()), device.run(spikes()))
    device.load(pixels)
    with pytest.raises(ValueError, match=r"samples are events.*input is pixels: give \(batch"):
        device.run([events], bin_time=1)


def test_samples_of_several_kinds() -> None:
    program = program_of(small())
    device = golden(program)
    events = np.zeros(1, dtype=[("t", "i8"), ("x", "i8")])
    message = r"samples must all be event arrays, or none of them: samples\[1\] is not"
    with pytest.raises(TypeError, match=message):
        device.run([events, np.zeros((6, 9))], bin_time=1)
    masked = np.ma.masked_array(spikes(1), mask=True)
    hidden = np.ma.masked_array(events, mask=True)
    for samples, options in ((masked, {}), ([*masked], {}), ([hidden], {"bin_time": 1})):
        with pytest.raises(TypeError, match=r"samples must have no mask: .*\.filled"):
            device.run(samples, **options)
    with device.stream() as live:
        with pytest.raises(ValueError, match="window must be an array, not a ragged list"):
            live.send([[1, 2], [3]])
        with pytest.raises(TypeError, match="window must have no mask"):
            live.send(masked[0])


def test_samples_as_tensors() -> None:
    torch = pytest.importorskip("torch")
    program = program_of(small())
    device, _, _ = board_device(program)
    device.load(program)
    tensor = torch.tensor(spikes().astype(np.float32), requires_grad=True)
    same(device.run(tensor), golden(program).run(spikes()))
    with device.stream() as live:
        live.send(torch.ones(4, 9))
        assert len(list(live.results())) == 1


def test_events() -> None:
    program = program_of(small())
    device, _, _ = board_device(program)
    device.load(program)
    dense = spikes(2)
    recordings = []
    for sample in dense:
        step, x = np.nonzero(sample)
        events = np.zeros(len(x), dtype=[("t", "u4"), ("x", "u1")])
        events["t"], events["x"] = 10 * step + 3, x
        recordings.append(events)
    same(device.run(recordings, bin_time=10), golden(program).run(dense))


def test_no_program() -> None:
    program = program_of(small())
    for device in (open_device("golden:"), board_device(program)[0]):
        with pytest.raises(ss.DeviceError, match="has no program: load one first"):
            device.run(spikes())
        with pytest.raises(TypeError, match="must be a Program, not a Network; stablesp"):
            device.load(small())  # type: ignore[arg-type]


def test_closed() -> None:
    program = program_of(small())
    for device in (golden(program), board_device(program)[0]):
        with device:
            device.load(program)
        device.close()
        with pytest.raises(ss.DeviceError, match="is closed: open it again with open_device"):
            device.run(spikes())
        with pytest.raises(ss.DeviceError, match="is closed"):
            device.load(program)


def test_a_program_for_another_array() -> None:
    ours = program_of(small())
    theirs = program_of(small(), array=replace(ARRAY, lanes=8, cores=1))
    device, _, _ = board_device(ours)
    assert device.config == ARRAY
    with pytest.raises(
        ss.DeviceMismatch,
        match=r"cores 1 \(device: 2\), lanes 8 \(device: 4\): compile it for the device's array, "
        r"ArrayConfig\(cores=2, lanes=4, .*\)",
    ):
        device.load(theirs)
    preset_device, _, _ = board_device(program_of(small(), array="icebreaker"))
    with pytest.raises(ss.DeviceMismatch, match="compile it for the device's array, 'icebreaker'"):
        preset_device.load(theirs)
    device.load(ours)
    device.run(spikes())


def test_print_of_a_result_and_of_its_program() -> None:
    program = program_of(small())
    assert str(program) == program.report()
    assert repr(program) == (
        "<Program of <Network of spikes 9: Dense 9 -> 11, Dense 11 -> 5> on 2 core(s) of 4 lanes, "
        "6 steps>"
    )
    result = golden(program).run(spikes(3))
    text = str(result)
    assert text.startswith("Result of 3 samples\n")
    assert "cycles     not measured" in text
    assert "run with trace=True" in text
    assert repr(result) == "<Result of 3 samples, 5 outputs>"
    counters = result.counters.copy()
    counters["cycles"] = 1200
    timed = replace(result, counters=counters, link_bytes=LinkBytes(30, 12), clock_hz=24_000_000)
    text = str(timed)
    assert "1,200.0 per sample" in text
    assert "50.0 us per sample, 20,000 samples a second on the array at 24 MHz" in text
    assert "30 bytes sent, 12 back" in text
    assert " us " not in str(replace(timed, clock_hz=0))
    assert "50.0 us" in timed._repr_html_()
    with_nothing = golden(program).run(spikes(2), counters=False)
    assert "consistency" not in str(with_nothing)


def test_accuracy_and_wrong_labels() -> None:
    result = golden(program_of(small())).run(spikes(4))
    labels = result.prediction.copy()
    assert result.accuracy(labels) == 1
    labels[1] = (labels[1] + 1) % 5
    assert result.accuracy(labels.tolist()) == 0.75
    for wrong, error, message in (
        ([0, 1, 2], ValueError, "labels must be (4,), one per sample, not (3,)"),
        (np.eye(4, dtype=int), ValueError, "labels must be (4,), one per sample, not (4, 4)"),
        ([0.0, 1.0, 2.0, 3.0], TypeError, "labels must be integers, not float64"),
        ([0, 1, 5, 0], ValueError, "labels must be whole numbers from 0 to 4, not 5 (at [2])"),
        ([0, -1, 0, 0], ValueError, "labels must be whole numbers from 0 to 4, not -1 (at [1])"),
    ):
        with refuses(error, message):
            result.accuracy(wrong)


def test_raster() -> None:
    program = program_of(small())
    samples = spikes(2)
    samples[1, 4:] = 0
    result = golden(program).run(samples, trace=True, lengths=[6, 4])
    own = result.raster(1)
    assert [layer.shape for layer in own] == [(4, 11), (4, 5)]
    assert all((a == b[1, :4]).all() for a, b in zip(own, result.trace, strict=True))
    with refuses(ValueError, "sample must be from 0 to 1, not 2"):
        result.raster(2)
    with refuses(ValueError, "trace is missing ... trace=True (stablespike run --trace)"):
        replace(result, trace=(), skeleton=()).raster(0)


def test_to_frame() -> None:
    pytest.importorskip("pandas")
    result = golden(program_of(small())).run(spikes(3))
    frame = result.to_frame([0, 1, 2])
    assert len(frame) == 3
    assert (frame["prediction"] == result.prediction).all()
    assert (frame["correct"] == (result.prediction == [0, 1, 2])).all()
    assert (frame["score_4"] == result.scores[:, 4]).all()
    assert (frame["consistency_1"] == result.consistency[:, 1]).all()
    assert "cycles" not in frame
    assert "label" not in result.to_frame()
    with refuses(ValueError, "labels must be (3,)"):
        result.to_frame([0])


def test_to_frame_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    result = golden(program_of(small())).run(spikes(1))
    monkeypatch.setitem(sys.modules, "pandas", None)
    with refuses(ss.ToolError, "to_frame needs pandas", "pip install 'stablespike[pandas]'"):
        result.to_frame()
