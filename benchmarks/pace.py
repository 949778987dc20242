"""Bytes of windows per clock that an array's link hands to the bus, if the wire is fast enough.

    python benchmarks/pace.py [ARRAY ...] [--images N]

Command unit, input buffer and loader are simulated (Amaranth's own simulator) with commands of full
frames that follow each other, and with a bus and an array that always take what comes: windows of
dense words, and the windows of shipped MNIST images. The receiver is in front of a queue and
carries more than either.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
from amaranth.hdl import Module
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator
from stablespike.cli.demo import shipped_program
from stablespike.datasets import shipped_mnist
from stablespike.datasets.shipped import pixels
from stablespike.device.windows import encode_windows
from stablespike.hw.lib.stream_registers import SkidBuffer
from stablespike.hw.link.command import CommandUnit
from stablespike.hw.link.input_buffer import InputBuffer
from stablespike.hw.link.loader import Loader
from stablespike.hw.link.receiver import command_layout
from stablespike.hw.link.wide.input_buffer import WideInputBuffer
from stablespike.hw.link.wide.loader import WideLoader
from stablespike.spec import ArrayConfig, preset
from stablespike.spec.encoding import Encoding
from stablespike.spec.link import BODY_BYTES, WINDOW_HEAD, Command

WARM = 1  # windows before the clocks count


class Chain:
    """The part of the link behind the receiver's queue, as ``Link`` connects it."""

    def __init__(self, config: ArrayConfig, rows: int, half: bool) -> None:
        self.module = m = Module()
        wide = config.link_bytes > 1
        self.commands = SkidBuffer(command_layout(config.link_bytes))
        self.loader = WideLoader(config) if wide else Loader(config)
        command, inputs = CommandUnit(config), WideInputBuffer() if wide else InputBuffer()
        m.submodules += [self.commands, command, inputs, self.loader]
        connect(m, self.commands.o, command.commands)
        connect(m, command.bytes, inputs.i)
        connect(m, inputs.o, self.loader.bytes)
        if not wide:
            m.d.comb += inputs.last.eq(self.commands.o.p.last)
        m.d.comb += [
            inputs.refused.eq(self.loader.no_head),
            command.no_head.eq(inputs.no_head),
            command.idle.eq(self.loader.idle),
            command.hungry.eq(self.loader.hungry),
            self.loader.rows_total.eq(rows),
            self.loader.half.eq(int(half)),
            self.loader.rows.ready.eq(1),
            self.loader.windows.room.eq(1),
        ]


def commands(stream: bytes, link_bytes: int) -> list[dict[str, int]]:
    """INPUT commands of full frames, as the receiver hands them over."""
    payloads = []
    for at in range(0, len(stream), BODY_BYTES - 1):
        body = bytes((0, Command.INPUT)) + stream[at : at + BODY_BYTES - 1]
        pieces = [body[i : i + link_bytes] for i in range(0, len(body), link_bytes)]
        for i, piece in enumerate(pieces):
            payload = {"data": int.from_bytes(piece, "little"), "last": int(i == len(pieces) - 1)}
            if link_bytes > 1:
                payload["single"] = int(len(piece) == 1)
            payloads.append(payload)
    return payloads


def pace(config: ArrayConfig, words: np.ndarray, half: bool) -> tuple[float, float]:
    """Mean bytes of a window with its head, and bytes per clock, of (windows, inputs) words."""
    encoded = encode_windows(words, config, half)
    stream, ends, at = b"", [], 0
    data = encoded.data.tobytes()
    for kind, size in zip(encoded.encodings.tolist(), encoded.sizes.tolist(), strict=True):
        fields = {"steps": config.window - 1, "first": 1, "last": 1, **Encoding(kind).head}
        stream += bytes((WINDOW_HEAD.pack(fields),)) + data[at : at + size]
        at += size
        ends.append(len(stream))
    rows = -(-words.shape[1] // config.lanes)
    chain, stamps, clock = Chain(config, rows, half), [], 0

    async def source(ctx):
        port = chain.commands.i
        ctx.set(port.valid, 1)
        for payload in commands(stream, config.link_bytes):
            ctx.set(port.payload, payload)
            await ctx.tick().until(port.ready)
        ctx.set(port.valid, 0)

    async def watch(ctx):
        nonlocal clock
        while len(stamps) < len(ends):
            _, _, window = await ctx.tick().sample(chain.loader.windows.valid)
            clock += 1
            if window:
                stamps.append(clock)

    simulator = Simulator(chain.module)
    simulator.add_clock(1e-8)
    simulator.add_testbench(source)
    simulator.add_testbench(watch)
    simulator.run()
    return (
        float(np.mean(encoded.sizes)) + 1,
        (ends[-1] - ends[WARM - 1]) / (stamps[-1] - stamps[WARM - 1]),
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arrays", nargs="*", default=["ecp5-25f", "ecp5-85f"])
    parser.add_argument("--images", type=int, default=7)
    chosen = parser.parse_args()
    rng = np.random.default_rng(0)
    for array in chosen.arrays:
        _, program = shipped_program(array)
        images = pixels(shipped_mnist(chosen.images)[0], program.network)
        # The words of pixels are the pixels, in half words if they fit.
        images = images.reshape(len(images), -1)
        half = program.half_words
        for link_bytes in (2, 1):
            config = replace(preset(array), link_bytes=link_bytes)
            dense = rng.integers(1, 1 << config.window, (4, 4 * config.lanes))
            for name, words, as_half in (("dense", dense, False), ("MNIST", images, half)):
                size, rate = pace(config, words, as_half)
                print(f"{array} link_bytes={link_bytes} {name}: {size:.1f} bytes a window, "
                      f"{rate:.2f} bytes per clock", flush=True)


if __name__ == "__main__":
    main()
