from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from board_model import Board, board_device, packet, same
from device_model import Faults
from random_networks import random_network, random_samples
from stablespike.device import GoldenDevice, LinkDevice, open_device
from stablespike.result import NO_HARDWARE
from stablespike.spec.array import ArrayConfig, preset
from stablespike.spec.link import Command, Register
from stablespike.spec.report import ReportKind

ARRAY = ArrayConfig(cores=2, lanes=4, window=4, weight_bits=4, result_bytes=2048)
BOARD = preset("icebreaker")


def small(
    readout: str = "counts", emit: str = "spikes", outputs: int = 5, pixels: bool = False
) -> ss.Network:
    rng = np.random.default_rng(7)
    source = ss.PixelInput((9,), 4) if pixels else ss.SpikeInput((9,))
    sizes = [source.size, 11, outputs]
    layers = []
    for i, (inputs, count) in enumerate(pairwise(sizes)):
        neuron = ss.Neuron(leak=(2, None), threshold=120, v_init=3)
        layers.append(
            ss.Dense(
                rng.integers(-6, 8, (count, inputs)), rng.integers(-20, 60, count), neuron=neuron,
                emit=emit if i == 0 else "spikes",
            )
        )
    return ss.Network(source, layers, readout, 4, 4)


def spikes(batch: int = 3, steps: int = 6, seed: int = 1, density: float = 0.4) -> Any:
    return np.random.default_rng(seed).random((batch, steps, 9)) < density


def program_of(network: ss.Network, steps: int = 6, array: Any = ARRAY) -> ss.Program:
    return ss.compile(network, array=array, steps=steps)


def golden(program: ss.Program) -> GoldenDevice:
    device = open_device("golden:")
    assert isinstance(device, GoldenDevice)
    device.load(program)
    return device


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


@pytest.mark.parametrize("kind", ["lost", "damaged", "doubled", "reordered", "noise"])
def test_faults_of_the_link_change_nothing(kind: str) -> None:
    program = program_of(small("words", "both"))
    samples = spikes(40)
    device, _, transport = board_device(
        program, to=Faults(**{kind: 0.15}, seed=1), back=Faults(**{kind: 0.15}, seed=2),
        timeout=1e6,
    )
    device.load(program)
    same(device.run(samples, trace=True), golden(program).run(samples, trace=True))
    assert transport.device.hellos == 1
    assert transport.to.happened[kind] > 0
    assert transport.back.happened[kind] > 0


def test_every_window_is_computed_once() -> None:
    program = program_of(small())
    device, board, transport = board_device(
        program, to=Faults(lost=0.2, doubled=0.2, seed=5), back=Faults(lost=0.2, seed=6),
        timeout=1e6,
    )
    device.load(program)
    device.run(spikes(30))
    assert len(board.heads) == 30 * 2
    assert min(transport.to.happened[kind] for kind in ("lost", "doubled")) > 0
    assert transport.back.happened["lost"] > 0


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


def test_golden_has_no_cycles() -> None:
    result = golden(program_of(small())).run(spikes())
    for name in ("cycles", "wait", "drain"):
        assert (result.counters[name] == NO_HARDWARE).all()
        assert (result.layer_counters[name] == NO_HARDWARE).all()
    assert (result.counters["sops"] > 0).all()
    assert result.link_bytes.total == 0


def test_golden_in_parts_is_golden_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of(small("words", "both"))
    whole = golden(program).run(spikes(9), trace=True)
    monkeypatch.setattr("stablespike.golden_device._GOLDEN_BATCH", 2)
    same(golden(program).run(spikes(9), trace=True), whole)


@pytest.mark.parametrize("begin", [0, (1 << 32) - 60, (1 << 31) - 60, (1 << 32) - 900])
def test_cycles(begin: int) -> None:
    program = program_of(small())
    device, board, _ = board_device(program, board=Board(program, clock=begin))
    device.load(program)
    device._busy_time = begin  # a session's first sample begins at 0
    batch, passed = spikes(20), 0
    for each in (batch, batch[:1], batch):
        # An end is that of core 1, a cycle later than core 0.
        before = board.clock + (1 if passed else 0)
        result = device.run(each)
        passed = board.clock + 1 - before
        assert result.counters["cycles"].sum() == passed
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
    device, _, _ = board_device(program)
    device.load(program)
    first = device.run(spikes(2)).counters["cycles"]
    device._drop()
    np.testing.assert_array_equal(device.run(spikes(2)).counters["cycles"], first)


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
        for _ in range(500):
            live.send(np.ones((4, 9)))
            look()
        assert len(list(live.results())) == 500
    assert worst <= ARRAY.receive_bytes
    assert len(transport.device.executed_commands) > 500


def test_a_stream_left_early() -> None:
    program = program_of(small(), steps=4)
    for device in (golden(program), board_device(program)[0]):
        device.load(program)
        with device.stream() as live:
            for _ in range(20):
                live.send(np.ones((4, 9)))
        with pytest.raises(ss.DeviceError, match="began something else"):
            live.send(np.ones((4, 9)))
        with pytest.raises(ValueError, match="samples must be"), device.stream() as live:
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
            with pytest.raises(ValueError, match="samples must be"):
                live.send(np.ones((4, 8)))
            with pytest.raises(ValueError, match="steps is for pixels"):
                live.send(np.ones((4, 9)), 4)
            live.send([[1] * 9])
            assert len(list(live.results())) == 1
        device.load(pixels)
        bad_steps = pytest.raises(ValueError, match="steps must be from 1 to 4, not 5")
        with device.stream() as live, bad_steps:
            live.send(np.ones(9), 5)


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
    with pytest.raises(ValueError, match=r"whole numbers from 0 to 1, not 2\.0 \(at \[1, 2, 3"):
        device.run(bad)
    with pytest.raises(ValueError, match="samples must hold at least 1 sample, not 0"):
        device.run(spikes(0))
    with pytest.raises(TypeError, match="samples must be a list of event arrays"):
        device.run(events, bin_time=1)
    with pytest.raises(ValueError, match="time_axis must be 1 for events, not 0"):
        device.run([events], time_axis=0, bin_time=1)
    with pytest.raises(ValueError, match="bin_time is for event arrays; these samples are none"):
        device.run(spikes(), bin_time=1)
    with pytest.raises(ValueError, match="bin_count is for event arrays; these samples are none"):
        device.run(spikes(), bin_count=6)
    with pytest.raises(TypeError, match="samples must be an array of integers"):
        device.run("spikes")
    same(device.run(spikes().swapaxes(0, 1), time_axis=0), device.run(spikes()))
    same(device.run(spikes().astype(float).tolist()), device.run(spikes()))
    device.load(pixels)
    with pytest.raises(ValueError, match="samples are events; this program's input is pixels"):
        device.run([events], bin_time=1)


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


def test_a_device_that_stops_is_usable_again() -> None:
    program = program_of(small())
    device, _, transport = board_device(program, timeout=3.0)
    device.load(program)
    reads = 0

    def stop() -> None:
        nonlocal reads
        reads += 1
        transport.dead = reads > 5

    transport.on_read = stop
    began = transport.now
    with pytest.raises(ss.DeviceTimeout, match=r"did not answer in 3.0 s .* results of its sam"):
        device.run(spikes(200))
    assert transport.now - began < 4.0
    with pytest.raises(ss.DeviceTimeout, match=r"did not answer hello in 3\.0 s"):
        device.run(spikes())
    transport.on_read, transport.dead = (lambda: None), False
    before = device.link_bytes
    same(device.run(spikes()), golden(program).run(spikes()))
    assert device.link_bytes.sent > before.sent
    assert transport.device.hellos == 2


def test_ctrl_c_leaves_the_device_usable() -> None:
    program = program_of(small())
    device, _, transport = board_device(program)
    device.load(program)
    reads = 0

    def interrupt() -> None:
        nonlocal reads
        reads += 1
        if reads == 4:
            raise KeyboardInterrupt

    transport.on_read = interrupt
    with pytest.raises(KeyboardInterrupt):
        device.run(spikes(100))
    same(device.run(spikes()), golden(program).run(spikes()))


def test_state_lost_by_an_error_is_not_made_up() -> None:
    program = program_of(small())
    device, _, transport = board_device(program, timeout=2.0)
    device.load(program)
    transport.dead = True
    with pytest.raises(ss.DeviceTimeout):
        device.run(spikes(), carry_state=True)
    transport.dead = False
    with pytest.raises(ss.DeviceError, match="lost the state to carry on from"):
        device.run(spikes(), carry_state=True)
    device.run(spikes())
    device.run(spikes(), carry_state=True)


def test_a_broken_transport_is_opened_again() -> None:
    program = program_of(small())
    device, board, first = board_device(program)
    device.load(program)
    second = board_device(program, board=board)[2]
    device._connect = lambda: second

    def unplug() -> None:
        first.broken = True
        raise ss.LinkError("unplugged")

    first.on_read = unplug
    with pytest.raises(ss.LinkError, match="unplugged"):
        device.run(spikes())
    same(device.run(spikes()), golden(program).run(spikes()))
    assert first.closed
    assert device.transport is second


def test_loading_fails_and_the_program_before_stays() -> None:
    one, two = program_of(small()), program_of(small("words"))
    device, _, transport = board_device(one, two, timeout=2.0)
    device.load(one)
    transport.dead = True
    with pytest.raises(ss.DeviceTimeout, match="the program to be written"):
        device.load(two)
    transport.dead = False
    assert device.program is one
    same(device.run(spikes()), golden(one).run(spikes()))
    device.load(two)
    same(device.run(spikes()), golden(two).run(spikes()))


def test_a_device_that_refuses() -> None:
    program = program_of(small())
    device, board, _ = board_device(program)
    execute = board.execute
    device.load(program)
    device._transport.device.execute = (  # type: ignore[attr-defined]
        lambda command: None if command[0] == Command.INPUT else execute(command)
    )
    with pytest.raises(ss.LinkError, match="refused a command"):
        device.run(spikes())
    device._transport.device.execute = execute  # type: ignore[attr-defined]
    same(device.run(spikes()), golden(program).run(spikes()))


def _replace(kind: int, tag: int, group: int, core: int, words: int) -> Any:
    def change(packets: list[list[bytes]]) -> list[list[bytes]]:
        packets[0].insert(0, packet(kind, tag, group, core, [0] * words))
        return packets

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_replace(7, 0, 0, 0, 1), r"kind 7 of layer 0, group 0, core 0: it has 1 words"),
        (_replace(ReportKind.WORDS, 1, 0, 9, 1), r"WORDS of layer 1, .* there is no such core"),
        (_replace(ReportKind.WORDS, 1, 7, 0, 1), r"group 7, core 0: there are 1 groups"),
        (_replace(ReportKind.WORDS, 0, 0, 0, 1), r"this program does not cause it"),
        (_replace(ReportKind.TRACE_SPIKES, 0, 0, 0, 1), r"this program does not cause it"),
        (_replace(ReportKind.END, 0, 0, 0, 2), r"0 packets of core 0 in window 0 of sample 0, not"),
        (lambda packets: [packets[0][1:], packets[1]], r"reported 2 packets of core 0 in window 0"),
        (lambda packets: [p * 5 for p in packets], r"no window is under way there"),
    ],
)
def test_reports_that_cannot_be(change: Any, message: str) -> None:
    program = program_of(small())
    device, board, _ = board_device(program)
    device.load(program)
    keep, board.change = board.change, change
    with pytest.raises(ss.LinkError, match=message):
        device.run(spikes(1))
    board.change = keep
    same(device.run(spikes()), golden(program).run(spikes()))


def test_membranes_only_at_the_end() -> None:
    program = program_of(small("membrane"))
    device, board, _ = board_device(program)
    device.load(program)
    board.change = _replace(ReportKind.MEMBRANE, 1, 0, 0, ARRAY.lanes)
    with pytest.raises(ss.LinkError, match="it is not the last window"):
        device.run(spikes())


def test_membranes_are_of_every_neuron() -> None:
    program = program_of(small("membrane"))
    device, board, _ = board_device(program)
    device.load(program)

    def change(packets: list[list[bytes]]) -> list[list[bytes]]:
        at = next((i for i, p in enumerate(packets[0]) if p[0] & 7 == ReportKind.MEMBRANE), None)
        if at is not None:
            packets[0][at] = packet(ReportKind.MEMBRANE, 1, 0, 0, [0] * (ARRAY.lanes + 1))
        return packets

    board.change = change
    with pytest.raises(ss.LinkError, match="group 0, core 0: it has 5 words"):
        device.run(spikes())


def test_cores_that_disagree() -> None:
    program = program_of(small())
    device, board, _ = board_device(program)
    device.load(program)

    def change(packets: list[list[bytes]]) -> list[list[bytes]]:
        at = next(i for i, p in enumerate(packets[1]) if p[0] & 7 == ReportKind.COUNTERS)
        packets[1][at] = packets[1][at][:4] + b"\x63\x00" + packets[1][at][6:]
        return packets

    board.change = change
    with pytest.raises(ss.LinkError, match="counted other events on one core than on another"):
        device.run(spikes())


def test_counters_of_cores_without_groups() -> None:
    """Whether a core that has nothing to do reports counters or not."""
    program = program_of(small(outputs=2))
    (empty,) = [core for core, share in enumerate(program.groups[1]) if not share.groups]
    for drop in (False, True):
        device, board, _ = board_device(program)

        def change(packets: list[list[bytes]], drop: bool = drop) -> list[list[bytes]]:
            kept = [
                p for p in packets[empty]
                if not (drop and p[0] & 7 == ReportKind.COUNTERS and p[1] >> 2 == 1)
            ]
            assert len(kept) == len(packets[empty]) - drop
            packets[empty] = kept
            return packets

        board.change = change
        device.load(program)
        same(device.run(spikes()), golden(program).run(spikes()))


def _at_baud(baud: int, clock_hz: int = 24_000_000, mute: bool = False) -> tuple[Any, list[int]]:
    program = program_of(small())
    _, board, transport = board_device(program, clock_hz=clock_hz)
    bauds: list[int] = []

    def set_baud(rate: int) -> None:
        bauds.append(rate)
        transport.dead = mute

    transport.set_baud = set_baud  # type: ignore[method-assign]
    device = LinkDevice("serial:x", lambda: transport, baud, 2.0, transport.clock)
    device.load(program)
    device.run(spikes())
    return device, [*board.bauds, *bauds]


def test_the_rate_is_raised_after_hello() -> None:
    device, bauds = _at_baud(3_000_000)
    assert bauds == [8, 3_000_000]
    assert device.info.clock_hz == 24_000_000
    assert _at_baud(921_600)[1] == [26, 921_600]


@pytest.mark.parametrize(
    ("baud", "clock_hz", "error", "message"),
    [
        (5_000_000, 24_000_000, ValueError, r"baud must be from 115200 to 4000000 .* not 5000000"),
        (115_199, 24_000_000, ValueError, r"baud in 'serial:x' must be at least 115200, .* 115199"),
        (3_700_000, 24_000_000, ValueError, r"divides to: not 3700000 but 4000000"),
        (1_000_000, 0, ss.LinkError, r"does not tell its clock"),
    ],
)
def test_rates_that_cannot_be(
    baud: int, clock_hz: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        _at_baud(baud, clock_hz)


def test_a_rate_below_the_default_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(ValueError, match=r"baud in 'serial:/dev/none\?baud=9600' must be at least"):
        open_device("serial:/dev/none?baud=9600")


def test_a_rate_the_cable_does_not_carry() -> None:
    with pytest.raises(ss.DeviceTimeout, match=r"in 2.0 s, at 3000000 baud: ask for a lower"):
        _at_baud(3_000_000, mute=True)


def test_link_bytes() -> None:
    program = program_of(small())
    device, _, _ = board_device(program)
    device.load(program)
    before = device.link_bytes
    result = device.run(spikes(10))
    assert device.link_bytes - before == result.link_bytes
    assert result.link_bytes.sent > 10 * 2 * 4  # head and rows
    parts = list(device.run(spikes(5, seed=i) for i in range(2)))
    assert sum(p.link_bytes.total for p in parts) <= device.link_bytes.total


def test_registers_are_written_when_they_change() -> None:
    program = program_of(small())
    device, _, transport = board_device(program)
    device.load(program)
    for trace in (False, False, True, True):
        device.run(spikes(), trace=trace)
    with device.stream():
        pass
    with device.stream(trace=True):
        pass
    device.run(spikes(), trace=True)
    device.run(spikes())
    written = [
        c for c in transport.device.executed_commands
        if c[0] == Command.REGISTER and c[1] == Register.REPORTS
    ]
    assert [c[2] for c in written] == [2, 3, 2, 3, 2]


@pytest.mark.parametrize(
    ("uri", "options", "error", "message"),
    [
        (5, {}, TypeError, "uri must be a string"),
        ("usb:1", {}, ValueError, "uri must be golden:, sim:<preset>.* not 'usb:1'"),
        ("golden", {}, ValueError, "uri must be golden:"),
        ("sim:no", {}, ValueError, "'sim:no' names no preset: sim: takes one of icebreaker, "),
        ("golden:x", {}, ValueError, "golden: takes nothing behind the colon, not 'x'"),
        ("golden:", {"array": "icebreaker"}, ValueError, "array is for 'sim:' only"),
        ("sim:", {}, ValueError, "'sim:' names no preset: sim: takes one of icebreaker, "),
        ("sim:icebreaker", {"array": BOARD}, ValueError, "either in the uri or as array, not"),
        ("sim:", {"array": "nothing"}, ValueError, "array must be an ArrayConfig or one of"),
        ("sim:", {"array": 5}, TypeError, "array must be an ArrayConfig or a preset's name, not 5"),
        ("sim:icebreaker?uart=yes", {}, ValueError, "uart in .* must be 0 or 1, not 'yes'"),
        ("sim:icebreaker?baud=9600", {}, ValueError, "has a baud rate but no UART: add uart=1"),
        ("sim:icebreaker?cores=2", {}, ValueError, "has the option 'cores'; sim: takes uart, baud"),
        ("golden:?x=1", {}, ValueError, "has the option 'x'; golden: takes none"),
        ("serial:/dev/x?baud=fast", {}, ValueError, "baud in .* must be a positive integer"),
        ("serial:/dev/x", {"array": BOARD}, ValueError, "array is for 'sim:' only"),
        ("serial:", {}, ValueError, "serial: needs a port behind the colon"),
        ("serial:/dev/nothing", {}, ss.DeviceNotFound, "serial:/dev/nothing cannot be opened"),
        ("tcp:here", {}, ValueError, "tcp: needs <host>:<port> behind the colon, not 'here'"),
        ("tcp:here:70000", {}, ValueError, "tcp: needs <host>:<port>"),
    ],
)
def test_addresses(uri: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_device(uri, **options)
