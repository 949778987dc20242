"""The kernel's own network stack as the peer of a simulated board: ping, and images over UDP.

    python benchmarks/tap.py [--images 1000] [--loss 0.01 --duplicate 0.01 --reorder 0.01]
                             [-o docs/results/tap.json]

It runs in a network namespace of its own, without privileges. Frames go from a TAP interface to the
pins of the board's Ethernet PHY and back. Faults on the way to the board are made by ``tc`` (netem)
where the kernel has it, otherwise by the loop that copies the frames; those on the way back always
by the loop. Meanwhile another program sends the board datagrams of any size and content, and tries
to claim it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import stablespike as ss
from stablespike.boards.links.udp import UdpLink
from stablespike.boards.registry import board as find_board
from stablespike.cli.demo import shipped_program
from stablespike.datasets.shipped import pixels, shipped_images
from stablespike.sim.pins.tap import NAMESPACE, Cable, Network, Tap, TapPins, missing
from stablespike.spec.array import preset
from stablespike.spec.link import UDP_PAYLOAD, Ownership, pack_ownership

INSIDE = "STABLESPIKE_TAP"
BATCH = 100
PINGS = 3
TIMEOUT = 120.0  # simulated boards are slow
REFUSED_SECONDS = 3.0
STRANGER_SECONDS = 0.02


def netem(name: str, loss: float, duplicate: float, reorder: float) -> bool:
    """Let the kernel make the faults of what it sends; False if it cannot."""
    if shutil.which("tc") is None:
        return False
    # netem reorders only what it delays: those that it does not delay overtake.
    command = f"tc qdisc add dev {name} root netem delay 1ms loss {loss:%} duplicate {duplicate:%}"
    if reorder:
        command += f" reorder {reorder:%}"
    return not subprocess.run(command.split(), check=False, capture_output=True).returncode


def pinged(ip: str) -> int:
    """How many of the pings were answered."""
    said = subprocess.run(
        ["ping", "-c", str(PINGS), "-i", "0.3", "-W", "20", ip],
        check=False, stdout=subprocess.PIPE, text=True,
    ).stdout
    found = re.search(r"(\d+) received", said)
    return int(found[1]) if found else 0


class Stranger(threading.Thread):
    """Another program of this computer that sends the board whatever, jumbo datagrams too."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(daemon=True)
        self.address, self.count, self.stopping = address, 0, threading.Event()

    def run(self) -> None:
        noise = random.Random(0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            while not self.stopping.wait(STRANGER_SECONDS):
                most = noise.choice((20, UDP_PAYLOAD, 4000))
                payload = noise.randbytes(noise.randrange(most)) + b"\0"
                if self.count % 4 == 0:
                    payload = pack_ownership(noise.choice((Ownership.CLAIM, Ownership.RELEASE)))
                own.sendto(payload, self.address)
                self.count += 1


def refused(uri: str) -> bool:
    """Whether a second host is refused."""
    try:
        ss.open_device(uri, timeout=REFUSED_SECONDS).close()
    except ss.LinkError:
        return True
    return False


def measured(given: argparse.Namespace) -> dict[str, Any]:
    board = find_board(given.board)
    link = board.link("udp")
    assert isinstance(link, UdpLink)
    (_, program), config = shipped_program(given.array), preset(given.array)
    images = pixels(shipped_images(given.images)[0], program.network)
    with ss.open_device("golden:") as golden:
        golden.load(program)
        wanted = golden.run(images)
    pins, tap = TapPins(board, link, config), Tap()
    chances = (given.loss, given.duplicate, given.reorder)
    back = Network(*chances, seed=2)
    to = Network(*chances, seed=1)
    cable = Cable(tap, pins, Network(), Network())
    cable.start()
    answered = pinged(link.ip)
    cable.stop()
    kernel = any(chances) and netem(tap.name, *chances)
    cable = Cable(tap, pins, Network() if kernel else to, back)
    cable.start()
    differences = 0
    with ss.open_device(f"udp:{link.ip}:{link.port}", timeout=TIMEOUT) as device:
        second = refused(f"udp:{link.ip}:{link.port}")
        stranger = Stranger((link.ip, link.port))
        stranger.start()
        began = time.perf_counter()
        device.load(program)
        loaded = time.perf_counter() - began
        for at in range(0, len(images), BATCH):
            got = device.run(images[at : at + BATCH])
            expected = wanted.readout[at : at + BATCH]
            differences += int(np.any(got.readout != expected, axis=1).sum())
        took = time.perf_counter() - began
        stranger.stopping.set()
    cable.stop()
    statistics = pins.statistics
    pins.close()
    tap.close()
    return {
        "board": board.name, "array": given.array, "pings": PINGS, "answered": answered,
        "images": len(images), "differences": differences,
        "second host refused": second, "datagrams of a stranger": stranger.count,
        "loss": given.loss, "duplicate": given.duplicate, "reorder": given.reorder,
        "faults to the board by": "netem" if kernel else "the copying loop",
        "faults to the board": dict(to.happened), "faults from the board": dict(back.happened),
        "frames to the board": cable.frames[0], "frames from the board": cable.frames[1],
        "load, s": round(loaded, 1), "all, s": round(took, 1),
        "simulated, ms": round(statistics.picoseconds / 1e9, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000, help="How many, at most 1,000.")
    parser.add_argument("--board", default="colorlight-5a-75b", help="With Ethernet.")
    parser.add_argument("--array", default="icebreaker", help="Preset of the array.")
    for name in ("loss", "duplicate", "reorder"):
        parser.add_argument(f"--{name}", type=float, default=0.0, help="Chance for a frame.")
    parser.add_argument("-o", "--out", type=Path, help="JSON file to write.")
    given = parser.parse_args()
    if INSIDE not in os.environ:
        if reason := missing():
            raise SystemExit(reason)
        command = [*NAMESPACE, sys.executable, *sys.argv]
        os.execvpe(command[0], command, os.environ | {INSIDE: "1"})
    found = measured(given)
    text = json.dumps(found, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
