"""A TCP socket."""

from __future__ import annotations

import select
import socket

from ...support.errors import DeviceNotFound, DeviceTimeout, LinkError
from .transport import Transport

__all__ = ["TcpTransport"]

_CHUNK = 65536


class TcpTransport(Transport):
    """A socket, for a board behind a network or a serial server.

    Parameters
    ----------
    address : str
        ``host:port``, with an IPv6 host in brackets.
    timeout : float
        Seconds after which a host that does not answer, or takes nothing, is given up.

    Raises
    ------
    ValueError
        If it is not an address of that form.
    DeviceNotFound
        If nothing listens there.
    """

    foreign = "check what listens there: it is not the server of a board"

    def __init__(self, address: str, timeout: float = Transport.timeout) -> None:
        self.name, self.timeout = f"tcp:{address}", timeout
        host, _, port = address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"tcp: needs <host>:<port> behind the colon, not {address!r}")
        try:
            self._socket = socket.create_connection((host, int(port)), timeout)
        except OSError as error:
            raise DeviceNotFound(
                f"{self.name} cannot be reached ({error}): check that the board's server runs there"
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise DeviceTimeout(
                f"{self.name} took no more bytes in {self.timeout} s: restart the server there"
            ) from error
        except OSError as error:
            raise self._broken(str(error)) from error

    def read(self, timeout: float) -> bytes:
        try:
            if not select.select([self._socket], [], [], timeout)[0]:
                return b""
            data = self._socket.recv(_CHUNK)
        except (OSError, ValueError) as error:
            raise self._broken(str(error)) from error
        if not data:
            raise self._broken("closed by the other side")
        return data

    def close(self) -> None:
        self._socket.close()

    def _broken(self, error: str) -> LinkError:
        self.broken = True
        return LinkError(
            f"{self.name} broke ({error}): check that the board's server runs there, and that "
            "nobody else is connected to it; then try again"
        )
