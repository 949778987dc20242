"""The real driver against the whole accelerator at its UART pins.

The driver runs in a thread of its own. Whenever it reads, the simulation continues until a byte
comes or the timeout, counted in clocks, expires.
"""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import cocotb
import numpy as np
import stablespike as ss
from cocotb.task import bridge, resume
from cocotb.triggers import Event, FallingEdge, First, Timer
from stablespike.device.open import LinkDevice
from stablespike.device.verify import compare
from stablespike.link.transports.transport import Transport
from stablespike.spec.link import BAUD_DEFAULT, BREAK_BITS, CLOCKS_PER_BIT_MIN

from ...harness.streams import Bench, parameters, start

PERIOD_NS = 10
LIMIT = 2_000_000
STEPS = 6


class Wire:
    """The two pins, as bytes: 8N1 at ``divisor`` clocks per bit; writes and samples between edges.

    Parameters
    ----------
    noise : probability that a byte, in either direction, is damaged or lost.
    """

    def __init__(self, bench: Bench, divisor: int, noise: float) -> None:
        self.bench, self.divisor, self.noise = bench, divisor, noise
        self.damaged = 0
        self.received = bytearray()
        self.came, self._more = Event(), Event()
        self._queue = bytearray()
        self._sending = self._deaf = False
        bench.dut.rx.value = 1
        cocotb.start_soon(self._send())
        cocotb.start_soon(self._receive())

    async def clocks(self, count: int) -> None:
        await Timer(count * PERIOD_NS, "ns")

    def put(self, data: bytes) -> None:
        self._queue += data
        self._more.set()

    async def drained(self) -> None:
        """Return when everything put here has been sent, including the last stop bit."""
        while self._queue or self._sending:
            await self.clocks(self.divisor)

    async def reset(self, divisor: int) -> None:
        """Send a break and return to the first rate; bytes on their way at another rate are
        lost."""
        self._queue.clear()
        await self.drained()
        self._deaf = True
        self.divisor = divisor
        for level in (0, 1):
            self.bench.dut.rx.value = level
            await self.clocks(4 * BREAK_BITS * divisor)
        self.received.clear()
        self._deaf = False

    def _noisy(self, byte: int) -> bytes:
        random = self.bench.random
        if random.random() >= self.noise:
            return bytes([byte])
        self.damaged += 1
        return bytes([byte ^ 1 << random.randrange(8)] if random.random() < 0.5 else [])

    async def _send(self) -> None:
        while True:
            while not self._queue:
                self._sending = False
                self._more.clear()
                await self._more.wait()
                await FallingEdge(self.bench.dut.clk)
            self._sending = True
            for byte in self._noisy(self._queue.pop(0)):
                for bit in range(10):
                    self.bench.dut.rx.value = (byte << 1 | 1 << 9) >> bit & 1
                    await self.clocks(self.divisor)

    async def _receive(self) -> None:
        tx = self.bench.dut.tx
        while True:
            await FallingEdge(tx)
            await FallingEdge(self.bench.dut.clk)
            await self.clocks(self.divisor // 2)
            bits = 0
            for bit in range(10):
                bits |= int(tx.value) << bit
                if bit < 9:
                    await self.clocks(self.divisor)
            if self._deaf:
                continue
            assert not bits & 1, "a start bit was too short"
            assert bits >> 9, "a stop bit was low"
            self.received += self._noisy(bits >> 1 & 0xFF)
            self.came.set()


class PinTransport(Transport):
    """The driver's side of the wire; a second lasts ``clock_hz`` simulated clocks."""

    name = "the accelerator's pins"
    timeout = 1.0
    poll = 0.02  # the answer to hello takes half of this time

    def __init__(self, wire: Wire, clock_hz: int) -> None:
        self._wire, self._clock_hz = wire, clock_hz

    def write(self, data: bytes) -> None:
        self._wire.put(data)

    def read(self, timeout: float) -> bytes:
        if not self._wire.received and timeout > 0:
            resume(self._wait)(timeout)
        data = bytes(self._wire.received)
        self._wire.received.clear()
        return data

    async def _wait(self, timeout: float) -> None:
        wire = self._wire
        wire.came.clear()
        patience = max(1, round(timeout * self._clock_hz))
        await First(wire.came.wait(), Timer(patience * PERIOD_NS, "ns"))
        if wire.received:
            await wire.clocks(20 * wire.divisor)

    def reset(self) -> None:
        resume(self._wire.reset)(round(self._clock_hz / BAUD_DEFAULT))

    def set_baud(self, baud: int) -> None:
        resume(self._wire.drained)()
        self._wire.divisor = round(self._clock_hz / baud)

    def close(self) -> None:
        pass


class Session:
    """A driver's device on the pins of a fresh accelerator, for code in a bridged thread."""

    def __init__(self, bench: Bench, baud: int | None = None) -> None:
        handed = parameters()
        self.config = ss.ArrayConfig(**handed["config"])
        self.clock_hz = handed["clock_hz"]
        self.bench, self.baud = bench, baud
        self.wire = Wire(bench, round(self.clock_hz / BAUD_DEFAULT), handed.get("noise", 0.0))

    def open(self) -> LinkDevice:
        with patch("secrets.token_bytes", self.bench.random.randbytes):
            return LinkDevice(
                "pins:", lambda: PinTransport(self.wire, self.clock_hz), self.baud,
                clock=lambda: self.bench.cycle / self.clock_hz,
            )

    def network(self) -> tuple[ss.Network, Any]:
        """A network of two layers with both emissions, and two samples for it."""
        rng = np.random.default_rng(1)
        inputs, hidden, outputs = 12, self.config.lanes + 2, 3
        neuron = ss.Neuron(leak=(2, None), threshold=60, v_init=15)
        net = ss.Network(
            ss.SpikeInput((inputs,)),
            [
                ss.Dense(rng.integers(-8, 8, (hidden, inputs)), rng.integers(-20, 60, hidden),
                         neuron=neuron, emit="both"),
                ss.Dense(rng.integers(-8, 8, (outputs, hidden)), neuron=neuron),
            ],
            weight_bits=4, fraction_bits=self.config.fraction_bits,
        )
        return net, rng.random((2, STEPS, inputs)) < 0.5

    def check(self, device: LinkDevice) -> None:
        """Run the network on the device: every spike, readout and counter is golden's."""
        net, samples = self.network()
        program = ss.compile(net, self.config, steps=STEPS)
        with ss.open_device("golden:") as golden:
            golden.load(program)
            expected = golden.run(samples, trace=True)
        assert expected.spikes.sum(axis=0).min() > 0, "a layer without a spike shows nothing"
        device.load(program)
        found = compare(expected, device.run(samples, trace=True), program)
        assert found.mismatches == 0, str(found)
        plain = device.run(samples)
        assert (plain.readout == expected.readout).all()


@cocotb.test()
async def driver_and_golden_agree(dut: Any) -> None:
    session = Session(await start(dut, limit=LIMIT, period_ns=PERIOD_NS))

    def drive() -> None:
        with session.open() as device:
            assert device.config == session.config
            assert device.info.clock_hz == session.clock_hz
            session.check(device)

    await bridge(drive)()


@cocotb.test()
async def the_rate_can_be_raised_and_is_lost_with_a_break(dut: Any) -> None:
    bench = await start(dut, limit=LIMIT, period_ns=PERIOD_NS)
    fastest = parameters()["clock_hz"] // CLOCKS_PER_BIT_MIN
    session = Session(bench, baud=fastest)

    def drive() -> None:
        with session.open() as device:
            assert session.wire.divisor == CLOCKS_PER_BIT_MIN
            session.check(device)
        with session.open() as device:
            assert device.config == session.config

    await bridge(drive)()


@cocotb.test()
async def a_noisy_wire_changes_no_result(dut: Any) -> None:
    bench = await start(dut, limit=LIMIT, period_ns=PERIOD_NS)
    session = Session(bench)
    session.wire.noise = 0.004

    def drive() -> None:
        with session.open() as device:
            session.check(device)

    await bridge(drive)()
    assert session.wire.damaged > 5
