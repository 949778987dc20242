"""The table of header bytes: with it, a frame is its own reply."""

import pytest
from stablespike.hw.link.udp.positions import SENDER_BYTES, Protocol, Rule, Write, positions
from stablespike.sim.pins.ethernet import (
    Station,
    arp_reply_of,
    arp_request,
    ping,
    udp_frame,
    udp_of,
)
from stablespike.spec.link import Ownership, pack_ownership

BOARD = Station.of("02:12:34:56:7f:f8", "192.168.1.50")
HOST = Station.of("02:00:00:00:00:01", "192.168.1.100")
PORT = 0x5353
TABLE = positions(BOARD.mac, BOARD.ip, PORT)


def reply(protocol, frame):
    """A frame as the table stores it, if all its bytes are as expected."""
    stored = bytearray(frame)
    for place, byte in enumerate(frame):
        position = TABLE.get((protocol, place))
        if position is None:
            continue
        if position.rule is Rule.EQUAL:
            assert byte & ~(0x40 * position.loose) == position.expect, place
        if position.write in (Write.BYTE, Write.CONSTANT):
            stored[position.to] = byte if position.write is Write.BYTE else position.constant
    return bytes(stored)


def test_replies():
    arp = reply(Protocol.ARP, arp_request(HOST, BOARD.ip))
    assert arp_reply_of(arp) == (BOARD, HOST)
    echo = reply(Protocol.ICMP, ping(HOST, BOARD, b"abc"))
    expected = ping(BOARD, HOST, b"abc", kind=0)
    assert echo[:36] + echo[38:] == expected[:36] + expected[38:]  # all but the sum
    claim = pack_ownership(Ownership.CLAIM)
    answer = udp_of(reply(Protocol.UDP, udp_frame(HOST, BOARD, (1000, PORT), claim)))
    assert (answer.source, answer.target) == (BOARD, HOST)
    assert (answer.ports, answer.payload) == ((PORT, 1000), claim)


@pytest.mark.parametrize("protocol", Protocol)
def test_every_place_is_written_once(protocol):
    places = [place for of, place in TABLE if of is protocol]
    written = sorted(TABLE[protocol, place].to for place in places)
    assert len(set(written)) == len(written)
    assert max(written) < 64
    senders = [TABLE[protocol, place].sender for place in places]
    known = [index for index in senders if index is not None]
    assert known == list(range(len(known)))
    assert len(known) <= SENDER_BYTES
    if protocol is Protocol.UDP:
        assert len(known) == SENDER_BYTES


def test_the_byte_that_tells_the_protocol_has_one_row():
    # The table is read while this byte comes.
    assert len({TABLE.get((protocol, 13)) for protocol in Protocol}) == 1
    assert TABLE[Protocol.UDP, 23] == TABLE[Protocol.ICMP, 23]
    assert max(place for _, place in TABLE) < 63
