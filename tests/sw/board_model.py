"""A model of a board behind ``DeviceModel``: commands in, the packets of ``spec.report`` out.

It computes with the plain-integer reference, from a program that it expects. It checks word for
word that this program was written to it. Or it executes the tasks of the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import stablespike as ss
from array_model import ArrayModel, packet
from device_model import DeviceModel, Faults, ModelTransport
from stablespike.device.open import LinkDevice
from stablespike.spec import reference
from stablespike.spec.encoding import Encoding, decode_rows, encodings
from stablespike.spec.link import WINDOW_HEAD, Command, Register, ReportFlags, Space
from stablespike.spec.report import ReportKind, counter_words

Image = np.ndarray[Any, Any]


class Board:
    """Executes commands as a board does.

    Parameters
    ----------
    *programs : Program
        The programs that may be loaded, all of them for one array.
    shuffle : int
        Seed for the order in which packets of the cores are interleaved; 0 for core after core.
    interpret : bool
        Execute the tasks, without times. Only this way convolutions can be computed.
    """

    def __init__(
        self, *programs: Any, shuffle: int = 0, interpret: bool = False
    ) -> None:
        self.programs, self.config = programs, programs[0].config
        self.memory: dict[tuple[int, int, int], Image] = {}
        self.models = {id(each): ArrayModel(each) for each in programs if interpret}
        self.state: Any = None
        self.random = np.random.default_rng(shuffle) if shuffle else None
        self.change: Callable[[list[list[bytes]]], list[list[bytes]]] = lambda packets: packets
        self.bauds: list[int] = []
        self.heads: list[dict[str, int]] = []  # of the windows so far
        self.reset()

    def reset(self) -> None:
        self.registers: dict[int, int] = {}
        self.clock = 0  # busy time
        self.input = b""
        self.words: Image = np.zeros(0)

    def execute(self, command: bytes) -> bytes | None:
        if command[0] == Command.WRITE:
            core, space, row = command[1], command[2], int.from_bytes(command[3:6], "little")
            words = np.frombuffer(command[6:], "<u2")
            chunks = {Space.BIASES: 1, Space.THRESHOLDS: 1, Space.TASKS: 2}.get(
                Space(space), -(-self.config.lanes * self.config.weight_bits // 16)
            )
            if len(words) % chunks:
                return None
            for i, part in enumerate(words.reshape(-1, chunks)):
                self.memory[core, space, row + i] = part
            return b""
        if command[0] == Command.REGISTER:
            self.registers[command[1]] = int.from_bytes(command[2:4], "little")
            if command[1] == Register.BAUD:
                self.bauds.append(self.registers[Register.BAUD])
            return b""
        self.input += command[1:]
        return b"".join(self._windows())

    def _windows(self) -> Iterator[bytes]:
        program, rows = self.loaded(), self.registers[Register.INPUT_ROWS]
        while self.input:
            head, used = WINDOW_HEAD.unpack(self.input[0]), 0
            encoding = Encoding.of(head)
            if encoding != Encoding.REPEAT:
                assert encoding in encodings(self.config)
                try:
                    words, used = decode_rows(
                        self.input[1:], rows, encoding, self.config, program.half_words
                    )
                except ValueError:
                    return  # the rest is still to come
                self.words = words
            self.input = self.input[1 + used :]
            self.heads.append(head)
            yield self._window(program, head)

    def loaded(self) -> Any:
        """The program of which every word is in the memory."""
        for program in self.programs:
            if all(
                np.array_equal(self.memory.get((core, space, first + i)), row)
                for core, space, first, rows in program.writes()
                for i, row in enumerate(rows)
            ) and program.registers.items() <= self.registers.items():
                return program
        raise AssertionError("none of the programs was written")

    def _window(self, program: Any, head: dict[str, int]) -> bytes:
        network, config = program.network, self.config
        steps = head["steps"] + 1
        if head["first"]:
            self.state = None
        reports = ReportFlags(self.registers.get(Register.REPORTS, 0))
        if self.models:
            self._pass(100)
            packets = self.models[id(program)].window(
                self.words, steps, bool(head["first"]), bool(head["last"]), reports
            )
            return b"".join(self._merged(self.change(self._ended(packets, reports))))
        read = self.words.reshape(-1)[: network.input.size]
        sample = read.reshape(network.input.shape)
        if network.input.kind == "spikes":
            sample = np.stack([sample >> t & 1 for t in range(steps)])
        result = reference.run(
            network, sample, steps, config.window, self.state, config.state_bits
        )
        self.state = result.state
        packets = [[] for _ in range(config.cores)]
        emitted: list[Any] = [read.tolist()]
        for tag, (layer, run) in program.layer_tags.items():
            spikes, stable = result.words[layer][0], result.skeleton_words[layer][0]
            values_read = result.readout if run == "spikes" else result.readout_skeleton
            source = [word for word in emitted[layer] if word]
            busiest = max(tile.groups for tile in program.tiles[layer])
            clock = self.clock + len(source) * busiest + 10
            tasks = [
                (core, part) for core in range(config.cores)
                for part, _ in program.parts(layer, core)
            ]
            for core, part in tasks:
                outputs = program.groups[layer].outputs
                for group in range(part.groups):
                    lanes = outputs(part.first_group + group)
                    place = (tag, group, core)
                    if run == "spikes" and reports & ReportFlags.TRACE:
                        for kind, words in (
                            (ReportKind.TRACE_SPIKES, spikes), (ReportKind.TRACE_SKELETON, stable)
                        ):
                            row = self._row([words[n] for n in lanes])
                            packets[core].append(packet(kind, *place, row))
                    if layer == len(network.layers) - 1:
                        if network.readout != "membrane":
                            words = self._last_words(result, program, run)
                            row = self._row([words[n] for n in lanes])
                            packets[core].append(packet(ReportKind.WORDS, *place, row))
                        elif head["last"]:
                            v = [values_read[n] & 0xFFFF for n in lanes]
                            packets[core].append(packet(ReportKind.MEMBRANE, *place, v))
                if run == "spikes" and reports & ReportFlags.COUNTERS:
                    own = outputs(part.first_group, part.groups)
                    values = {
                        "issued": len(source) * part.groups,
                        "popcount": sum(word.bit_count() for word in source) * part.groups,
                        "spikes": sum(spikes[n].bit_count() for n in own),
                        "stable": sum(stable[n].bit_count() for n in own),
                        "wait": 2,
                        "drain": 5,
                        "end": clock + core,
                    }
                    words = [
                        values[name] >> 16 * i & 0xFFFF
                        for name, count in counter_words(config)
                        for i in range(count)
                    ]
                    packets[core].append(packet(ReportKind.COUNTERS, tag, 0, core, words))
            if run != "spikes":
                continue
            self._pass(clock - self.clock)
            emitted.append(stable if network.layers[layer].emit == "skeleton" else spikes)
        self._pass(5)
        return b"".join(self._merged(self.change(self._ended(packets, reports))))

    def _pass(self, cycles: int) -> None:
        """Busy time passes, if times are reported."""
        if self.registers.get(Register.REPORTS, 0) & ReportFlags.TIMES:
            self.clock += cycles

    def _ended(self, packets: list[list[bytes]], reports: ReportFlags) -> list[list[bytes]]:
        """The packets, and with TIMES an END after those of each core."""
        for core, each in enumerate(packets) if reports & ReportFlags.TIMES else ():
            time = self.clock + core
            each.append(packet(ReportKind.END, 0, 0, core, [time & 0xFFFF, time >> 16 & 0xFFFF]))
        return packets

    def _last_words(self, result: Any, program: Any, run: str) -> list[int]:
        if program.network.readout == "words":
            read = result.readout if run == "spikes" else result.readout_skeleton
            return [each[0] for each in read]
        if run == "spikes":
            emit = program.network.layers[-1].emit
            return list((result.skeleton_words if emit == "skeleton" else result.words)[-1][0])
        return [(1 << count) - 1 for count in result.readout_skeleton]  # any word of that count

    def _row(self, words: list[int]) -> list[int]:
        row = sum(word << (lane * self.config.window) for lane, word in enumerate(words))
        return [row >> (16 * i) & 0xFFFF for i in range(self.config.row_chunks)]

    def _merged(self, packets: list[list[bytes]]) -> Iterable[bytes]:
        if self.random is None:
            for each in packets:
                yield from each
            return
        left = [iter(each) for each in packets]
        while left:
            at = int(self.random.integers(len(left)))
            item = next(left[at], None)
            if item is None:
                del left[at]
            else:
                yield item


def board_device(
    *programs: Any,
    to: Faults | None = None, back: Faults | None = None, board: Board | None = None,
    baud: int | None = None, timeout: float | None = 60.0, clock_hz: int = 24_000_000,
) -> tuple[LinkDevice, Board, ModelTransport]:
    """A link device on a model of a board that expects these programs."""
    board = board or Board(*programs)
    model = DeviceModel(board.config, board.execute, board.reset, clock_hz=clock_hz)
    transport = ModelTransport(model, to, back)
    device = LinkDevice("model:", lambda: transport, baud, timeout, transport.clock)
    return device, board, transport


def same(ours: ss.Result, golden: ss.Result) -> None:
    """Check that all integers but cycles and stalls are the same."""
    assert ours.steps == golden.steps
    for name in ("readout", "prediction", "spikes", "stable", "consistency"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(golden, name), name)
    for name in ("readout_skeleton", "agreement"):
        a, b = getattr(ours, name), getattr(golden, name)
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a, b, name)
    for name in golden.counters.dtype.names:
        if name not in ("cycles", "wait", "drain"):
            np.testing.assert_array_equal(ours.counters[name], golden.counters[name], name)
            np.testing.assert_array_equal(
                ours.layer_counters[name], golden.layer_counters[name], name
            )
    assert len(ours.trace) == len(golden.trace)
    for a, b in zip(ours.trace + ours.skeleton, golden.trace + golden.skeleton, strict=True):
        assert a.dtype == bool
        np.testing.assert_array_equal(a, b)
