"""A model of a board on Ethernet: the rules about its owner, and a network that is not kind."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from device_model import DeviceModel, Faults
from stablespike.spec.link import (
    UDP_PAYLOAD,
    UDP_SILENCE,
    Ownership,
    pack_ownership,
    unpack_ownership,
)

__all__ = ["UdpBoard"]


class UdpBoard:
    """A device model behind a socket, in a thread.

    Parameters
    ----------
    model : DeviceModel
        The device.
    to, back : Faults, optional
        What happens to datagrams.
    silence : float
        Seconds after which an owner may be replaced.

    Attributes
    ----------
    uri : str
        Its address.
    datagrams : list of bytes
        Those that came.
    deaf : bool
        It answers claims and nothing else.
    """

    def __init__(
        self, model: DeviceModel, to: Faults | None = None, back: Faults | None = None,
        silence: float = UDP_SILENCE,
    ) -> None:
        self.model, self.to, self.back = model, to or Faults(), back or Faults()
        self.silence, self.datagrams, self.deaf = silence, list[bytes](), False
        self.owner: Any = None
        self._heard = 0.0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.001)
        self.address = self.socket.getsockname()
        self.uri = f"udp:127.0.0.1:{self.address[1]}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> UdpBoard:
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join(5)
        self.socket.close()

    def _serve(self) -> None:
        sender = None
        while not self._stop.is_set():
            try:
                payload, sender = self.socket.recvfrom(1 << 16)
                came = self.to.carry([payload])
            except TimeoutError:
                came = self.to.carry([])
            for datagram in came:
                self._take(datagram, sender)
            self.model.work(8)
            self._answer()

    def _take(self, datagram: bytes, sender: Any) -> None:
        said = unpack_ownership(datagram)
        now = time.monotonic()
        if said == Ownership.CLAIM:
            if sender != self.owner and self.owner and now - self._heard < self.silence:
                self.socket.sendto(pack_ownership(Ownership.REFUSED), sender)
                return
            self.owner = sender
            self.socket.sendto(pack_ownership(Ownership.GRANTED), sender)
        if sender != self.owner:
            return
        self._heard = now
        if said == Ownership.RELEASE:
            self.owner = None
        elif said is None and not self.deaf:
            self.datagrams.append(datagram)
            self.model.receive(datagram)

    def _answer(self) -> None:
        datagrams, datagram = [], b""
        while self.model.out:
            if len(datagram) + len(self.model.out[0]) > UDP_PAYLOAD:
                datagrams.append(datagram)
                datagram = b""
            datagram += self.model.out.popleft()
        for each in self.back.carry([*datagrams, datagram] if datagram else []):
            if self.owner:
                self.socket.sendto(each, self.owner)
