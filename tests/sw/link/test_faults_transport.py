from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import stablespike as ss
from board_model import Board, same
from device_model import DeviceModel, ModelTransport
from stablespike.device.link_device import LinkDevice
from stablespike.device.open import open_device
from stablespike.link.frames import Frame, encode_frame
from stablespike.link.session import Session
from stablespike.link.transports.faults import FAULT_KINDS, Faults, FaultyTransport
from stablespike.link.transports.transport import Transport
from stablespike.spec.array import ArrayConfig, preset
from stablespike.spec.link import Kind

REPAIRED = [kind for kind in FAULT_KINDS if kind != "disconnect"]


class Loop(Transport):
    """Returns what was written."""

    name = "loop:"

    def __init__(self) -> None:
        self.raw = b""

    def write(self, data: bytes) -> None:
        self.raw += data

    def read(self, timeout: float) -> bytes:
        came, self.raw = self.raw, b""
        return came

    def close(self) -> None:
        pass


FRAMES = [
    encode_frame(Frame(Kind.DATA, 1, i, 0, bytes((i, 255 - i, 7)) * (1 + i % 60)))
    for i in range(200)
]


def carried(kind: str, rate: float, seed: int) -> tuple[list[bytes], int]:
    """The frames that come back over a bad way there, and how often something happened."""
    faults = Faults(rate, (kind,), seed)
    loop = Loop()
    transport = FaultyTransport(loop, faults)
    came = b""
    for frame in FRAMES:
        transport.write(frame)
        came += loop.read(0)
    assert loop.read(0) == b""
    if transport.read(1) == b"":
        came += loop.read(0)
    *frames, rest = came.split(b"\0")
    return [*(frame + b"\0" for frame in frames), *[rest] * bool(rest)], faults.happened[kind]


def test_each_kind_is_what_it_says() -> None:
    sent = b"".join(FRAMES)
    for kind, seed in itertools.product(REPAIRED, range(3)):
        frames, count = carried(kind, 1e-3, seed)
        assert 3 <= count <= 40
        data = b"".join(frames)
        bits = sum((a ^ b).bit_count() for a, b in zip(data, sent, strict=False))
        expected = {
            "flip": len(data) == len(sent) and bits == count,
            "lost-byte": len(data) == len(sent) - count,
            "double-byte": len(data) == len(sent) + count,
            "swapped-byte": sorted(data) == sorted(sent) and (data != sent or count < 3),
            "garbage": count <= len(data) - len(sent) <= 40 * count,
            "lost-frame": set(frames) < set(FRAMES) and len(FRAMES) - count <= len(frames) < 200,
            "double-frame": set(frames) == set(FRAMES) and 200 < len(frames) <= 200 + count,
            "late-frame": sorted(frames) == sorted(FRAMES) and frames != FRAMES,
            "stall": data == sent,
        }
        assert expected[kind], (kind, seed)
        assert carried(kind, 1e-3, seed) == (frames, count), "the seed does not decide"
        assert carried(kind, 1e-3, seed + 100)[0] != frames or kind == "stall"


def test_a_stall_holds_bytes_until_more_come_or_nothing_does() -> None:
    loop = Loop()
    transport = FaultyTransport(loop, Faults(0.01, ("stall",), 1))
    frame = bytes(range(1, 40)) + b"\0"
    for _ in range(400):
        transport.write(frame)
    assert 400 * len(frame) - 2500 < len(loop.raw) < 400 * len(frame)
    came = loop.read(0)
    assert transport.read(0) == b""
    assert loop.raw == b"", "a read without waiting proves nothing"
    transport.read(0.1)
    assert came + loop.raw == frame * 400


def echo() -> tuple[DeviceModel, list[bytes]]:
    answers: list[bytes] = []

    def execute(command: bytes) -> bytes:
        answers.append(command[:4] * 15)
        return answers[-1]

    return DeviceModel(preset("hx8k"), execute), answers


@pytest.mark.parametrize("kinds", [(kind,) for kind in REPAIRED] + [()])
def test_a_session_repairs_every_kind_in_both_directions(kinds: tuple[str, ...]) -> None:
    device, answers = echo()
    inner = ModelTransport(device)
    transport = FaultyTransport(inner, Faults(3e-3, kinds, 5))
    session = Session(transport, 1e6, clock=inner.clock)
    session.open()
    sent = [i.to_bytes(4, "little") * 8 for i in range(250)]
    source, got = iter(sent), b""
    for _ in range(50_000):
        got += session.step(source, "an answer")
        if session.idle and len(got) == 60 * 250:
            break
    assert device.executed_commands == sent
    assert got == b"".join(answers)
    assert set(transport.faults.happened) == set(kinds or REPAIRED)
    assert sum(transport.faults.happened.values()) >= 30


ARRAY = ArrayConfig(lanes=4)


def program() -> ss.Program:
    rng = np.random.default_rng(0)
    layer = ss.Dense(rng.integers(-3, 8, (6, 9)), neuron=ss.Neuron(leak=(1, None), threshold=40))
    return ss.compile(ss.Network(ss.SpikeInput((9,)), [layer], "counts", 4, 4), ARRAY, steps=5)


def test_a_device_that_is_disconnected_is_opened_again() -> None:
    loaded = program()
    samples = np.random.default_rng(1).random((12, 5, 9)) < 0.5
    golden = open_device("golden:")
    golden.load(loaded)
    wanted = golden.run(samples, trace=True)
    faults, opened = Faults(6e-4, ("disconnect", "flip"), 3), []

    def transports() -> Iterator[FaultyTransport]:
        while True:
            board = Board(loaded)
            opened.append(ModelTransport(DeviceModel(board.config, board.execute, board.reset)))
            yield FaultyTransport(opened[-1], faults)

    device = LinkDevice("model:", transports().__next__, None, 60.0, lambda: opened[-1].now)
    right, messages = 0, []
    while right < 6:
        try:
            device.load(loaded)
            same(device.run(samples, trace=True), wanted)
            right += 1
        except ss.LinkError as error:
            messages.append(str(error))
    assert len(messages) >= 5
    assert set(messages) == {"model: broke: faults= disconnected it; try again"}
    assert faults.happened["flip"] >= 5
    assert len(opened) == len(messages) + 1
    device.close()


@pytest.mark.parametrize("rate", [0, 1, -1e-3, float("nan")])
def test_rates_that_are_none(rate: float) -> None:
    with pytest.raises(ValueError, match="rate of faults must be above 0 and below 1, not"):
        Faults(rate)
