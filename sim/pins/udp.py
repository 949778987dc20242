"""Boards simulated at the pins of their Ethernet PHY."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import Any

from stablespike.boards.board import Board
from stablespike.boards.links.link import BoardLink
from stablespike.boards.links.udp import UdpLink
from stablespike.spec.link import UDP_PAYLOAD, Ownership, pack_ownership, unpack_ownership
from stablespike.support.errors import LinkError

from .design import Design
from .ethernet import (
    Datagram,
    Station,
    arp_reply_of,
    arp_request,
    udp_frame,
    udp_of,
)
from .transport import PinsTransport

__all__ = ["EthernetPins", "UdpPins"]

_HEAD_BYTES = 3
_RAW = 1
_HOST = Station.of("02:00:00:00:00:01", "192.168.1.100")
_HOST_PORT = 40_000
_RESET_S = 1e-6  # the simulated PHY needs no reset
_START_PS = 50_000_000  # until all of the board is out of reset


class EthernetPins(PinsTransport):
    """A board at its Ethernet PHY: whole frames, as the other end of the cable has them."""

    quiet = 4_000_000
    gather = 40_000_000

    def __init__(self, board: Board, link: BoardLink, *arguments: Any, **options: Any) -> None:
        assert isinstance(link, UdpLink)
        self.link = replace(link, reset_s=_RESET_S)
        super().__init__(board, self.link, *arguments, **options)
        self._records = b""
        self.run(_START_PS)

    def peer(self, design: Design) -> str:
        return "rgmii.h"

    def put_frame(self, frame: bytes, *, raw: bool = False) -> None:
        """Queue a frame, from its MAC header on; padding and FCS are added.

        Parameters
        ----------
        frame : bytes
            The frame; with ``raw``, all bytes of the wire, from the preamble to the FCS.
        raw : bool
            Whether to send it as it is.
        """
        super().write(len(frame).to_bytes(2, "little") + bytes([_RAW * raw]) + frame)

    def take_frames(self, timeout: float) -> list[bytes]:
        """Let time pass until the board sends, and return its frames, without FCS.

        ``timeout`` and the end of waiting are those of ``read``. Frames with a wrong preamble,
        length or FCS do not come.
        """
        self._records += super().read(timeout)
        frames = []
        while len(self._records) >= _HEAD_BYTES:
            end = _HEAD_BYTES + int.from_bytes(self._records[:2], "little")
            if len(self._records) < end:
                break
            frames.append(self._records[_HEAD_BYTES:end])
            self._records = self._records[end:]
        return frames

    def reset(self) -> None:
        super().reset()
        self._records = b""


class UdpPins(EthernetPins):
    """The bytes of the link in datagrams, with the rest of what a host does: ARP and the claim."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._board: Station | None = None
        self._waiting = b""  # bytes of frames that fill no datagram yet
        self._came: deque[bytes] = deque()

    def reset(self) -> None:
        """Discard queued bytes, find the board and claim it.

        Raises
        ------
        LinkError
            If it does not answer, or another host has it.
        """
        super().reset()
        self._waiting = b""
        self._came.clear()
        ip = Station.of("02:00:00:00:00:00", self.link.ip).ip
        self.put_frame(arp_request(_HOST, ip))
        self._board = next(
            (reply[0] for reply in map(arp_reply_of, self._answers()) if reply), None
        )
        if self._board is None:
            raise LinkError(f"{self.name} does not answer ARP requests for {self.link.ip}")
        self._put(pack_ownership(Ownership.CLAIM))
        answers = [unpack_ownership(datagram.payload) for datagram in self._datagrams(1.0)]
        if Ownership.GRANTED not in answers:
            raise LinkError(f"{self.name} does not grant a claim: {answers}")

    def write(self, data: bytes) -> None:
        self._waiting += bytes(data)
        # A datagram ends with the last frame that fits.
        while len(self._waiting) > UDP_PAYLOAD:
            end = self._waiting.rfind(b"\0", 0, UDP_PAYLOAD) + 1
            self._put(self._waiting[:end])
            self._waiting = self._waiting[end:]

    def read(self, timeout: float) -> bytes:
        if self._waiting:
            self._put(self._waiting)
            self._waiting = b""
        deadline = time.monotonic() + timeout
        return b"".join(
            datagram.payload for datagram in self._datagrams(deadline - time.monotonic())
            if unpack_ownership(datagram.payload) is None
        )

    def _put(self, payload: bytes) -> None:
        assert self._board is not None, "reset the transport first"
        self.put_frame(udp_frame(_HOST, self._board, (_HOST_PORT, self.link.port), payload))

    def _datagrams(self, timeout: float) -> list[Datagram]:
        found = map(udp_of, self.take_frames(timeout))
        return [datagram for datagram in found if datagram and datagram.target == _HOST]

    def _answers(self) -> list[bytes]:
        return self.take_frames(10.0)
