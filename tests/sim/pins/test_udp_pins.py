"""A board at its Ethernet PHY: frames at the pins of RGMII, and the driver behind them."""

import numpy as np
import pytest
import stablespike as ss
from agreement import agree
from random_networks import random_network, random_samples
from stablespike.boards.registry import board as find_board
from stablespike.sim.pins.ethernet import (
    Station,
    arp_reply_of,
    arp_request,
    on_wire,
    ping,
    udp_frame,
    udp_of,
)
from stablespike.sim.pins.udp import EthernetPins
from stablespike.spec.link import UDP_PORT, Ownership, pack_ownership

BOARD = "colorlight-5a-75b"
CONFIG = ss.ArrayConfig(
    lanes=4, weight_rows=2048, spike_rows=64, neuron_groups=8, state_groups=8, tasks=8,
    row_queue=4, receive_bytes=4096, result_bytes=4096, synaptic_current=False,
)
HOST = Station.of("02:00:00:00:00:01", "192.168.1.100")
OTHER = Station.of("02:00:00:00:00:02", "192.168.1.101")


@pytest.fixture(scope="module")
def phy():
    board = find_board(BOARD)
    pins = EthernetPins(board, board.link("udp"), CONFIG)
    yield pins
    pins.close()


def answers(phy, *frames, raw=False):
    for frame in frames:
        phy.put_frame(frame, raw=raw)
    return phy.take_frames(60.0)


@pytest.fixture(scope="module")
def board(phy):
    asked = Station.of("00:00:00:00:00:00", phy.link.ip)
    sender, target = arp_reply_of(answers(phy, arp_request(HOST, asked.ip))[0])
    assert (sender.ip, target) == (asked.ip, HOST)
    assert sender.mac[0] & 3 == 2  # locally administered, of one station
    return sender


def test_frames_at_the_pins(phy, board):
    for size in (0, 1, 500, 1472):
        data = np.random.default_rng(size).bytes(size)
        found = answers(phy, ping(HOST, board, data))
        expected = ping(board, HOST, data, kind=0)
        assert found == [expected + bytes(max(0, 60 - len(expected)))]
    wire = bytearray(on_wire(ping(HOST, board, bytes(100))))
    wire[40] ^= 1
    assert answers(phy, bytes(wire), raw=True) == []
    assert answers(phy, bytes(wire[:7]), raw=True) == []


def test_one_host(phy, board):
    def asked(host, what):
        found = answers(phy, udp_frame(host, board, (5000, UDP_PORT), pack_ownership(what)))
        return [udp_of(frame).payload for frame in found]

    granted, refused = ([pack_ownership(each)] for each in (Ownership.GRANTED, Ownership.REFUSED))
    assert asked(HOST, Ownership.CLAIM) == granted
    assert asked(OTHER, Ownership.CLAIM) == refused
    assert asked(OTHER, Ownership.RELEASE) == []
    assert asked(HOST, Ownership.CLAIM) == granted
    assert asked(HOST, Ownership.RELEASE) == []
    assert asked(OTHER, Ownership.CLAIM) == granted
    assert asked(OTHER, Ownership.RELEASE) == []


def test_results_over_ethernet_are_those_of_golden():
    with ss.open_device(f"sim:{BOARD}?link=udp", CONFIG) as device:
        for seed in range(3):
            rng = np.random.default_rng(seed)
            network = random_network(rng, depth=(1, 2), width=(1, 12), pixel_bits=4, synapse=False)
            steps = int(rng.integers(1, 9))
            program = ss.compile(network, CONFIG, steps)
            agree(device, program, random_samples(rng, network, 4, steps))
