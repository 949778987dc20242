"""Numbers of steps of samples: how they are given, and what is refused."""

import numpy as np
import pytest
import stablespike as ss
from refusals import refuses
from stablespike.samples.lengths import OWN, as_lengths, check_sequences, event_lengths

NETWORKS = {
    "spikes": ss.SpikeInput((3,)),
    "frames": ss.FrameInput((3,), 4, 5),
    "pixels": ss.PixelInput((3,)),
}


def checked(samples, lengths=None, kind="spikes", longest=6, time_axis=1):
    network = ss.Network(NETWORKS[kind], [ss.Dense(np.ones((2, 3)), neuron=ss.Neuron(threshold=9))])
    return check_sequences(network, samples, longest, time_axis, lambda count: as_lengths(lengths))


def parts(*lengths, dtype=bool):
    return [np.ones((n, 3), dtype) for n in lengths]


@pytest.mark.parametrize("kind", ["spikes", "frames"])
@pytest.mark.parametrize("lengths", [None, OWN])
def test_a_list_of_samples_has_its_own_lengths(kind, lengths):
    samples = [*parts(2, 6, 1), [[1, 0, 1]] * 4]
    flat, found = checked(samples, lengths, kind)
    assert found.tolist() == [2, 6, 1, 4]
    for row, sample in zip(flat, samples, strict=True):
        assert (row[: len(sample)] == sample).all()
        assert not row[len(sample) :].any()
    shorter, found = checked(samples[2:], lengths, kind)
    assert shorter.shape == (2, 4, 3)


def test_samples_of_equal_length_say_that_they_are_short():
    for samples in (parts(4, 4), np.ones((2, 4, 3))):
        with refuses(ValueError, "samples must have 6 steps, not 4: lengths='own' runs"):
            checked(samples)
        assert checked(samples, OWN)[1].tolist() == [4, 4]
        assert checked(samples, OWN)[0].shape == (2, 4, 3)
    assert checked(np.ones((4, 2, 3)), OWN, time_axis=0)[0].shape == (2, 4, 3)
    assert checked(parts(6, 6))[1].tolist() == [6, 6]


def test_padded_samples():
    padded = np.zeros((3, 8, 3), int)
    for row, n in zip(padded, (2, 6, 1), strict=True):
        row[:n] = 1
    flat, found = checked(padded, [2, 6, 1])
    assert found.dtype == np.int64
    assert found.tolist() == [2, 6, 1]
    assert (flat == padded[:, :6]).all()
    assert (checked(padded.swapaxes(0, 1), [2, 6, 1], time_axis=0)[0] == flat).all()
    silent = np.where(padded, 7, 5)  # the zero of the frames
    assert (checked(silent, [2, 6, 1], "frames")[0] == 7 * padded[:, :6]).all()
    assert (silent[0, 2:] == 5).all(), "the caller's array was changed"
    with refuses(ValueError, "samples[1] must be 0 behind its 3 steps, but has 1 in step 3: ... "
                 "[sample[:n] for sample, n in zip(samples, lengths)]"):
        checked(padded, [2, 3, 1])


def test_pixels_are_held():
    assert checked(np.ones((2, 3)), kind="pixels")[1].tolist() == [6, 6]
    flat, lengths = checked(np.ones((2, 3)), np.array([1, 4], np.uint8), "pixels")
    assert (flat.shape, lengths.tolist()) == ((2, 3), [1, 4])
    with refuses(ValueError, "lengths must be numbers of steps ... held, not 'own'"):
        checked(np.ones((2, 3)), OWN, "pixels")
    with refuses(ValueError, "lengths[1] must be from 1 to 6, not 7"):
        checked(np.ones((2, 3)), [6, 7], "pixels")


@pytest.mark.parametrize(
    ("samples", "lengths", "error", "message"),
    [
        (parts(2, 7), None, ValueError, "samples[1] ... 6 steps, not 7: compile it with steps=7"),
        (parts(2, 9), None, ValueError, "steps=9, or ... state (carry_state, Device.stream)"),
        (np.ones((2, 7, 3)), OWN, ValueError, "samples[0] must have at most the program's 6 steps"),
        (np.ones((2, 7, 3)), None, ValueError, "6 steps, not 7: compile the program with steps=7"),
        (parts(2, 0), None, ValueError, "samples[1] must have at least 1 step, not 0"),
        ([*parts(2), np.ones((3, 4))], None, ValueError, "samples[1] ... (steps, 3), not (3, 4)"),
        ([*parts(2), np.ones(3)], None, ValueError, "samples[1] must be (steps, 3), not (3,)"),
        ([*parts(2), np.full((3, 3), 2)], None, ValueError, "0 to 1, not 2 (at [1, 0, 0])"),
        ([*parts(2), [["a"] * 3]], None, TypeError, "samples[1] must be an array of integers"),
        (parts(2, 3), [2, 3], ValueError, "lengths must be left out for a list"),
        (parts(6, 6), [0, 6], ValueError, "lengths[0] must be from 1 to 6, not 0"),
        (parts(6, 6), "all", ValueError, "lengths must be 'own', or the steps of each sample"),
        (parts(6, 6), [2.0, 3.0], TypeError, "lengths must be integers ... not float64"),
        (parts(6, 6), [True, True], TypeError, "lengths must be integers ... not bool"),
        (parts(6, 6), 3, ValueError, "lengths must be (batch,) ... not of shape ()"),
        (parts(6, 6), np.array([6, (1 << 64) - 1], np.uint64), ValueError,
         "lengths must be whole numbers ... not 18446744073709551615 (at [1])"),
    ],
)
def test_what_is_refused(samples, lengths, error, message):
    with refuses(error, message):
        checked(samples, lengths)


def test_a_list_of_steps_is_no_list_of_samples():
    with refuses(ValueError, "time_axis must be 1 for a list of samples of different lengths"):
        checked(parts(2, 3), time_axis=0)


def test_recordings_end_with_their_last_event():
    def recording(*times):
        return {"t": np.array(times), "x": np.zeros(len(times), int)}

    recordings = [recording(5, 29), recording(100, 100), recording(0, 30, 90)]
    found = event_lengths(recordings, 6, 10, [None, "first", 0])
    assert found.tolist() == [3, 1, 6]
    with refuses(ValueError, "samples[1] has no event ... leave it out"):
        event_lengths([recording(1), recording()], 6, 10, [None, None])
