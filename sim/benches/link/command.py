"""Bench of the command unit, with a model of the loader."""

from __future__ import annotations

from typing import Any

import cocotb
from stablespike.hw.lib.ports import space_shape, write_layout
from stablespike.hw.link.receiver import command_layout
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import Register, ReportFlags, Space

from ...harness.frames import cut_stream, input_command, register_command, write_command
from ...harness.streams import Bench, pack, parameters, start, unpack


def _config() -> ArrayConfig:
    return ArrayConfig(**parameters()["config"])


def command_words(body: bytes, lead: int = 0xA5) -> list[int]:
    """A body, as the receiver outputs it."""
    data, n = bytes((lead,)) + body, _config().link_bytes
    pieces = [data[at : at + n] for at in range(0, len(data), n)]
    return [
        pack(command_layout(n), {
            "data": int.from_bytes(piece, "little"), "last": int(i == len(pieces) - 1),
            **({"single": int(len(piece) == 1)} if n > 1 else {}),
        })
        for i, piece in enumerate(pieces)
    ]


class LoaderModel:
    """Takes windows with given numbers of bytes after their heads, with pauses.

    Attributes
    ----------
    windows : head and bytes of each so far.
    needs : bytes of each window to come.
    refuse : whether it takes no byte for a head.
    """

    def __init__(self, bench: Bench, stall: float) -> None:
        self.bench, self.stall = bench, stall
        self.windows: list[tuple[int, list[int]]] = []
        self.needs: list[int] = []
        self.refuse = False
        self.monitor = bench.monitor("bytes")
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        bench, dut, left = self.bench, self.bench.dut, 0
        idle = True
        if _config().link_bytes > 1:
            await self._run_words()
        while True:
            pause = bench.random.random() < self.stall
            dut.idle.value = int(idle)
            dut.no_head.value = int(idle and self.refuse)
            dut.hungry.value = int(left > 0 and not pause)
            dut.bytes__ready.value = int(idle or (left > 0 and not pause))
            await bench.settle()
            if dut.bytes__valid.value and dut.bytes__ready.value:
                byte = int(dut.bytes__payload.value)
                if not idle:
                    self.windows[-1][1].append(byte)
                    left -= 1
                elif not self.refuse:
                    self.windows.append((byte, []))
                    left, idle = self.needs.pop(0), False
            elif left == 0 and not pause:
                idle = True
            await bench.tick()


    async def _run_words(self) -> None:
        """With the wide input buffer in front of it, which answers at the end of a command."""
        bench, dut, left = self.bench, self.bench.dut, 0
        while True:
            pause = bench.random.random() < self.stall
            dut.idle.value, dut.hungry.value = int(left == 0), int(left > 0)
            dut.bytes__ready.value = int(not pause)
            dut.no_head.value = int(self.refuse and not pause)
            await bench.settle()
            if dut.bytes__valid.value and not pause:
                word = unpack(command_layout(2), int(dut.bytes__payload.value))
                for byte in word["data"].to_bytes(2, "little")[: 2 - word["single"]]:
                    if left:
                        self.windows[-1][1].append(byte)
                        left -= 1
                    elif not self.refuse:
                        self.windows.append((byte, []))
                        left = self.needs.pop(0)
            await bench.tick()


async def watch_writes(bench: Bench, writes: list[dict[str, Any]]) -> None:
    dut, layout = bench.dut, write_layout(_config())
    while True:
        await bench.settle()
        if dut.writes__valid.value:
            writes.append(unpack(layout, int(dut.writes__payload.value)))


@cocotb.test()
async def writes_rows_of_every_space(dut):
    config, stall = _config(), parameters()["stall"]
    bench = await start(dut, limit=400_000)
    LoaderModel(bench, stall)
    rng, writes, expected = bench.random, [], []
    cocotb.start_soon(watch_writes(bench, writes))
    source = bench.source("commands", stall)
    count = 0
    for space in Space:
        rows, bits = space_shape(config, space)
        chunks = -(-bits // 16)
        for core in {0, config.cores - 1}:
            for n in (1, min(3, rows)):
                for row in (0, rows - n, rng.randrange(rows - n + 1)):
                    words = [rng.getrandbits(16) for _ in range(n * chunks)]
                    source.put(command_words(write_command(core, space, row, words)))
                    count += 1
                    expected += [
                        {"core": core, "space": int(space), "row": row + i // chunks,
                         "chunk": i % chunks, "data": word} for i, word in enumerate(words)
                    ]
    await bench.until(lambda: source.idle, "the writes")
    await bench.settle()
    assert writes == expected
    assert dut.executed.value == count & 0xFF
    assert not dut.fault.value


@cocotb.test()
async def sets_registers(dut):
    config = _config()
    bench = await start(dut)
    LoaderModel(bench, 0.0)
    source = bench.source("commands", parameters()["stall"])
    pins = {Register.INPUT_ROWS: dut.rows_total, Register.INPUT_BASE: dut.input_base,
            Register.REPORTS: dut.report_flags}
    limits = {Register.INPUT_ROWS: config.spike_rows, Register.INPUT_BASE: config.spike_rows - 1,
              Register.REPORTS: int(max(ReportFlags)) * 2 - 1}
    if config.half_words:
        pins[Register.INPUT_HALF], limits[Register.INPUT_HALF] = dut.half, 1
    for register, pin in pins.items():
        for value in (limits[register], 0, 1):
            await source.send(command_words(register_command(register, value)))
            await bench.settle()
            assert pin.value == value
            await bench.tick()
    assert not dut.fault.value
    await source.send(command_words(register_command(Register.INPUT_BASE, 1 << 15)))
    await source.send(command_words(register_command(Register.INPUT_ROWS, 1)[:-1]))
    await source.send(command_words(register_command(Register.REPORTS, 2) + b"x"))
    await bench.settle()
    assert all(pin.value == 1 for pin in pins.values())
    assert dut.fault.value
    assert dut.executed.value == 3 * len(pins) + 3


@cocotb.test()
async def hands_windows_to_the_loader(dut):
    stall = parameters()["stall"]
    bench = await start(dut, limit=400_000)
    loader = LoaderModel(bench, stall)
    rng, expected, stream = bench.random, [], b""
    source = bench.source("commands", stall)
    for _ in range(40):
        head, data = rng.randrange(256), rng.randbytes(rng.choice([0, rng.randrange(40)]))
        loader.needs.append(len(data))
        stream += bytes((head,)) + data
        expected.append((head, list(data)))
    for command in cut_stream(stream, rng, 60):
        source.put(command_words(command))
    await bench.until(lambda: source.idle, "the windows")
    await bench.tick(4)
    await bench.settle()
    assert loader.windows == expected
    assert not dut.fault.value
    await bench.tick()
    await bench.until(lambda: dut.idle.value, "the last window to end")
    executed = int(dut.executed.value)
    loader.refuse = True
    await bench.tick()
    await source.send(command_words(input_command(b"abc")))
    await bench.settle()
    assert dut.fault.value
    assert dut.executed.value == (executed + 1) % 256
    assert loader.windows == expected


@cocotb.test()
async def changes_the_rate_when_all_is_quiet(dut):
    bench = await start(dut)
    LoaderModel(bench, 0.0)
    source = bench.source("commands")
    source.put(command_words(register_command(Register.BAUD, 77)))
    source.put(command_words(register_command(Register.REPORTS, 1)))
    await bench.tick(30)
    await bench.settle()
    assert dut.executed.value == 1
    assert not dut.baud_set.value
    await bench.tick()
    dut.quiet.value = 1
    await bench.settle()
    assert dut.baud_set.value
    assert dut.baud.value == 77
    await bench.tick()
    await bench.settle()
    assert not dut.baud_set.value
    await bench.tick(10)
    assert dut.executed.value == 2
    assert dut.report_flags.value == 1
