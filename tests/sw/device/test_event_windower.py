"""Events fed to a live stream: the same as their recording in one piece."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from stablespike.device.event_windower import EventWindower
from stablespike.samples.events import bin_events

SHAPE = (2, 3, 4)
FIELDS = [("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "?")]
WINDOW = 4


def network() -> ss.Network:
    rng = np.random.default_rng(2)
    neuron = ss.Neuron(leak=(3, None), threshold=100)
    layers = [
        ss.Dense(rng.integers(-8, 8, (outputs, inputs)), neuron=neuron)
        for outputs, inputs in ((10, 24), (3, 10))
    ]
    return ss.Network(ss.SpikeInput(SHAPE), layers)


def events(times: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    found = np.zeros(len(times), dtype=FIELDS)
    found["t"] = times
    for name, size in zip("pyx", SHAPE, strict=True):
        found[name] = rng.integers(0, size, len(times))
    return found


def feed(bin_time: float = 10, start: Any = 0) -> tuple[EventWindower, list[Any]]:
    """A windower, and the list of the windows it sends."""
    sent: list[Any] = []
    return EventWindower(sent.append, SHAPE, WINDOW, bin_time, start), sent


@given(
    st.lists(st.integers(0, 400), max_size=60).map(sorted), st.integers(0, 7),
    st.sampled_from([1, 7, 10, 2.5]), st.sampled_from([0, -3, -2.25, "first", None]),
)
def test_windows_are_those_of_the_recording(times: Any, cuts: int, dt: float, start: Any) -> None:
    recording = events(times)
    live, sent = feed(dt, start)
    for part in np.array_split(recording, cuts + 1):
        live.send(part)
    live.flush()
    whole = np.concatenate([np.zeros((0, *SHAPE), bool), *sent])
    assert [len(window) for window in sent[:-1]] == [WINDOW] * (len(sent) - 1)
    if not times:
        assert not sent
        return
    expected = bin_events([recording], SHAPE, len(whole), bin_time=dt, start=start)[0]
    assert np.array_equal(whole, expected)
    assert whole[-1].any(), "no step behind the last event"


def test_a_window_goes_out_when_it_is_complete() -> None:
    live, sent = feed()
    live.send(events([0, 39]))
    assert not sent
    live.send(events([40]))
    assert len(sent) == 1
    live.advance(119)
    assert len(sent) == 2
    live.advance(120)
    assert len(sent) == 3
    assert not sent[2].any()
    live.flush()
    assert len(sent) == 3, "nothing was left"


@pytest.mark.parametrize(
    ("again", "message"),
    [
        (events([4, 50]), r"^events field 't' goes back from 5 to 4 \(event 0\): send them in the"),
        (events([9, 8]), r"^events field 't' goes back from 9 to 8 \(event 1\)"),
        (np.array([(9, 1, 3, 0)], FIELDS), r"events field 'y' must be from 0 to 2, not 3 \("),
        (np.array([(9,)], [("t", "i8")]), r"events must have the field 'p' .*; it has t"),
        (np.array([(9, 1, 3)], [("t", "i8"), ("p", "i8"), ("x", "i8")]), "the field 'y'"),
    ],
)
def test_what_is_refused_is_not_taken(again: Any, message: str) -> None:
    live, sent = feed()
    live.send(events([5]))
    with pytest.raises(ValueError, match=message):
        live.send(again)
    live.send(events([45]))
    live.flush()
    assert sum(window.sum() for window in sent) == 2


def test_the_first_step_and_the_end() -> None:
    live, _ = feed(start=20)
    with pytest.raises(ValueError, match=r"must be from start=20 on, not 19 \(event 0\)"):
        live.send(events([19]))
    live.advance(30)
    with pytest.raises(ValueError, match=r"time must be from 30 on, .* events were sent, not 29"):
        live.advance(29)
    for time in (float("inf"), float("nan")):
        with pytest.raises(ValueError, match="time must be a finite number, not"):
            live.advance(time)
    for time in (None, "50", True, np.array([50])):
        with pytest.raises(TypeError, match="time must be a number, in units of the field t, not"):
            live.advance(time)  # type: ignore[arg-type]
    live.flush()
    for call in (live.flush, lambda: live.send(events([50])), lambda: live.advance(50)):
        with pytest.raises(ValueError, match="events must come before flush"):
            call()


def test_a_clock_of_64_bits_is_compared_exactly() -> None:
    live, sent = feed(start="first")
    clock = events([0, 5])
    clock = clock.astype([("t", "u8"), *FIELDS[1:]])
    clock["t"] += np.uint64((1 << 63) + 1)
    live.send(clock)
    with pytest.raises(ValueError, match=f"time must be from {(1 << 63) + 6} on"):
        live.advance(float(1 << 63))
    live.advance(np.uint64((1 << 63) + 41))
    assert len(sent) == 1


def test_times_of_another_unit_are_refused() -> None:
    live, sent = feed(bin_time=1e-5, start="first")
    with pytest.raises(ValueError, match="events must be at most 1048576 windows ahead, but t=45 "):
        live.send(events([0, 45]))
    live.send(events([0]))  # the refused call has not said where the steps begin
    with pytest.raises(ValueError, match=r"time must be .* is 1124999: bin_time is the length of"):
        live.advance(45)
    live.advance(0)
    assert not sent


def test_a_device_gives_what_it_gives_for_the_recording() -> None:
    program = ss.compile(network(), "icebreaker", 20)
    rng = np.random.default_rng(3)
    recording = events(np.sort(rng.integers(0, 200, 300)))
    with ss.open_device("golden:") as device:
        device.load(program)
        whole = device.run([recording], bin_time=10)
        with device.stream() as live:
            source = live.feed(bin_time=10)
            for part in np.array_split(recording, 17):
                source.send(part)
            source.advance(200)
            parts = list(live.results())
    assert np.array_equal(sum(part.readout for part in parts), whole.readout)
    assert whole.readout.any()


def test_pixels_are_no_events() -> None:
    layer = ss.Dense(np.ones((2, 4), int), neuron=ss.Neuron(threshold=1))
    pixels = ss.Network(ss.PixelInput((4,), 4), [layer])
    with ss.open_device("golden:") as device:
        device.load(ss.compile(pixels, "icebreaker", 4))
        refused = pytest.raises(ValueError, match=r"is pixels.*stream\.send")
        with device.stream() as live, refused:
            live.feed(bin_time=10)
