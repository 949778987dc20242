"""The driver in cocotb, connected to the UART pins of the whole accelerator."""

from stablespike.hw.accelerator import UartAccelerator
from stablespike.sim.harness.bench import run_bench
from stablespike.spec import ArrayConfig
from stablespike.spec.link import BAUD_DEFAULT

CLOCK_HZ = 8 * BAUD_DEFAULT
CONFIG = ArrayConfig(
    lanes=4, window=4, weight_rows=256, spike_rows=32, neuron_groups=8, tasks=4,
    receive_bytes=512, result_bytes=512,
)


def test_the_driver_runs_the_accelerator_at_its_pins():
    component = UartAccelerator(CONFIG, clock_hz=CLOCK_HZ)
    passed = run_bench(
        component, "stablespike.sim.benches.link.accelerator",
        parameters={"config": CONFIG, "clock_hz": CLOCK_HZ},
    )
    assert passed == 3
