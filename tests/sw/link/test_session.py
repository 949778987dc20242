from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from device_model import DeviceModel, Faults, ModelTransport
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stablespike.link.session import Session
from stablespike.link.transports.serial import SerialTransport
from stablespike.link.transports.transport import Transport
from stablespike.spec.array import ArrayConfig, preset
from stablespike.spec.link import DATA_IN_FLIGHT, pack_info
from stablespike.support.errors import DeviceMismatch, DeviceTimeout, LinkError

SMALL = preset("icebreaker")


def echo(factor: int = 1, size: int = 1) -> tuple[DeviceModel, list[bytes]]:
    """A device that answers each command with a report derived from it."""
    answers: list[bytes] = []

    def execute(command: bytes) -> bytes:
        answers.append((command + len(command).to_bytes(2, "little"))[:size] * factor)
        return answers[-1]

    return DeviceModel(SMALL, execute), answers


def start(transport: ModelTransport, **options: float) -> Session:
    session = Session(transport, clock=transport.clock, **options)
    session.open()
    return session


def exchange(session: Session, commands: list[bytes], wanted: int) -> bytes:
    source, got, rounds = iter(commands), b"", 0
    while len(got) < wanted or not session.idle:
        got += session.step(source, "an answer")
        rounds += 1
        assert rounds < 200_000, "no end"
    assert next(source, None) is None
    return got


def numbered(count: int, length: int = 20) -> list[bytes]:
    return [struct.pack("<I", i).ljust(length, b"\x5a") for i in range(count)]


def test_hello_tells_the_array() -> None:
    device, _ = echo()
    session = start(ModelTransport(device))
    assert session.info is not None
    assert session.info.config == SMALL
    assert session.info.build_id == bytes(range(16))
    assert session.info.clock_hz == 24_000_000
    assert device.hellos == 1


def test_hello_is_repeated_and_starts_one_session() -> None:
    to, back = Counter[str](), Counter[str]()
    for seed in range(20):
        device, _ = echo()
        transport = ModelTransport(
            device, Faults(lost=0.5, damaged=0.2, noise=0.3, seed=seed),
            Faults(lost=0.4, doubled=0.3, seed=seed + 100),
        )
        start(transport, timeout=60.0)
        assert device.hellos == 1
        to += transport.to.happened
        back += transport.back.happened
    assert set(to) == {"lost", "damaged", "noise"}
    assert set(back) == {"lost", "doubled"}


def test_hello_without_an_answer() -> None:
    device, _ = echo()
    transport = ModelTransport(device)
    transport.dead = True
    with pytest.raises(DeviceTimeout, match=r"model: did not answer hello in 5.0 s: check that"):
        start(transport)
    assert 5.0 <= transport.now < 5.5


def test_hello_answered_by_something_else() -> None:
    class Talker(Transport):
        name = "serial:/dev/modem"
        timeout = 0.02
        foreign = SerialTransport.foreign

        def write(self, data: bytes) -> None:
            pass

        def read(self, timeout: float) -> bytes:
            return b"ERROR\r\n\0"

        def close(self) -> None:
            pass

    with pytest.raises(DeviceTimeout, match=r"bytes came, .*: check the baud rate"):
        Session(Talker()).open()


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (b"OTHR" + pack_info(SMALL)[4:], "model:: not a StableSpike device: it answered b'OTHR'"),
        (pack_info(SMALL)[:4] + b"\x63" + pack_info(SMALL)[5:], "speaks protocol version 63"),
        (pack_info(SMALL)[:-4], "described itself in"),
        (pack_info(SMALL)[:25] + b"\xff" + pack_info(SMALL)[26:], "cores must be .*from 1 to 32"),
    ],
)
def test_hello_from_another_device(info: bytes, message: str) -> None:
    device, _ = echo()
    device.info = info
    with pytest.raises(DeviceMismatch, match=message):
        start(ModelTransport(device))


def test_a_new_session_has_another_number() -> None:
    device, _ = echo()
    transport = ModelTransport(device)
    for number in range(256):
        assert Session(transport, avoid=number).number != number


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_timeouts_that_are_none(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout must be a positive number of seconds, not"):
        Session(ModelTransport(echo()[0]), timeout=timeout)
    with pytest.raises(TypeError, match="timeout must be a number of seconds, not 'soon'"):
        Session(ModelTransport(echo()[0]), timeout="soon")  # type: ignore[arg-type]


def test_commands_are_pipelined() -> None:
    device, answers = echo()
    transport = ModelTransport(device, commands=100)
    session = start(transport)
    before = transport.reads
    commands = numbered(600)
    assert exchange(session, commands, 600) == b"".join(answers)
    assert transport.reads - before < 100, "a round trip per command"
    assert device.executed_commands == commands
    assert session.resent == 0
    assert transport.now == 0


def test_credit_is_never_exceeded() -> None:
    worst = 0

    class Watched(ModelTransport):
        def write(self, data: bytes) -> None:
            nonlocal worst
            super().write(data)
            worst = max(worst, sum(len(b) + 1 for b in self.device.queue))

    for length in (1, 3, 100, 246):
        device, _ = echo()
        transport = Watched(device, commands=1)
        exchange(start(transport), [bytes([i]) * length for i in range(200)], 200)
    assert 0 < worst <= SMALL.receive_bytes


def test_a_resend_never_asks_for_more_than_is_missing() -> None:
    """Many tiny commands: the frames in flight stay far below the 256 sequence numbers."""
    config = ArrayConfig(receive_bytes=4096)
    device, _ = echo()
    device.config, device.info = config, pack_info(config)
    seen = 0

    class Watched(ModelTransport):
        def write(self, data: bytes) -> None:
            nonlocal seen
            super().write(data)
            seen = max(seen, len(self.device.queue))

    exchange(start(Watched(device, commands=1)), [b"x"] * 1000, 1000)
    assert 100 < seen <= DATA_IN_FLIGHT == 127


def test_reports_longer_than_the_buffer_are_acknowledged_on_the_way() -> None:
    device, answers = echo(factor=400)
    transport = ModelTransport(device, commands=50)
    session = start(transport)
    got = exchange(session, numbered(100), 100 * 400)
    assert got == b"".join(answers)
    assert transport.now < 1, "the device waited for a poll"


def test_cuts_of_the_byte_stream_mean_nothing() -> None:
    for piece in (1, 2, 7, 300):
        device, answers = echo(factor=3, size=5)
        device.body_limit = piece
        session = start(ModelTransport(device, piece=piece))
        assert exchange(session, numbered(50), 750) == b"".join(answers)


def test_bytes_are_counted() -> None:
    device, _ = echo()
    transport = ModelTransport(device)
    session = start(transport)
    sent, received = session.sent, session.received
    exchange(session, [b"1234567"], 1)
    assert session.sent - sent >= 7 + 8 + 2
    assert session.received - received == 1 + 8 + 2


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(
    faults=st.tuples(*[st.floats(0, 0.25)] * 5),
    back=st.tuples(*[st.floats(0, 0.25)] * 5),
    seed=st.integers(0, 1 << 30),
    count=st.integers(1, 400),
    length=st.integers(4, 246),
    factor=st.integers(1, 60),
    commands=st.integers(1, 20),
)
def test_no_fault_changes_anything(
    faults: tuple[float, ...], back: tuple[float, ...], seed: int, count: int, length: int,
    factor: int, commands: int,
) -> None:
    device, answers = echo(factor=factor, size=4)
    transport = ModelTransport(
        device, Faults(*faults, seed=seed), Faults(*back, seed=seed + 1), commands=commands
    )
    session = start(transport, timeout=1e6)
    sent = numbered(count, length)
    got = exchange(session, sent, 4 * factor * count)
    assert device.executed_commands == sent
    assert got == b"".join(answers)


@pytest.mark.parametrize("kind", ["lost", "damaged", "doubled", "reordered", "noise"])
@pytest.mark.parametrize("way", ["to", "back"])
def test_each_fault_alone(kind: str, way: str) -> None:
    device, answers = echo(factor=20)
    faults = Faults(**{kind: 0.2}, seed=3)  # type: ignore[arg-type]
    transport = ModelTransport(device, **{way: faults})  # type: ignore[arg-type]
    session = start(transport, timeout=1e6)
    assert exchange(session, numbered(500), 10_000) == b"".join(answers)
    assert len(answers) == 500
    assert faults.happened[kind] >= 10


def test_faults_swap_frames_that_are_sent_one_by_one() -> None:
    faults = Faults(reordered=0.2, seed=1)
    sent = [bytes((i,)) for i in range(250)]
    arrived = [frame for one in sent for frame in faults.carry([one])] + faults.carry([])
    assert arrived != sent
    assert sorted(arrived) == sent
    late = sum(any(later < frame for later in arrived[i:]) for i, frame in enumerate(arrived))
    assert late >= faults.happened["reordered"] >= 20
    assert max(i - sent.index(frame) for i, frame in enumerate(arrived)) == 7
    assert faults.carry([]) == []


def test_the_last_frame_lost_is_repaired_by_a_poll() -> None:
    for way in ("to", "back"):
        device, _ = echo()
        transport = ModelTransport(device)
        session = start(transport)
        exchange(session, [b"one"], 1)
        faults = Faults(lost=1.0)
        setattr(transport, way, faults)
        source = iter([b"two"])
        session.step(source, "an answer")
        assert faults.happened["lost"] > 0
        faults.lost = 0.0
        assert exchange(session, [], 1) == b"t"
        assert transport.now < 1.0
        assert device.executed_commands == [b"one", b"two"]


@pytest.mark.parametrize(("answer_time", "most"), [(0.0, 0.015), (0.02, 0.2)])
def test_silence_is_as_long_as_answers_take(answer_time: float, most: float) -> None:
    """Where a loss waits for a poll, it waits for a few times the time of an answer."""

    class Network(ModelTransport):
        poll, poll_most = 0.005, 0.25

        def read(self, timeout: float) -> bytes:
            came = super().read(min(timeout, answer_time) if timeout else timeout)
            return came or super().read(max(0.0, timeout - answer_time))

    device, answers = echo()
    transport = Network(device, Faults(lost=0.1, seed=1), Faults(lost=0.1, seed=2), commands=100)
    session = start(transport)
    polls = 0
    ask = session._ask

    def counted() -> float:
        nonlocal polls
        polls += 1
        return ask()

    session._ask = counted  # type: ignore[method-assign]
    began = transport.now
    assert exchange(session, numbered(3000, 200), 3000) == b"".join(answers)
    assert polls >= 10
    assert transport.now - began < most * polls


def test_a_busy_device_is_asked_less_and_less() -> None:
    device, _ = echo()
    transport = ModelTransport(device)
    transport.poll, transport.poll_most = 0.005, 0.25
    session = start(transport, timeout=10.0)
    device.halted = True
    asked: list[float] = []
    write = transport.write

    def noted(data: bytes) -> None:
        asked.append(transport.now)
        write(data)

    transport.write = noted  # type: ignore[method-assign]
    source = iter([b"one"])
    while transport.now < 4.0:
        assert session.step(source, "an answer") == b""
    pauses = np.diff(sorted(set(asked)))
    assert pauses[0] == pytest.approx(0.005)
    assert pauses[-1] == pytest.approx(0.25)
    assert len(asked) < 60


def test_a_device_that_vanishes() -> None:
    device, _ = echo()
    transport = ModelTransport(device)
    session = start(transport, timeout=2.0)
    exchange(session, [b"one"], 1)
    transport.dead = True
    began = transport.now
    with pytest.raises(DeviceTimeout, match=r"did not answer in 2.0 s while .* for an answer"):
        exchange(session, [b"two"], 1)
    assert transport.now - began <= 3.0


def test_a_device_that_hangs_but_answers() -> None:
    device, _ = echo()
    transport = ModelTransport(device)
    session = start(transport, timeout=2.0)
    device.halted = True
    with pytest.raises(DeviceTimeout, match=r"answers but made no progress in 2.0 s .* an answer"):
        exchange(session, [], 1)
    assert transport.now <= 3.0


def test_a_slow_caller_is_no_timeout() -> None:
    device, _ = echo()
    transport = ModelTransport(device)
    session = start(transport, timeout=2.0)
    for _ in range(5):
        transport.now += 100.0
        assert exchange(session, [b"one"], 1) == b"o"


def test_a_refused_command() -> None:
    device = DeviceModel(SMALL, lambda command: None if command == b"bad" else b"x")
    session = start(ModelTransport(device))
    with pytest.raises(LinkError, match="model: refused a command"):
        exchange(session, [b"good", b"bad", b"good"], 3)


def test_frames_of_another_session_are_ignored() -> None:
    device, _ = echo(factor=10)
    transport = ModelTransport(device)
    old = start(transport)
    old.step(iter(numbered(10)), "an answer")
    device.work(10)
    late = list(device.out)
    new = Session(transport, avoid=old.number, clock=transport.clock)
    new.open()
    device.out.extend(late)
    assert exchange(new, [b"new"], 10) == b"n" * 10
    assert device.hellos == 2


def test_flush_waits_until_all_is_executed() -> None:
    device, answers = echo()
    session = start(ModelTransport(device, commands=1))
    assert session.flush(iter(numbered(40)), "the program") == b"".join(answers)
    assert session.idle
    assert len(device.executed_commands) == 40


def test_check_needs_a_sign_of_life() -> None:
    device, _ = echo()
    transport = ModelTransport(device, Faults(lost=0.5, seed=1))
    session = start(transport)
    session.check("at 3000000 baud")
    assert transport.to.happened["lost"] > 0
    transport.dead = True
    with pytest.raises(DeviceTimeout, match=r"did not answer in 5.0 s, at 3000000 baud"):
        session.check("at 3000000 baud")


def test_errors_of_the_commands_come_through() -> None:
    device, _ = echo()
    session = start(ModelTransport(device))

    def commands() -> Iterator[bytes]:
        yield b"one"
        raise ValueError("a bad sample")

    with pytest.raises(ValueError, match="a bad sample"):
        session.flush(commands(), "a result")
