"""The golden model against the plain integers, which were written apart from it."""

import dataclasses
import re
from itertools import combinations, product

import numpy as np
import pytest
import stablespike as ss
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_networks import random_maps, random_network, random_samples, with_frames
from stablespike.golden.golden import Golden
from stablespike.golden.in_bytes import ByteConvolution, as_bytes, bytes_are_exact
from stablespike.golden.layer import GoldenLayer, GoldenState
from stablespike.golden.products import Products, channels_first, channels_last, exact_dtype
from stablespike.samples.samples import check_samples
from stablespike.samples.words import pack_steps, popcount, predict
from stablespike.spec import reference

seeds = st.integers(0, 2**32 - 1)
READ_LATER = ("state", "spike_counts", "stable_counts")


def same_state(ours, theirs, sample):
    for a, b in zip(ours, theirs, strict=True):
        assert a.v[sample].tolist() == b.v
        assert a.r[sample].tolist() == b.r
        assert a.q is None or a.q[sample].tolist() == b.q


def compare(network, samples, steps, window, state_bits):
    result = Golden(network, state_bits, window).run(samples, steps, trace=True)
    for n, sample in enumerate(samples):
        expected = reference.run(network, sample, steps, window, state_bits=state_bits)
        for i in range(len(network.layers)):
            assert result.spikes[i].shape == (len(samples), steps, *network.neuron_shapes[i])
            spikes = result.spikes[i].reshape(len(samples), steps, -1)
            assert spikes[n].tolist() == expected.spikes[i]
            assert result.skeleton[i][n].reshape(steps, -1).tolist() == expected.skeleton[i]
            packed = pack_steps(spikes, network.window(window))
            assert packed[n].tolist() == expected.words[i]
            assert result.spike_counts[n, i] == np.sum(expected.spikes[i])
            assert result.stable_counts[n, i] == np.sum(expected.skeleton[i])
        assert result.readout[n].tolist() == expected.readout
        assert (result.readout_skeleton is None) == (expected.readout_skeleton is None)
        if expected.readout_skeleton is not None:
            assert result.readout_skeleton[n].tolist() == expected.readout_skeleton
        same_state(result.state, expected.state, n)
    return result


@settings(max_examples=150)
@given(
    seed=seeds,
    weight_bits=st.sampled_from([4, 8]),
    fraction_bits=st.sampled_from([0, 2, 4]),
    state_bits=st.sampled_from([8, 12, 16]),
    window=st.sampled_from([1, 2, 4, 8, 16]),
    steps=st.integers(1, 40),
)
def test_every_bit_equals_the_reference(
    seed, weight_bits, fraction_bits, state_bits, window, steps
):
    rng = np.random.default_rng(seed)
    network = random_network(
        rng,
        weight_bits=weight_bits,
        fraction_bits=fraction_bits,
        state_bits=state_bits,
        width=(1, 20),
        pixel_bits=16,
    )
    compare(network, random_samples(rng, network, 2, steps), steps, window, state_bits)


@settings(max_examples=150)
@given(
    seed=seeds,
    weight_bits=st.sampled_from([4, 8]),
    fraction_bits=st.sampled_from([0, 2, 4]),
    state_bits=st.sampled_from([8, 12, 16]),
    window=st.sampled_from([1, 2, 4, 8, 16]),
    steps=st.integers(1, 12),
)
def test_every_bit_of_maps_equals_the_reference(
    seed, weight_bits, fraction_bits, state_bits, window, steps
):
    rng = np.random.default_rng(seed)
    network = random_maps(
        rng,
        weight_bits=weight_bits,
        fraction_bits=fraction_bits,
        state_bits=state_bits,
        pixel_bits=16,
    )
    compare(network, random_samples(rng, network, 2, steps), steps, window, state_bits)


@settings(max_examples=100)
@given(
    seed=seeds, maps=st.booleans(), bits=st.integers(1, 16),
    window=st.sampled_from([1, 2, 4, 8, 16]), steps=st.integers(1, 12),
)
def test_every_bit_of_frames_equals_the_reference(seed, maps, bits, window, steps):
    rng = np.random.default_rng(seed)
    network = with_frames(rng, (random_maps if maps else random_network)(rng), bits)
    compare(network, random_samples(rng, network, 2, steps), steps, window, 16)


def test_pixels_have_a_zero_too():
    layer = ss.Dense([[3, -2]], [4], neuron=ss.Neuron(threshold=500), recurrent=[[1]])
    network = ss.Network(ss.PixelInput((2,), 4, zero=7), [layer], "membrane")
    result = compare(network, np.array([[0, 9], [7, 7]]), 3, 4, 16)
    # 16 * (3 * (0 - 7) - 2 * (9 - 7)) + 4 in each step, and nothing but the bias
    assert result.readout.tolist() == [[-396 * 3], [12]]


@settings(max_examples=60)
@given(
    seed=seeds,
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    pool=st.integers(1, 3),
)
def test_a_convolution_is_the_one_of_torch(seed, kernel, stride, size, pool):
    rng = np.random.default_rng(seed)
    channels, outputs = (int(n) for n in rng.integers(1, 5, 2))
    padding = tuple(int(rng.integers(0, k)) for k in kernel)
    places = [n // pool + 2 * p for n, p in zip(size, padding, strict=True)]
    assume(min(size) >= pool and all(n >= k for n, k in zip(places, kernel, strict=True)))
    weight = rng.integers(-128, 128, (outputs, channels, *kernel))
    bias = rng.integers(-99, 99, outputs)
    layer = ss.Conv2d(
        weight, bias, stride=stride, padding=padding, pool_before=ss.SumPool2d(pool),
        neuron=ss.Neuron(fires=False),
    )
    pixels = rng.integers(0, 16, (3, channels, *size))
    network = ss.Network(ss.PixelInput((channels, *size), 4), [layer], "membrane", 8, 0)
    wide = dataclasses.replace(layer, bias=np.zeros(outputs))  # no step is clamped
    golden_layer = GoldenLayer(dataclasses.replace(network, layers=[wide]), 0, 16, 15)
    flat = channels_last(torch.tensor(pixels.reshape(3, -1)), (channels, *size))
    current = channels_first(golden_layer.current(flat), golden_layer.neuron_shape)
    image = torch.tensor(pixels, dtype=torch.float64)
    pooled = torch.nn.functional.avg_pool2d(image, pool, divisor_override=1)
    expected = torch.nn.functional.conv2d(
        pooled, torch.tensor(weight, dtype=torch.float64), None, stride, padding
    )
    assert current.reshape(expected.shape).tolist() == expected.tolist()
    membranes = Golden(network).run(pixels, 1).readout
    flat = expected.numpy() + bias[:, None, None]
    assert (membranes == flat.clip(-(1 << 15), (1 << 15) - 1).reshape(3, -1)).all()


@pytest.mark.skipif(not bytes_are_exact(1, 1), reason="PyTorch has no exact bytes here")
@pytest.mark.parametrize("seed", range(40))
def test_bytes_change_nothing(seed, monkeypatch):
    """Networks of any kind, most of whose layers are then multiplied in bytes."""
    rng = np.random.default_rng([5, seed])
    network = random_maps(rng) if seed % 2 else random_network(rng)
    if seed % 4 > 1:
        network = with_frames(rng, network, 4)
    samples = random_samples(rng, network, 3, 5)
    floats = Golden(network).run(samples, 5, trace=True)
    monkeypatch.setattr(Products, "least_in_bytes", 0)
    golden, convolved = Golden(network), []
    monkeypatch.setattr(ByteConvolution, "__call__", spied(ByteConvolution.__call__, convolved))
    equal(floats, golden.run(samples, 5, trace=True))
    narrow = [layer for layer in golden._layers if layer.current._bytes]
    assert len(convolved) >= len(narrow)
    assert narrow or network.weight_bits == 8 or network.input.bits > 4


def spied(function, calls):
    def call(*arguments):
        calls.append(arguments)
        return function(*arguments)

    return call


def test_bytes_are_refused_where_a_pair_exceeds_16_bits():
    assert not bytes_are_exact(256, 1)
    assert not bytes_are_exact(128, 128)
    assert not bytes_are_exact(1, 129)
    assert bytes_are_exact(255, 64) == bytes_are_exact(1, 1)


@pytest.mark.parametrize("high", [127, 255])
def test_a_convolution_of_the_largest_bytes(high):
    """The largest sums of both signs, just below 2**24 with the fraction bits."""
    if not bytes_are_exact(high, 64):
        pytest.skip("PyTorch has no exact bytes here")
    weight = torch.full((2, 3, 3, 100), 64)
    weight[1] = -64
    maps = torch.full((1, 3, 3, 100), float(high))
    found = ByteConvolution(weight, torch.tensor([7, -7]), 0, (1, 1), (0, 0))(as_bytes(maps, high))
    largest = 900 * 64 * high
    assert found.flatten().tolist() == [largest + 7, -largest - 7]


def test_recurrence_by_hand():
    """Neuron 0 fires with its input and wakes neuron 1, which wakes itself."""
    layer = ss.Dense(
        [[1], [0]], recurrent=[[0, 0], [1, 1]],
        neuron=ss.Neuron(threshold=16, leak=(0, None), reset="zero"),
    )
    network = ss.Network(ss.SpikeInput((1,)), [layer], "words")
    samples = np.array([[[0], [1], [0], [0], [0], [1]]])
    result = Golden(network, window=4).run(samples, trace=True)
    assert result.spikes[0][0].tolist() == [[0, 0], [1, 0], [0, 1], [0, 1], [0, 1], [1, 1]]
    assert result.readout.tolist() == [[[0b0010, 0b10], [0b1100, 0b11]]]
    part = Golden(network).run(samples[:, :2])
    rest = Golden(network).run(samples[:, 2:], trace=True, state=part.state)
    np.testing.assert_array_equal(rest.spikes[0], result.spikes[0][:, 2:])


def test_pools_of_spikes_come_after_the_and():
    """Two neurons of a pool in turn: their OR spikes in every step, none of them twice."""
    layer = ss.Conv2d(
        [[[[1]]]], neuron=ss.Neuron(threshold=16), pool_after=ss.MaxPool2d(2), emit="skeleton"
    )
    turns = np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]] * 3).reshape(1, 6, 1, 2, 2)
    for emit, count in (("spikes", 6), ("skeleton", 0)):
        for readout in ("counts", "words"):
            network = ss.Network(
                ss.SpikeInput((1, 2, 2)), [dataclasses.replace(layer, emit=emit)], readout
            )
            result = Golden(network, window=4).run(turns)
            assert result.spike_counts.tolist() == [[6]]
            found = result.readout if readout == "counts" else popcount(result.readout).sum(-1)
            assert found.tolist() == [[count]]


@settings(max_examples=30)
@given(seed=seeds, steps=st.integers(1, 30), room=st.integers(1, 400), maps=st.booleans())
def test_pieces_of_any_size_change_nothing(seed, steps, room, maps):
    rng = np.random.default_rng(seed)
    network = random_maps(rng) if maps else random_network(rng)
    samples = random_samples(rng, network, 5, steps)
    whole = Golden(network).run(samples, steps, trace=True)
    golden = Golden(network)
    golden.values_at_once, golden.steps_at_once = room, 7
    equal(whole, golden.run(samples, steps, trace=True))


def equal(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, tuple):
        for x, y in zip(a, b, strict=True):
            equal(x, y)
    elif dataclasses.is_dataclass(a):
        names = [field.name for field in dataclasses.fields(a) if field.name[0] != "_"]
        for name in (*names, *([*READ_LATER] if hasattr(a, "state") else [])):
            equal(getattr(a, name), getattr(b, name))
    else:
        assert a == b


@settings(max_examples=30)
@given(seed=seeds, steps=st.integers(2, 12), maps=st.booleans(), data=st.data())
def test_carried_state_goes_on(seed, steps, maps, data):
    rng = np.random.default_rng(seed)
    network = random_maps(rng) if maps else random_network(rng)
    network = dataclasses.replace(network, readout="membrane")
    samples = random_samples(rng, network, 3, steps)
    cut = data.draw(st.integers(1, steps - 1))
    pixels = network.input.kind == "pixels"
    golden = Golden(network)
    whole = golden.run(samples, steps, trace=True)
    first = golden.run(samples if pixels else samples[:, :cut], cut, trace=True)
    kept = [entry.v.copy() for entry in first.state]
    rest = samples if pixels else samples[:, cut:]
    second = golden.run(rest, steps - cut, trace=True, state=first.state)
    for name in ("spikes", "skeleton"):
        joined = zip(getattr(first, name), getattr(second, name), strict=True)
        for both, once in zip(joined, getattr(whole, name), strict=True):
            np.testing.assert_array_equal(np.concatenate(both, axis=1), once)
    equal(whole.readout, second.readout)
    equal(whole.state, second.state)
    assert all((a == b.v).all() for a, b in zip(kept, first.state, strict=True))
    carried = reference.run(
        network, samples[0] if pixels else samples[0, :cut], cut, 4
    ).state
    expected = reference.run(network, rest[0], steps - cut, 4, carry=carried)
    assert second.readout[0].tolist() == expected.readout


def test_more_than_255_steps():
    rng = np.random.default_rng(0)
    neuron = ss.Neuron(threshold=1, reset="none")
    network = ss.Network(ss.SpikeInput((3,)), [ss.Dense([[1, 1, 1]], [1], neuron=neuron)])
    result = compare(network, rng.random((2, 600, 3)) < 0.9, 600, 16, 16)
    assert result.readout.tolist() == [[600], [600]]


@pytest.mark.parametrize(("inputs", "bits"), [(1, 4), (2000, 8), (3000, 16)])
def test_wide_sums_are_exact(inputs, bits):
    """Sums past 2**24 and 2**31: float32 and int32 would both be wrong."""
    weight = np.full((2, inputs), 127)
    weight[1] = -128
    neuron = ss.Neuron(threshold=32767, compare="gt", leak=(1, None))
    network = ss.Network(
        ss.PixelInput((inputs,), bits=bits),
        [ss.Dense(weight, [-5, 7], neuron=neuron)],
        "membrane", weight_bits=8, fraction_bits=8,
    )
    samples = np.full((1, inputs), (1 << bits) - 1)
    samples[0, -1] -= 1
    compare(network, samples, 3, 4, 16)


@pytest.mark.parametrize(
    ("bits", "dtype"), [(24, torch.float32), (53, torch.float64), (62, torch.int64)]
)
def test_products_are_exact(bits, dtype):
    assert exact_dtype((1 << bits) - 1) == dtype
    assert exact_dtype(1 << bits) != dtype or dtype == torch.int64
    highest = torch.tensor([(1 << bits) - 1], dtype=torch.int64)
    assert highest.to(dtype).to(torch.int64) == highest


def test_fields_without_trace():
    rng = np.random.default_rng(1)
    network = random_network(rng, depth=(2, 2))
    result = Golden(network).run(random_samples(rng, network, 4, 6), 6)
    assert (result.spikes, result.skeleton, result.steps) == ((), (), 6)
    assert result.prediction.shape == (4,)
    assert result.spike_counts.shape == result.stable_counts.shape == (4, 2)


def test_agreement_compares_the_two_runs():
    layers = [
        ss.Dense(np.eye(2), neuron=ss.Neuron(threshold=16), emit="both"),
        ss.Dense(np.eye(2), neuron=ss.Neuron(threshold=16)),
    ]
    network = ss.Network(ss.SpikeInput((2,)), layers)
    # Neuron 0 spikes thrice but never twice in a row; neuron 1 twice in a row.
    flicker = [[1, 0], [0, 0], [1, 1], [0, 1], [1, 0]]
    steady = [[0, 0], [1, 1], [1, 1], [1, 1], [0, 1]]
    result = Golden(network).run([flicker, steady], 5)
    assert result.readout.tolist() == [[3, 2], [3, 4]]
    assert result.readout_skeleton.tolist() == [[0, 1], [2, 3]]
    assert result.prediction.tolist() == [0, 1]
    assert result.agreement.tolist() == [False, True]


def test_the_lowest_index_wins_a_tie():
    assert predict(np.array([[1, 3, 3], [-2, -2, -5]]), "counts").tolist() == [1, 0]
    assert predict(np.array([[[1, 8], [7, 0], [3, 1]]]), "words").tolist() == [1]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", ">i4", "float16", "float64", "int64"])
@pytest.mark.parametrize("pixels", [True, False])
def test_any_dtype_and_layout(dtype, pixels):
    rng = np.random.default_rng(2)
    source = ss.PixelInput((2, 6), 1) if pixels else ss.SpikeInput((2, 6))
    layer = ss.Dense(rng.integers(-8, 8, (4, 12)), neuron=ss.Neuron(threshold=40))
    network = ss.Network(source, [layer], "membrane")
    samples = rng.random((3, 2, 6) if pixels else (3, 5, 2, 6)) < 0.5
    expected = Golden(network).run(samples, 5).readout
    array = samples.astype(dtype)
    frozen = array.copy()
    frozen.setflags(write=False)
    reverse = np.ascontiguousarray(array[::-1])[::-1]
    for each in (array, frozen, reverse, np.asfortranarray(array), array.tolist()):
        assert (Golden(network).run(each, 5).readout == expected).all()
    if dtype in ("bool", "uint8", "float64"):
        tensor = torch.tensor(array)
        assert (Golden(network).run(tensor, 5).readout == expected).all()


def test_time_axis():
    samples = np.random.default_rng(0).random((5, 2, 3)) < 0.5
    flat, steps = check_samples(small(), samples, time_axis=0)
    assert steps == 5
    assert (flat == samples.transpose(1, 0, 2)).all()
    with pytest.raises(ValueError, match=r"samples must be \(steps, batch, 3\), not \(2, 3\)"):
        check_samples(small(), np.zeros((2, 3)), time_axis=0)
    for wrong in (2, True, None):
        with pytest.raises(ValueError, match=f"time_axis must be 0 or 1, not {wrong}"):
            check_samples(small(), samples, time_axis=wrong)


def small(pixels=False, **changes):
    source = ss.PixelInput((3,), 4) if pixels else ss.SpikeInput((3,))
    layer = ss.Dense(np.ones((2, 3)), neuron=ss.Neuron(threshold=20, **changes))
    return ss.Network(source, [layer])


@pytest.mark.parametrize(
    ("pixels", "samples", "steps", "error", "message"),
    [
        (False, np.zeros((2, 4)), 4, ValueError, "samples must be (batch, steps, 3), not (2, 4)"),
        (False, np.zeros((2, 4, 5)), 4, ValueError, "must be (batch, steps, 3), not (2, 4, 5)"),
        (True, np.zeros((2, 4, 3)), 4, ValueError, "samples must be (batch, 3), not (2, 4, 3)"),
        (False, np.zeros((2, 4, 3)), 5, ValueError, "samples must have 5 steps, not 4"),
        (False, np.zeros((2, 0, 3)), None, ValueError, "samples must have at least 1 step, not 0"),
        (False, np.zeros((0, 4, 3)), 4, ValueError, "samples must hold at least 1 sample, not 0"),
        (True, np.zeros((2, 3)), None, ValueError, "steps must be given for pixels"),
        (True, np.zeros((2, 3)), 0, ValueError, "steps must be from 1 to"),
        (True, np.zeros((2, 3)), 2.0, TypeError, "steps must be an integer"),
        (True, [[0, 16, 0]], 4, ValueError, "samples must be whole numbers from 0 to 15, not 16 ("),
        (True, [[0, 1, -1]], 4, ValueError, "not -1 (at [0, 2])"),
        (False, [[[0, 1, 0.5]]], 1, ValueError, "from 0 to 1, not 0.5 (at [0, 0, 2])"),
        (False, [[[0, 1, np.nan]]], 1, ValueError, "not nan (at [0, 0, 2])"),
        (False, [[["a", "b", "c"]]], 1, TypeError, "must be an array of integers, not of <U1"),
    ],
)
def test_wrong_samples(pixels, samples, steps, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Golden(small(pixels)).run(samples, steps)


@pytest.mark.parametrize(
    ("network", "settings", "error", "message"),
    [
        (3, {}, TypeError, "network must be a Network, not 3"),
        (small(), {"state_bits": 17}, ValueError, "state_bits must be from 8 to 16, not 17"),
        (small(), {"window": 17}, ValueError, "window must be from 1 to 16, not 17"),
        (
            ss.Network(ss.SpikeInput((1,)), [ss.Dense([[1]], neuron=ss.Neuron(threshold=128))]),
            {"state_bits": 8}, ValueError,
            "layers[0] threshold must be from -128 to 127 (state_bits 8), not 128",
        ),
        (
            small(v_init=-200), {"state_bits": 8}, ValueError,
            "layers[0] v_init must be from -128 to 127 (state_bits 8), not -200",
        ),
    ],
)
def test_wrong_settings(network, settings, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Golden(network, **settings)


def test_wrong_state():
    golden = Golden(small())
    state = golden.run(np.zeros((2, 4, 3))).state
    samples = np.zeros((3, 4, 3))
    with pytest.raises(ValueError, match="state must have 1 layers, not 2"):
        golden.run(samples, state=state * 2)
    with pytest.raises(TypeError, match=r"state\[0\] must be a GoldenState, not 5"):
        golden.run(samples, state=[5])
    with pytest.raises(ValueError, match=r"state\[0\] must be of 3 samples and 2 neurons, not"):
        golden.run(samples, state=state)
    with pytest.raises(ValueError, match=r"state\[0\] must have q exactly if"):
        Golden(small(synapse_leak=(1, 1))).run(samples[:2], state=state)


LEAKS = [ss.Leak(a, c) for a, c in product((None, *range(16)), repeat=2)]
LEAKS += [ss.Leak(a, c, add=True) for a, c in combinations(range(16), 2)]


def test_every_leak_at_every_membrane():
    """Of 8 bits, in membranes and in synaptic currents."""
    states = np.arange(-128, 128)[:, None]
    silent, samples = np.zeros_like(states, dtype=bool), np.zeros((256, 1, 1))
    for leak in LEAKS:
        plain = ss.Neuron(leak=leak, fires=False)
        synapse = ss.Neuron(leak=(0, None), fires=False, synapse_leak=leak)
        for neuron, v, q in ((plain, states, None), (synapse, 0 * states, states)):
            network = ss.Network(
                ss.SpikeInput((1,)), [ss.Dense([[1]], neuron=neuron)], "membrane"
            )
            carried = (GoldenState(v, silent, q),)
            after = Golden(network, state_bits=8).run(samples, state=carried).state[0]
            for row, before in enumerate(states[:, 0].tolist()):
                given_v, given_q = (before, 0) if q is None else (0, before)
                new_v, _, new_q = reference.neuron_step(neuron, 1, given_v, 0, given_q, 0, 8)
                assert after.v[row, 0] == new_v, (leak, before)
                assert q is None or after.q[row, 0] == new_q, (leak, before)


@given(seed=seeds, steps=st.integers(1, 40), window=st.integers(1, 16))
def test_steps_are_packed_into_words(seed, steps, window):
    spikes = np.random.default_rng(seed).random((2, steps, 3, 2)) < 0.5
    words = pack_steps(spikes, window)
    assert words.shape == (2, -(-steps // window), 3, 2)
    for step in range(steps):
        bit = words[:, step // window] >> np.uint16(step % window) & np.uint16(1)
        assert (bit == spikes[:, step]).all()
    assert popcount(words).sum() == spikes.sum()


def test_a_threshold_that_is_never_compared_may_have_any_value():
    """As for the compiler, which has no reason to refuse it either."""
    neuron = ss.Neuron(fires=False, threshold=30_000)
    network = ss.Network(
        ss.SpikeInput((2,)), [ss.Dense(np.array([[1, 2]]), neuron=neuron)], "membrane", 4, 0
    )
    program = ss.compile(network, ss.ArrayConfig(state_bits=8, fraction_bits=0), 2)
    with ss.open_device("golden:") as device:
        device.load(program)
        result = device.run(np.ones((1, 2, 2), bool))
    assert result.readout.tolist() == [[6]]
