"""Addresses, baud rates, and what goes over the link."""

from __future__ import annotations

from typing import Any

import pytest
import stablespike as ss
from board_model import board_device
from device_programs import program_of, small, spikes
from stablespike.device.open import LinkDevice, open_device
from stablespike.spec.array import preset
from stablespike.spec.link import Command, Register

BOARD = preset("icebreaker")


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
    assert bauds == [64, 3_000_000]
    assert device.info.clock_hz == 24_000_000
    assert _at_baud(921_600)[1] == [208, 921_600]
    assert _at_baud(12_000_000, 80_000_000)[1] == [53, 12_000_000]  # 6 clocks and 5 parts


@pytest.mark.parametrize(
    ("baud", "clock_hz", "error", "message"),
    [
        (7_000_000, 24_000_000, ValueError, r"baud must be from 115200 to 6000000 .* not 7000000"),
        (115_199, 24_000_000, ValueError, r"baud in 'serial:x' must be at least 115200, .* 115199"),
        (5_740_000, 24_000_000, ValueError, r"divides to: 5818181 rather than 5740000"),
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
    # Counters come with times.
    assert [c[2] for c in written] == [6, 7, 6, 7, 6]


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
        ("sim:icebreaker", {"array": BOARD}, ValueError, "is named twice, .*: leave one out"),
        ("sim:", {"array": "nothing"}, ValueError, "array must be an ArrayConfig or one of"),
        ("sim:", {"array": 5}, TypeError, "array must be an ArrayConfig or .*, not 5"),
        ("sim:icebreaker?uart=yes", {}, ValueError, "uart in .* must be 0 or 1, not 'yes'"),
        ("sim:icebreaker?baud=9600", {}, ValueError, "has a baud rate but no UART: add uart=1"),
        ("sim:icebreaker?cores=2", {}, ValueError, "has the option 'cores'; sim: takes uart, link"),
        ("golden:?x=1", {}, ValueError, "has the option 'x'; golden: takes none"),
        ("golden:?faults=1e-3", {}, ValueError, "has the option 'faults'; golden: takes none"),
        ("sim:hx8k?faults=1.0", {}, ValueError, "above 0 and below 1, as in faults=1e-3, .*'1.0'"),
        ("sim:hx8k?faults=nan", {}, ValueError, "'sim:hx8k.faults=nan': faults must be the prob"),
        ("tcp:here:1?faults=often", {}, ValueError, "faults must be the probability .* 'often'"),
        ("udp:here?faults=noise:1e-3", {}, ValueError, "with some of flip, .*'noise:1e-3'"),
        ("spi:?faults=flip,flip:1e-3", {}, ValueError, "each once, not 'flip, flip'"),
        ("serial:?faults=1e-3&seed=-1", {}, ValueError, "seed must be a whole number, .* '-1'"),
        ("sim:hx8k?seed=1", {}, ValueError, "has a seed but no faults: add faults=RATE"),
        ("serial:/dev/x?baud=fast", {}, ValueError, "baud in .* must be a positive integer"),
        ("serial:/dev/x", {"array": BOARD}, ValueError, "array is for 'sim:' only"),
        ("serial:", {}, ss.DeviceNotFound, "no board with USB of its own was found"),
        ("serial:/dev/nothing", {}, ss.DeviceNotFound, "serial:/dev/nothing cannot be opened"),
        ("tcp:here", {}, ValueError, "tcp: needs <host>:<port> behind the colon, not 'here'"),
        ("tcp:here:70000", {}, ValueError, "tcp: needs <host>:<port>"),
    ],
)
def test_addresses(uri: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_device(uri, **options)
