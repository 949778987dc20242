"""USB at a board's pins, with a design that sends every byte back."""

import random

import pytest
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from stablespike.boards.registry import BOARDS
from stablespike.boards.top import Top
from stablespike.hw import accelerator
from stablespike.sim.pins.design import elaborate
from stablespike.sim.pins.usb import UsbPins
from stablespike.spec.link import BUILD_ID_BYTES
from stablespike.spec.usb import PACKET_BYTES
from stablespike.support.errors import LinkError

pytest.importorskip("luna", reason="luna-usb is not installed")
SPEEDS = {"ecpix5-45f": "high", "orangecrab-25f": "full"}
BUILD_ID = bytes(range(BUILD_ID_BYTES))
STRING, QUALIFIER = 3, 6
MILLISECOND = 10**9  # in ps


class Echo(wiring.Component):
    """Takes the place of the accelerator behind the wire."""

    def __init__(self, config, build_id, clock_hz):
        super().__init__({
            "rx": In(stream.Signature(8)), "tx": Out(stream.Signature(8)), "idle": In(1),
            "baud": Out(16), "baud_set": Out(1), "busy": Out(1), "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=8, depth=4096)
        wiring.connect(m, wiring.flipped(self.rx), fifo.w_stream)
        wiring.connect(m, fifo.r_stream, wiring.flipped(self.tx))
        return m


@pytest.fixture(scope="module", params=list(SPEEDS))
def design(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accelerator, "Accelerator", Echo)
        board = BOARDS[request.param]
        link = board.link("usb")
        yield board, link, elaborate(Top(board, board.config, BUILD_ID, link), board)


class Pins(UsbPins):
    idle = MILLISECOND // 4


@pytest.fixture(scope="module")
def pins(design):
    board, link, model = design
    transport = Pins(board, link, quick=True, design=model)
    transport.packet = PACKET_BYTES[SPEEDS[board.name]]
    configure(transport)
    yield transport
    transport.close()


def configure(transport):
    for _ in range(200):
        if transport.usb.configured:
            return
        transport.run(MILLISECOND // 4)
    raise AssertionError("the host did not take the device into use")


def echo(transport, data):
    transport.write(data)
    came = b""
    while part := transport.read(60):
        came += part
    return came


def test_the_host_knows_the_board(pins):
    assert pins.usb.errors == 0
    assert [pins.descriptor(STRING, index)[2:].decode("utf-16-le") for index in (1, 2, 3)] == [
        "StableSpike", f"StableSpike {pins.name.split()[-1]}", BUILD_ID.hex(),
    ]
    high = pins.packet == PACKET_BYTES["high"]
    assert (pins.descriptor(QUALIFIER) is not None) == high
    assert pins.refusals == (not high)


def test_a_frame_leaves_at_once_whatever_its_length(pins):
    packet = pins.packet
    for length in (1, packet - 1, packet, packet + 1, 2 * packet):
        before = pins.usb
        frame = bytes(1 + i % 255 for i in range(length - 1)) + b"\0"
        assert echo(pins, frame) == frame
        came = pins.usb.packets[1] - before.packets[1]
        # A frame that ends with a full packet has an empty one behind it.
        assert came >= length // packet + 1


def test_bytes_without_an_end_wait_until_a_packet_is_full(pins):
    packet = pins.packet
    half = bytes([1]) * (packet - 1)
    assert echo(pins, half) == b""
    pins.write(b"\2\0")
    came = b""
    while part := pins.read(60):
        came += part
    assert came == half + b"\2\0"


def test_frames_that_follow_each_other_fill_packets(pins):
    packet = pins.packet
    draw = random.Random(1)
    frames = b"".join(
        bytes(draw.randrange(1, 256) for _ in range(draw.randrange(1, 60))) + b"\0"
        for _ in range(20 * packet // 30)
    )
    before = pins.usb
    assert echo(pins, frames) == frames
    after = pins.usb
    assert after.payload[1] - before.payload[1] == len(frames)
    assert (after.errors, after.repeated) == (before.errors, before.repeated)
    # Most packets are full: far fewer than frames.
    assert after.packets[1] - before.packets[1] < 2 * len(frames) / packet + 4


def test_a_bad_cable_costs_time_only(pins):
    packet = pins.packet
    draw = random.Random(2)
    frames = b"".join(
        bytes(draw.randrange(1, 256) for _ in range(draw.choice((packet - 1, 20, 100)))) + b"\0"
        for _ in range(30)
    )
    before = pins.usb
    pins.set_faults(6)
    assert echo(pins, frames) == frames
    pins.set_faults(0)
    after = pins.usb
    assert after.errors > before.errors
    assert after.repeated > before.repeated


def test_a_board_that_is_unplugged_and_comes_back(pins):
    pins.write(b"\1" * 100)  # no frame: it stays in the board, and goes with the plug
    pins.run(MILLISECOND)
    pins.unplug()
    pins.reset()
    with pytest.raises(LinkError, match=f"{pins.name} is gone: plug the board in again"):
        pins.read(0.1)
    pins.run(4 * MILLISECOND)
    pins.plug()
    configure(pins)
    before = pins.usb.errors
    assert echo(pins, b"\1\2\3\0") == b"\1\2\3\0"
    assert pins.usb.errors == before
