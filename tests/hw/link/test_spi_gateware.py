"""The SPI peripheral."""

import pytest
from stablespike.hw.link.spi import Spi
from stablespike.sim.harness.bench import run_bench


# 15 MHz beside 24 MHz, as on the boards; the slowest clock that is allowed; a fast one.
@pytest.mark.parametrize(("clock_ns", "sck_ns"), [(42, 66), (66, 66), (10, 66)])
def test_spi(clock_ns, sck_ns):
    parameters = {"clock_ns": clock_ns, "sck_ns": sck_ns}
    assert run_bench(Spi(), "stablespike.sim.benches.link.spi", parameters=parameters) == 5
