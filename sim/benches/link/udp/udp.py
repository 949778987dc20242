"""Benches of the whole UDP wire: frames at the PHY's side, bytes at the link's."""

from __future__ import annotations

import zlib
from collections import deque
from ipaddress import IPv4Address
from itertools import pairwise
from typing import Any

import cocotb
from cobs import cobs
from cocotb.triggers import Event, RisingEdge
from stablespike.spec.link import UDP_PAYLOAD, Ownership, pack_ownership

from ....harness.streams import Bench, Sink, parameters, start
from ....pins.ethernet import (
    BROADCAST,
    Datagram,
    Station,
    arp_reply_of,
    arp_request,
    checksum,
    ip_packet,
    on_wire,
    ping,
    received,
    udp_frame,
    udp_of,
)

PORT = 0x5353
GAP = 12
HOST = Station.of("02:00:00:00:00:01", "192.168.1.100")
OTHER = Station.of("02:00:00:00:00:02", "192.168.1.101")
HOST_PORT = 40_000
once = cocotb.test(skip=parameters().get("stall", 0) > 0)
"""A test without random pauses."""


def board() -> Station:
    """The board's addresses, as the test made it."""
    return Station(bytes.fromhex(parameters()["mac"]), IPv4Address(parameters()["ip"]).packed)


class Phy:
    """The other side of the board's GMII pins, at line rate.

    Attributes
    ----------
    frames : deque of bytes
        Frames from the board, checked, without preamble and FCS.
    spans : list of (int, int)
        First cycle of each frame on the wire and the cycle behind its last one.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench, self.frames, self.spans = bench, deque[bytes](), list[tuple[int, int]]()
        self._queue: deque[tuple[bytes, int, int | None]] = deque()
        self._busy, self._filled = False, Event()
        cocotb.start_soon(self._drive())
        cocotb.start_soon(self._watch())

    def put(
        self, frame: bytes, *, gap: int = GAP, raw: bool = False, bad: int | None = None
    ) -> None:
        """Queue a frame, or ``raw`` bytes of the wire; the byte ``bad`` comes with an error."""
        self._queue.append((frame if raw else on_wire(frame), gap, bad))
        self._busy = True
        self._filled.set()

    async def send(self, *frames: bytes) -> None:
        """Send frames, and wait until an answer would have come."""
        for frame in frames:
            self.put(frame)
        await self.settle()

    async def settle(self, cycles: int = 400) -> None:
        """Wait until all was sent, and nothing was received for a while."""
        await self.bench.until(lambda: not self._busy, "frames to be sent")
        seen = -1
        while seen != len(self.spans):
            seen = len(self.spans)
            await self.bench.tick(cycles)
            while self.bench.dut.tx_enable.value:
                await self.bench.tick(20)

    async def _drive(self) -> None:
        dut = self.bench.dut
        while True:
            if not self._queue:
                self._busy = False
                self._filled.clear()
                await self._filled.wait()
                await self.bench.tick()
            wire, gap, bad = self._queue.popleft()
            dut.rx_valid.value = 1
            for index, byte in enumerate(wire):
                dut.rx_data.value = byte
                dut.rx_error.value = int(index == bad)
                await self.bench.tick()
            dut.rx_valid.value = dut.rx_error.value = 0
            dut.rx_data.value = 0xDD  # as the status that RGMII sends between frames
            await self.bench.tick(gap)

    async def _watch(self) -> None:
        dut, last = self.bench.dut, -GAP
        enabled = RisingEdge(dut.tx_enable)
        while True:
            await enabled
            await self.bench.settle()
            first, wire = self.bench.cycle, bytearray()
            assert first - last >= GAP, f"a gap of {first - last} bytes"
            while dut.tx_enable.value:
                wire.append(int(dut.tx_data.value))
                await self.bench.settle()
            last = self.bench.cycle
            self.frames.append(received(bytes(wire)))
            self.spans.append((first, last))


class Host:
    """A host's side of the datagrams."""

    def __init__(self, phy: Phy, station: Station = HOST, port: int = HOST_PORT) -> None:
        self.phy, self.station, self.port = phy, station, port

    def frame(self, payload: bytes, **fields: Any) -> bytes:
        """A frame with a datagram to the board."""
        return udp_frame(self.station, board(), (self.port, PORT), payload, **fields)

    def taken(self) -> bytes:
        """The payload of the next frame, which must be a datagram for this host."""
        datagram = udp_of(self.phy.frames.popleft())
        assert datagram is not None
        assert datagram == Datagram(board(), self.station, (PORT, self.port), datagram.payload)
        return datagram.payload

    async def claim(self) -> Ownership:
        """Claim the board, and return its answer."""
        await self.phy.send(self.frame(pack_ownership(Ownership.CLAIM)))
        answer = self.taken()
        assert answer[:-1] == pack_ownership(Ownership.CLAIM)[:-1]
        return Ownership(answer[-1])


async def begin(dut: Any, stall: float = 0.0, limit: int = 200_000) -> tuple[Bench, Phy, Sink]:
    bench = await start(dut, limit=limit, period_ns=8)
    phy, sink = Phy(bench), bench.sink("o", stall)
    await bench.tick(30)
    return bench, phy, sink


async def owned(dut: Any, stall: float = 0.0) -> tuple[Bench, Phy, Sink, Host]:
    bench, phy, sink = await begin(dut, stall)
    host = Host(phy)
    assert await host.claim() is Ownership.GRANTED
    return bench, phy, sink, host


@once
async def answers_arp(dut):
    _, phy, _ = await begin(dut)
    for to in (BROADCAST, board().mac):
        await phy.send(arp_request(HOST, board().ip, to=to))
        frame = phy.frames.popleft()
        assert frame[:14] == HOST.mac + board().mac + b"\x08\x06"
        assert arp_reply_of(frame) == (board(), HOST)
    await phy.send(
        arp_request(HOST, OTHER.ip), arp_request(HOST, board().ip, to=OTHER.mac),
        arp_request(HOST, board().ip, kind=2), arp_request(HOST, board().ip, ethertype=b"\x08\x02"),
    )
    assert not phy.frames


@once
async def answers_pings_of_every_size(dut):
    bench, phy, sink = await begin(dut)
    sizes = [0, 1, 17, 18, 19, 56, 1471, 1472, *(bench.random.randrange(1473) for _ in range(3))]
    for number, size in enumerate(sizes):
        data = bench.random.randbytes(size)
        await phy.send(ping(HOST, board(), data, number=number, ttl=64))
        expected = ping(board(), HOST, data, number=number, kind=0, ttl=64)
        assert phy.frames.popleft() == expected + bytes(max(0, 60 - len(expected)))
    # Sums that carry around: the identifier makes the checksum whatever it should be.
    for wanted in (0xF7FF, 0xF8FF, 0xFFFF, 0xF7FE, 0xF800, 0xFFFE, 0x0000, 0x00FF, 0xFF00):
        data = ((-wanted - 0x0800 - 0x5353 - 1) % 0xFFFF).to_bytes(2, "big")
        await phy.send(ping(HOST, board(), data))
        frame = phy.frames.popleft()
        body = frame[34:34 + 10]
        assert checksum(body) in (0, 0xFFFF), frame.hex()
        assert body[0] == 0
        assert body[4:] == ping(HOST, board(), data)[38:]
    assert not sink.received


@cocotb.test()
async def carries_payloads_of_the_owner(dut):
    stall = parameters()["stall"]
    bench, phy, sink, host = await owned(dut, stall)
    sizes = [1, 2, 17, 18, 19, 1471, UDP_PAYLOAD]
    sizes += [bench.random.randrange(1, 300) for _ in range(9)]
    sent = bytearray()
    for size in sizes:
        payload = bench.random.randbytes(size)
        phy.put(host.frame(payload), gap=GAP + size if stall else GAP)  # what is slow gets time
        sent += payload
    await phy.settle(2000)
    assert bytes(sink.received) == sent


@once
async def drops_what_is_wrong(dut):
    bench, phy, sink, host = await owned(dut)
    me, data = board(), bench.random.randbytes(100)
    good = host.frame(data)
    wire = on_wire(good)
    flipped = bytearray(wire)
    flipped[60] ^= 4
    router = Station(bytes.fromhex("020000000099"), HOST.ip)
    wrong_mac, wrong_ip = Station(OTHER.mac, me.ip), Station(me.mac, OTHER.ip)
    wrong = {
        "FCS": (bytes(flipped), {"raw": True}),
        "an error of the PHY": (wire, {"raw": True, "bad": 50}),
        "an error in the preamble": (wire, {"raw": True, "bad": 3}),
        "a preamble": (b"\x55\x54" + wire[2:], {"raw": True}),
        "cut": (wire[:90], {"raw": True}),
        "a runt": (wire[:40], {"raw": True}),
        "a runt with a good FCS": (
            wire[:8] + good[:46] + zlib.crc32(good[:46]).to_bytes(4, "little"), {"raw": True}
        ),
        "only a preamble": (wire[:8], {"raw": True}),
        "one byte": (wire[:9], {"raw": True}),
        "nothing but preamble": (b"\x55" * 80, {"raw": True}),
        "one byte too long": (host.frame(bytes(1473)), {}),
        "jumbo": (host.frame(bytes(4000)), {}),
        "jumbo with IP's length of a small one": (host.frame(bytes(4000), length=128,
                                                             udp_length=108), {}),
        "another MAC address": (udp_frame(HOST, wrong_mac, (HOST_PORT, PORT), data), {}),
        "broadcast": (udp_frame(HOST, Station(BROADCAST, me.ip), (HOST_PORT, PORT), data), {}),
        "another IP address": (udp_frame(HOST, wrong_ip, (HOST_PORT, PORT), data), {}),
        "another port": (udp_frame(HOST, me, (HOST_PORT, PORT + 1), data), {}),
        "another port, high byte": (udp_frame(HOST, me, (HOST_PORT, PORT ^ 0x100), data), {}),
        "another sender's IP": (udp_frame(OTHER, me, (HOST_PORT, PORT), data), {}),
        "another sender's port": (udp_frame(HOST, me, (HOST_PORT + 1, PORT), data), {}),
        "another sender's MAC": (udp_frame(router, me, (HOST_PORT, PORT), data), {}),
        "a group as sender": (host.frame(data)[:6] + b"\x03" + host.frame(data)[7:], {}),
        "no IP": (host.frame(data, ethertype=b"\x86\xdd"), {}),
        "nearly IP": (host.frame(data, ethertype=b"\x08\x02"), {}),
        "VLAN": (good[:12] + b"\x81\x00\x00\x01" + good[12:], {}),
        "version 6": (host.frame(data, version=6), {}),
        "options": (host.frame(data, options=b"\x01" * 4), {}),
        "a first fragment": (host.frame(data, fragment=0x2000), {}),
        "a later fragment": (host.frame(data, fragment=0x0010), {}),
        "a far fragment": (host.frame(data, fragment=0x1000), {}),
        "TCP": (ip_packet(HOST, me, 6, good[34:]), {}),
        "ICMP in place of UDP": (ip_packet(HOST, me, 1, good[34:]), {}),
        "IP's checksum": (host.frame(data, sum_off=1), {}),
        "IP's length, one less": (host.frame(data, length=127), {}),
        "IP's length, one more": (host.frame(data, length=129), {}),
        "IP's length, huge": (host.frame(data, length=0xFFFF, udp_length=0xFFEB), {}),
        "both lengths one more": (host.frame(data, length=129, udp_length=109), {}),
        "both lengths nothing": (host.frame(data, length=28, udp_length=8), {}),
        "UDP's length too short": (host.frame(data, length=27, udp_length=7), {}),
        "UDP's length": (host.frame(data, udp_length=107), {}),
        "empty": (host.frame(b""), {}),
        "a ping elsewhere": (ping(HOST, wrong_ip, data), {}),
        "a ping to all": (ping(HOST, Station(BROADCAST, me.ip), data), {}),
        "a ping's reply": (ping(HOST, me, data, kind=0), {}),
        "a ping's code": (ping(HOST, me, data, code=1), {}),
        "a ping too short": (ip_packet(HOST, me, 1, b"\x08\0\xf7\xff", length=24), {}),
        "a fragment of a ping": (ping(HOST, me, data, fragment=0x2000), {}),
        "no such request": (host.frame(pack_ownership(Ownership.CLAIM)[:-1] + b"\x09"), {}),
    }
    # A good frame follows each wrong one, with bytes that no other frame has.
    names = list(wrong)
    for number, name in enumerate(names):
        frame, options = wrong[name]
        phy.put(frame, **options)
        phy.put(host.frame(bytes([number]) * 50))
    await phy.settle()
    got = bytes(sink.received)
    for number, name in enumerate(names):
        assert got[50 * number:50 * (number + 1)] == bytes([number]) * 50, name
    assert len(got) == 50 * len(names)
    assert not phy.frames


@once
async def takes_what_is_unusual(dut):
    _, phy, sink, host = await owned(dut)
    data = bytes(range(1, 31))
    wire = on_wire(host.frame(data))
    for name, frame, options in (
        ("fragments allowed", host.frame(data, fragment=0), {}),
        ("another TTL and number", host.frame(data, ttl=1, identification=0xFFFF), {}),
        ("more padding than needed", host.frame(data) + bytes(40), {}),
        ("a short preamble", wire[5:], {"raw": True}),
        ("no preamble", wire[7:], {"raw": True}),
        ("a long preamble", b"\x55" * 9 + wire, {"raw": True}),
    ):
        phy.put(frame, **options)
        await phy.settle(300)
        assert bytes(sink.received) == data, name
        sink.received.clear()


@once
async def serves_one_host(dut):
    bench, phy, sink = await begin(dut)
    silence = parameters()["silence"]
    host, other = Host(phy), Host(phy, OTHER)
    same_address = Host(phy, HOST, HOST_PORT + 1)
    # Without an owner, payloads change nothing.
    await phy.send(host.frame(b"\1\2\3"))
    assert not sink.received
    assert await host.claim() is Ownership.GRANTED
    assert await host.claim() is Ownership.GRANTED
    for second in (other, same_address):
        assert await second.claim() is Ownership.REFUSED
        await phy.send(second.frame(b"\4\5"), second.frame(pack_ownership(Ownership.RELEASE)))
    await phy.send(host.frame(b"\6"))
    assert bytes(sink.received) == b"\6"
    # A silent owner stays, until another one claims.
    await bench.tick(silence + 10)
    await phy.send(host.frame(b"\7"))
    assert await other.claim() is Ownership.REFUSED
    await bench.tick(silence + 10)
    assert await other.claim() is Ownership.GRANTED
    await phy.send(host.frame(b"\1"), other.frame(b"\x08"))
    assert await host.claim() is Ownership.REFUSED
    # Each sign of the owner counts.
    for _ in range(3):
        await bench.tick(silence // 2)
        await phy.send(other.frame(b"\x09"))
        assert await host.claim() is Ownership.REFUSED
    await phy.send(other.frame(pack_ownership(Ownership.RELEASE)), other.frame(b"\1"))
    assert await same_address.claim() is Ownership.GRANTED
    await phy.send(same_address.frame(b"\x0a"))
    assert bytes(sink.received) == b"\6\7\x08\x09\x09\x09\x0a"
    assert not phy.frames


@once
async def takes_frames_at_line_rate(dut):
    """Nothing is lost while the link takes a byte per cycle, with the smallest gap."""
    bench, phy, sink, host = await owned(dut)
    sent = bytearray()
    for size in [UDP_PAYLOAD] * 6 + [1] * 40 + [bench.random.randrange(1, 200) for _ in range(20)]:
        payload = bench.random.randbytes(size)
        phy.put(host.frame(payload), gap=8)
        sent += payload
    await phy.settle(3000)
    assert bytes(sink.received) == sent


@once
async def drops_whole_frames_without_room(dut):
    bench, phy, sink, host = await owned(dut, 0.7)
    sent = []
    for number in range(20):
        size = bench.random.choice([3, 200, UDP_PAYLOAD])
        sent.append(bytes([number + 1]) * (size - 1) + b"\0")
        phy.put(host.frame(sent[-1]), gap=8)
    await phy.settle(15_000)
    got = bytes(sink.received).split(b"\0")[:-1]
    assert all(piece + b"\0" in sent for piece in got)
    assert [piece[0] for piece in got] == sorted(piece[0] for piece in got)
    assert 3 < len(got) < len(sent)
    # Afterwards there is room again.
    sink.received.clear()
    await phy.send(host.frame(b"\x55"))
    assert bytes(sink.received) == b"\x55"


def frames_of(bench: Bench, sizes: list[int]) -> list[bytes]:
    return [cobs.encode(bench.random.randbytes(size)) + b"\0" for size in sizes]


@cocotb.test()
async def gathers_frames(dut):
    bench, phy, _, host = await owned(dut)
    linger = parameters()["linger"]
    source = bench.source("i", parameters()["stall"] / 4)
    # Each alone.
    for frame in frames_of(bench, [8, 9, 50, 254]):
        await source.send(list(frame))
        sent = bench.cycle
        await phy.settle()
        assert host.taken() == frame
        assert linger < phy.spans[-1][0] - sent <= linger + 24
    # Many at once: datagrams of whole frames, as large as can be, without a pause.
    sizes = [bench.random.randrange(1, 255) for _ in range(40)] + [254] * 12
    frames = frames_of(bench, sizes)
    first = len(phy.spans)
    source.put(b"".join(frames))
    await bench.until(lambda: source.idle, "the frames to be taken")
    await phy.settle()
    got = []
    while phy.frames:
        got.append(host.taken())
    assert b"".join(got) == b"".join(frames)
    assert all(piece.endswith(b"\0") for piece in got)
    assert all(len(piece) > UDP_PAYLOAD - 256 for piece in got[:-1])
    if not parameters()["stall"]:
        spans = phy.spans[first + 2:-1]
        assert all(after[0] - before[1] <= 16 for before, after in pairwise(spans))
    # No frame is that long, but nothing gets stuck.
    endless = bench.random.randbytes(4000).replace(b"\0", b"\1") + b"\0"
    source.put(endless)
    await bench.until(lambda: source.idle, "the bytes to be taken")
    await phy.settle()
    got = []
    while phy.frames:
        got.append(host.taken())
    assert b"".join(got) == endless
    assert len(got[0]) == UDP_PAYLOAD
    await bench.settle()
    assert dut.idle.value


@once
async def small_frames_share_datagrams(dut):
    """Not one datagram for each of many small frames, although each comes after a pause."""
    bench, phy, _, host = await owned(dut)
    linger, spacing = parameters()["linger"], parameters()["spacing"]
    source = bench.source("i")
    frames = frames_of(bench, [20] * 24)
    for frame in frames:
        source.put(frame)
        await bench.tick(linger + 40)
    await phy.settle()
    starts = [first for first, _ in phy.spans[1:]]
    assert all(later - one >= spacing for one, later in pairwise(starts))
    assert 24 * (linger + 40) // spacing <= len(starts) + 1
    got = []
    while phy.frames:
        got.append(host.taken())
    assert got[0] == frames[0]
    assert b"".join(got) == b"".join(frames)


@once
async def sends_nothing_without_an_owner(dut):
    bench, phy, _ = await begin(dut)
    source = bench.source("i")
    await source.send([1, 2, 0] * 800)
    await phy.settle()
    assert not phy.frames
    host = Host(phy)
    assert await host.claim() is Ownership.GRANTED
    await source.send([2, 3, 0])
    await phy.settle()
    assert host.taken() == b"\2\3\0"
    await phy.send(host.frame(pack_ownership(Ownership.RELEASE)))
    await source.send([2, 3, 0])
    await phy.settle()
    assert not phy.frames


@once
async def does_everything_at_once(dut):
    """Datagrams of the owner, pings, ARP and claims of others at line rate, and a full link."""
    bench, phy, sink, host = await owned(dut)
    other = Host(phy, OTHER)
    source = bench.source("i")
    frames = frames_of(bench, [bench.random.randrange(1, 255) for _ in range(40)])
    source.put(b"".join(frames))
    sent, pings, claims, requests = bytearray(), [], 0, 0
    for number in range(30):
        kind = bench.random.randrange(5)
        if kind < 2:
            payload = bench.random.randbytes(bench.random.randrange(1, 600))
            sent += payload
            phy.put(host.frame(payload))
        elif kind == 2:
            data = bench.random.randbytes(bench.random.randrange(300))
            pings.append(ping(board(), HOST, data, kind=0, number=number))
            phy.put(ping(HOST, board(), data, number=number))
        elif kind == 3:
            claims += 1
            phy.put(other.frame(pack_ownership(Ownership.CLAIM)))
        else:
            requests += 1
            phy.put(arp_request(OTHER, board().ip))
        phy.put(b"", gap=bench.random.randrange(8, 600), raw=True)
    await phy.settle(3000)
    assert bytes(sink.received) == sent
    back = bytearray()
    while phy.frames:
        frame = phy.frames.popleft()
        if arp_reply_of(frame) == (board(), OTHER):
            requests -= 1
        elif frame[23] == 1:
            expected = pings.pop(0)
            assert frame == expected + bytes(max(0, 60 - len(expected)))
        elif (datagram := udp_of(frame)) and datagram.target == OTHER:
            assert datagram.payload == pack_ownership(Ownership.REFUSED)
            claims -= 1
        else:
            assert datagram is not None
            assert datagram.target == HOST
            back += datagram.payload
    assert back == b"".join(frames)
    assert (requests, pings, claims) == (0, [], 0)
