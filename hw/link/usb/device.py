"""The CDC-ACM device: ``luna-usb`` behind plain signals and streams.

Nothing else imports ``luna``. It stands on Amaranth's ``Record``, which the next Amaranth drops.
"""

import warnings
from typing import Any

from amaranth.hdl import Elaboratable, Fragment, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec.usb import BULK_ENDPOINT, NOTIFY_ENDPOINT, PACKET_BYTES

from .descriptors import descriptors

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of Record
    from amaranth.hdl.rec import Record
    from luna.gateware.usb.usb2.device import USBDevice
    from luna.gateware.usb.usb2.endpoint import EndpointInterface
    from luna.gateware.usb.usb2.endpoints.stream import USBStreamOutEndpoint
    from luna.gateware.usb.usb2.request import StallOnlyRequestHandler, USBRequestHandler
    from luna.gateware.usb.usb2.transfer import USBInTransferManager
    from usb_protocol.types import USBRequestType

__all__ = ["CdcDevice", "full_speed_bus", "ulpi_bus"]

_SET_LINE_CODING, _SET_CONTROL_LINE_STATE = 0x20, 0x22


def ulpi_bus() -> Record:
    """The pins of a ULPI PHY as luna takes them.

    Neither its clock nor its reset is there: luna would wait for ever if the PHY spoke in the first
    millisecond after a reset of luna's own.
    """
    one_in, one_out = [("i", 1)], [("o", 1)]
    data = [("i", 8), ("o", 8), ("oe", 1)]
    return Record([("data", data), ("nxt", one_in), ("dir", one_in), ("stp", one_out)])


def full_speed_bus() -> Record:
    """The pins D+, D- and the pull-up's as luna takes them."""
    line = [("i", 1), ("o", 1), ("oe", 1)]
    return Record([("d_p", line), ("d_n", line), ("pullup", [("o", 1)])])


class CdcDevice(wiring.Component):
    """A serial port at a bus of luna, in domain ``usb``.

    The endpoints of the bytes start anew whenever the device has no configuration, that is with
    every bus reset.

    Parameters
    ----------
    bus : Record
        ``ulpi_bus()`` or ``full_speed_bus()``.
    speed : str
        ``high`` or ``full``.
    product : str
        Product string.
    serial_number : str
        Serial number.

    Members
    -------
    o : Out(stream.Signature(8))
        Bytes from the host.
    i : In(stream.Signature(8))
        Bytes to the host. A zero makes what is there leave at once.
    """

    o: Out(stream.Signature(8))
    i: In(stream.Signature(8))

    def __init__(self, bus: Record, speed: str, product: str, serial_number: str) -> None:
        self._bus, self._speed = bus, speed
        self._descriptors = descriptors(speed, product, serial_number)
        super().__init__()

    def elaborate(self, platform) -> Module:
        m = Module()
        packet = PACKET_BYTES[self._speed]
        usb = USBDevice(bus=self._bus, handle_clocking=False)
        control = usb.add_standard_control_endpoint(self._descriptors)
        control.add_request_handler(_LineRequests())
        control.add_request_handler(StallOnlyRequestHandler(
            lambda setup: (setup.type == USBRequestType.VENDOR)
            | (setup.type == USBRequestType.RESERVED)
        ))
        down = USBStreamOutEndpoint(endpoint_number=BULK_ENDPOINT, max_packet_size=packet)
        up = _BytesToHost(BULK_ENDPOINT, packet)
        for endpoint in (_Silent(NOTIFY_ENDPOINT), _Configured(down), _Configured(up)):
            usb.add_endpoint(endpoint)
        m.submodules.usb = Fragment.get(usb, _Platform(platform))
        m.d.comb += [
            usb.connect.eq(1),
            self.o.valid.eq(down.stream.valid),
            self.o.payload.eq(down.stream.payload),
            down.stream.ready.eq(self.o.ready),
            up.valid.eq(self.i.valid),
            up.payload.eq(self.i.payload),
            self.i.ready.eq(up.ready),
        ]
        return m


class _Platform:
    """The platform, with what luna asks of it.

    The PHY's word on VBUS is ignored. A PHY tells it when it changes, so one that was configured
    late never does.
    """

    ignore_phy_vbus = True

    def __init__(self, platform: Any) -> None:
        self._platform, self.device = platform, getattr(platform, "device", "")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._platform, name)


class _Configured(Elaboratable):
    """An endpoint that is held in reset while the device has no configuration.

    luna would keep what it has buffered, and the packets' numbers (USB 2.0, 9.1.1.5 and 9.4.5).
    """

    def __init__(self, endpoint: Any) -> None:
        self.endpoint, self.interface = endpoint, endpoint.interface

    def elaborate(self, platform) -> Module:
        m = Module()
        unconfigured = self.interface.active_config == 0
        m.submodules.endpoint = ResetInserter({"usb": unconfigured})(self.endpoint)
        return m


class _Silent(Elaboratable):
    """An endpoint that never has anything to tell."""

    def __init__(self, number: int) -> None:
        self.number, self.interface = number, EndpointInterface()

    def elaborate(self, platform) -> Module:
        m = Module()
        token = self.interface.tokenizer
        m.d.comb += self.interface.handshakes_out.nak.eq(
            (token.endpoint == self.number) & token.is_in & token.ready_for_response
        )
        return m


class _BytesToHost(Elaboratable):
    """The endpoint of bytes to the host.

    A packet leaves when it is full, or when its last byte for now is a zero. While a packet is on
    the wire the next one fills up, so packets are full where frames follow each other. If the zero
    is the last byte of a full packet, an empty packet follows: hosts take a full packet to mean
    that more is coming.
    """

    def __init__(self, number: int, packet: int) -> None:
        self.number, self.packet = number, packet
        self.interface = EndpointInterface()
        self.valid, self.ready, self.payload = Signal(), Signal(), Signal(8)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.manager = manager = USBInTransferManager(self.packet)
        interface, halt = self.interface, self.interface.clear_endpoint_halt_in
        # Bytes of the packet that is being filled: none once the buffers have changed places.
        filled, filling = Signal(range(self.packet + 1)), Signal(range(self.packet + 1))
        side = Signal()
        complete, taken = Signal(), Signal()
        m.d.usb += side.eq(manager.buffer_toggle)
        m.d.comb += [
            taken.eq(self.valid & self.ready),
            filling.eq(Mux(side == manager.buffer_toggle, filled, 0)),
        ]
        m.d.usb += filled.eq(filling + taken)
        with m.If(taken):
            m.d.usb += complete.eq(self.payload == 0)
        m.d.comb += [
            manager.generate_zlps.eq(1),
            manager.active.eq(interface.tokenizer.endpoint == self.number),
            manager.transfer_stream.valid.eq(self.valid),
            manager.transfer_stream.payload.eq(self.payload),
            manager.transfer_stream.last.eq(
                (self.payload == 0) & (filling == self.packet - 1)
            ),
            self.ready.eq(manager.transfer_stream.ready),
            manager.flush.eq(complete),
            manager.reset_sequence.eq(
                halt.enable & halt.direction & (halt.number == self.number)
            ),
            interface.tx.stream_eq(manager.packet_stream),
            interface.tx_pid_toggle.eq(manager.data_pid),
            interface.tokenizer.connect(manager.tokenizer),
            manager.handshakes_out.connect(interface.handshakes_out),
            interface.handshakes_in.connect(manager.handshakes_in),
        ]
        return m


class _LineRequests(USBRequestHandler):
    """Accepts the requests for baud rate and modem lines, which mean nothing here."""

    def elaborate(self, platform) -> Module:
        m = Module()
        interface = self.interface
        setup = interface.setup
        with m.If(
            (setup.type == USBRequestType.CLASS)
            & ((setup.request == _SET_LINE_CODING) | (setup.request == _SET_CONTROL_LINE_STATE))
        ):
            m.d.comb += interface.claim.eq(1)
            with m.If(interface.rx_ready_for_response):
                m.d.comb += interface.handshakes_out.ack.eq(1)
            with m.If(interface.status_requested):
                m.d.comb += self.send_zlp()
        return m
