"""Loads compiled programs in a bench, runs samples, and checks every report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from stablespike.hw.lib.ports import beat_layout, window_layout, write_layout
from stablespike.mapping.frames import bit_lines
from stablespike.mapping.maps import Map, input_map, lanes_per_channel, written_map
from stablespike.mapping.partitions import grid, order
from stablespike.program.files import load_program
from stablespike.program.program import Program
from stablespike.spec import reference
from stablespike.spec.link import Register, ReportFlags
from stablespike.spec.report import PLACE, ReportKind, counter_values

from .blocks import Packet, cycle
from .streams import Bench, Sink, pack

__all__ = [
    "ALL_REPORTS", "all_ended", "cases", "check", "load", "send_window", "watch_room", "windows",
]

ALL_REPORTS = ReportFlags.TRACE | ReportFlags.COUNTERS | ReportFlags.TIMES

_NUMBERS = PLACE.fields[0].maximum + 1
_RESULTS = (ReportKind.WORDS, ReportKind.MEMBRANE)

Words = list[int]


def cases(folder: str) -> Iterator[tuple[Program, npt.NDArray[np.int64]]]:
    """The programs in a folder, each with a sample."""
    for path in sorted(Path(folder).glob("*.npy")):
        yield load_program(path.with_suffix(".program")), np.load(path)


def watch_room(bench: Bench) -> None:
    """Fail if ``ready`` of the stream of windows falls before a window is taken."""

    async def watch() -> None:
        up = False
        while True:
            await bench.settle()
            room = bool(bench.dut.windows__room.value)
            assert room or not up, "room for a window went away"
            up = room and not bench.dut.windows__valid.value

    cocotb.start_soon(watch())


async def send_window(bench: Bench, window: int) -> None:
    """Send a window, after a while, through the pins ``windows``; there is room for it."""
    await bench.tick(bench.random.choice([0, 0, 1, 3]))
    await cycle(bench, windows__valid=1, windows__payload=window)
    assert bench.dut.windows__room.value
    await bench.tick()
    bench.dut.windows__valid.value = 0


async def load(bench: Bench, program: Program) -> None:
    """Write a program through the port ``writes``, one chunk per cycle."""
    layout = write_layout(program.config)
    for core, space, first, rows in program.writes():
        for row, chunks in enumerate(rows, first):
            for chunk, bits in enumerate(chunks):
                values = {
                    "core": core, "space": int(space), "row": row, "chunk": chunk,
                    "data": int(bits),
                }
                await cycle(bench, writes__valid=1, writes__payload=pack(layout, values))
    await cycle(bench, writes__valid=0)


def _computed(program: Program, sample: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """A sample of ``program.computed``."""
    planes = program.planes
    return bit_lines(np.asarray(sample)[None], planes)[0] if planes else np.asarray(sample)


def _input(program: Program, sample: npt.NDArray[np.int64], window: int) -> Words:
    """The input words of a window, in C order."""
    if program.network.input.kind == "pixels":
        return [int(word) for word in sample.reshape(-1)]
    length, computed = program.window, _computed(program, sample).reshape(program.steps, -1)
    steps = computed[window * length : (window + 1) * length]
    if program.computed.input.kind == "frames":
        return [int(word) for word in steps[0]]
    return [sum(int(bit) << t for t, bit in enumerate(neuron)) for neuron in steps.T]


def windows(
    program: Program, sample: npt.NDArray[np.int64]
) -> Iterator[tuple[list[int], int]]:
    """For each window of a sample, payloads of its input rows and of the window itself."""
    config, count = program.config, program.registers[Register.INPUT_ROWS]
    layout, part = beat_layout(config), config.lanes // config.row_beats
    for number in range(program.windows):
        # Windows alternate between two buffers, so that one is written while the other is read.
        base = program.registers[Register.INPUT_BASE] + number % 2 * count
        flat = np.array(_input(program, sample, number))
        words = input_map(program.computed, config.lanes).spread(flat).tolist()
        words += [0] * (count * config.lanes - len(words))  # the last row is filled up
        rows = [
            pack(layout, {
                "row": base + at // config.row_beats,
                "beat": at % config.row_beats,
                "words": sum(
                    word << lane * config.window
                    for lane, word in enumerate(words[at * part :][:part])
                ),
            })
            for at in range(count * config.row_beats)
        ]
        yield rows, _window(program, number, base)


def _window(program: Program, number: int, base: int) -> int:
    """Payload of a window of a sample that is not continued from another one."""
    steps = min(program.window, program.steps - number * program.window)
    return pack(window_layout(program.config), {
        "steps": steps - 1, "first": int(number == 0), "last": int(number == program.windows - 1),
        "base": base,
    })


async def all_ended(bench: Bench, reports: Sink, program: Program, flags: int) -> list[int]:
    """Wait for the last packet of a sample, and take the words up to there. With TIMES, every core
    ends every window with END; otherwise the results are counted."""
    at = seen = 0
    head, times = True, bool(flags & ReportFlags.TIMES)
    count = program.windows * program.config.cores if times else _results(program)

    def ended() -> bool:
        nonlocal at, seen, head
        while at < len(reports.received):
            word = reports.received[at]
            kind = word & 7
            seen += head and kind in ((ReportKind.END,) if times else _RESULTS)
            head, at = bool(word >> 16), at + 1
        return seen == count and head

    await bench.until(ended, f"{count} packets")
    words = list(reports.received)
    reports.received.clear()
    return words


def _rows(
    program: Program, layer: int, core: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The rows of a layer's map that a core computes, and those that it emits, in order; each with
    the group that its packet names, which every task counts for itself."""
    computed: list[tuple[int, int]] = []
    emitted: list[tuple[int, int]] = []
    network = program.computed
    for part, _ in program.parts(layer, core):
        runs = order(
            part, network.layers[layer], network.input_shapes[layer], program.groups[layer].count
        )
        computed += [(int(row), n % _NUMBERS) for n, row in enumerate(runs.rows)]
        emitted += [
            (int(row), int(n) % _NUMBERS)
            for row, n in zip(runs.emitted_rows, runs.emitted, strict=True)
        ]
    return computed, emitted


def _results(program: Program) -> int:
    """The packets of results of a sample."""
    last, membrane = len(program.network.layers) - 1, program.network.readout == "membrane"
    each = 0
    for layer, _ in program.layer_tags.values():
        for core in range(program.config.cores) if layer == last else ():
            computed, emitted = _rows(program, layer, core)
            each += len(computed if membrane else emitted)
    return each if membrane else each * program.windows


class _Received:
    """Reports, each at most once: rows by kind, layer, window and position in the layer's map.

    With TIMES, the window of a packet is known from the END packets before it. Otherwise it follows
    from how many packets of its kind came before.
    """

    def __init__(self, program: Program, packets: Iterable[Packet], flags: int) -> None:
        self.program, times = program, bool(flags & ReportFlags.TIMES)
        self.rows: dict[tuple[ReportKind, int, int, int], Packet] = {}
        self.counters: dict[tuple[int, int, int], Counter[str]] = {}
        self.tasks: Counter[tuple[int, int, int]] = Counter()  # that have reported counters
        self.orders = {
            (i, core): _rows(program, i, core)
            for i in range(len(program.network.layers)) for core in range(program.config.cores)
        }
        ended: Counter[int] = Counter()
        seen: Counter[tuple[ReportKind, int, int, int]] = Counter()
        for packet in packets:
            window = ended[packet.core]
            if packet.kind == ReportKind.END:
                ended[packet.core] += 1
                continue
            origin = packet.layer, packet.core, window
            if packet.kind == ReportKind.COUNTERS:
                values = counter_values(list(packet.body), program.config)
                self.counters.setdefault(origin, Counter()).update(values)
                self.tasks[origin] += 1
                continue
            number = seen[(packet.kind, *origin)]
            seen[(packet.kind, *origin)] += 1
            rows = self._order(packet)
            if not times:
                window, number = divmod(number, len(rows))
                if packet.kind == ReportKind.MEMBRANE:
                    window = program.windows - 1
            row, group = rows[number]
            assert packet.group == group, (packet, number)
            # A row has no number in its packet: it follows from how many came before.
            key = packet.kind, packet.layer, window, row
            assert key not in self.rows, f"{key} was reported twice"
            self.rows[key] = packet
        assert ended == dict.fromkeys(range(program.config.cores * times), program.windows)

    def _order(self, packet: Packet) -> list[tuple[int, int]]:
        """The positions in the layer's map of the rows that come in packets of this kind, and the
        groups that these must name."""
        computed, emitted = self.orders[self.program.layer_tags[packet.layer][0], packet.core]
        return emitted if packet.kind == ReportKind.WORDS else computed

    def map(self, kind: ReportKind, tag: int) -> Map:
        """Layout of the rows of a kind."""
        network, index = self.program.network, self.program.layer_tags[tag][0]
        layer, shape = network.layers[index], network.input_shapes[index]
        made = layer.output_shape if kind == ReportKind.WORDS else layer.neuron_shape
        each = lanes_per_channel(network, self.program.config, index)
        groups = self.program.groups[index]
        return written_map(made(shape), self.program.config.lanes, each, groups)

    def words(self, kind: ReportKind, tag: int, window: int) -> Words:
        """Take all words of a layer in a window, in C order."""
        config, layout = self.program.config, self.map(kind, tag)
        found: Words = []
        for at in range(layout.rows(config.lanes)):
            row = self.rows.pop((kind, tag, window, at)).row
            found += [
                row >> lane * config.window & (1 << config.window) - 1
                for lane in range(config.lanes)
            ]
        words: Words = layout.gathered(np.array(found)).tolist()
        spread: Words = layout.spread(np.array(words)).tolist()
        assert spread == found, "a lane without a neuron fired"
        return words

    def membranes(self, tag: int) -> list[int]:
        """Take all membranes of a layer after the sample, in C order."""
        lanes, layout = self.program.config.lanes, self.map(ReportKind.MEMBRANE, tag)
        last, groups = self.program.windows - 1, self.program.groups[-1]
        found: list[int] = []
        for at in range(layout.rows(lanes)):
            body = self.rows.pop((ReportKind.MEMBRANE, tag, last, at)).body
            there = len(groups.outputs(at % groups.count)) * layout.lanes_per_channel
            assert len(body) == there
            found += [word - (word >> 15 << 16) for word in body] + [0] * (lanes - len(body))
        values: list[int] = layout.gathered(np.array(found)).tolist()
        return values


def check(
    program: Program, sample: npt.NDArray[np.int64], packets: Iterable[Packet], flags: int
) -> None:
    """Compare every report of a sample with the plain reference; fail on any other report."""
    network, config = program.computed, program.config
    plain = reference.run(
        network, _computed(program, sample), program.steps, config.window,
        state_bits=config.state_bits,
    )
    received, last = _Received(program, packets, flags), len(network.layers) - 1
    for window in range(program.windows):
        read = _input(program, sample, window)
        for i, layer in enumerate(network.layers):
            fired, stable = plain.words[i][window], plain.skeleton_words[i][window]
            if flags & ReportFlags.TRACE:
                assert received.words(ReportKind.TRACE_SPIKES, i, window) == fired, (i, window)
                assert received.words(ReportKind.TRACE_SKELETON, i, window) == stable, (i, window)
            if flags & ReportFlags.COUNTERS:
                recurrent = layer.recurrent is not None and window > 0
                back = plain.words[i][window - 1] if recurrent else []
                _check_counters(program, received, i, window, (read, back, fired, stable))
            read = stable if layer.emit == "skeleton" else fired
            if layer.pool_after is not None:
                read = reference.or_pool(read, network.neuron_shapes[i], layer.pool_after.size)
    tags = [(last, plain.readout)]
    if network.both:
        tags.append((last + 1, plain.readout_skeleton))
    for tag, readout in tags:
        if network.readout == "membrane":
            assert received.membranes(tag) == readout
            continue
        by_window = [received.words(ReportKind.WORDS, tag, w) for w in range(program.windows)]
        by_neuron: list[Any] = [
            _joined(words, program) for words in zip(*by_window, strict=True)
        ]
        if network.readout == "counts":
            by_neuron = [sum(word.bit_count() for word in words) for words in by_neuron]
        assert by_neuron == readout
    assert not received.rows, f"not asked for: {sorted(received.rows)}"
    assert not received.counters, f"not asked for: {sorted(received.counters)}"


def _joined(words: Iterable[int], program: Program) -> Words:
    """Words of the array's window length, made of words of the program's."""
    steps = [word >> t & 1 for word in words for t in range(program.window)][: program.steps]
    width = program.config.window
    return [
        sum(bit << t for t, bit in enumerate(steps[at : at + width]))
        for at in range(0, len(steps), width)
    ]


def _check_counters(
    program: Program, received: _Received, layer: int, window: int,
    maps: tuple[Words, Words, Words, Words],
) -> None:
    """Check the counters of a layer; ``maps`` are its input, fed back, fired and stable words."""
    read, back, fired, stable = maps
    network = program.computed
    shape, neurons = network.input_shapes[layer], network.neuron_shapes[layer]
    for core, tile in enumerate(program.tiles[layer]):
        values = received.counters.pop((layer, core, window))
        assert received.tasks[layer, core, window] == len(program.parts(layer, core))
        mine = grid(network.layers[layer], shape).computed(tile)
        fan_out = network.layers[layer].fan_out(shape, mine)
        fetches = [tile.groups * int(n) for n in fan_out] + [tile.groups] * len(back)
        read_all = read + back
        outputs = program.groups[layer].outputs(tile.first_group, tile.groups)
        numbers = np.arange(np.prod(neurons)).reshape(*(*neurons, 1, 1)[:3])
        own: Words = numbers[outputs][:, mine].reshape(-1).tolist()
        expected = {
            "issued": sum(n for n, word in zip(fetches, read_all, strict=True) if word),
            "popcount": sum(
                n * word.bit_count() for n, word in zip(fetches, read_all, strict=True)
            ),
            "spikes": sum(fired[n].bit_count() for n in own),
            "stable": sum(stable[n].bit_count() for n in own),
        }
        assert {name: values[name] for name in expected} == expected, (layer, core, window)
