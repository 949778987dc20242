"""The UART, and what it refuses to be built as."""

from fractions import Fraction

import numpy as np
import pytest
from stablespike.hw.link.uart import Uart, default_divisor
from stablespike.sim.harness.bench import run_bench
from stablespike.sim.harness.serial import Receiver, tolerances
from stablespike.spec.link import BIT_PARTS, CLOCKS_PER_BIT_MIN

LEAST = BIT_PARTS * CLOCKS_PER_BIT_MIN
ERROR = Fraction(2, 100)
"""By how much a sender may be off: BAUD_TOLERANCE, and as much for its clock and the wire."""
PHASES = 16


@pytest.mark.parametrize("divisor", [32, 53, 831, 1667])
def test_uart(divisor):
    parameters = {"divisor": divisor}
    assert run_bench(Uart(divisor), "stablespike.sim.benches.link.uart", parameters=parameters) == 7


def test_default_divisor():
    assert default_divisor(24_000_000) == 1667
    for clock in (460_799, 10**10):
        with pytest.raises(ValueError, match=f"clock_hz must be from 460800 to .*, not {clock}"):
            default_divisor(clock)


@pytest.mark.parametrize("divisor", [31, 32769])
def test_refuses_divisor(divisor):
    with pytest.raises(ValueError, match=f"divisor must be from 32 to 32768, not {divisor}"):
        Uart(divisor)


def test_refuses_divisor_type():
    with pytest.raises(TypeError, match=r"divisor must be an integer, not 6\.5"):
        Uart(6.5)


def test_every_rate_bears_senders_that_are_off():
    for divisor in range(LEAST, 512 * BIT_PARTS):
        assert min(tolerances(divisor)) >= ERROR, divisor


def received(divisor, bits, error, phase, glitches=None):
    """The bytes of a line of bits whose durations are off. The first clock comes ``phase`` of a
    clock behind the first edge. A clock of ``glitches`` sees the other level."""
    duration = Fraction(divisor, BIT_PARTS) * (1 + error)
    clocks = int(len(bits) * duration)
    at = [int((clock + phase) / duration) for clock in range(clocks)]
    line = np.array(bits)[at]
    if glitches is not None:
        line[glitches(clocks, duration)] ^= 1
    model = Receiver(divisor)
    return [byte for byte in map(model.step, line.tolist()) if byte is not None]


def framed(data):
    """The bits of bytes, one right behind the other."""
    return [bit for byte in data for bit in (0, *(byte >> i & 1 for i in range(8)), 1)] + [1] * 12


@pytest.mark.parametrize("divisor", [32, 33, 36, 39, 40, 47, 48, 52, 53, 56, 72, 213])
def test_all_phases_of_senders_that_are_off(divisor):
    rng = np.random.default_rng(divisor)
    for percent in (-2, -1, 0, 1, 2):
        for phase in range(PHASES):
            data = [0, 0xFF, 0x55, 0xAA, *rng.integers(0, 256, 4).tolist()]
            got = received(
                divisor, framed(data), Fraction(percent, 100), Fraction(phase, PHASES)
            )
            assert got == data, (percent, phase)


@pytest.mark.parametrize("divisor", [32, 40, 53, 72])
def test_glitches_of_a_clock_between_bytes_change_none(divisor):
    """A glitch on the idle line is no start bit."""
    data, gap = [0x5A, 0x00, 0xC3], 3
    bits = [each for byte in data for each in framed([byte])[:10] + [1] * gap] + [1] * 12

    def glitches(clocks, duration):
        # In the middle of the gap, so that the start bit behind it is seen.
        return [int((10 + gap) * duration * k + 11 * duration) for k in range(len(data))]

    for phase in range(PHASES):
        assert received(divisor, bits, 0, Fraction(phase, PHASES), glitches) == data
