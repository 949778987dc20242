"""Clock, reset, stream drivers, a protocol monitor and a cycle guard for cocotb benches.

Every driver here writes right after a rising edge and reads at the falling edge that follows, when
all combinational paths have settled. The values there are those that the next rising edge acts on,
in whatever order the simulator handles its events. Benches that drive pins themselves do the same:
``await bench.tick()``, write, ``await bench.settle()``, read.
"""

from __future__ import annotations

import json
import os
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.triggers import FallingEdge, RisingEdge, Timer

from .bench import INPUTS, PARAMETERS

__all__ = ["Bench", "Monitor", "Sink", "Source", "pack", "parameters", "start", "unpack"]

CYCLE_LIMIT = 100_000
"""Cycles after which a test fails, unless ``start`` is given another limit."""


def parameters() -> dict[str, Any]:
    """The parameters that were passed to ``run_bench``."""
    return dict(json.loads(os.environ.get(PARAMETERS, "{}")))


async def start(dut: Any, *, limit: int = CYCLE_LIMIT, period_ns: int = 10) -> Bench:
    """Zero every input, start the clock, reset the device, and start the cycle guard.

    It returns right after the rising edge that ends the reset.

    Parameters
    ----------
    dut : handle
        cocotb's handle of the device.
    limit : int
        Cycles after which the test fails.
    period_ns : int
        Clock period in nanoseconds.
    """
    for name in json.loads(os.environ.get(INPUTS, "[]")):
        if hasattr(dut, name):  # Amaranth leaves out pins of no bits
            getattr(dut, name).value = 0
    bench = Bench(dut, limit, period_ns)
    Clock(dut.clk, period_ns, unit="ns").start()
    if hasattr(dut, "rst"):
        dut.rst.value = 1
        await bench.tick(2)
        dut.rst.value = 0
    await bench.tick()
    bench.begin()
    return bench


class Bench:
    """A device under test with a running clock and a cycle guard; ``start`` makes it.

    Attributes
    ----------
    dut : handle
        cocotb's handle of the device.
    limit : int
        Cycles after which the test fails.
    random : random.Random
        Source of all stimulus, seeded with the seed of the run.
    """

    def __init__(self, dut: Any, limit: int, period_ns: int) -> None:
        self.dut = dut
        self.limit = limit
        self._period = period_ns
        self._origin = 0.0
        self._rise, self._fall = RisingEdge(dut.clk), FallingEdge(dut.clk)
        self.random = random.Random(cocotb.RANDOM_SEED)
        self._waiting = "the test to end"

    def begin(self) -> None:
        """Count cycles from now on, and start the cycle guard."""
        self._origin = get_sim_time("ns")
        cocotb.start_soon(self._guard())

    async def tick(self, count: int = 1) -> None:
        """Wait for a number of rising edges."""
        # A timer is much faster than waiting for each edge. It ends in the quarter before the last
        # edge, whether the present edge rises or falls.
        if count > 1:
            await Timer((4 * count - 3) * self._period / 4, "ns")
        if count > 0:
            await self._rise

    async def settle(self) -> None:
        """Wait for the middle of the cycle, when outputs may be read."""
        await self._fall

    async def until(self, condition: Callable[[], Any], what: str = "a condition") -> None:
        """Wait for the rising edge that ends the first cycle in which ``condition()`` holds.

        If that never happens, the cycle guard fails the test and names ``what``.
        """
        before, self._waiting = self._waiting, what
        await self.settle()
        while not condition():
            await self.settle()
        await self.tick()
        self._waiting = before

    async def _guard(self) -> None:
        await Timer(self.limit * self._period, "ns")
        raise AssertionError(
            f"cycle guard: {self.limit} cycles went by waiting for {self._waiting}"
        )

    @property
    def cycle(self) -> int:
        """Rising edges since reset ended."""
        return int((get_sim_time("ns") - self._origin) // self._period)

    def source(self, name: str, stall: float = 0.0) -> Source:
        """Drive the input stream ``name`` of the device."""
        return Source(self, name, stall)

    def sink(self, name: str, stall: float = 0.0) -> Sink:
        """Take payloads from the output stream ``name`` of the device."""
        return Sink(self, name, stall)

    def monitor(self, name: str) -> Monitor:
        """Watch the stream ``name``, which something else drives and takes."""
        return Monitor(self, name)


class Monitor:
    """Checks the stream rule and records transfers.

    The rule is that once valid is up, neither valid nor the payload changes until the transfer.

    Attributes
    ----------
    transfers : list of (int, int)
        Cycle and payload of each transfer, in order.
    """

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name
        self._valid = getattr(bench.dut, f"{name}__valid")
        self._ready = getattr(bench.dut, f"{name}__ready")
        self._payload = getattr(bench.dut, f"{name}__payload", None)
        self.transfers: list[tuple[int, int]] = []
        cocotb.start_soon(self._watch())

    def _sample(self) -> int:
        return 0 if self._payload is None else int(self._payload.value)

    async def _watch(self) -> None:
        held: int | None = None
        up = RisingEdge(self._valid)
        while True:
            # Waiting for the edge of valid costs nothing in the cycles of an idle stream.
            if held is None and not self._valid.value:
                await up
            await self.bench.settle()
            valid, ready = bool(self._valid.value), bool(self._ready.value)
            if held is not None:
                assert valid, f"{self.name}: valid fell before the transfer"
                assert self._sample() == held, (
                    f"{self.name}: the payload changed from {held:#x} to {self._sample():#x} "
                    "before the transfer"
                )
            if valid and ready:
                self.transfers.append((self.bench.cycle, self._sample()))
            held = self._sample() if valid and not ready else None


class Source:
    """Puts payloads into a stream, in order, with random pauses between them.

    During a pause valid is low, and the payload is random.

    Parameters
    ----------
    bench : Bench
        Bench of the device.
    name : str
        Name of the stream.
    stall : float
        Probability of a pause in a cycle in which a payload is waiting.
    """

    def __init__(self, bench: Bench, name: str, stall: float = 0.0) -> None:
        self.bench, self.name, self.stall = bench, name, stall
        self.monitor = Monitor(bench, name)
        self._queue: deque[int] = deque()
        self._busy = False
        cocotb.start_soon(self._drive())

    def put(self, payloads: int | Iterable[int]) -> None:
        """Queue one payload or several of them."""
        self._queue.extend([payloads] if isinstance(payloads, int) else payloads)

    @property
    def idle(self) -> bool:
        """Whether the device has taken all queued payloads."""
        return not self._queue and not self._busy

    async def send(self, payloads: int | Iterable[int]) -> None:
        """Queue payloads and wait until the device has taken them."""
        self.put(payloads)
        await self.bench.until(lambda: self.idle, f"{self.name} to take its payloads")

    async def _drive(self) -> None:
        bench, dut = self.bench, self.bench.dut
        valid, ready = getattr(dut, f"{self.name}__valid"), getattr(dut, f"{self.name}__ready")
        payload = getattr(dut, f"{self.name}__payload", None)
        while True:
            self._busy = bool(self._queue) and bench.random.random() >= self.stall
            if payload is not None:
                payload.value = (
                    self._queue[0] if self._busy else bench.random.getrandbits(len(payload))
                )
            valid.value = int(self._busy)
            if self._busy:
                await bench.settle()
                while not ready.value:
                    await bench.settle()
                self._queue.popleft()
            await bench.tick()
            self._busy = False


class Sink:
    """Takes payloads from a stream, with random pauses.

    If there are pauses, ready also waits for valid now and then. A device whose valid waits for
    ready, which streams must not do, then stops and trips the cycle guard.

    Parameters
    ----------
    bench : Bench
        Bench of the device.
    name : str
        Name of the stream.
    stall : float
        Probability that ready is low in a cycle.

    Attributes
    ----------
    received : deque of int
        Payloads that ``take`` has not returned yet.
    """

    def __init__(self, bench: Bench, name: str, stall: float = 0.0) -> None:
        self.bench, self.name, self.stall = bench, name, stall
        self.monitor = Monitor(bench, name)
        self.received: deque[int] = deque()
        cocotb.start_soon(self._drive())

    async def take(self, count: int = 1) -> list[int]:
        """Wait for the next ``count`` payloads and return them."""
        await self.bench.until(
            lambda: len(self.received) >= count, f"{count} payloads from {self.name}"
        )
        return [self.received.popleft() for _ in range(count)]

    async def _drive(self) -> None:
        bench, dut = self.bench, self.bench.dut
        valid, ready = getattr(dut, f"{self.name}__valid"), getattr(dut, f"{self.name}__ready")
        payload = getattr(dut, f"{self.name}__payload", None)
        up = RisingEdge(valid)
        while True:
            if self.stall and bench.random.random() < 0.1:
                ready.value = 0
                await bench.settle()
                while not valid.value:
                    await up
                    await bench.settle()
                await bench.tick()
            taking = bench.random.random() >= self.stall
            ready.value = int(taking)
            if taking:
                if not self.stall and not valid.value:
                    await up
                await bench.settle()
                if valid.value:
                    self.received.append(0 if payload is None else int(payload.value))
            await bench.tick()


def pack(layout: Any, values: Mapping[str, Any] | Iterable[Any] | int) -> int:
    """Pack the fields of an Amaranth layout into an integer.

    Amaranth's own ``Layout.const`` truncates values silently.

    Raises
    ------
    ValueError
        If a field is missing or unknown, or a value does not fit.
    """
    from amaranth.hdl import Shape
    from amaranth.lib import data

    if isinstance(layout, type) and issubclass(layout, data.Struct):
        layout = data.Layout.cast(layout)
    if isinstance(layout, data.StructLayout):
        assert isinstance(values, Mapping)
        if set(values) != set(layout.members):
            raise ValueError(f"fields must be {sorted(layout.members)}, not {sorted(values)}")
        items: Iterable[tuple[Any, Any]] = values.items()
    elif isinstance(layout, data.ArrayLayout):
        assert isinstance(values, Iterable)
        listed = list(values)
        if len(listed) != layout.length:
            raise ValueError(f"an array of {layout.length} was given {len(listed)} values")
        items = enumerate(listed)
    else:
        shape, value = Shape.cast(layout), int(values)  # type: ignore[arg-type]
        low = -(1 << (shape.width - 1)) if shape.signed else 0
        if not low <= value < low + (1 << shape.width):
            raise ValueError(f"{value} does not fit {shape}")
        return value & ((1 << int(shape.width)) - 1)
    return sum(pack(layout[key].shape, value) << layout[key].offset for key, value in items)


def unpack(layout: Any, bits: int) -> Any:
    """The fields of an Amaranth layout, as a dict, list or integer of the same nesting."""
    from amaranth.hdl import Shape
    from amaranth.lib import data

    if isinstance(layout, type) and issubclass(layout, data.Struct):
        layout = data.Layout.cast(layout)
    if isinstance(layout, data.StructLayout):
        return {k: unpack(layout[k].shape, bits >> layout[k].offset) for k in layout.members}
    if isinstance(layout, data.ArrayLayout):
        fields = [layout[index] for index in range(layout.length)]
        return [unpack(field.shape, bits >> field.offset) for field in fields]
    shape = Shape.cast(layout)
    bits &= (1 << shape.width) - 1
    return bits - (1 << shape.width) if shape.signed and bits >> (shape.width - 1) else bits
