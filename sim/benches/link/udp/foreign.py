"""The UDP wire with cocotbext-eth at the other end: frames made and checked by code of others."""

from __future__ import annotations

import logging

import cocotb
from cocotb.triggers import with_timeout
from cocotbext.eth import GmiiFrame, GmiiSink, GmiiSource
from stablespike.spec.link import Ownership, pack_ownership

from ....harness.streams import start
from ....pins.ethernet import arp_reply_of, arp_request, ping, udp_frame, udp_of
from .udp import HOST, HOST_PORT, PORT, board


@cocotb.test()
async def talks_to_a_foreign_mac(dut):
    logging.getLogger("cocotb").setLevel(logging.WARNING)
    bench = await start(dut, period_ns=8)
    phy = GmiiSource(dut.rx_data, dut.rx_error, dut.rx_valid, dut.clk)
    back = GmiiSink(dut.tx_data, None, dut.tx_enable, dut.clk)
    sink, source = bench.sink("o"), bench.source("i")
    await bench.tick(30)

    async def answer(frame: bytes) -> bytes:
        await phy.send(GmiiFrame.from_payload(frame))
        return await received()

    async def received() -> bytes:
        frame = await with_timeout(back.recv(), 100, "us")
        assert frame.check_fcs()
        return bytes(frame.get_payload())

    assert arp_reply_of(await answer(arp_request(HOST, board().ip))) == (board(), HOST)
    for size in (0, 56, 1472):
        data = bench.random.randbytes(size)
        expected = ping(board(), HOST, data, kind=0)
        assert (await answer(ping(HOST, board(), data))).rstrip(b"\0") == expected.rstrip(b"\0")

    def datagram(payload: bytes) -> bytes:
        return udp_frame(HOST, board(), (HOST_PORT, PORT), payload)

    granted = udp_of(await answer(datagram(pack_ownership(Ownership.CLAIM))))
    assert granted is not None
    assert granted.payload == pack_ownership(Ownership.GRANTED)
    sent = [bench.random.randbytes(bench.random.choice([1, 100, 1472])) for _ in range(12)]
    for payload in sent:
        await phy.send(GmiiFrame.from_payload(datagram(payload)))
    for size in (3, 700, 1472):
        payload = bytes(1 + index % 255 for index in range(size - 1)) + b"\0"
        source.put(payload)
        found = udp_of(await received())
        assert found is not None
        assert found.payload == payload
    await phy.wait()
    await bench.tick(2000)
    assert bytes(sink.received) == b"".join(sent)
    assert back.empty()
