#!/usr/bin/env bash
# pyftdi's closest MPSSE clock is not the closest, but one far above
#
# Expected: `set_frequency` "finds and selects the closest configurable frequency". A high-speed chip has 30 MHz / n, so
#   for 20.5 MHz that is 15 MHz.
# Found (pyftdi 0.57.2, 2026-12-01): it is 30 MHz. The divider is rounded to the nearest whole number, not the
#   frequency: 30 / 20.5 = 1.46, so n = 1. The rate that was set is returned; nothing is raised.
# Why it matters: a device for up to 20 MHz that is opened with 20.5e6 is clocked half as fast again as it may be. Ask for
#   30e6 / ceil(30e6 / limit).
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'pyftdi==0.57.2' 'pyusb==1.3.1' 'pyserial==3.5'
cat > show.py <<'PY'
from pyftdi.ftdi import Ftdi


class Chip(Ftdi):
    """A high-speed chip in MPSSE mode, without USB: commands are kept."""

    is_mpsse = is_H_series = True
    frequency_max = 30e6

    def write_data(self, data):
        self.sent = bytes(data)
        return len(data)

    def validate_mpsse(self):
        pass

    def purge_rx_buffer(self):
        pass


chip = Chip()
wrong = {}
for asked in (12e6, 15e6, 20e6, 20.5e6, 21e6, 22e6, 23e6, 30e6):
    given = chip.set_frequency(asked)
    closest = min((30e6 / n for n in range(1, 100)), key=lambda rate: abs(rate - asked))
    print(f"asked for {asked / 1e6:g} MHz: {given / 1e6:g} MHz; the closest is {closest / 1e6:g} MHz")
    if given != closest:
        wrong[asked] = given
assert wrong == {20.5e6: 30e6, 21e6: 30e6, 22e6: 30e6}, wrong
PY
venv/bin/python -c 'import importlib.metadata as m; print("pyftdi", m.version("pyftdi"))'
venv/bin/python show.py
