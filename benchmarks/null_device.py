"""A device that takes no time: it answers on the link with reports that were recorded before."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from cobs import cobs
from stablespike.device.link_device import LinkDevice
from stablespike.device.windows import Batch, input_commands
from stablespike.link.frames import Frame, encode_frame
from stablespike.link.transports.simulated import SimulatedTransport
from stablespike.link.transports.transport import Transport
from stablespike.mapping.maps import input_map
from stablespike.program.program import Program
from stablespike.spec.array import ArrayConfig
from stablespike.spec.link import (
    BODY_BYTES,
    CRC_BYTES,
    HEADER_BYTES,
    KIND_MASK,
    Command,
    Kind,
    pack_info,
)
from stablespike.spec.report import HEAD, HEAD_WORDS, PLACE

__all__ = ["NullTransport", "recorded"]

Integers = npt.NDArray[np.int64]
_Call = TypeVar("_Call", bound=Callable[..., Any])


def _own(function: _Call) -> _Call:
    """Count the time of a method as the device's own."""

    def timed(self: Any, *args: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(self, *args)
        finally:
            self.seconds += time.perf_counter() - began

    return timed  # type: ignore[return-value]


class NullTransport(Transport):
    """The device and the way to it.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    reports : array of uint8
        The report stream of some images, which are sent in this order, again and again.
    ends, inputs : array of int64
        (images,) where the reports of each image end, and where its input ends in the stream of
        windows.

    Attributes
    ----------
    seconds : float
        The time that this took.
    """

    name = "null:"

    def __init__(
        self, config: ArrayConfig, reports: npt.NDArray[np.uint8], ends: Integers, inputs: Integers
    ) -> None:
        self.seconds = 0.0
        self._config, self._reports = config, reports.tobytes()
        self._ends, self._inputs = ends, inputs
        self._raw, self._out = b"", bytearray()
        self._session = self._executed = self._told = self._sent = self._base = 0
        self._kept: list[int] = []  # body bytes of each frame that was not acknowledged
        self.restart()

    def restart(self) -> None:
        """Begin again with the first image."""
        self._came = self._told_bytes = 0

    @_own
    def write(self, data: bytes) -> None:
        *frames, self._raw = (self._raw + data).split(b"\0")
        for raw in filter(None, frames):
            frame = cobs.decode(raw)
            kind, ack = frame[0] & KIND_MASK, frame[3]
            body = frame[HEADER_BYTES:-CRC_BYTES]
            if kind == Kind.HELLO:
                self._session = frame[1]
                self._executed = self._told = self._sent = self._base = 0
                self._kept.clear()
                self._out += encode_frame(
                    Frame(Kind.INFO, self._session, 0, 0, body + pack_info(self._config))
                )
                continue
            taken = (ack - self._base) & 0xFF
            del self._kept[:taken]
            self._base += taken
            if kind == Kind.DATA:
                self._executed += 1
                self._came += (len(body) - 1) * (body[0] == Command.INPUT)

    @_own
    def read(self, timeout: float) -> bytes:
        rounds, rest = divmod(self._came, int(self._inputs[-1]))
        image = int(np.searchsorted(self._inputs, rest, side="right"))
        due = rounds * len(self._reports) + (int(self._ends[image - 1]) if image else 0)
        room = self._config.result_bytes - sum(self._kept)
        while self._told_bytes < due and room > 1:
            at = self._told_bytes % len(self._reports)
            count = min(due - self._told_bytes, BODY_BYTES, room - 1)
            body = self._reports[at : at + count]
            self._send(Kind.DATA, self._sent, body)
            self._sent += 1
            self._kept.append(len(body) + 1)
            room -= len(body) + 1
            self._told_bytes += len(body)
        if self._told != self._executed:
            self._send(Kind.ACK)
        data = bytes(self._out)
        self._out.clear()
        return data

    def _send(self, kind: int, seq: int = 0, body: bytes = b"") -> None:
        self._told = self._executed
        self._out += encode_frame(
            Frame(kind, self._session, seq & 0xFF, self._executed & 0xFF, body)
        )

    def close(self) -> None:
        """Nothing is open."""


class Recorder(SimulatedTransport):
    """A simulated board, of which everything that it sends is kept."""

    def __init__(self, name: str, config: ArrayConfig) -> None:
        super().__init__(name, config)
        self.came = bytearray()

    def read(self, timeout: float) -> bytes:
        data = super().read(timeout)
        self.came += data
        return data

    def stream(self) -> bytes:
        """The report stream since the last time."""
        frames = [cobs.decode(bytes(raw)) for raw in filter(None, self.came.split(b"\0"))]
        self.came.clear()
        data = [each for each in frames if each[0] & KIND_MASK == Kind.DATA]
        return b"".join(each[HEADER_BYTES:-CRC_BYTES] for each in data)


def recorded(
    array: str, program: Program, samples: npt.NDArray[np.uint8], counters: bool
) -> dict[str, Any]:
    """The arguments of ``NullTransport`` for these images, and their predictions."""
    config = program.config
    board = Recorder(f"sim:{array}", config)
    with LinkDevice(board.name, lambda: board) as device:
        device.load(program)
        board.came.clear()
        result = device.run(samples, counters=counters)
    stream = board.stream()
    inputs = []
    for image in samples.reshape(len(samples), -1).astype(np.uint16):
        batch = Batch(image[None], np.array([program.steps]), np.array([True]))
        commands = input_commands(
            batch, config, input_map(program.computed, config.lanes), program.window,
            program.half_words,
        )
        inputs.append(sum(len(command) - 1 for command in commands))
    return {
        "reports": np.frombuffer(stream, np.uint8),
        "ends": _ends(stream, len(samples)),
        "inputs": np.cumsum(inputs),
        "prediction": result.prediction,
    }


def _ends(stream: bytes, images: int) -> Integers:
    """Where the reports of each image end, of which every core sends as many packets: with the last
    one of any core."""
    words, at = np.frombuffer(stream, "<u2").tolist(), 0
    stops: dict[int, list[int]] = {}
    while at < len(words):
        head, place = HEAD.unpack(words[at]), PLACE.unpack(words[at + 1])
        at += HEAD_WORDS + head["length"]
        stops.setdefault(place["core"], []).append(2 * at)
    ends = [np.reshape(each, (images, -1))[:, -1] for each in stops.values()]
    return np.asarray(np.max(ends, axis=0))
