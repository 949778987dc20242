#!/usr/bin/env bash
# luna-usb goes on with DATA1, and with the bytes of the last session, after a bus reset and a new SET_CONFIGURATION
#
# Expected: every endpoint starts with DATA0 after SET_CONFIGURATION (USB 2.0, 9.1.1.5), and a reset forgets what was
#   buffered.
# Found (luna-usb 0.2.3, amaranth 0.5.10, 2026-12-01): an IN stream endpoint that sent one packet sends the next one with
#   DATA1 after a bus reset and SET_CONFIGURATION, and it is what was buffered before the reset.
# Why it matters: the host takes a DATA1 where it waits for DATA0 for a packet it already has: it acknowledges and drops
#   it, without a word. The first packet after a board was plugged in again is lost, or an old one arrives.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'luna-usb==0.2.3' 'amaranth==0.5.10'
cat > trial.py <<'PY'
import unittest
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
from luna.gateware.test import usb_domain_test_case
from luna.gateware.test.usb2 import USBDeviceTest
from luna.gateware.usb.usb2.device import USBDevice
from luna.gateware.usb.usb2.endpoints.stream import USBStreamInEndpoint
from usb_protocol.emitters import DeviceDescriptorCollection

IN, ACK, DATA0, DATA1 = 9, 2, 0xC3, 0x4B
print(*(f"{name} {version(name)}" for name in ("luna-usb", "amaranth")))


class Trial(USBDeviceTest):
    FRAGMENT_UNDER_TEST = USBDevice
    FRAGMENT_ARGUMENTS = {"handle_clocking": False}

    def provision_dut(self, dut):
        descriptors = DeviceDescriptorCollection()
        with descriptors.DeviceDescriptor() as d:
            d.idVendor, d.idProduct, d.bNumConfigurations = 0x1209, 1, 1
        with descriptors.ConfigurationDescriptor() as c, c.InterfaceDescriptor() as i:
            i.bInterfaceNumber = 0
            with i.EndpointDescriptor() as e:
                e.bEndpointAddress, e.wMaxPacketSize = 0x81, 64
        dut.add_standard_control_endpoint(descriptors)
        self.endpoint = USBStreamInEndpoint(endpoint_number=1, max_packet_size=64)
        dut.add_endpoint(self.endpoint)

    def initialize_signals(self):
        yield self.dut.connect.eq(1)
        yield self.utmi.line_state.eq(1)

    def put(self, byte):
        """One packet of one byte."""
        yield self.endpoint.stream.payload.eq(byte)
        yield self.endpoint.stream.last.eq(1)
        yield self.endpoint.stream.valid.eq(1)
        yield
        yield self.endpoint.stream.valid.eq(0)
        yield

    def take(self):
        yield from self.send_token(IN, endpoint=1)
        packet = yield from self.receive_packet()
        yield from self.interpacket_delay()
        yield from self.send_handshake(ACK)
        yield from self.interpacket_delay()
        return packet[0], packet[1:-2]

    @usb_domain_test_case
    def test_reset(self):
        yield from self.set_address(5)
        yield from self.set_configuration(1)
        yield from self.put(10)
        first = yield from self.take()
        yield from self.put(20)
        yield self.utmi.line_state.eq(0)  # SE0: bus reset
        yield from self.advance_cycles(400)
        yield self.utmi.line_state.eq(1)
        yield from self.advance_cycles(400)
        self.address = 0
        yield from self.set_address(6)
        yield from self.set_configuration(1)
        second = yield from self.take()
        names = {DATA0: "DATA0", DATA1: "DATA1"}
        print("before the reset:", names[first[0]], list(first[1]))
        print("after it:        ", names[second[0]], list(second[1]))
        assert first == (DATA0, b"\n") and second == (DATA1, b"\x14")


unittest.main()
PY
nice -n 10 venv/bin/python trial.py
