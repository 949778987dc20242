"""Bench of the whole link between a host model and an array model, over a bad wire."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from stablespike.hw.lib.ports import beat_layout, report_layout, window_layout, write_layout
from stablespike.spec.array import ArrayConfig
from stablespike.spec.encoding import Encoding
from stablespike.spec.link import FAULT, Command, Kind, Register, ReportFlags, Space, pack_info

from ...harness.frames import (
    Damage,
    HostModel,
    cut_stream,
    encode_window,
    frame,
    input_command,
    read_frame,
    register_command,
    window_head,
    write_command,
)
from ...harness.streams import Bench, pack, parameters, start, unpack
from ...harness.wires import WireSink, WireSource


def _config() -> ArrayConfig:
    return ArrayConfig(**parameters()["config"])


class Array:
    """A model of the array, as the link sees it.

    A window is taken some time after there is room for it; packets of reports follow each window.
    """

    def __init__(
        self, bench: Bench, config: ArrayConfig, stall: float, reports: bool = True
    ) -> None:
        self.bench, self.config = bench, config
        self.rows = bench.sink("rows", stall)
        self.source = bench.source("reports", stall)
        self.writes: list[dict[str, Any]] = []
        self.windows: list[dict[str, Any]] = []
        self.window_rows: list[int] = []
        self.cleared = 0
        self.reported = bytearray()
        self.with_reports, self.stall = reports, stall
        cocotb.start_soon(self._watch())
        cocotb.start_soon(self._room())

    async def _watch(self) -> None:
        dut = self.bench.dut
        layout = write_layout(self.config)
        while True:
            await self.bench.settle()
            if dut.writes__valid.value:
                self.writes.append(unpack(layout, int(dut.writes__payload.value)))
            self.cleared += int(dut.clear.value)

    async def _room(self) -> None:
        bench, dut = self.bench, self.bench.dut
        while True:
            dut.windows__room.value = 0
            while bench.random.random() < 0.9 * bool(self.stall):
                await bench.settle()
                rows = len(self.rows.received)
                assert not (dut.rows__valid.value and rows == sum(self.window_rows)), (
                    "a row of a window came before there was room for it"
                )
                await bench.tick()
            dut.windows__room.value = 1
            await bench.settle()
            while not dut.windows__valid.value:
                await bench.settle()
            payload = int(dut.windows__payload.value)
            await bench.tick()
            self.windows.append(unpack(window_layout(self.config), payload))
            self.window_rows.append(len(self.rows.received) - sum(self.window_rows))
            if self.with_reports:
                self._report()

    def _report(self) -> None:
        rng = self.bench.random
        for _ in range(rng.choice([0, 1, 1, 3])):
            words = [rng.getrandbits(16) & rng.choice([0xFF, 0xFFFF]) for _ in range(
                rng.choice([2, 4, 18, 129]))]
            for i, word in enumerate(words):
                last = int(i == len(words) - 1)
                self.source.put(pack(report_layout(), {"data": word, "last": last}))
                self.reported += word.to_bytes(2, "little")


def _ends(bench: Bench, stall: float = 0.0) -> tuple[WireSource, WireSink]:
    """The two ends of the wire."""
    link_bytes = _config().link_bytes
    return (WireSource(bench, "rx", stall, link_bytes), WireSink(bench, "tx", stall, link_bytes))


async def _wire(
    bench: Bench, hosts: list[HostModel], there: Damage, back: Damage, stall: float
) -> None:
    """Carry frames between the last of ``hosts`` and the device, forever."""
    rng = random.Random(bench.random.getrandbits(32))
    source, sink = _ends(bench, stall)
    late_there: list[bytes] = []
    late_back: list[bytes] = []
    raw = bytearray()
    while True:
        await bench.tick(20)
        host = hosts[-1]
        for byte in sink.take():
            raw.append(byte)
            if byte == 0:
                for piece in back.carry(bytes(raw), rng, late_back):
                    host.receive(piece, bench.cycle)
                raw.clear()
        if source.idle:
            for wire in host.transmit(bench.cycle):
                for piece in there.carry(wire, rng, late_there):
                    source.put(list(piece))


def _work(
    config: ArrayConfig, rng: random.Random, count: int
) -> tuple[list[bytes], list, list, list]:
    """Random commands, and the writes, rows and windows that they cause."""
    commands: list[bytes] = []
    writes: list[dict[str, Any]] = []
    rows: list[dict[str, int]] = []
    windows: list[dict[str, Any]] = []
    from stablespike.hw.lib.ports import space_shape

    total = rng.randrange(1, config.spike_rows // 2 + 1)
    total = min(total, 24)
    base = rng.randrange(config.spike_rows - 2 * total + 1)
    half = config.half_words and rng.random() < 0.5
    commands += [register_command(Register.INPUT_ROWS, total),
                 register_command(Register.INPUT_BASE, base)]
    if half:
        commands.append(register_command(Register.INPUT_HALF, 1))
    second, place, last_words, stream = 0, base, None, b""
    for _ in range(count):
        kind = rng.choice(["write", "window", "window", "repeat"])
        if kind == "write":
            # Commands may come between the pieces of a window, too.
            cut = rng.randrange(len(stream) + 1)
            commands += cut_stream(stream[:cut], rng)
            stream = stream[cut:]
            space = rng.choice(list(Space))
            limit, bits = space_shape(config, space)
            chunks = -(-bits // 16)
            n = rng.randrange(1, min(limit, 240 // (2 * chunks)) + 1)
            row, core = rng.choice([0, limit - n, rng.randrange(limit - n + 1)]), rng.randrange(
                config.cores)
            words = [rng.getrandbits(16) for _ in range(n * chunks)]
            commands.append(write_command(core, space, row, words))
            writes += [
                {"core": core, "space": int(space), "row": row + i // chunks, "chunk": i % chunks,
                 "data": word} for i, word in enumerate(words)
            ]
            continue
        steps = rng.randrange(1, config.window + 1)
        first, last = rng.getrandbits(1), rng.getrandbits(1)
        if kind == "repeat" and last_words is not None:
            stream += window_head(steps, first, last, Encoding.REPEAT)
        else:
            density = rng.choice([0.0, 0.1, 0.5, 1.0])
            last_words = [
                rng.getrandbits(config.window >> half) if rng.random() < density else 0
                for _ in range(total * config.lanes - rng.randrange(config.lanes))
            ]
            stream += encode_window(last_words, config, steps, first, last, rng, half)
            place, second = base + total * second, 1 - second
            padded = last_words + [0] * (total * config.lanes - len(last_words))
            part = config.lanes // config.row_beats
            for i in range(total * config.row_beats):
                value = sum(
                    w << (lane * config.window)
                    for lane, w in enumerate(padded[i * part : (i + 1) * part])
                )
                row, beat = divmod(i, config.row_beats)
                rows.append({"row": place + row, "beat": beat, "words": value})
        windows.append({"steps": steps - 1, "first": first, "last": last, "base": place})
    commands += cut_stream(stream, rng)
    return commands, writes, rows, windows


@cocotb.test()
async def carries_everything_over_a_bad_wire(dut):
    """Every command is executed, and every report arrives, once and in order, whatever is lost."""
    given = parameters()
    config, stall = _config(), given.get("stall", 0.0)
    bench = await start(dut, limit=given.get("limit", 400_000))
    dut.idle.value = 1
    there, back = Damage(**given.get("there", {})), Damage(**given.get("back", {}))
    array = Array(bench, config, stall)
    host = HostModel(config, bench.random.randbytes(4), bench.random)
    commands, writes, rows, windows = _work(config, bench.random, given.get("count", 30))
    host.commands.extend(commands)
    cocotb.start_soon(_wire(bench, [host], there, back, stall))
    await bench.until(
        lambda: host.done and len(array.windows) == len(windows)
        and len(host.reports) == len(array.reported) and array.source.idle,
        "all commands and reports",
    )
    assert host.info == pack_info(config)
    assert array.writes == writes
    got = [unpack(beat_layout(config), row) for row in array.rows.received]
    assert got == rows
    assert array.windows == windows
    differs = [i for i in range(len(host.reports)) if host.reports[i] != array.reported[i]]
    assert not differs, f"reports differ from byte {differs[0]} of {len(host.reports)} on"
    assert host.acked == len(commands)
    assert array.cleared == 1
    assert not host.faults
    if given.get("there") or given.get("back"):
        assert host.broken or host.resent
    else:
        assert not host.resent


def _bad_commands(config: ArrayConfig) -> dict[str, list[bytes]]:
    from stablespike.hw.lib.ports import space_shape

    weights, bits = space_shape(config, Space.WEIGHTS)
    words = [0] * -(-bits // 16)
    rows = register_command(Register.INPUT_ROWS, 2)
    begin = window_head(1)
    return {
        "empty": [b""],
        "unknown": [b"\x09\1\2"],
        "zero": [b"\0"],
        "write without head": [bytes((Command.WRITE, 0))],
        "write without words": [write_command(0, 0, 0, [])],
        "core": [write_command(config.cores, 0, 0, words)],
        "space": [write_command(0, 4, 0, words)],
        "row": [write_command(0, 0, weights, words)],
        "row far out": [write_command(0, 0, 0xFFFFFF, words)],
        "rows run out": [write_command(0, 0, weights - 1, words * 2)],
        "half a row": [write_command(0, Space.TASKS, 0, [1])],
        "half a word": [write_command(0, Space.TASKS, 0, [1, 2])[:-1]],
        "register": [register_command(4 + config.half_words, 0)],
        "register short": [register_command(0, 1)[:-1]],
        "register long": [register_command(0, 1) + b"\0"],
        "rows too many": [register_command(Register.INPUT_ROWS, 0xFFFF)],
        "report flags": [register_command(Register.REPORTS, 2 * max(ReportFlags))],
        "baud": [register_command(Register.BAUD, 5)],
        "input without bytes": [input_command(b"")],
        "nothing to repeat": [rows, input_command(window_head(1, encoding=Encoding.REPEAT))],
        "map inside a window": [rows, input_command(begin), rows, input_command(b"\0")],
        **({} if config.window == 16 else {
            "steps": [rows, input_command(window_head(config.window + 1))],
            "steps far out": [rows, input_command(window_head(16))],
            "steps of the second": [rows, input_command(begin + b"\0" + window_head(16))],
        }),
    }


@cocotb.test()
async def refuses_bad_commands_and_goes_on(dut):
    """Each bad command sets FAULT, is counted as executed, and does not affect the next command."""
    config = _config()
    bench = await start(dut, limit=400_000)
    dut.idle.value = 1
    array = Array(bench, config, 0.0, reports=False)
    good = [register_command(Register.INPUT_ROWS, 1), input_command(window_head(1) + b"\0"),
            write_command(0, Space.TASKS, 2, [1, 2])]
    hosts = [HostModel(config, b"\0\0\0\0", bench.random)]
    cocotb.start_soon(_wire(bench, hosts, Damage(), Damage(), 0.0))
    for i, (name, commands) in enumerate(_bad_commands(config).items()):
        writes, windows = len(array.writes), len(array.windows)
        host = HostModel(config, bytes((i + 1, 1, 2, 3)), bench.random)
        host.commands.extend([*commands, *good])
        hosts.append(host)
        await bench.until(lambda: host.done, f"{name} to be executed")  # noqa: B023
        await bench.until(lambda: len(array.windows) > windows, f"the window after {name}")  # noqa: B023
        await bench.tick(100)
        assert host.faults, name
        assert host.acked == len(commands) + len(good), name
        done = array.writes[writes:]
        assert [w["data"] for w in done[-2:]] == [1, 2], name
        written = {"rows run out": -(-_weight_bits(config) // 16), "half a row": 1,
                   "half a word": 1}.get(name, 0)
        assert len(done) == 2 + written, name
        whole = {"map inside a window", "steps of the second"}
        assert len(array.windows) == windows + 1 + (name in whole), name


def _weight_bits(config: ArrayConfig) -> int:
    return config.lanes * config.weight_bits


@cocotb.test()
async def starts_sessions_afresh(dut):
    """The same nonce again changes nothing; another one clears everything, even within a window."""
    config = _config()
    bench = await start(dut, limit=400_000)
    dut.idle.value = 1
    array = Array(bench, config, 0.0, reports=False)
    source, sink = _ends(bench)

    async def answer() -> list:
        await bench.tick(1500)
        raw = sink.take()
        return [read_frame(piece) for piece in raw.split(b"\0")[:-1]]

    async def say(*frames: bytes) -> list:
        for wire in frames:
            source.put(list(wire))
        return await answer()

    rows = register_command(Register.INPUT_ROWS, 2)
    assert await say(frame(Kind.DATA, 0, 0, 0, rows)) == []  # no session yet
    first, second = b"\x07xyz", b"\x07xya"
    [info] = await say(frame(Kind.HELLO, 7, 0, 0, first))
    assert (info.kind, info.session, info.body) == (Kind.INFO, 7, first + pack_info(config))
    [ack] = await say(frame(Kind.DATA, 7, 0, 0, rows))
    assert (ack.kind, ack.ack) == (Kind.ACK, 1)
    assert await say(frame(Kind.DATA, 8, 1, 0, rows)) == []  # another session's
    [ack] = await say(frame(Kind.DATA, 7, 1, 0, b"\0"))
    assert (ack.kind, ack.ack) == (Kind.ACK | FAULT, 2)
    [info] = await say(frame(Kind.HELLO, 7, 0, 0, first))
    assert info.kind == Kind.INFO
    assert array.cleared == 1
    [ack] = await say(frame(Kind.DATA, 7, 2, 0, input_command(b"")))
    assert (ack.kind, ack.ack) == (Kind.ACK | FAULT, 3)
    [info] = await say(frame(Kind.HELLO, 7, 0, 0, second))
    assert (info.kind, info.body[:4]) == (Kind.INFO, second)
    assert array.cleared == 2
    begin = input_command(window_head(1) + b"\0")
    [ack, *more] = await say(frame(Kind.DATA, 7, 0, 0, rows), frame(Kind.DATA, 7, 1, 0, begin))
    assert (ack.kind, (more or [ack])[-1].ack) == (Kind.ACK, 2)
    assert len(array.windows) == 1


@cocotb.test()
async def reports_flow_back_only_as_the_host_takes_them(dut):
    """Without acknowledgements, the ring fills and nothing is lost; RESEND repeats everything."""
    config = _config()
    bench = await start(dut, limit=400_000)
    dut.idle.value = 1
    source, sink = _ends(bench)
    reports = bench.source("reports")
    source.put(list(frame(Kind.HELLO, 3, 0, 0, b"\3\0\0\0")))
    await bench.tick(400)
    sink.take()
    words = [bench.random.getrandbits(16) for _ in range(config.result_bytes // 9 * 9)]
    for i, word in enumerate(words):
        reports.put(pack(report_layout(), {"data": word, "last": int(i % 9 == 8)}))
    await bench.tick(8 * config.result_bytes)
    assert not dut.reports__ready.value

    raw = bytearray()

    def read() -> list:
        nonlocal raw
        raw += sink.take()
        *pieces, raw = raw.split(b"\0")
        return [read_frame(bytes(piece)) for piece in pieces]

    once = read()
    assert [f.seq for f in once] == list(range(len(once)))
    assert len(b"".join(f.body for f in once)) <= config.result_bytes
    source.put(list(frame(Kind.ACK | 0x40, 3, 0, 0)))
    await bench.tick(4 * config.result_bytes)
    twice = read()
    assert twice[: len(once)] == once
    assert twice[-1].kind == Kind.ACK
    taken, expected = b"".join(f.body for f in once), len(once)
    pending: deque = deque(twice[len(once) :])
    while len(taken) < 2 * len(words):
        for got in pending:
            if got.kind == Kind.DATA and got.seq == expected & 0xFF:
                taken, expected = taken + got.body, expected + 1
        source.put(list(frame(Kind.ACK, 3, 0, expected)))
        await bench.tick(600)
        pending = deque(read())
    assert taken == b"".join(word.to_bytes(2, "little") for word in words)


@cocotb.test()
async def changes_the_rate_behind_its_answer(dut):
    bench = await start(dut)
    source, sink = _ends(bench)
    dut.idle.value = 0
    source.put(list(frame(Kind.HELLO, 3, 0, 0, b"\3\0\0\0")))
    source.put(list(frame(Kind.DATA, 3, 0, 0, register_command(Register.BAUD, 0x123))))
    await bench.tick(1000)
    frames = [read_frame(piece) for piece in sink.take().split(b"\0")[:-1]]
    assert (frames[-1].kind, frames[-1].ack) == (Kind.ACK, 1)
    assert not dut.baud_set.value
    dut.idle.value = 1
    await bench.settle()
    assert dut.baud_set.value
    assert dut.baud.value == 0x123
    await bench.tick()
    await bench.settle()
    assert not dut.baud_set.value


@cocotb.test()
async def takes_a_byte_per_cycle(dut):
    """Long frames in a row delay the wire by no more than a twentieth."""
    config = _config()
    bench = await start(dut)
    dut.idle.value = 1
    source, _ = _ends(bench)
    source.put(list(frame(Kind.HELLO, 3, 0, 0, b"\3\0\0\0")))
    chunks = -(-_weight_bits(config) // 16)
    count = 20
    wire = b"".join(
        frame(Kind.DATA, 3, i, 0, write_command(0, 0, 0, [i] * (236 // (2 * chunks) * chunks)))
        for i in range(count)
    )
    await bench.tick(200)
    begin = bench.cycle
    await source.send(list(wire))
    cycles = bench.cycle - begin
    dut._log.info(f"{len(wire)} bytes in {cycles} cycles")
    assert cycles < 1.05 * len(wire) + 20


@cocotb.test(skip=ArrayConfig(**parameters().get("config", {})).link_bytes == 1)
async def takes_two_bytes_of_windows_per_cycle(dut):
    """Dense windows of 8 steps arrive at more than the 1.25 bytes per cycle of gigabit Ethernet at
    80 MHz, frames and all, and as many results leave."""
    config = _config()
    bench = await start(dut)
    dut.idle.value = dut.windows__room.value = 1
    source, sink = _ends(bench)
    bench.sink("rows")
    reports = bench.source("reports")
    total = config.spike_rows // 2
    source.put(list(frame(Kind.HELLO, 3, 0, 0, b"\3\0\0\0")))
    rows = register_command(Register.INPUT_ROWS, total)
    await source.send(list(frame(Kind.DATA, 3, 0, 0, rows)))
    await bench.tick(400)
    sink.take()
    words = [bench.random.randrange(1, 256) for _ in range(total * config.lanes)]
    window = window_head(8, 1, 1, Encoding.DENSE) + bytes(words)
    stream = window * 8
    wire = b""
    for number, at in enumerate(range(0, len(stream), 245)):
        body = input_command(stream[at : at + 245])
        wire += frame(Kind.DATA, 3, number + 1, 0, body)
    results = config.result_bytes // 2
    for i in range(results):
        reports.put(pack(report_layout(), {"data": bench.random.getrandbits(16) | 1,
                                           "last": int(i % 32 == 31)}))
    source.put(list(wire))
    taken, begin, back, left, first = 0, bench.cycle, b"", 0, 0
    while taken < 8 or len(back) < 2 * results:
        await bench.settle()
        taken += int(dut.windows__valid.value)
        if taken == 8 and not left:
            left = bench.cycle - begin
        if len(back) < 2 * results:
            # The first frame is complete in the encoder before it is sent.
            first = first if back else bench.cycle
            back += sink.take()
            arrived = bench.cycle - first
        await bench.tick()
    dut._log.info(f"{len(wire)} bytes in {left} cycles; {len(back)} back in {arrived}")
    assert len(wire) > 1.25 * left
    assert len(back) > 1.25 * arrived
