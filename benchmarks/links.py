"""MNIST images through the links of boards, simulated at their pins: rates, and shares of the wire.

    python benchmarks/links.py [BOARD[:LINK] ...] [--images 1000] [--dense]
                               [-o docs/results/links.json]

It needs the extras ``sim`` and ``build``. The network is the largest shipped one that the board's
array holds; boards whose array holds none are left out. Every readout is compared with the golden
model. Time is that of the simulation: images per second are those of wire, gateware and array, with
a host that answers at once, and with one that takes 100 us. Pairs are to the board and from it. The
payload are bodies of frames: windows to the board and reports from it, counted once. The share of
the wire is that of the fuller direction, or of both together where they take turns. The results of
other links in the file are kept.

With ``--dense``, samples and array are made to fill the wire: windows of 16 steps in which nearly
every word has spikes, for a small array whose link takes two bytes a clock.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import stablespike as ss
from stablespike.boards.registry import BOARDS
from stablespike.cli.demo import shipped_program
from stablespike.datasets import shipped_mnist
from stablespike.datasets.shipped import pixels
from stablespike.device.result import Result
from stablespike.device.verify import Comparison, compare
from stablespike.link.frames import decode_frame
from stablespike.sim.pins.kinds import KINDS
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import KIND_MASK, Command, Kind

BATCH = 50
COUNTED = 20  # images that are run once more, with counters
LATENCIES = (0, 100_000_000)  # of the host, in ps
DENSE = ArrayConfig(
    lanes=16, window=16, weight_rows=4096, spike_rows=512, neuron_groups=4, state_groups=4, tasks=4,
    receive_bytes=32768, result_bytes=8192, link_bytes=2, synaptic_current=False,
)
OUTPUT = Path(__file__).parents[1] / "docs" / "results" / "links.json"


def payload(raw: bytes, to_board: bool) -> int:
    """Return the bytes of windows or reports in a direction's bytes."""
    count, expected = 0, None
    for part in raw.split(b"\0"):
        frame = decode_frame(part)
        if frame is None or frame.kind & KIND_MASK != Kind.DATA:
            continue
        if expected not in (None, frame.seq):  # a repeated frame
            continue
        expected = (frame.seq + 1) % 256
        if not to_board:
            count += len(frame.body)
        elif frame.body[0] == Command.INPUT:
            count += len(frame.body) - 1
    return count


class Recorder:
    """Keeps the bytes that pass a transport, to the board and from it."""

    def __init__(self, transport: Any) -> None:
        self.sent, self.came = bytearray(), bytearray()
        write, read = transport.write, transport.read

        def recorded_write(data: bytes) -> None:
            self.sent += data
            write(data)

        def recorded_read(timeout: float) -> bytes:
            data = read(timeout)
            self.came += data
            return bytes(data)

        transport.write, transport.read = recorded_write, recorded_read
        self._transport = transport

    def stop(self) -> None:
        """Leave the transport as it was."""
        del self._transport.write, self._transport.read


def run(board: Any, samples: Any, latency: int) -> tuple[Result, dict[str, Any]]:
    """Return the results of samples without counters, and what happened on the wire."""
    pins = board.transport.pins
    pins.set_latency(latency)
    recorder = Recorder(board.transport)
    before = pins.statistics
    batches = (samples[at : at + BATCH] for at in range(0, len(samples), BATCH))
    result = Result.joined(list(board.run(batches, counters=False)))
    after = pins.statistics
    recorder.stop()
    count, join = len(samples), sum if pins.shared else max
    seconds = (after.picoseconds - before.picoseconds) / 1e12
    data = payload(recorder.sent, True), payload(recorder.came, False)
    on_wire = np.subtract(after.wire_bytes, before.wire_bytes).tolist()
    occupied = np.subtract(after.occupied, before.occupied).tolist()
    return result, {
        "host_latency_us": latency / 1e6,
        "images": count,
        "simulated_seconds": seconds,
        "cycles": after.cycles - before.cycles,
        "images_per_second": count / seconds,
        "bytes_per_image": [each / count for each in result.link_bytes],
        "payload_per_image": [each / count for each in data],
        "wire_bytes_per_image": [each / count for each in on_wire],
        "payload_share": join(data) / (pins.wire_rate * seconds),
        "wire_share": join(occupied) / 1e12 / seconds,
    }


@dataclass(frozen=True)
class Load:
    """What a board computes: samples of a network, on an array."""

    array: str
    config: ArrayConfig
    network: str
    program: ss.Program
    samples: np.ndarray


def mnist(board: str, images: int) -> Load:
    """Shipped images, on the board's own array."""
    array = BOARDS[board].array
    network, program = shipped_program(array)
    samples = pixels(shipped_mnist()[0], program.network)[:images]
    return Load(array, BOARDS[board].config, network, program, samples)


def dense(images: int) -> Load:
    """Random spikes, more bytes a clock than any wire carries."""
    config, rng = DENSE, np.random.default_rng(0)
    inputs = config.weight_rows // 2
    weights = rng.integers(-1, 2, (10, inputs))
    network = ss.Network(
        ss.SpikeInput((inputs,)), [ss.Dense(weights, neuron=ss.Neuron(threshold=1 << 10))],
        fraction_bits=config.fraction_bits,
    )
    samples = rng.random((images, config.window, inputs)) < 0.5
    program = ss.compile(network, config, config.window)
    return Load("dense", config, f"{inputs}-10, random", program, samples)


def measured(name: str, kind: str, load: Load) -> dict[str, Any]:
    """Return the figures of a link of a board."""
    program, samples = load.program, load.samples
    with ss.open_device("golden:") as golden:
        golden.load(program)
        expected = golden.run(samples, counters=False)
    comparison, runs = Comparison(), []
    began = time.monotonic()
    with ss.open_device(f"sim:{name}?link={kind}", load.config) as board:
        opened = time.monotonic()
        board.load(program)
        counted = board.run(samples[:COUNTED])
        for latency in LATENCIES:
            result, figures = run(board, samples, latency)
            compare(expected, result, program, comparison)
            runs.append(figures)
        pins = board.transport.pins
        wire_rate, cycles = pins.wire_rate, pins.cycles
    seconds = time.monotonic() - opened
    return {
        "board": name,
        "link": kind,
        "array": load.array,
        "network": load.network,
        "readouts": len(runs) * len(samples) * program.network.outputs,
        "mismatches": comparison.mismatches,
        "wire_bytes_per_second": wire_rate,
        "core_images_per_second":
            BOARDS[name].clock_hz / float(counted.counters["cycles"].mean()),
        "runs": runs,
        "simulated_khz": round(cycles / seconds / 1e3, 1),
        "seconds": {"compilation": round(opened - began), "images": round(seconds)},
    }


def wanted(names: list[str]) -> list[tuple[str, str]]:
    """Return boards and kinds of links of the arguments."""
    found = []
    for each in names or BOARDS:
        name, _, kind = each.partition(":")
        if name not in BOARDS:
            raise SystemExit(f"board must be one of {', '.join(BOARDS)}, not {name!r}")
        kinds = [link.kind for link in BOARDS[name].links if link.kind in KINDS]
        if kind and kind not in kinds:
            raise SystemExit(f"link of {name} must be one of {', '.join(kinds)}, not {kind!r}")
        found += [(name, each) for each in ([kind] if kind else kinds)]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links", nargs="*", metavar="BOARD[:LINK]")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--dense", action="store_true", help="samples that fill the wire")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    output: Path = arguments.output
    rows = json.loads(output.read_text()) if output.exists() else []
    found = {(row["board"], row["link"], row["array"]): row for row in rows}
    mismatches = 0
    for name, kind in wanted(arguments.links):
        try:
            images = arguments.images
            load = dense(images) if arguments.dense else mnist(name, images)
            row = measured(name, kind, load)
        except ss.DoesNotFit as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        print(json.dumps(row, indent=2), flush=True)
        mismatches += row["mismatches"]
        found[name, kind, load.array] = row
        output.write_text(json.dumps([found[key] for key in sorted(found)], indent=2) + "\n")
    return int(mismatches > 0)


if __name__ == "__main__":
    raise SystemExit(main())
