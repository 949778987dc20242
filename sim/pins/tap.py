"""A simulated board on a TAP interface: the stack of the Linux kernel is at the other end."""

from __future__ import annotations

import errno
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .udp import EthernetPins

__all__ = ["NAMESPACE", "Cable", "Network", "Tap", "TapPins", "missing"]

NAMESPACE = ("unshare", "--user", "--map-root-user", "--net")
"""What runs a command in a network namespace of its own, without privileges."""
_DEVICE = Path("/dev/net/tun")
_TUNSETIFF, _TAP_WITHOUT_HEADER = 0x4004_54CA, 0x1002  # linux/if_tun.h
_FRAME_BYTES = 1 << 16
_IDLE_PS = 20_000_000      # of simulated time without a frame: then look what the kernel sends
_SLEEP_PS = 5_000_000_000  # the board has nothing to do any more: then wait for the kernel
_WAIT_S = 0.02


def missing() -> str | None:
    """What this machine lacks for a TAP interface in a namespace of its own; None if nothing."""
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} has no TAP interfaces like those of Linux"
    for tool, package in (("unshare", "util-linux"), ("ip", "iproute2"), ("ping", "iputils-ping")):
        if shutil.which(tool) is None:
            return f"there is no {tool}: apt install {package}"
    try:
        os.close(os.open(_DEVICE, os.O_RDWR))
    except OSError as error:
        return f"{_DEVICE} cannot be opened ({error.strerror})"
    tried = subprocess.run(
        [*NAMESPACE, "ip", "tuntap", "add", "dev", "t0", "mode", "tap"],
        check=False, capture_output=True, text=True,
    )
    if tried.returncode:
        return f"this user gets no TAP interface in a namespace ({tried.stderr.strip()})"
    return None


class Tap:
    """A TAP interface with an address, inside a namespace.

    Parameters
    ----------
    address : str
        IP address of this computer, with the length of its prefix.
    name : str
        Name of the interface.
    """

    def __init__(self, address: str = "192.168.1.100/24", name: str = "board") -> None:
        import fcntl

        self.name = name
        self.file = os.open(_DEVICE, os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", name.encode(), _TAP_WITHOUT_HEADER)
        fcntl.ioctl(self.file, _TUNSETIFF, request)
        # Nothing but what a test sends: no IPv6.
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        for command in (
            f"ip address add {address} dev {name}", f"ip link set {name} mtu 1500 up",
            "ip link set lo up",
        ):
            subprocess.run(command.split(), check=True)

    def take(self, timeout: float = 0.0) -> list[bytes]:
        """The frames that the kernel has sent; waits for one at most ``timeout`` seconds."""
        select.select([self.file], [], [], timeout)
        frames = []
        while True:
            try:
                frames.append(os.read(self.file, _FRAME_BYTES))
            except BlockingIOError:
                return frames

    def put(self, frame: bytes) -> None:
        """Give the kernel a frame; one that it has no room for is lost."""
        try:
            os.write(self.file, frame)
        except OSError as error:
            if error.errno not in (errno.ENOBUFS, errno.EAGAIN):
                raise

    def close(self) -> None:
        """Remove the interface."""
        os.close(self.file)


@dataclass
class Network:
    """What happens to frames on their way: the chance of each for a frame.

    Attributes
    ----------
    happened : Counter of str
        How often it happened.
    """

    lost: float = 0.0
    doubled: float = 0.0
    reordered: float = 0.0
    seed: int = 0
    happened: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._held: list[bytes] = []

    def carry(self, frames: list[bytes]) -> list[bytes]:
        """The frames that arrive when these are sent; one that is held back comes when another
        passed it, or with the next call."""
        arrived = []
        for frame in frames:
            if self._happens("lost"):
                continue
            held, self._held = self._held, []
            if not held and self._happens("reordered"):
                self._held = [frame]
                continue
            arrived += [frame] * (1 + self._happens("doubled")) + held
        if not frames:
            arrived, self._held = self._held, []
        return arrived

    def _happens(self, kind: str) -> bool:
        happens: bool = self._random.random() < getattr(self, kind)
        self.happened[kind] += happens
        return happens


class TapPins(EthernetPins):
    """A board at its Ethernet PHY that looks often what comes next."""

    @property
    def idle(self) -> int:
        return _IDLE_PS


class Cable(threading.Thread):
    """Copies frames between a TAP interface and a simulated board, until ``stop``.

    Parameters
    ----------
    tap : Tap
        The interface.
    board : TapPins
        The board.
    to, back : Network
        What happens to frames to the board and from it.

    Attributes
    ----------
    frames : list of int
        Frames of the kernel, and of the board.
    """

    def __init__(self, tap: Tap, board: TapPins, to: Network, back: Network) -> None:
        super().__init__(daemon=True)
        self._tap, self._board, self._to, self._back = tap, board, to, back
        self._stopping = threading.Event()
        self.frames = [0, 0]

    def run(self) -> None:
        silent = 0
        while not self._stopping.is_set():
            sent = self._tap.take(_WAIT_S if silent >= _SLEEP_PS else 0.0)
            for frame in self._to.carry(sent):
                self._board.put_frame(frame)
            came = self._board.take_frames(_WAIT_S)
            for frame in self._back.carry(came):
                self._tap.put(frame)
            self.frames[0] += len(sent)
            self.frames[1] += len(came)
            silent = 0 if sent or came else silent + _IDLE_PS

    def stop(self) -> None:
        """End the copying."""
        self._stopping.set()
        self.join()
