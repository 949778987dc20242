"""Samples through the packed bitstream of an iCE40 board, unpacked into a netlist again.

    python benchmarks/bitstream.py [BOARD] [--small] [--samples 100] [-o FILE]

The samples are MNIST images. With ``--small`` the board has an array of four lanes, which is placed
in minutes, and runs a random network. It needs the extras ``sim`` and ``build``, and Project
IceStorm's ``iceunpack`` and ``icebox_vlog`` with their chip database (Debian: fpga-icestorm,
fpga-icestorm-chipdb). icebox_vlog writes logic, block RAM, PLL and pads; single-port RAM and
multipliers are added here from the same database. The result has been through synthesis, placement,
routing and packing.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import stablespike as ss
from numpy.typing import NDArray
from stablespike.boards.board import Board
from stablespike.boards.build import build
from stablespike.boards.registry import board as find_board
from stablespike.cli.demo import DemoResult, run_demo
from stablespike.device.link_device import LinkDevice
from stablespike.device.verify import Comparison, compare
from stablespike.link.transports.simulated import NetlistTransport
from stablespike.sim.board.board import SimTransport
from stablespike.sim.netlist.board_netlist import released
from stablespike.sim.netlist.cells import cell_models
from stablespike.spec.link import CLOCKS_PER_BIT_MIN
from stablespike.support.errors import ToolError

SMALL = ss.ArrayConfig(
    lanes=4, acc_bits=10, weight_rows=2048, spike_rows=64, neuron_groups=8, tasks=8, row_queue=4,
    receive_bytes=512, result_bytes=512, synaptic_current=False,
)

_DATABASES = ("/usr/share/fpga-icestorm/chipdb", "/usr/local/share/icebox", "/usr/share/icebox")
_CHIP = {"iCE40UP5K": "5k", "iCE40HX8K": "8k"}
_KINDS = {"SPRAM": "SB_SPRAM256KA", "MAC16": "SB_MAC16"}
_ANCHOR = "wire_to_reg = set()\n"

# Inserted into icebox_vlog where it has named all nets and not yet written them.
_CELLS = '''
def stablespike_bit(x, y, name):
    return any(
        entry[1] == "IpConfig" and entry[2] == name
        and icebox.tileconfig(ic.tile(x, y)).match(entry[0])
        for entry in ic.tile_db(x, y)
    )

for kind, pins in CELLS:
    settings, wires = {}, {}
    used = False
    for name, (x, y, where) in pins.items():
        bus, _, place = name.rpartition("_")
        bus, place = (bus, int(place)) if place.isdecimal() else (name, 0)
        if where.startswith("CBIT"):
            settings.setdefault(bus, {})[place] = "01"[stablespike_bit(x, y, where)]
            continue
        output = where.startswith(("slf_op", "mult/"))
        used |= (x, y, where) in seg2net
        default = "-" if output else "1'b1" if where.endswith("cen") else "1'b0"
        wires.setdefault(bus, {})[place] = seg_to_net((x, y, where), default)
    enabled = settings.pop("SPRAM_EN", {0: "1"})[0] == "1"
    if not (used and enabled):
        continue
    join = lambda bits: [bits[i] for i in sorted(bits, reverse=True)]
    text_func.append("%s %s cell_%d_%d_%s (" % (
        kind,
        "#(%s)" % ", ".join(
            ".%s(%d'b%s)" % (name, len(bits), "".join(join(bits)))
            for name, bits in settings.items()
        ) if settings else "",
        *next(iter(pins.values()))[:2], NUMBER(pins),
    ))
    text_func.append(",\\n".join(
        "  .%s({%s})" % (name, ", ".join(join(bits))) for name, bits in wires.items()
    ))
    text_func.append(");")

'''


def database(chip: str) -> Path:
    """Return the chip's database.

    Raises
    ------
    ToolError
        If it is not installed.
    """
    for folder in _DATABASES:
        path = Path(folder) / f"chipdb-{chip}.txt"
        if path.is_file():
            return path
    raise ToolError(f"chipdb-{chip}.txt is not there: apt install fpga-icestorm-chipdb")


def hard_cells(path: Path) -> list[tuple[str, dict[str, tuple[int, int, str]]]]:
    """Return single-port RAMs and multipliers: kind, and where each pin and setting is."""
    cells: list[tuple[str, dict[str, tuple[int, int, str]]]] = []
    inside = False
    for line in path.read_text().splitlines():
        words = line.split()
        if line.startswith("."):
            inside = words[0] == ".extra_cell" and words[-1] in _KINDS
            if inside:
                cells.append((_KINDS[words[-1]], {}))
        elif inside and len(words) == 4 and words[3] != "LOCKED":
            cells[-1][1][words[0]] = int(words[1]), int(words[2]), words[3]
    return cells


def unpack(bitstream: Path, pins: Path, chip: str) -> str:
    """Return Verilog of a module ``top`` with the ports of the file of pins.

    Raises
    ------
    ToolError
        If a tool is missing or fails.
    """
    found = shutil.which("icebox_vlog"), shutil.which("iceunpack")
    if None in found:
        raise ToolError("icebox_vlog and iceunpack are not there: apt install fpga-icestorm")
    source = Path(str(found[0])).resolve()
    script = source.read_text()
    if script.count(_ANCHOR) != 1:
        raise ToolError(f"{found[0]} is of another version than the cells are added to here")
    cells = hard_cells(database(chip))
    numbered = f"CELLS = {cells!r}\nNUMBER = lambda pins: [c[1] for c in CELLS].index(pins)\n"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run([str(found[1]), str(bitstream), str(folder / "top.asc")])
        changed = script.replace(_ANCHOR, numbered + _CELLS + _ANCHOR)
        changed = f"import sys\nsys.path.insert(0, {str(source.parent)!r})\n{changed}"
        (folder / "vlog.py").write_text(changed)
        return run([sys.executable, "-W", "ignore", str(folder / "vlog.py"), "-s", "-n", "top",
                    "-p", str(pins), str(folder / "top.asc")])


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ToolError(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def board_verilog(board: Board, top: str) -> str:
    """Return a module ``board`` around the unpacked one, with a wire as PLL, and cell models."""
    platform = board.platform()
    clock = f"{platform.default_clk}_0__io"
    ports = {clock: "clock", "uart_0__rx__io": "rx", "uart_0__tx__io": "tx"}
    if board.reset is not None:
        ports |= {name: f"1'b{level}" for name, level in released(platform, board.reset).items()}
    # icebox_vlog declares its ports a second time, which only a header without types allows.
    header = re.search(r"^module top \((.*)\);$", top, re.MULTILINE)
    assert header is not None
    declared = [port.split() for port in header[1].split(", ")]
    names = ", ".join(name for _, name in declared)
    types = "".join(f"{direction} {name};\n" for direction, name in declared)
    top = top.replace(header[0], f"module top({names});\n{types}")
    top = re.sub(
        r"SB_PLL40_\w+ #\(.*?\) \w+ \((.*?)\);", lambda match: _pll(match[1], clock), top,
        flags=re.DOTALL,
    )
    wires = ", ".join(f".{port}({pin})" for port, pin in ports.items())
    return (
        f"module board(input clock, rx, output tx);\n  top top({wires});\nendmodule\n{top}\n"
        + cell_models("ice40")
    )


def _pll(pins: str, clock: str) -> str:
    nets = dict(re.findall(r"\.(\w+)\(([^(){}]*)\)", pins))
    lines = [f"assign {nets[pin]} = {clock};" for pin in ("PLLOUTCORE", "PLLOUTGLOBAL")
             if pin in nets]
    return "\n".join([*lines, f"assign {nets['LOCK']} = 1'b1;" if "LOCK" in nets else ""])


class BitstreamTransport(NetlistTransport):
    """Return a device: the unpacked bitstream at its UART's pins."""

    def __init__(self, board: Board, config: ss.ArrayConfig, verilog: str) -> None:
        self.name = f"the bitstream of {board.name}"
        self.own_baud = board.clock_hz // CLOCKS_PER_BIT_MIN
        self._board = SimTransport(config, uart=True, clock_hz=board.clock_hz, verilog=verilog)


def random_task(count: int) -> tuple[ss.Program, NDArray[np.bool_]]:
    """Return a program of two layers with both emissions for the small array, and samples."""
    rng = np.random.default_rng(1)
    neuron = ss.Neuron(leak=(2, 3), threshold=60, v_init=15)
    network = ss.Network(
        ss.SpikeInput((12,)),
        [
            ss.Dense(rng.integers(-8, 8, (6, 12)), rng.integers(-20, 60, 6), neuron=neuron,
                     emit="both"),
            ss.Dense(rng.integers(-8, 8, (3, 6)), neuron=neuron),
        ],
        weight_bits=4, fraction_bits=4,
    )
    return ss.compile(network, SMALL, steps=6), rng.random((count, 6, 12)) < 0.5


def compared(device: ss.Device, count: int, array: str | None) -> Comparison | DemoResult:
    """Run MNIST on an array of that name, or for None the random network on the small one."""
    if array is not None:
        return run_demo(count, array, device=device)
    program, samples = random_task(count)
    with ss.open_device("golden:") as golden:
        golden.load(program)
        expected = golden.run(samples, trace=True)
    device.load(program)
    return compare(expected, device.run(samples, trace=True), program)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("board", nargs="?", default="icebreaker")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    board = find_board(arguments.board)
    config, array = (SMALL, None) if arguments.small else (board.config, board.array)
    made = build(
        board, config=config, array=array or "small", allow_timing_failure=True, progress=print
    )
    bitstream = Path(made.bitstream)
    began = time.monotonic()
    top = unpack(bitstream, bitstream.with_suffix(".pcf"), _CHIP[board.device.split("-")[0]])
    cells = re.findall(r"^(SB_\w+)", top, re.MULTILINE)
    verilog = board_verilog(board, top)
    unpacked = time.monotonic()
    with LinkDevice("bitstream:", lambda: BitstreamTransport(board, config, verilog)) as device:
        found = compared(device, arguments.samples, array)
    figures: dict[str, Any] = {
        "board": board.name,
        "array": config.as_dict(),
        "build_id": made.build_id,
        "seed": made.seed,
        "logic_cells": made.logic_cells,
        "hard_cells": {kind: cells.count(kind) for kind in sorted(set(cells))},
        "samples": arguments.samples,
        "words": found.words,
        "mismatches": found.mismatches,
        "seconds": {
            "unpacking": round(unpacked - began),
            "compilation and samples": round(time.monotonic() - unpacked),
        },
    }
    print(json.dumps(figures, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(figures, indent=2) + "\n")
    return int(found.mismatches > 0)


if __name__ == "__main__":
    raise SystemExit(main())
