"""Each encoder against its definition, one value at a time, and what it refuses."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses
from stablespike.encoders import Encoder

SEEDS = st.integers(0, 2**32 - 1)
PARTS = st.lists(st.integers(0, 1 << 10), min_size=1, max_size=5)  # of 1024
MASK = (1 << 64) - 1


def walks(seed: int, batch: int = 2, steps: int = 12, width: int = 3) -> Any:
    """Signals on a grid of 1/8, so that every difference is exact."""
    rng = np.random.default_rng(seed)
    return rng.integers(-9, 10, (batch, steps, width)).cumsum(axis=1) / 8


def delta(signal: list[float], threshold: float, reference: str, start: Any) -> list[Any]:
    """(down, up) for each step of one value."""
    base, level = Fraction(signal[0] if start == "first" else start), 0
    found = []
    for value in map(Fraction, signal):
        moved = value - base - level * Fraction(threshold)
        up, down = moved >= threshold, -moved >= threshold
        found.append((down, up))
        if reference == "whole":
            level += (1 if moved > 0 else -1) * int(abs(moved) / Fraction(threshold))
        elif reference == "step":
            level += up - down
        else:
            base = value
    return found


@given(
    seed=SEEDS, threshold=st.sampled_from([0.125, 0.5, 1.25]),
    reference=st.sampled_from(["whole", "step", "previous"]),
    start=st.sampled_from(["first", 0.0, -1.5]),
)
def test_delta(seed: int, threshold: float, reference: str, start: Any) -> None:
    signal = walks(seed)
    found = ss.DeltaEncoder((3,), threshold, reference, start).encode(signal)
    assert (found.shape, found.dtype) == ((2, 12, 2, 3), bool)
    for b in range(2):
        for x in range(3):
            wanted = delta(signal[b, :, x].tolist(), threshold, reference, start)
            assert found[b, :, :, x].tolist() == [list(each) for each in wanted]


def test_a_jump_of_several_thresholds() -> None:
    signal = np.array([0, 0, 5, 5, 5, 5, 5, 5, 4.5])[None, :, None]
    found = {}
    for reference in ("whole", "step", "previous"):
        down, up = ss.DeltaEncoder((1,), 1, reference).encode(signal)[0, :, :, 0].T.astype(int)
        found[reference] = up.tolist(), down.tolist()
    once = [0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert found["whole"] == found["previous"] == (once, [0] * 9)
    assert found["step"] == ([0, 0, 1, 1, 1, 1, 1, 0, 0], [0] * 9)


def test_a_slow_drift_is_seen_but_by_neighbours() -> None:
    signal = np.arange(33)[None, :, None] / 16
    count = {
        reference: int(ss.DeltaEncoder((1,), 0.5, reference).encode(signal).sum())
        for reference in ("whole", "step", "previous")
    }
    assert count == {"whole": 4, "step": 4, "previous": 0}


def test_delta_with_a_threshold_and_a_start_for_each_value() -> None:
    encoder = ss.DeltaEncoder((2,), [1, 2], start=[0, 1])
    assert encoder.encode([[[1, 1], [1, 3]]])[0].tolist() == [
        [[False, False], [True, False]], [[False, False], [False, True]],
    ]


@given(seed=SEEDS, own=st.booleans())
def test_thermometer(seed: int, own: bool) -> None:
    signal = walks(seed)
    levels: Any = [-1, -0.125, 2]
    if own:
        levels = np.stack([np.array(levels) + shift for shift in (0, 0.5, 1)], axis=1)
    found = ss.ThermometerEncoder((3,), levels).encode(signal)
    assert found.shape == (2, 12, 3, 3)
    for (b, t, x), value in np.ndenumerate(signal):
        reached = [value >= (level[x] if own else level) for level in levels]
        assert found[b, t, :, x].tolist() == reached


def test_levels_that_divide_a_range() -> None:
    encoder = ss.ThermometerEncoder.linear((1,), 0, 1, 3)
    assert encoder.levels.tolist() == [0.25, 0.5, 0.75]
    # Each of them rounded once.
    assert ss.ThermometerEncoder.linear((1,), 0, 1, 9).levels[2] == 0.3


@given(parts=PARTS, bits=st.integers(1, 16))
def test_quantize(parts: list[int], bits: int) -> None:
    signal = np.array(parts) / 256 - 2  # from -2 to 2
    found = ss.QuantizeEncoder((len(parts),), -2, 2, bits=bits).encode(signal[None])
    assert found.dtype == np.uint16
    most = (1 << bits) - 1
    wanted = [math.floor(Fraction(part, 1024) * most + Fraction(1, 2)) for part in parts]
    assert found[0].tolist() == wanted
    frames = ss.QuantizeEncoder((len(parts),), -2, 2, bits=bits).encode(signal[None, None])
    assert frames.shape == (1, 1, len(parts))


def test_the_integer_of_zero() -> None:
    for low, bits, zero in ((-1, 4, 8), (-1, 3, 4), (0, 4, 0), (-3, 4, 11)):
        encoder = ss.QuantizeEncoder((2,), low, 1, bits=bits)
        assert encoder.zero == zero
        assert encoder.encode([[0, 0]])[0].tolist() == [zero, zero]
    with refuses(ValueError, "zero must be within the range", "from 0.5 to 1.0"):
        _ = ss.QuantizeEncoder((2,), 0.5).zero
    with refuses(ValueError, "zero must be one integer for all values ... from 3 to 8"):
        _ = ss.QuantizeEncoder((2,), [-1, -0.3]).zero


@given(parts=PARTS, steps=st.integers(1, 40))
def test_regular_rates(parts: list[int], steps: int) -> None:
    found = ss.RateEncoder((len(parts),), high=1024).encode([parts], steps)[0]
    for x, part in enumerate(parts):
        for t in range(steps):
            count = math.floor((t + 1) * Fraction(part, 1024) + Fraction(1, 2))
            assert found[: t + 1, x].sum() == count


def philox(step: int, seed: int, words: int) -> list[int]:
    """Philox4x64-10 as Salmon et al. (2011) define it; numpy counts up before the first block."""
    found: list[int] = []
    for block in range(1, -(-words // 4) + 1):
        c, key = [block, step, 0, 0], [seed, 0]
        for _ in range(10):
            a, b = c[0] * 0xD2E7470EE14C6C93, c[2] * 0xCA5A826395121157
            c = [(b >> 64) ^ c[1] ^ key[0], b & MASK, (a >> 64) ^ c[3] ^ key[1], a & MASK]
            key = [(key[0] + 0x9E3779B97F4A7C15) & MASK, (key[1] + 0xBB67AE8584CAA73B) & MASK]
        found += c
    return found[:words]


@given(parts=PARTS, seed=st.integers(0, MASK))
def test_random_rates(parts: list[int], seed: int) -> None:
    encoder = ss.RateEncoder((len(parts),), high=1024, pattern="random", seed=seed)
    found = encoder.encode([parts, parts[::-1]], 3)
    for t in range(3):
        numbers = [word >> 32 for word in philox(t, seed, len(parts))]
        for row, values in enumerate((parts, parts[::-1])):
            wanted = [
                number < part << 22 for number, part in zip(numbers, values, strict=True)
            ]
            assert found[row, t].tolist() == wanted


def test_random_rates_are_probabilities() -> None:
    rates = np.linspace(0, 1, 11)
    encoder = ss.RateEncoder((2000, 11), pattern="random", seed=5)
    found = encoder.encode(np.tile(rates, (1, 2000, 1)), 10).mean(axis=(0, 1, 2))
    assert abs(found - rates).max() < 0.01
    assert (found[0], found[-1]) == (0, 1)


def test_spikes_never_change() -> None:
    """The same on every machine and with every numpy: written down once."""
    values = [[0, 0.1, 0.25, 0.5, 0.7, 1]]
    words = {
        name: np.packbits(encoder.encode(values, 8)[0].reshape(8, -1).T, axis=1)[:, 0].tolist()
        for name, encoder in {
            "regular": ss.RateEncoder((6,)),
            "random": ss.RateEncoder((6,), pattern="random", seed=2026),
            "linear": ss.LatencyEncoder((6,)),
            "log": ss.LatencyEncoder((6,), curve="log"),
            "population": ss.PopulationEncoder((6,), [0.5], 0.25),
        }.items()
    }
    assert words == WORDS


WORDS = {
    "regular": [0, 8, 68, 170, 183, 255],
    "random": [0, 0, 200, 23, 237, 255],
    "linear": [0, 2, 4, 16, 32, 128],
    "log": [0, 32, 64, 64, 128, 128],
    "population": [2, 4, 16, 128, 32, 2],
}
"""The first step is the highest bit."""


@given(parts=PARTS, steps=st.integers(1, 70), lowest=st.sampled_from(["silent", "last"]))
def test_latency(parts: list[int], steps: int, lowest: str) -> None:
    encoder = ss.LatencyEncoder((len(parts),), high=1024, lowest=lowest)
    found = encoder.encode([parts], steps)[0]
    for x, part in enumerate(parts):
        if not part and lowest == "silent":
            assert not found[:, x].any()
            continue
        # The earlier one of two: halves are rounded down.
        time = math.ceil((steps - 1) * Fraction(1024 - part, 1024) - Fraction(1, 2))
        assert np.flatnonzero(found[:, x]).tolist() == [time]


@given(parts=PARTS, steps=st.integers(2, 30))
def test_logarithmic_latency(parts: list[int], steps: int) -> None:
    encoder = ss.LatencyEncoder((len(parts),), high=1024, curve="log", lowest="last")
    found = encoder.encode([parts], steps)[0]
    for x, part in enumerate(parts):
        alpha = math.exp(steps - 1) - 1
        time = steps - 1 - math.log(alpha * part / 1024 + 1)
        (at,) = np.flatnonzero(found[:, x])
        assert abs(at - time) < 0.5 + 1e-9


def test_log_of_many_steps() -> None:
    encoder = ss.LatencyEncoder((3,), curve="log")
    assert encoder.encode([[1, math.exp(-3), 1e-300]], 2000)[0].argmax(axis=0).tolist() == [
        0, 3, 691,
    ]


@given(
    parts=PARTS, steps=st.integers(2, 30), width=st.sampled_from([0.1, 0.3]),
    cutoff=st.sampled_from([0.01, 0.1, 0.5]),
)
def test_population(parts: list[int], steps: int, width: float, cutoff: float) -> None:
    centres = [0, 0.25, 0.8]
    signal = np.array(parts) / 1024
    shape = (len(parts),)
    found = ss.PopulationEncoder(shape, centres, width, cutoff=cutoff).encode([signal], steps)[0]
    level = ss.PopulationEncoder(shape, centres, width, "level", cutoff).encode([[signal]])[0, 0]
    assert found.shape == (steps, 3, len(parts))
    for x, value in enumerate(signal):
        for i, centre in enumerate(centres):
            g = math.exp(-((value - centre) ** 2) / (2 * width**2))
            if abs(g - cutoff) > 1e-9:
                assert level[i, x] == (g > cutoff)
            assert found[:, i, x].sum() == level[i, x]
            if level[i, x]:
                assert abs(int(found[:, i, x].argmax()) - (steps - 1) * (1 - g)) < 0.5 + 1e-9


def test_a_step_changes_at_one_distance() -> None:
    encoder = ss.PopulationEncoder((3,), [0], 1)
    half = math.sqrt(2 * math.log(2))  # where the response is 1/2, between two steps
    assert half == 1.1774100225154747
    found = encoder.encode([[half, math.nextafter(half, 2), -half]], 2)[0, :, 0]
    assert found.argmax(axis=0).tolist() == [0, 1, 0]


def test_the_fields_of_the_paper() -> None:
    """Bohte et al. (2002): I_min + (2i - 3) / 2 * (I_max - I_min) / (m - 2), i from 1."""
    encoder = ss.PopulationEncoder.linear((1,), -1, 5, 8, beta=2, cutoff=0.2)
    wanted = [-1 + (2 * i - 3) / 2 * 6 / 6 for i in range(1, 9)]
    assert encoder.centres.tolist() == wanted
    assert (encoder.width, encoder.cutoff) == (0.5, 0.2)


ENCODERS: dict[str, tuple[Encoder, int | None]] = {
    "delta": (ss.DeltaEncoder((3,), 0.5), None),
    "delta-step": (ss.DeltaEncoder((3,), 0.5, "step"), None),
    "delta-previous": (ss.DeltaEncoder((3,), 0.5, "previous", 1), None),
    "thermometer": (ss.ThermometerEncoder((3,), [-1, 0, 2]), None),
    "level": (ss.PopulationEncoder((3,), [-1, 2], 1, "level"), None),
    "population": (ss.PopulationEncoder((3,), [-1, 2], 1), 4),
    "quantize": (ss.QuantizeEncoder((3,), -90, 90), None),
    "latency": (ss.LatencyEncoder((3,), -90, 90), 4),
    "regular": (ss.RateEncoder((3,), -90, 90), 4),
    "random": (ss.RateEncoder((3,), -90, 90, pattern="random"), 4),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_a_batch_is_its_samples(name: str) -> None:
    encoder, steps = ENCODERS[name]
    signal = walks(3, batch=4, steps=8)
    signal = signal if steps is None else signal[:, 0]
    found = encoder.encode(signal, steps)
    assert found.min() < found.max()
    for i, sample in enumerate(signal):
        np.testing.assert_array_equal(encoder.encode(sample[None], steps)[0], found[i])
    np.testing.assert_array_equal(encoder.encode(signal.tolist(), steps), found)
    np.testing.assert_array_equal(encoder.encode(signal.astype(np.float16), steps), found)
    assert not len(encoder.encode(signal[:0], steps))


@pytest.mark.parametrize("name", ["delta", "delta-step", "delta-previous", "thermometer"])
def test_samples_that_go_on_are_one_signal(name: str) -> None:
    encoder, _ = ENCODERS[name]
    signal = walks(4, batch=1, steps=24)
    whole = encoder.encode(signal)[0]
    parts = signal.reshape(6, 4, 3)
    fresh = np.array([True, False, False])
    first, state = encoder.encode_from(parts[:3], None, fresh, None)
    second, _ = encoder.encode_from(parts[3:], None, fresh & False, state)
    np.testing.assert_array_equal(np.concatenate([*first, *second]), whole)
    # Behind samples that all start afresh, it is the last one that goes on.
    _, state = encoder.encode_from(parts[[5, 0]], None, fresh[[0, 0]], None)
    after, _ = encoder.encode_from(parts[1:2], None, fresh[1:2], state)
    np.testing.assert_array_equal(after[0], whole[4:8])


@pytest.mark.parametrize("name", ["regular", "random"])
def test_rates_go_on(name: str) -> None:
    encoder, _ = ENCODERS[name]
    values = np.tile(walks(4)[:1, 0], (3, 1))
    whole = encoder.encode(values[:1], 12)[0]
    parts, _ = encoder.encode_from(values, 4, np.array([True, False, False]), None)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@given(value=st.sampled_from([math.nan, math.inf, -math.inf]), name=st.sampled_from([*ENCODERS]))
def test_numbers_that_are_none(value: float, name: str) -> None:
    encoder, steps = ENCODERS[name]
    signal = walks(1, 2, 4) if steps is None else walks(1)[:, 0]
    signal.flat[4] = value
    index = [int(i) for i in np.unravel_index(4, signal.shape)]
    with refuses(ValueError, "samples must be finite numbers", f"not {value} (at {index})", "fill"):
        encoder.encode(signal, steps)


@pytest.mark.parametrize("name", ENCODERS)
def test_signals_of_another_shape(name: str) -> None:
    encoder, steps = ENCODERS[name]
    wanted = "(batch, 3)" if name in ("quantize",) or steps else "(batch, steps, 3)"
    for shape in ((3,), (2, 4, 2), (2, 4, 3, 1), (2, 3, 2) if steps else (2, 3, 1)):
        with refuses(ValueError, f"samples must be {wanted}, the raw signal that", f"{shape}"):
            encoder.encode(np.zeros(shape), steps)


def test_other_signals_that_are_refused() -> None:
    rate = ss.RateEncoder((2,))
    for value in (-0.25, 1.5):
        with refuses(
            ValueError, "samples must be from low, 0.0, to high, 1.0", value, "(at [0, 1])",
            "RateEncoder the range of the signal, or outside='clip'",
        ):
            rate.encode([[0, value]], 3)
    own = ss.LatencyEncoder((2,), [0, -1], [1, 3])
    with refuses(ValueError, "from low, -1.0, to high, 3.0, not 4.0"):
        own.encode([[0, 4]], 3)
    with refuses(ValueError, "steps must be given for a RateEncoder", "from 1 on"):
        rate.encode([[0, 1]])
    with refuses(ValueError, "steps must be from 1 to 65536, not 70000", "Device.stream"):
        rate.encode([[0, 1]], 70_000)
    delta = ss.DeltaEncoder((1,), 1e-20)
    with refuses(ValueError, "threshold must be larger", "1.0 (at [0, 1, 0])", "1e+20"):
        delta.encode([[[0], [1]]])
    with refuses(ValueError, "samples must have 3 steps, not 2"):
        delta.encode([[[0], [1]]], 3)
    with refuses(ValueError, "samples must have at least 1 step, not 0"):
        delta.encode(np.zeros((1, 0, 1)))
    with refuses(ValueError, "samples must be from", "exact in float64, not 9007199254740993"):
        delta.encode([[[(1 << 53) + 1]]])
    with refuses(TypeError, "samples must be an array of numbers, not of"):
        delta.encode([[["a"]]])
    with refuses(TypeError, "samples must have no mask"):
        delta.encode(np.ma.ones((1, 1, 1)))


def test_clipping() -> None:
    clip: Any = {"outside": "clip"}
    values = [[-5, 0.5, 7]]
    assert ss.QuantizeEncoder((3,), bits=2, **clip).encode(values).tolist() == [[0, 2, 3]]
    assert ss.RateEncoder((3,), **clip).encode(values, 4)[0].sum(axis=0).tolist() == [0, 2, 4]
    assert ss.LatencyEncoder((3,), **clip).encode(values, 5)[0].argmax(axis=0).tolist() == [0, 2, 0]


REFUSED: list[tuple[Any, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (ss.DeltaEncoder, ((2,), 0), {}, ValueError, "threshold must be above 0, not 0.0"),
    (ss.DeltaEncoder, ((2,), [1, -1]), {}, ValueError, "threshold must be ... -1.0 (at [1])"),
    (ss.DeltaEncoder, ((2,), [1]), {}, ValueError,
     "threshold must be one number, or ... signal's shape (2,), not an array of shape (1,)"),
    (ss.DeltaEncoder, ((2,), math.nan), {}, ValueError, "threshold must be finite numbers"),
    (ss.DeltaEncoder, ((2,), 1, "mean"), {}, ValueError, "reference must be one of 'whole'"),
    (ss.DeltaEncoder, ((2,), 1), {"start": "zero"}, ValueError, "start must be 'first', a number"),
    (ss.DeltaEncoder, (2, 1), {}, TypeError, "shape must be a tuple"),
    (ss.ThermometerEncoder, ((2,), [1, 1]), {}, ValueError, "levels must rise ... levels[1], 1.0"),
    (ss.ThermometerEncoder, ((2,), []), {}, ValueError, "levels must be (levels,) numbers"),
    (ss.ThermometerEncoder, ((2,), [[1, 2, 3]]), {}, ValueError, "levels must be ... (1, 3)"),
    (ss.ThermometerEncoder.linear, ((2,), 1, 1, 3), {}, ValueError, "high must be above low, 1.0"),
    (ss.ThermometerEncoder.linear, ((2,), 0, 1, 0), {}, ValueError, "levels must be from 1 to"),
    (ss.QuantizeEncoder, ((2,), 1, 0), {}, ValueError, "high must be above low, 1.0, not 0.0"),
    (ss.QuantizeEncoder, ((2,), -1e308, 1e308), {}, ValueError, "high - low must be a float64"),
    (ss.QuantizeEncoder, ((2,),), {"bits": 17}, ValueError, "bits must be from 1 to 16, not 17"),
    (ss.QuantizeEncoder, ((2,),), {"outside": "drop"}, ValueError, "outside must be one of"),
    (ss.RateEncoder, ((2,),), {"pattern": "poisson"}, ValueError, "pattern must be one of"),
    (ss.RateEncoder, ((2,),), {"seed": 3}, ValueError, "seed is for pattern='random' ... seed=3"),
    (ss.RateEncoder, ((2,),), {"seed": -1, "pattern": "random"}, ValueError, "seed must be from 0"),
    (ss.LatencyEncoder, ((2,),), {"curve": "exp"}, ValueError, "curve must be one of"),
    (ss.LatencyEncoder, ((2,),), {"lowest": "first"}, ValueError, "lowest must be one of"),
    (ss.PopulationEncoder, ((2,), [[1]], 1), {}, ValueError, "centres must be (lines,) ... (1, 1)"),
    (ss.PopulationEncoder, ((2,), [1], 0), {}, ValueError, "width must be a positive"),
    (ss.PopulationEncoder, ((2,), [1], 1, "rate"), {}, ValueError, "code must be one of"),
    (ss.PopulationEncoder, ((2,), [1], 1), {"cutoff": 2}, ValueError, "cutoff must be ... not 2.0"),
    (ss.PopulationEncoder.linear, ((2,), 0, 1, 2), {}, ValueError, "lines must be from 3 to"),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_settings_that_are_refused(case: int) -> None:
    make, arguments, options, error, message = REFUSED[case]
    with refuses(error, message):
        make(*arguments, **options)


def test_ranges_beyond_float64() -> None:
    with np.errstate(all="raise"):
        levels = ss.ThermometerEncoder((1,), [-1.7e308, 1.7e308])
        assert levels.encode([[[-1.7e308], [0.0]]])[0, :, :, 0].tolist() == [[True, False]] * 2
    for low, high, beta in ((-1.7e308, 1.7e308, 1.5), (0, 1, 5e-324)):
        with refuses(ValueError, f"high, {float(high)}, and beta, {beta}, must give centres and a"):
            ss.PopulationEncoder.linear((1,), low, high, 3, beta=beta)
