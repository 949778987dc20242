"""The UDP wire: hostile frames, one owner, line rate."""

import pytest
from stablespike.hw.link.udp.udp import Udp
from stablespike.sim.harness.bench import run_bench

BENCH = "stablespike.sim.benches.link.udp.udp"
MAC, IP, PORT = bytes.fromhex("021234567ff8"), "192.168.1.50", 0x5353


def wire(**options):
    defaults = {"silence": 2500, "linger": 64, "spacing": 300, "queue_bytes": 4096}
    return Udp(MAC, IP, PORT, **{**defaults, **options})


@pytest.mark.parametrize(("stall", "tests"), [(0.0, 12), (0.4, 2)])
def test_udp(stall, tests):
    parameters = {
        "mac": MAC.hex(), "ip": IP, "silence": 2500, "linger": 64, "spacing": 300, "stall": stall,
    }
    assert run_bench(wire(), BENCH, parameters=parameters) == tests


def test_a_foreign_mac():
    pytest.importorskip("cocotbext.eth")
    parameters = {"mac": MAC.hex(), "ip": IP}
    assert run_bench(wire(), "stablespike.sim.benches.link.udp.foreign", parameters=parameters) == 1


@pytest.mark.parametrize(("options", "message"), [
    ({"mac": MAC[:5]}, "mac must be 6 bytes, and the first one even, not 02:12:34:56:7f"),
    ({"mac": b"\1" + MAC[1:]}, "mac must be 6 bytes, and the first one even, not 01:12"),
    ({"ip": "192.168.1"}, "ip must be an IPv4 address, not '192.168.1'"),
    ({"port": 0}, "port must be from 1 to 65535, not 0"),
    ({"silence": 0}, "silence must be at least 1, not 0"),
    ({"queue_bytes": 2048}, "size must be at least 4096, not 2048"),
    ({"queue_bytes": 5000}, "size must be a power of two, not 5000"),
    ({"linger": 0}, "linger must be at least 1, not 0"),
    ({"spacing": 0}, "spacing must be at least 1, not 0"),
])
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        Udp(**{"mac": MAC, "ip": IP, "port": PORT, "silence": 1, **options})
