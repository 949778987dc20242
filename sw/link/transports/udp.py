"""Datagrams of UDP."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import time
from ipaddress import IPv4Address

from ...spec.link import (
    UDP_ADDRESS,
    UDP_PAYLOAD,
    UDP_PORT,
    UDP_SILENCE,
    Ownership,
    pack_ownership,
    unpack_ownership,
)
from ...support.errors import DeviceNotFound, DeviceTimeout, LinkError
from .transport import Transport

__all__ = ["UdpTransport", "answers_ping", "own_address"]

_RECEIVE_BUFFER = 4 << 20  # bytes; systems give less, so much as they allow
_READ_BYTES = 1 << 18      # of one read, so that a flood of datagrams ends
_ROOM_BYTES = 1 << 16      # no datagram has more
_OWNERSHIP_BYTES = len(pack_ownership(Ownership.CLAIM))
_CLAIM_FIRST, _CLAIM_MOST = 0.02, 0.25  # seconds between claims
_PING_SECONDS = 1.0
_NEXT = {
    errno.ECONNREFUSED: "what answers there serves no such port: check address and port",
    errno.EHOSTUNREACH: "nothing has this address: check cable, power and address",
    errno.ENETUNREACH: "this computer has no way there: give its network port an address beside "
                       f"the board's, such as 192.168.1.100/24 for a board at {UDP_ADDRESS}",
    errno.EPERM: "a firewall of this computer forbids it: allow UDP to this address",
    errno.EACCES: "a firewall of this computer forbids it: allow UDP to this address",
    errno.EMSGSIZE: "set the MTU of the network port to 1500",
}
_NEXT[errno.ECONNRESET] = _NEXT[errno.ECONNREFUSED]  # Windows


class UdpTransport(Transport):
    """A board on Ethernet. ``reset`` claims the board, which serves one host at a time.

    Each datagram holds whole frames. Those that are lost, doubled or overtaken are the session's
    matter, and what other hosts send here is not heard.

    Parameters
    ----------
    address : str
        ``host`` or ``host:port``, by default with the port of boards; an IPv4 address, or a name
        that has one.
    timeout : float
        Seconds after which a board that does not answer is given up.

    Raises
    ------
    ValueError
        If it is not an address of that form, or not one that a board can have.
    DeviceNotFound
        If the name has no address, or this computer has no way there.
    """

    poll = 0.005  # a network port answers in less than a millisecond
    poll_most = 0.25
    foreign = "check what listens there: it is not a board"

    def __init__(self, address: str, timeout: float = Transport.timeout) -> None:
        self.name, self.timeout = f"udp:{address}", timeout
        host, self._port = _parts(address)
        self._ip = self._resolved(host)
        self._room = bytearray(_ROOM_BYTES)
        self._last_sent = -float("inf")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        try:
            # From here on, only datagrams of this address and port come.
            self._socket.connect((self._ip, self._port))
        except OSError as error:
            self._socket.close()
            raise self._not_found(error) from error

    def _resolved(self, host: str) -> str:
        try:
            found = socket.getaddrinfo(host, self._port, socket.AF_INET, socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no name"
            raise DeviceNotFound(
                f"{self.name}: {host!r} has no IPv4 address ({reason}): give the board's, "
                f"udp:{UDP_ADDRESS} unless its build says otherwise"
            ) from error
        ip = str(found[0][4][0])
        address = IPv4Address(ip)
        if address.is_multicast or address.is_unspecified or address == IPv4Address(0xFFFF_FFFF):
            raise ValueError(
                f"{self.name}: {ip} is no address of one board: give the board's, "
                f"udp:{UDP_ADDRESS} unless its build says otherwise"
            )
        return ip

    def reset(self) -> None:
        """Claim the board; what came before is dropped.

        Raises
        ------
        DeviceNotFound
            If there is no board. The message says what was found, as far as it can be.
        LinkError
            If the board serves another host.
        """
        deadline = time.monotonic() + self.timeout
        pause, refused = _CLAIM_FIRST, False
        while time.monotonic() < deadline:
            try:
                self._socket.send(pack_ownership(Ownership.CLAIM))
                answers = self._answers(min(pause, max(0.0, deadline - time.monotonic())))
            except BlockingIOError:
                answers = []
            except (OSError, ValueError) as error:
                raise self._not_found(error) from error
            if Ownership.GRANTED in answers:
                self._last_sent = time.monotonic()
                return
            # After a program that ended without a release, the board is free within UDP_SILENCE.
            refused = refused or Ownership.REFUSED in answers
            pause = min(2 * pause, _CLAIM_MOST)
        raise self._taken() if refused else self._silent()

    def _answers(self, seconds: float) -> list[Ownership | None]:
        """What came within some seconds about ownership; returns as soon as something did."""
        until = time.monotonic() + seconds
        while select.select([self._socket], [], [], max(0.0, until - time.monotonic()))[0]:
            found = unpack_ownership(self._socket.recv(_ROOM_BYTES))
            if found is not None:
                return [found]
            if time.monotonic() >= until:
                break
        return []

    def write(self, data: bytes) -> None:
        now = time.monotonic()
        if now - self._last_sent > UDP_SILENCE / 2:
            # Another host may have the board by now; the answer says it.
            self._send(pack_ownership(Ownership.CLAIM))
        self._last_sent = now
        view, at = memoryview(data), 0
        while at < len(data):
            end = len(data)
            if end - at > UDP_PAYLOAD:
                # A datagram ends with the last frame that fits.
                end = data.rfind(b"\0", at, at + UDP_PAYLOAD) + 1 or at + UDP_PAYLOAD
            self._send(view[at:end])
            at = end

    def _send(self, payload: bytes | memoryview) -> None:
        try:
            try:
                self._socket.send(payload)
            except BlockingIOError:
                if not select.select([], [self._socket], [], self.timeout)[1]:
                    raise DeviceTimeout(
                        f"{self.name}: the network port took nothing in {self.timeout} s: check "
                        "cable and port"
                    ) from None
                self._socket.send(payload)
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None) not in (errno.ENOBUFS, errno.EAGAIN):  # it is lost
                raise self._broken(error) from error

    def read(self, timeout: float) -> bytes:
        came, room = bytearray(), memoryview(self._room)
        try:
            if timeout > 0 and not select.select([self._socket], [], [], timeout)[0]:
                return b""
            while len(came) < _READ_BYTES:
                count = self._socket.recv_into(self._room)
                if count == _OWNERSHIP_BYTES and (
                    unpack_ownership(bytes(room[:count])) == Ownership.REFUSED
                ):
                    raise self._taken()
                # A part of a frame would damage the next one.
                if 0 < count <= UDP_PAYLOAD and not self._room[count - 1]:
                    came += room[:count]
        except BlockingIOError:
            pass
        except (OSError, ValueError) as error:
            raise self._broken(error) from error
        return bytes(came)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed already, or the board is gone
            self._socket.send(pack_ownership(Ownership.RELEASE))
        self._socket.close()

    def _taken(self) -> LinkError:
        return LinkError(
            f"{self.name} serves another program or computer: close the device there; the board is "
            f"free {UDP_SILENCE} s after that falls silent"
        )

    def _silent(self) -> DeviceNotFound:
        """Why claims have no answer."""
        pinged = answers_ping(self._ip, _PING_SECONDS)
        found = {
            True: f"{self._ip} answers ping, but no board answers at its port {self._port}: check "
                  "port and address, that the bitstream has the udp link, and firewalls",
            False: f"nothing at {self._ip} answers, not even ping: check power, cable, the address "
                   "and the bitstream, and that this computer's port runs at 1 Gbit/s",
            None: f"nothing answers at port {self._port} of {self._ip}: see whether it answers "
                  "ping; if not, check power, cable and address, otherwise port and bitstream",
        }[pinged]
        return DeviceNotFound(f"{self.name} did not answer in {self.timeout} s; {found}")

    def _not_found(self, error: Exception) -> DeviceNotFound:
        return DeviceNotFound(f"{self.name} cannot be reached ({_reason(error)})")

    def _broken(self, error: Exception) -> LinkError:
        self.broken = True
        return LinkError(f"{self.name} broke ({_reason(error)})")


def _parts(address: str) -> tuple[str, int]:
    host, colon, port = address.partition(":")
    if not host or "[" in host or (colon and not (port.isascii() and port.isdecimal())):
        raise ValueError(
            f"udp: needs <host> or <host>:<port> behind the colon, an IPv4 address or a name, not "
            f"{address!r}: boards have udp:{UDP_ADDRESS} unless their build says otherwise"
        )
    number = int(port[:6]) if colon else UDP_PORT
    if not 0 < number < 65536:
        raise ValueError(f"port in 'udp:{address}' must be from 1 to 65535, not {port}")
    return host, number


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number is None or number == errno.EBADF:
        return "it is closed: open the device again"
    said = getattr(error, "strerror", None) or os.strerror(number)
    return f"{said}; {_NEXT.get(number, 'check cable, power and network port')}"


def answers_ping(ip: str, seconds: float) -> bool | None:
    """Whether something at an address answers a ping; None if this user may not send one.

    Parameters
    ----------
    ip : str
        The IPv4 address.
    seconds : float
        How long to wait for the answer.
    """
    head = struct.pack(">BBHHH", 8, 0, 0, 0, 1)
    total = sum(struct.unpack(">4H", head))
    echo = struct.pack(">BBHHH", 8, 0, ~total & 0xFFFF, 0, 1)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as pinger:
            pinger.settimeout(seconds)
            pinger.sendto(echo, (ip, 0))
            try:
                pinger.recv(_ROOM_BYTES)
            except OSError:  # silence, or a router's word that there is nothing
                return False
    except OSError:
        return None
    return True


def own_address(ip: str) -> str | None:
    """The address from which this computer would send to another one; None if it has no way
    there. Nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((ip, UDP_PORT))
            return str(probe.getsockname()[0])
    except OSError:
        return None
