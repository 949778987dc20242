"""A plain interpreter of programs: what the tasks, weights and parameters of every core say.

It walks the receptive fields of a task exactly as ``spec.task`` has it, on spike memories that hold
nothing but the rows that were sent there, and computes neurons with the plain-integer reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from stablespike.network import Leak, Neuron
from stablespike.spec import Reset, reference, task_layout
from stablespike.spec.link import Register, ReportFlags, Space
from stablespike.spec.report import HEAD, PLACE, ReportKind, counter_words

Array = np.ndarray[Any, Any]


class Run(NamedTuple):
    """One group at one position.

    Attributes
    ----------
    group : int
        The group, counted from the tile's first one.
    recurrent : int64 array
        Weight rows for the words of the recurrent map.
    addresses, weights : int64 array
        The words in the receptive field, from the map's first one, and their weight rows.
    first : bool
        It is the first position of a cell of the pool.
    completes : bool
        It is the last position of a complete cell.
    """

    group: int
    recurrent: Array
    addresses: Array
    weights: Array
    first: bool
    completes: bool


class Row(NamedTuple):
    """A row on the bus."""

    row: int
    words: list[int]


def unpacked(rows: Array, count: int, width: int) -> Array:
    """(rows, count) signed values of ``width`` bits from an image of 16-bit chunks."""
    octets = np.ascontiguousarray(rows, dtype="<u2").view(np.uint8)
    bits = np.unpackbits(octets, axis=1, bitorder="little").reshape(len(rows), count, width)
    values = bits.astype(np.int64) @ (1 << np.arange(width, dtype=np.int64))
    return np.where(values >> (width - 1), values - (1 << width), values)


def core_tasks(program: Any, core: int) -> list[dict[str, int]]:
    """The fields of a core's tasks, from its image."""
    layout = task_layout(program.config)
    chunks = program.images[core][Space.TASKS].astype(int)
    words = (chunks[:, 0] | chunks[:, 1] << 16).tolist()
    return [
        layout.unpack(words[at : at + layout.stride])
        for at in range(0, len(words), layout.stride)
    ]


def field_runs(task: dict[str, int], program: Any) -> Iterator[Run]:
    """The runs of a task in the order of computation."""
    config = program.config
    if not config.convolution:
        own, planes = task.get("recurrent_rows", 0) * config.lanes, task.get("last_plane", 0) + 1
        span = task["rows"] * config.lanes
        for group in range(task["groups"]):
            first = task["weights"] * config.lanes + group * (own + span)
            weights = first + np.arange(own + span)
            yield Run(
                group, weights[:own], np.arange(planes * span), np.tile(weights[own:], planes),
                True, True,
            )
        return
    widths = {f.name: f.width for word in task_layout(config).scan for f in word.fields}
    modulus = 1 << widths["first_line"]
    pool, recurrent = task["pool"], np.arange(task.get("recurrent_rows", 0) * config.lanes)
    size = len(recurrent) + task["kernel_rows"] * task["span"]
    top, x, left = 0, task["start_x"], task["start_columns"]
    for _ in range(task["cells"]):
        high, wide = min(pool, task["lines"] - top), min(pool, left)
        for group, dy, dx in product(range(task["groups"]), range(high), range(wide)):
            addresses, rows = field(task, top + dy, x + dx * task["step_x"], modulus)
            last = (dy, dx) == (pool - 1, pool - 1)
            first = task["weights"] + group * size
            yield Run(
                group, first + recurrent, addresses, first + len(recurrent) + rows,
                (dy, dx) == (0, 0), last and high == wide == pool,
            )
        x, left = x + pool * task["step_x"], left - pool
        if left <= 0:
            top, x, left = top + pool, task["first_x"], task["columns"]


def field(task: dict[str, int], line: int, left: int, modulus: int) -> tuple[Array, Array]:
    """The receptive field of the position in that line of positions that begins at word ``left``:
    addresses on the map, modulo all that a task's field holds, and words of the kernel."""
    y = task["first_y"] + line * task["step_y"]
    at = (task["first_line"] + line * task["step_line"]) % modulus
    x = left + np.arange(task["span"])
    inside = (x >= 0) & (x < task["width"])
    addresses, rows = [], []
    for k in range(task["kernel_rows"]):
        if 0 <= y + k < task["height"]:
            addresses.append((at + k * task["line"]) % modulus + x[inside])
            rows.append(k * task["span"] + np.flatnonzero(inside))
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *addresses]), np.concatenate([none, *rows])


def task_neuron(task: dict[str, int]) -> Neuron:
    """The neuron of a task's neuron fields; thresholds are in a memory of their own."""
    def leak(prefix: str) -> Leak:
        a, c = (task[f"{prefix}_{n}"] if task[f"{prefix}_{n}_on"] else None for n in "ac")
        return Leak(a, c, add=bool(task[f"{prefix}_add"]))

    return Neuron(
        threshold=1, leak=leak("leak"), reset=Reset(task["reset"]).name.lower(),
        reset_timing=("same_step", "next_step")[task["delayed"]],
        compare=("ge", "gt")[task["strict"]], fires=bool(task["fires"]), v_init=task["v_init"],
        synapse_leak=leak("synapse") if task.get("synapse_on") else None,
    )


@dataclass(frozen=True)
class Window:
    """A window: where its input is, and what is reported of it."""

    steps: int
    first: bool
    last: bool
    base: int
    flags: int
    odd: int


class CoreModel:
    """One core, with the memories of its image."""

    def __init__(self, program: Any, core: int) -> None:
        config, image = program.config, program.images[core]
        self.config, self.core = config, core
        self.tasks = core_tasks(program, core)
        self.runs = [list(field_runs(task, program)) for task in self.tasks]
        nothing = np.zeros((0, config.lanes * config.weight_bits // 16), dtype=np.uint16)
        self.weights = unpacked(
            image.get(Space.WEIGHTS, nothing), config.lanes, config.weight_bits
        )
        self.biases, self.thresholds = (
            unpacked(image.get(space, nothing[:, :1]), 1, 16).reshape(-1)
            for space in (Space.BIASES, Space.THRESHOLDS)
        )
        self.state: dict[tuple[int, int], tuple[int, int, int]] = {}

    def run(
        self, number: int, memory: Array, window: Window
    ) -> tuple[list[Row], list[Row], list[bytes]]:
        """A task: the rows it sends of spikes and of skeletons, and its packets."""
        task, lanes = self.tasks[number], self.config.lanes
        assert task.get("wide") == task.get("split_weights")
        source = task["source"] + window.odd * task.get("ping_pong", 0)
        words = memory.reshape(-1)[(window.base if task["external"] else source) * lanes :]
        # What was written in the window before.
        before = task.get("recurrent", 0) + (1 - window.odd) * task.get("recurrent_rows", 0)
        recurrent = memory.reshape(-1)[before * lanes :]
        packets: list[bytes] = []
        sent: dict[str, list[Row]] = {"spikes": [], "skeleton": []}
        totals = dict.fromkeys(("issued", "popcount", "spikes", "stable"), 0)
        pooled: dict[str, list[int]] = {}
        at = 0
        for index, run in enumerate(self.runs[number]):
            mine = np.zeros(0, dtype=int) if window.first else recurrent[: len(run.recurrent)]
            met = np.concatenate([mine, words[run.addresses]])
            run = run._replace(weights=np.concatenate([run.recurrent[: len(mine)], run.weights]))
            totals["issued"] += int(np.count_nonzero(met))
            totals["popcount"] += sum(int(word).bit_count() for word in met)
            fired, stable, membranes = self._neurons(number, index, run, met, window)
            totals["spikes"] += sum(word.bit_count() for word in fired)
            totals["stable"] += sum(word.bit_count() for word in stable)
            place = (task["layer"], index % 1024, self.core)
            if task["monitor"] and window.flags & ReportFlags.TRACE:
                packets += [
                    packet(ReportKind.TRACE_SPIKES, *place, self._chunks(fired)),
                    packet(ReportKind.TRACE_SKELETON, *place, self._chunks(stable)),
                ]
            if task["report_membrane"] and window.last:
                body = [v & 0xFFFF for v in membranes]
                packets.append(packet(ReportKind.MEMBRANE, *place, body))
            for kind, row in (("spikes", fired), ("skeleton", stable)):
                before = [0] * lanes if run.first else pooled[kind]
                pooled[kind] = [a | b for a, b in zip(before, row, strict=True)]
            if not run.completes:
                continue
            for kind, row in pooled.items():
                if task[f"send_{kind}"]:
                    flip = window.odd * task.get("ping_pong_spikes", 0) if kind == "spikes" else 0
                    sent[kind].append(Row(task[f"{kind}_row"] + flip + at, row))
                if task[f"report_{kind}"]:
                    packets.append(packet(ReportKind.WORDS, *place, self._chunks(row)))
            at += 1 + (task.get("gap", 0) if run.group == task["groups"] - 1 else 0)
        if task["monitor"] and window.flags & ReportFlags.COUNTERS:
            packets.append(self._counters(task["layer"], totals))
        return sent["spikes"], sent["skeleton"], packets

    def _neurons(
        self, number: int, index: int, run: Run, met: Array, window: Window
    ) -> tuple[list[int], list[int], list[int]]:
        """Words, skeleton words and membranes of a run's neurons; lanes without one are silent."""
        task, config = self.tasks[number], self.config
        fired, stable, membranes = [0] * config.lanes, [0] * config.lanes, []
        neuron = task_neuron(task)
        last = run.group == task["groups"] - 1
        group = (task["parameters"] + run.group) * config.lanes
        where = task["state"] + (0 if task.get("stateless") else index)
        assert where < config.state_groups or not config.state
        for lane in range(task["lanes_last"] if last else config.lanes):
            weights = self.weights[run.weights, lane]
            if task.get("split_weights"):
                if lane % 2 == 0:
                    membranes.append(0)
                    continue
                weights = 16 * self.weights[run.weights, lane - 1] + (weights & 15)
            # Each plane of a map has a place value.
            place = np.minimum(np.arange(task.get("last_plane", 0) + 1), config.planes - 1)
            weights = weights << np.repeat(place, len(weights) // len(place))
            bias, theta = (int(each[group + lane]) for each in (self.biases, self.thresholds))
            v, r, q = (task["v_init"], 0, 0) if window.first else self.state[where, lane]
            before = r
            for t in range(window.steps):
                values = met if task["pixels"] else met >> t & 1
                total = bias + (int(weights @ values) << config.fraction_bits)
                v, r, q = reference.neuron_step(
                    neuron, theta, v, r, q, total, config.state_bits
                )
                fired[lane] |= r << t
            self.state[where, lane] = v, r, q
            stable[lane] = reference.skeleton(fired[lane], before)
            membranes.append(v)
        return fired, stable, membranes

    def _chunks(self, words: list[int]) -> list[int]:
        row = sum(word << (lane * self.config.window) for lane, word in enumerate(words))
        return [row >> (16 * i) & 0xFFFF for i in range(self.config.row_chunks)]

    def _counters(self, layer: int, values: dict[str, int]) -> bytes:
        words = [
            values.get(name, 0) >> 16 * i & 0xFFFF
            for name, count in counter_words(self.config)
            for i in range(count)
        ]
        return packet(ReportKind.COUNTERS, layer, 0, self.core, words)


def stages(tasks: list[dict[str, int]]) -> list[list[int]]:
    """The numbers of the tasks of each run of a layer; a task that waits begins another."""
    found: list[list[int]] = []
    for number, task in enumerate(tasks):
        if not number or task["wait"] or task["layer"] != tasks[number - 1]["layer"]:
            found.append([])
        found[-1].append(number)
    return found


class ArrayModel:
    """All cores of a program, in step: the tasks of a run of a layer on each of them, then those of
    the next.

    What a task waits for is checked: the rows of its map came, each once, in order where it says
    so, and none is left at the end of a window.
    """

    def __init__(self, program: Any) -> None:
        config = program.config
        self.program, self.number = program, 0
        self.cores = [CoreModel(program, core) for core in range(config.cores)]
        rng = np.random.default_rng(0)
        self.memory = rng.integers(0, 1 << config.window, (config.spike_rows, config.lanes))

    def window(
        self, rows: Array, steps: int, first: bool, last: bool, flags: int = 0
    ) -> list[list[bytes]]:
        """Run a window with these rows of input: the packets of each core, without its END."""
        base = self.program.registers[Register.INPUT_BASE] + self.number % 2 * len(rows)
        assert len(rows) == self.program.registers[Register.INPUT_ROWS]
        self.memory[base : base + len(rows)] = rows
        self.number += 1
        window = Window(steps, first, last, base, flags, (self.number - 1) % 2)
        packets: list[list[bytes]] = [[] for _ in self.cores]
        came: list[int] = []
        for stage in zip(*(stages(core.tasks) for core in self.cores), strict=True):
            tasks = [
                core.tasks[number]
                for core, each in zip(self.cores, stage, strict=True) for number in each
            ]
            for task in tasks:
                assert not task["wait"] or task["wait"] == len(came) == len(set(came))
                assert not task["ordered"] or came == sorted(came)
            came = [] if any(task["wait"] for task in tasks) else came
            for core, numbers in zip(self.cores, stage, strict=True):
                for number in numbers:
                    spikes, stable, more = core.run(number, self.memory, window)
                    packets[core.core] += more
                    for row in spikes + stable:
                        self.memory[row.row] = row.words
                        came.append(row.row)
        assert not came
        return packets


def packet(kind: int, tag: int, group: int, core: int, words: list[int]) -> bytes:
    head = HEAD.pack({"kind": kind, "length": len(words), "layer": tag})
    place = PLACE.pack({"group": group, "core": core})
    return b"".join(word.to_bytes(2, "little") for word in (head, place, *words))
