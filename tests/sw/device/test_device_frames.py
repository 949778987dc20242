"""Frames on devices: samples of values, step by step or as lines, give the same integers."""

from dataclasses import replace

import numpy as np
import pytest
import stablespike as ss
from board_model import Board, board_device
from refusals import refuses

STEPS, BANDS = 9, 12
ARRAYS = {
    "steps": ss.ArrayConfig(spike_rows=8),  # no room for many lines of 4-bit weights
    "lines": ss.ArrayConfig(lanes=8, window=8, weight_bits=8, acc_bits=20),
    "planes": ss.ArrayConfig(cores=2, lanes=8, planes=4),
}


def network_of(bits=4, zero=0, kind=ss.FrameInput):
    rng = np.random.default_rng(5)
    layers = [
        ss.Dense(rng.integers(-8, 8, (16, BANDS)), neuron=ss.Neuron((3, None), 600)),
        ss.Dense(rng.integers(-8, 8, (10, 16)), neuron=ss.Neuron((3, None), 100)),
    ]
    return ss.Network(kind((BANDS,), bits, zero), layers)


def frames_of(seed, bits=4):
    return np.random.default_rng(seed).integers(0, 1 << bits, (3, STEPS, BANDS))


@pytest.mark.parametrize("way", ARRAYS)
@pytest.mark.parametrize("zero", [0, 6])
def test_a_run_is_a_stream_of_pixels(way, zero):
    program = ss.compile(network_of(zero=zero), ARRAYS[way], steps=STEPS)
    assert program.frames == way
    words, wanted = frames_of(1), []
    with ss.open_device("golden:") as device:
        device.load(ss.compile(network_of(zero=zero, kind=ss.PixelInput), "icebreaker", steps=1))
        for word in words:
            with device.stream() as stream:
                for frame in word:
                    stream.send(frame, steps=1)
                wanted.append(sum(result.readout[0] for result in stream.results()))
        device.load(program)
        result = device.run(words)
        swapped = device.run(np.swapaxes(words, 0, 1), time_axis=0)
    assert (result.readout == wanted).all()
    assert result.readout.any()
    assert (swapped.readout == wanted).all()


@pytest.mark.parametrize("zero", [0, 6])
def test_pixels_may_change_from_step_to_step(zero):
    """A network of pixels takes frames too, and gives what the same network of frames gives."""
    words = frames_of(1)
    results = {}
    with ss.open_device("golden:") as device:
        for kind in (ss.FrameInput, ss.PixelInput):
            device.load(ss.compile(network_of(zero=zero, kind=kind), ARRAYS["steps"], STEPS))
            results[kind] = device.run(words, trace=True)
        changing, frames = results[ss.PixelInput], results[ss.FrameInput]
        assert (changing.readout == frames.readout).all()
        assert frames.readout.any()
        assert (changing.layer_counters == frames.layer_counters).all()
        for mine, theirs in zip(changing.trace, frames.trace, strict=True):
            assert (mine == theirs).all()
        swapped = device.run(np.swapaxes(words, 0, 1), time_axis=0)
        assert (swapped.readout == frames.readout).all()
        shorter = device.run([words[0], words[1][:4]]).readout
        assert (shorter[0] == frames.readout[0]).all()
        with device.stream() as stream:
            stream.send(words[1][:4])
            stream.send(words[1][4])  # an image, held for the program's steps
            first, second = stream.results()
        assert (first.readout[0] == shorter[1]).all()
        assert (first.steps, second.steps) == (4, STEPS)
        with refuses(ValueError, "9 steps ... 5"):
            device.run(words[:, :5])


def test_ways_count_their_own_events():
    words = frames_of(2)
    events = {}
    for way, array in ARRAYS.items():
        with ss.open_device("golden:") as device:
            device.load(ss.compile(network_of(), array, steps=STEPS))
            events[way] = device.run(words).layer_counters["events"][:, 0]
    assert (events["steps"] == np.count_nonzero(words, axis=(1, 2))).all()
    bits = words[..., None] >> np.arange(4) & 1
    for way, length in (("lines", 8), ("planes", 4)):
        windows = [bits[:, at : at + length].any(axis=1) for at in range(0, STEPS, length)]
        counts = [np.count_nonzero(each, axis=(1, 2)) for each in windows]
        assert (events[way] == sum(counts)).all()


@pytest.mark.parametrize("bits", [4, 6])
def test_tasks_of_planes(bits):
    """What the tasks say is what golden computes: planes with one weight row for each input."""
    network = network_of(bits, zero=3)
    program = ss.compile(network, ARRAYS["planes"], steps=STEPS)
    assert program.frames == "planes"
    assert len(program.planes) == {4: 4, 6: 10}[bits]
    assert program.needed["weight_rows"] == 16 + 16  # 12 inputs and 16 neurons, in rows of 8
    device, _, _ = board_device(program, board=Board(program, interpret=True))
    device.load(program)
    words = frames_of(3, bits)
    with ss.open_device("golden:") as golden:
        golden.load(program)
        ours, theirs = device.run(words), golden.run(words)
    assert (ours.readout == theirs.readout).all()
    assert ours.readout.any()
    for name in ("events", "sops", "spikes", "stable", "issued"):
        assert (ours.counters[name] == theirs.counters[name]).all()


def test_sums_count_with_their_place_values():
    network = network_of(6)
    sums = np.abs(network.layers[0].weight).sum(axis=1).max()
    with pytest.raises(ss.DoesNotFit, match="accumulators of 8 bits"):
        ss.compile(network, replace(ARRAYS["planes"], acc_bits=8), steps=STEPS)
    assert sums < 128  # unshifted they fit


def test_a_program_on_disk(tmp_path):
    program = ss.compile(network_of(zero=3), ARRAYS["lines"], steps=STEPS)
    ss.save_program(program, tmp_path / "p")
    ss.save(program.network, tmp_path / "n")
    loaded = ss.load_program(tmp_path / "p")
    assert loaded.network == program.network == ss.load(tmp_path / "n")
    assert (loaded.network.input, loaded.frames) == (ss.FrameInput((BANDS,), 4, 3), "lines")
    assert "lines" in program.report()


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        (np.zeros((2, BANDS)), ValueError, "(batch, steps, 12) ... (2, 12)"),
        (np.zeros((2, 5, BANDS)), ValueError, "9 steps, not 5"),
        (np.full((1, STEPS, BANDS), 16), ValueError, "0 to 15, not 16 ... round(15 * x)"),
        (np.full((1, STEPS, BANDS), -1), ValueError, "0 to 15, not -1"),
        (np.full((1, STEPS, BANDS), 0.5), ValueError, "0 to 15, not 0.5"),
        (np.full((1, STEPS, BANDS), np.nan), ValueError, "0 to 15, not nan"),
    ],
)
def test_samples_that_are_no_frames(samples, error, message):
    with ss.open_device("golden:") as device:
        device.load(ss.compile(network_of(), "icebreaker", steps=STEPS))
        with refuses(error, message):
            device.run(samples)


def test_messages_name_frames_where_they_help():
    with ss.open_device("golden:") as device:
        device.load(ss.compile(network_of(zero=5), "icebreaker", steps=STEPS))
        with refuses(ValueError, "not -3 ... zero is 5: a signed value x is the value x + 5"):
            device.run(np.full((1, STEPS, BANDS), -3))


def test_what_fits_no_way_is_refused_with_both():
    array = ss.ArrayConfig(lanes=4, weight_rows=64, spike_rows=16)
    with refuses(ss.DoesNotFit, "frames of 6 bits, the window takes 4 ... as lines of single bits"):
        ss.compile(network_of(bits=6), array, steps=STEPS)


def test_a_reason_that_all_ways_share_is_said_once():
    neuron, own = ss.Neuron(threshold=9), np.eye(4, dtype=int)
    layer = ss.Dense(np.ones((4, BANDS), int), recurrent=own, neuron=neuron)
    network = ss.Network(ss.FrameInput((BANDS,), bits=4), [layer])
    with pytest.raises(ss.DoesNotFit, match="has no recurrence") as found:
        ss.compile(network, "icebreaker", steps=STEPS)
    assert str(found.value).count("has no recurrence") == 1


def recording_of(counts):
    """Events at the times 10 k of the steps k, as many as the counts say."""
    step, band = np.nonzero(counts)
    times = counts[step, band]
    events = np.zeros(times.sum(), [("t", "i8"), ("x", "u1")])
    events["t"], events["x"] = np.repeat(step, times) * 10, np.repeat(band, times)
    return events


def test_events_of_a_recording_are_counted():
    words = frames_of(3)
    recordings = [recording_of(word) for word in words]
    with ss.open_device("golden:") as device:
        for way in ARRAYS.values():
            device.load(ss.compile(network_of(), way, steps=STEPS))
            wanted = device.run(words).readout
            found = device.run(recordings, bin_time=10)
            assert wanted.any()
            assert (found.readout == wanted).all()
        binned = ss.bin_events(recordings, (BANDS,), STEPS, bin_time=10, bits=4)
        assert (binned == words).all()
        more = words.copy()
        more[1, 4, 7] = 20
        recordings[1] = recording_of(more[1])
        with refuses(ValueError, "samples[1] has 20 events in step 4 at (x) = (7,), and 4 bits"):
            device.run(recordings, bin_time=10)
        more[1, 4, 7] = 15
        found = device.run(recordings, bin_time=10, excess="saturate")
        assert (found.readout == device.run(more).readout).all()
        with refuses(ValueError, "excess is for event arrays, which these samples are not"):
            device.run(words, excess="saturate")
        device.load(ss.compile(network_of(zero=6), "icebreaker", steps=STEPS))
        with refuses(ValueError, "counts of which begin at 0 ... zero=6 ... bin_events counts"):
            device.run(recordings, bin_time=10)


@pytest.mark.parametrize("way", ARRAYS)
def test_counts_of_recordings_end_with_their_last_event(way):
    """Counts of a whole recording, of a part, and sent one behind the other."""
    program = ss.compile(network_of(), ARRAYS[way], steps=STEPS)
    lengths, rng, recordings, words = [4, 9, 2], np.random.default_rng(7), [], []
    for n in lengths:
        word = rng.integers(0, 4, (n, BANDS))
        word[[0, -1], 0] = 1
        step, x = np.nonzero(word)
        events = np.zeros(word.sum(), [("t", "i8"), ("x", "i2")])
        events["t"], events["x"] = (np.repeat(each, word[step, x]) for each in (step, x))
        recordings.append(events)
        words.append(word)
    with ss.open_device("golden:") as device:
        device.load(program)
        wanted = device.run(words)
        found = device.run(recordings, bin_time=1, lengths="own")
        with device.stream() as stream:
            for events in recordings:
                stream.send(events, "own", fresh=True, bin_time=1)
            sent = list(stream.results())
        with refuses(ValueError, "zero=2"):
            device.load(ss.compile(network_of(zero=2), ARRAYS[way], steps=STEPS))
            device.run(recordings, bin_time=1, lengths="own")
    assert wanted.lengths.tolist() == found.lengths.tolist() == lengths
    assert (found.readout == wanted.readout).all()
    assert (np.concatenate([each.readout for each in sent]) == wanted.readout).all()
    assert [each.decision.margin for each in sent] == wanted.margin.tolist()
