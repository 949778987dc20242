"""COBS both ways, and the CRC."""

from functools import partial

import pytest
from stablespike.hw.link.cobs import CobsDecoder, CobsEncoder
from stablespike.hw.link.crc import Crc32
from stablespike.sim.harness.bench import run_bench
from wrapped import Wrapped

BENCH = "stablespike.sim.benches.link.cobs"


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize(("dut", "component", "tests"), [
    ("decoder", CobsDecoder, 2), ("encoder", CobsEncoder, 3),
    ("encoder", partial(CobsEncoder, marked=True), 3),
])
def test_cobs(dut, component, tests, stall):
    parameters = {"dut": dut, "stall": stall}
    assert run_bench(component(), BENCH, parameters=parameters) == tests


@pytest.mark.parametrize("device", ["", "iCE40HX8K"])
def test_crc(device):
    component = Wrapped(Crc32(), device)
    assert run_bench(component, BENCH, name=f"Crc{device}", parameters={"dut": "crc"}) == 1
