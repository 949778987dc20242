"""The UDP wire: hostile frames, one owner, line rate."""

import pytest
from stablespike.hw.link.udp.udp import Udp
from stablespike.sim.harness.bench import run_bench

BENCH = "stablespike.sim.benches.link.udp.udp"
MAC, IP, PORT = bytes.fromhex("021234567ff8"), "192.168.1.50", 0x5353


def wire(**options):
    return Udp(MAC, IP, PORT, **{"silence": 5000, "linger": 64, **options})


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_udp(stall):
    parameters = {"mac": MAC.hex(), "ip": IP, "silence": 5000, "linger": 64, "stall": stall}
    assert run_bench(wire(), BENCH, parameters=parameters) == 11
