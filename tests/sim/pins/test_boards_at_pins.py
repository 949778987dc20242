"""Boards at their pins, as the driver opens them: results, and addresses that name none."""

import numpy as np
import pytest
import stablespike as ss
from agreement import agree
from random_networks import random_network, random_samples
from stablespike.sim.board.model import QUICK
from stablespike.sim.pins import transport

CONFIG = ss.ArrayConfig(
    lanes=4, weight_rows=2048, spike_rows=64, neuron_groups=8, state_groups=8, tasks=8,
    row_queue=4, receive_bytes=512, result_bytes=512, synaptic_current=False,
)
ADDRESS = "sim:icebreaker?link=uart"
# Each takes a model of its own: not optimized, since its compilation takes longer than its run.
OTHERS = [
    "sim:icebreaker?link=spi", "sim:ulx3s-25f?link=usb", "sim:ecpix5-45f?link=usb",
    "sim:colorlight-5a-75b?link=udp",
]


def program(seed):
    rng = np.random.default_rng(seed)
    network = random_network(rng, depth=(1, 2), width=(1, 12), pixel_bits=4, synapse=False)
    steps = int(rng.integers(1, 9))
    return ss.compile(network, CONFIG, steps), random_samples(rng, network, 4, steps)


def test_results_at_the_pins_are_those_of_golden():
    with ss.open_device(ADDRESS, CONFIG) as device:
        for seed in range(4):
            agree(device, *program(seed))


@pytest.mark.slow
@pytest.mark.parametrize("address", OTHERS)
def test_results_through_other_links(address, monkeypatch):
    monkeypatch.setattr(transport, "COMPILE", QUICK)
    with ss.open_device(address, CONFIG) as device:
        for seed in range(3):
            agree(device, *program(seed))


def test_a_board_closed_in_the_middle():
    device = ss.open_device(ADDRESS, CONFIG)
    compiled, samples = program(5)
    device.load(compiled)
    results = device.run(iter([samples[:1]] * 50))
    next(results)
    device.transport.close()
    with pytest.raises(ss.LinkError, match="is closed: open the device again"):
        list(results)
    device.close()
    device.close()


@pytest.mark.parametrize(("address", "message"), [
    ("sim:icebreker?link=uart", "board must be one of .* did you mean icebreaker"),
    ("sim:?link=uart", "board must be one of .* not ''"),
    ("sim:icebreaker?link=udp", "link must be one that icebreaker has, not 'udp': uart, spi"),
    ("sim:icebreaker?link=", "link must be one that icebreaker has, not ''"),
    ("sim:icebreaker?link=uart&uart=1", "uart=.* presets"),
    ("sim:netlist=icebreaker?link=uart", "UART's pins anyway: leave link= out"),
    ("sim:icebreaker?link=usb&baud=1000000", "has a baud rate but no UART"),
    ("sim:icebreaker?link=uart&baud=9600", "baud in .* must be at least 115200"),
    ("serial:x?link=uart", "has the option 'link'; serial: takes baud"),
])
def test_addresses_that_name_no_board_at_its_pins(address, message):
    with pytest.raises(ValueError, match=message):
        ss.open_device(address)
