"""USB as a wire: by a ULPI PHY at high speed, or straight from D+ and D- at full speed."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..wire import wire_signature
from .device import CdcDevice, full_speed_bus, ulpi_bus

__all__ = ["FullSpeedUsb", "UlpiUsb"]


class UlpiUsb(wiring.Component):
    """A serial port at the pins of a ULPI PHY.

    Everything is in the domain ``usb``, whose clock is the PHY's, 60 MHz. The domain must be in
    reset while the PHY is, and leave it after the PHY. Through a full-speed hub the device has no
    use: its packets are those of high speed.

    Parameters
    ----------
    product : str
        Product string, printable ASCII.
    serial_number : str
        Serial number, printable ASCII.

    Members
    -------
    data_i, dir, nxt : In
        From the PHY.
    data_o, data_oe, stp : Out
        To the PHY.
    o, i, idle
        Those of ``wire_signature``. A byte goes both ways in every clock.

    Raises
    ------
    TypeError, ValueError
        If a string is not one.
    """

    def __init__(self, product: str, serial_number: str) -> None:
        self._bus = ulpi_bus()
        self._device = CdcDevice(self._bus, "high", product, serial_number)
        super().__init__({
            "data_i": In(8), "data_o": Out(8), "data_oe": Out(1),
            "dir": In(1), "nxt": In(1), "stp": Out(1),
            **wire_signature().members,
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.device = self._device
        _connect(m, self, self._device)
        bus = self._bus
        m.d.comb += [
            bus.data.i.eq(self.data_i),
            bus.dir.i.eq(self.dir),
            bus.nxt.i.eq(self.nxt),
            self.data_o.eq(bus.data.o),
            self.data_oe.eq(bus.data.oe),
            self.stp.eq(bus.stp.o),
        ]
        return m


class FullSpeedUsb(wiring.Component):
    """A serial port at D+ and D-, without a PHY.

    The bytes are in the domain ``usb``, 12 MHz. The lines are sampled in ``usb_io``, 48 MHz, in
    phase with it.

    Parameters
    ----------
    product : str
        Product string, printable ASCII.
    serial_number : str
        Serial number, printable ASCII.

    Members
    -------
    d_p_i, d_n_i : In(1)
        The lines; not synchronized.
    d_p_o, d_n_o, d_oe : Out(1)
        What drives them, in ``usb_io``.
    pullup : Out(1)
        Pull D+ up, which tells the host that a device is there.
    o, i, idle
        Those of ``wire_signature``. A byte goes every 8 clocks.

    Raises
    ------
    TypeError, ValueError
        If a string is not one.
    """

    def __init__(self, product: str, serial_number: str) -> None:
        self._bus = full_speed_bus()
        self._device = CdcDevice(self._bus, "full", product, serial_number)
        super().__init__({
            "d_p_i": In(1), "d_n_i": In(1), "d_p_o": Out(1), "d_n_o": Out(1), "d_oe": Out(1),
            "pullup": Out(1),
            **wire_signature().members,
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.device = self._device
        _connect(m, self, self._device)
        bus = self._bus
        m.d.comb += [
            bus.d_p.i.eq(self.d_p_i),
            bus.d_n.i.eq(self.d_n_i),
            self.d_p_o.eq(bus.d_p.o),
            self.d_n_o.eq(bus.d_n.o),
            self.d_oe.eq(bus.d_p.oe),
            self.pullup.eq(bus.pullup.o),
        ]
        return m


def _connect(m: Module, wire: wiring.Component, device: CdcDevice) -> None:
    connect(m, device.o, flipped(wire.o))
    connect(m, flipped(wire.i), device.i)
    m.d.comb += wire.idle.eq(1)
