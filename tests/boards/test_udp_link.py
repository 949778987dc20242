"""A board's Ethernet: addresses, and what is refused."""

from dataclasses import replace

import pytest
from stablespike.boards.links.udp import UdpLink
from stablespike.boards.registry import board
from stablespike.spec.link import UDP_ADDRESS

BOARD = board("colorlight-5a-75b")


def test_addresses():
    assert UdpLink().address(BOARD) == f"udp:{UDP_ADDRESS}"
    assert UdpLink(ip="10.0.0.7", port=99).address(BOARD) == "udp:10.0.0.7:99"
    assert UdpLink().rate(BOARD) == 10**9


@pytest.mark.parametrize("receive_bytes", [512, 4096, 16384])
def test_the_queue_holds_what_a_host_may_send_at_once(receive_bytes):
    config = replace(BOARD.config, receive_bytes=receive_bytes)
    assert UdpLink().wire(BOARD, config, bytes(16)).queue.size == max(4096, receive_bytes)


def test_mac_addresses_follow_from_builds():
    one, other = UdpLink(), UdpLink(ip="10.0.0.7")
    builds = [bytes(16), bytes(15) + b"\1"]
    macs = {link.mac_address(build) for link in (one, other) for build in builds}
    assert len(macs) == 4
    assert all(len(mac) == 6 and mac[0] == 2 for mac in macs)
    assert UdpLink(mac="02:12:34:56:78:9a").mac_address(bytes(16)).hex() == "02123456789a"


@pytest.mark.parametrize(("options", "message"), [
    ({"ip": "10.0.0"}, r"ip must be an IPv4 address, not '10\.0\.0'"),
    ({"port": 0}, "port must be from 1 to 65535, not 0"),
    ({"port": 65536}, "port must be from 1 to 65535, not 65536"),
    ({"mac": "02:12"}, "mac must be 6 bytes like .*, not '02:12'"),
    ({"mac": "03:12:34:56:78:9a"}, "the first one even, not '03:12:34:56:78:9a'"),
    ({"mac": "me"}, "mac must be 6 bytes like .*, not 'me'"),
    ({"rx_delay_ps": 3200}, "rx_delay_ps must be from 0 to 3175, not 3200"),
    ({"tx_delay_ps": -1}, "tx_delay_ps must be from 0 to 3175, not -1"),
])
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        UdpLink(**options)
