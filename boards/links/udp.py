"""Gigabit Ethernet at a PHY with RGMII: UDP, and what its pins need."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stablespike.spec.link import UDP_ADDRESS, UDP_PORT, UDP_SILENCE

from .link import BoardLink

if TYPE_CHECKING:
    from amaranth.hdl import Module, Signal
    from amaranth.lib.wiring import Component
    from stablespike.spec.array import ArrayConfig

    from ..board import Board

__all__ = ["UdpLink"]

_ETHERNET_HZ = 125_000_000
_TAP_PS = 25  # of DELAYG, FPGA-TN-02035
_TAPS_MAX = 127
_WIDTH = 4
_QUEUE_BYTES = 4096


@dataclass(frozen=True)
class UdpLink(BoardLink):
    """UDP over a PHY with RGMII on an ECP5.

    The PHY sends and takes a nibble with each edge of its 125 MHz clocks. Both clocks must come 1
    to 2 ns after the edges of their data (RGMII 2.0). Who delays them, differs from board to board.
    The clock received is also the one that sends. The link must run at 1 Gbit/s: at 10 or 100
    Mbit/s, the board does not answer.

    Attributes
    ----------
    resource : str
        Resource of the PHY in the board's definition.
    control : str
        How this resource spells the names of the pins ``rx_ctl`` and ``tx_ctl``.
    rx_delay_ps : int
        Delay of the received data in the FPGA, against that of the clock on its way to the
        registers.
    tx_delay_ps : int
        Delay of the transmit clock in the FPGA; 0 if the PHY delays it.
    reset_s : float
        Duration of the PHY's reset in seconds. The wire is in reset for as long again.
    ip : str
        IP address of the board.
    port : int
        UDP port.
    mac : str or None
        MAC address, as ``02:...``. If None, it is a locally administered one that follows from the
        build: boards with different bitstreams have different ones.
    """

    resource: str = "eth_rgmii"
    control: str = "ctl"
    rx_delay_ps: int = 0
    tx_delay_ps: int = 0
    reset_s: float = 0.02
    ip: str = UDP_ADDRESS
    port: int = UDP_PORT
    mac: str | None = None

    kind = "udp"
    domain = "ethernet"
    cable = "a network cable to a gigabit port of the host or of a switch"

    def __post_init__(self) -> None:
        for name in ("rx_delay_ps", "tx_delay_ps"):
            value = getattr(self, name)
            if not 0 <= value <= _TAPS_MAX * _TAP_PS:
                raise ValueError(f"{name} must be from 0 to {_TAPS_MAX * _TAP_PS}, not {value}")
        try:
            ipaddress.IPv4Address(self.ip)
        except ValueError:
            raise ValueError(f"ip must be an IPv4 address, not {self.ip!r}") from None
        if not 1 <= self.port <= 0xFFFF:
            raise ValueError(f"port must be from 1 to {0xFFFF}, not {self.port}")
        if self.mac is not None:
            self.mac_address(b"")

    def rate(self, board: Board) -> int:
        return 8 * _ETHERNET_HZ

    def address(self, board: Board) -> str:
        return f"udp:{self.ip}" + (f":{self.port}" if self.port != UDP_PORT else "")

    def wire(self, board: Board, config: ArrayConfig, build_id: bytes) -> Component:
        from amaranth.hdl import DomainRenamer
        from stablespike.hw.link.udp.udp import Udp

        # The host may send as much as the array's buffer holds, faster than the array takes it.
        queue_bytes = max(_QUEUE_BYTES, config.receive_bytes)
        udp = Udp(
            self.mac_address(build_id), self.ip, self.port, silence=UDP_SILENCE * _ETHERNET_HZ,
            queue_bytes=queue_bytes,
        )
        return DomainRenamer(self.domain)(udp)  # type: ignore[no-any-return]

    def ports(self, platform: Any) -> Any:
        return platform.request(self.resource, 0, dir="-")

    def connect(self, m: Module, platform: Any, board: Board, accelerator: Any, ports: Any) -> None:
        from amaranth.hdl import Cat, ClockDomain, Const, Signal
        from amaranth.lib import io
        from amaranth.lib.cdc import ResetSynchronizer

        m.submodules.rx_clock = clock = io.Buffer("i", ports.rx_clk)
        # At the pin: nextpnr ignores, with a warning, a constraint of a net that yosys has renamed.
        platform.add_clock_constraint(ports.rx_clk.io, _ETHERNET_HZ)
        m.domains.ethernet = domain = ClockDomain(self.domain)
        m.d.comb += domain.clk.eq(clock.i)

        # A PHY in reset may stop its clock or send pulses that are too short.
        cycles = max(1, round(self.reset_s * board.clock_hz))
        waited = Signal(range(2 * cycles + 1))
        phy_reset, wire_reset = Signal(init=1), Signal(init=1)
        with m.If(waited != 2 * cycles):
            m.d.sync += waited.eq(waited + 1)
        m.d.sync += [phy_reset.eq(waited < cycles), wire_reset.eq(waited != 2 * cycles)]
        m.submodules.phy_reset = reset = io.Buffer("o", ports.rst)
        m.d.comb += reset.o.eq(phy_reset)
        m.submodules.ethernet_reset = ResetSynchronizer(wire_reset, domain=self.domain)

        low, high, valid, either = (Signal(width) for width in (_WIDTH, _WIDTH, 1, 1))
        self._receive(m, "rx_data", ports.rx_data, low, high)
        self._receive(m, "rx_ctl", getattr(ports, f"rx_{self.control}"), valid, either)
        # The second half of the control is "valid" unless there is an error.
        m.d.comb += [
            accelerator.rx_data.eq(Cat(low, high)),
            accelerator.rx_valid.eq(valid),
            accelerator.rx_error.eq(valid ^ either),
        ]
        data, enable = accelerator.tx_data, accelerator.tx_enable
        self._send(m, "tx_data", ports.tx_data, data[:_WIDTH], data[_WIDTH:])
        self._send(m, "tx_ctl", getattr(ports, f"tx_{self.control}"), enable, enable)
        self._send(m, "tx_clk", ports.tx_clk, Const(1), Const(0), delay_ps=self.tx_delay_ps)

    def _receive(self, m: Module, name: str, port: Any, first: Signal, second: Signal) -> None:
        """Registers for both edges of the clock, the first one being the rising edge."""
        from amaranth.hdl import ClockSignal, Const, Instance, Signal
        from amaranth.lib import io

        m.submodules[name] = pin = io.Buffer("i", port)
        for bit in range(len(port)):
            level = pin.i[bit]
            if self.rx_delay_ps:
                level = Signal(name=f"{name}{bit}_late")
                m.submodules[f"{name}{bit}_delay"] = _delay(pin.i[bit], level, self.rx_delay_ps)
            m.submodules[f"{name}{bit}"] = Instance(
                "IDDRX1F", i_D=level, i_SCLK=ClockSignal(self.domain), i_RST=Const(0),
                o_Q0=first[bit], o_Q1=second[bit],
            )

    def _send(
        self, m: Module, name: str, port: Any, first: Any, second: Any, delay_ps: int = 0
    ) -> None:
        """The same for outputs."""
        from amaranth.hdl import ClockSignal, Const, Instance, Signal
        from amaranth.lib import io

        m.submodules[name] = pin = io.Buffer("o", port)
        for bit in range(len(port)):
            level = Signal(name=f"{name}{bit}_early")
            m.submodules[f"{name}{bit}"] = Instance(
                "ODDRX1F", i_D0=first[bit], i_D1=second[bit], i_SCLK=ClockSignal(self.domain),
                i_RST=Const(0), o_Q=level,
            )
            if delay_ps:
                m.submodules[f"{name}{bit}_delay"] = _delay(level, pin.o[bit], delay_ps)
            else:
                m.d.comb += pin.o[bit].eq(level)

    def mac_address(self, build_id: bytes) -> bytes:
        """The MAC address of a build."""
        if self.mac is None:
            # 02: locally administered, of one station.
            return b"\x02" + hashlib.sha256(build_id + self.ip.encode()).digest()[:5]
        try:
            mac = bytes.fromhex(self.mac.replace(":", ""))
        except ValueError:
            mac = b""
        if len(mac) != 6 or mac[0] & 1:
            raise ValueError(
                f"mac must be 6 bytes like 02:12:34:56:78:9a, the first one even, not {self.mac!r}"
            )
        return mac


def _delay(early: Any, late: Any, picoseconds: int) -> Any:
    from amaranth.hdl import Instance

    return Instance(
        "DELAYG", p_DEL_MODE="USER_DEFINED", p_DEL_VALUE=round(picoseconds / _TAP_PS),
        i_A=early, o_Z=late,
    )
