"""The UART, and what it refuses to be built as."""

import pytest
from stablespike.hw.link.uart import Uart, default_divisor
from stablespike.sim.harness.bench import run_bench


@pytest.mark.parametrize("divisor", [6, 31, 104, 208])
def test_uart(divisor):
    parameters = {"divisor": divisor}
    assert run_bench(Uart(divisor), "stablespike.sim.benches.link.uart", parameters=parameters) == 6


def test_default_divisor():
    assert default_divisor(24_000_000) == 208
    for clock in (691_199, 10**10):
        with pytest.raises(ValueError, match=f"clock_hz must be from 691200 to .*, not {clock}"):
            default_divisor(clock)


@pytest.mark.parametrize("divisor", [5, 4097])
def test_refuses_divisor(divisor):
    with pytest.raises(ValueError, match=f"divisor must be from 6 to 4096, not {divisor}"):
        Uart(divisor)


def test_refuses_divisor_type():
    with pytest.raises(TypeError, match=r"divisor must be an integer, not 6\.5"):
        Uart(6.5)
