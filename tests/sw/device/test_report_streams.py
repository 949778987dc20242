"""Reports that are taken window by window, compared with those taken packet by packet."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from board_model import Board, board_device
from device_programs import program_of, small
from hypothesis import given, settings
from hypothesis import strategies as st
from stablespike.device import reports
from stablespike.device.reports import Collector, PacketStream
from stablespike.device.result import LinkBytes
from stablespike.device.windows import Batch
from stablespike.spec.link import ReportFlags
from stablespike.spec.report import HEAD, HEAD_WORDS
from stablespike.support.errors import LinkError

BATCHES = ([3, 6, 9, 4], [6] * 20, [1], [8, 2, 6])
"""The steps of the samples of each batch; a window has 4."""

Stream = tuple[Any, tuple[Batch, ...], bytes]


@cache
def stream(readout: str, trace: bool, counters: bool, seed: int) -> Stream:
    """A program, batches for it, and the reports of a board of two cores, whose packets mix."""
    program = program_of(small(readout), steps=9)
    board = Board(program, shuffle=seed)
    device, _, transport = board_device(program, board=board)
    came = bytearray()

    def execute(command: bytes) -> bytes | None:
        found = board.execute(command)
        came.extend(found or b"")
        return found

    transport.device.execute = execute
    device.load(program)
    rng, batches = np.random.default_rng(seed), []
    for lengths in BATCHES:
        values = rng.random((len(lengths), max(lengths), program.network.input.size)) < 0.3
        values &= np.arange(max(lengths))[:, None] < np.array(lengths)[:, None, None]
        device.run(values, trace=trace, counters=counters, lengths=lengths)
        batches.append(Batch(values, np.array(lengths), np.ones(len(lengths), bool)))
    return program, tuple(batches), bytes(came)


def flags(trace: bool, counters: bool) -> ReportFlags:
    """What the driver asks for."""
    return trace * ReportFlags.TRACE | counters * (ReportFlags.COUNTERS | ReportFlags.TIMES)


def outcome(
    monkeypatch: pytest.MonkeyPatch, few: int, case: Stream, data: bytes, sizes: list[int],
    trace: bool, counters: bool,
) -> tuple[list[dict[str, Any]], str]:
    """The results, and the error, of a stream that comes in pieces of these sizes, in turns."""
    monkeypatch.setattr(reports, "_FEW", few)
    program, batches, _ = case
    collector, results, at = Collector("model:", program, flags(trace, counters)), [], 0
    for batch in batches:
        collector.add(batch)
    try:
        for turn in range(len(data) + 1):
            if at >= len(data):
                collector.feed(b"")
                break
            size = sizes[turn % len(sizes)]
            collector.feed(data[at : at + size])
            at += size
            while collector.complete:
                results.append(collector.take(LinkBytes()).arrays())
        while collector.complete:
            results.append(collector.take(LinkBytes()).arrays())
    except LinkError as error:
        return results, str(error)
    return results, ""


def agree(case: Stream, data: bytes, sizes: list[int], trace: bool, counters: bool) -> int:
    """Check that both ways agree; the number of results."""
    with pytest.MonkeyPatch.context() as patch:
        ours, error = outcome(patch, 1, case, data, sizes, trace, counters)
        theirs, expected = outcome(patch, len(data), case, data, sizes, trace, counters)
    assert error == expected
    # A batch that is complete may be taken before the error behind it is seen.
    assert len(ours) == len(theirs) or (error and len(ours) > len(theirs))
    for one, other in zip(ours, theirs, strict=False):
        assert one.keys() == other.keys()
        for name, values in one.items():
            np.testing.assert_array_equal(values, other[name], err_msg=name)
    return len(ours)


CASES = {
    "readout": st.sampled_from(["counts", "words", "membrane"]),
    "trace": st.booleans(),
    "counters": st.booleans(),
    "seed": st.integers(0, 3),
    "sizes": st.lists(st.integers(1, 700), min_size=1, max_size=8),
}


@settings(max_examples=60, deadline=None)
@given(**CASES)
def test_wherever_the_stream_is_cut(
    readout: str, trace: bool, counters: bool, seed: int, sizes: list[int]
) -> None:
    case = stream(readout, trace, counters, seed)
    assert agree(case, case[2], sizes, trace, counters) == len(BATCHES)


@settings(max_examples=150, deadline=None)
@given(**CASES, at=st.floats(0, 1, exclude_max=True), how=st.integers(-2, 31))
def test_the_error_of_a_packet_that_cannot_be(
    readout: str, trace: bool, counters: bool, seed: int, sizes: list[int], at: float, how: int
) -> None:
    """A packet is lost, comes twice, or has a bit of its first words changed."""
    case = stream(readout, trace, counters, seed)
    data, starts, place = bytearray(case[2]), [], 0
    while place < len(data):
        starts.append(place)
        head = HEAD.unpack(int.from_bytes(data[place : place + 2], "little"))
        place += 2 * (HEAD_WORDS + head["length"])
    starts.append(place)
    number = int(at * (len(starts) - 1))
    begin, end = starts[number : number + 2]
    if how == -2:
        del data[begin:end]
    elif how == -1:
        data[begin:begin] = data[begin:end]
    else:
        data[begin + how // 8] ^= 1 << how % 8
    agree(case, bytes(data), sizes, trace, counters)


def test_whole_windows_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20 equal samples only a few windows are taken packet by packet."""
    program, batches, data = stream("counts", False, True, 1)
    one_by_one, packet = [], PacketStream._packet

    def counted(self: PacketStream, *args: Any) -> None:
        one_by_one.append(args)
        packet(self, *args)

    monkeypatch.setattr(PacketStream, "_packet", counted)
    collector = Collector("model:", program, flags(False, True))
    for batch in batches:
        collector.add(batch)
    collector.feed(data)
    windows = sum(batch.windows(4).sum() for batch in batches)
    assert 2 * program.config.cores <= len(one_by_one) < windows
