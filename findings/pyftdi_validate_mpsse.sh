#!/usr/bin/env bash
# pyftdi's validate_mpsse never finds the error that it looks for
#
# Expected: an MPSSE answers a command that it does not know with the bytes FA and the command (FTDI AN_108, 2.1).
#   `Ftdi.validate_mpsse`, "check that the previous MPSSE request has been accepted", raises FtdiError then.
# Found (pyftdi 0.57.2, 2026-12-01): it compares a byte, which is an integer in Python 3, with the text '\xfa', so it
#   returns whatever the chip says.
# Why it matters: it is called after opening and after each setting of clock, loopback and 3-phase clock. A chip without
#   one of them refuses it without a word, and the two bytes that were read are gone.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'pyftdi==0.57.2' 'pyusb==1.3.1' 'pyserial==3.5'
cat > show.py <<'PY'
from pyftdi.ftdi import Ftdi, FtdiError

chip = Ftdi()
chip.read_data = lambda size: b"\xfa\xaa"[:size]  # what a chip answers to the unknown command AA
try:
    chip.validate_mpsse()
except FtdiError as error:
    raise SystemExit(f"it was found: {error}")
print("the chip answered FA AA; validate_mpsse returned without an error")
PY
venv/bin/python -c 'import importlib.metadata as m; print("pyftdi", m.version("pyftdi"))'
venv/bin/python show.py
