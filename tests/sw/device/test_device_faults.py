"""Devices that stop, refuse, or report what cannot be, and are usable again."""

from __future__ import annotations

from typing import Any

import pytest
import stablespike as ss
from array_model import packet
from board_model import Board, board_device, same
from device_model import DeviceModel, Faults, ModelTransport
from device_programs import ARRAY, golden, program_of, small, spikes
from stablespike.device.open import LinkDevice
from stablespike.spec.link import Command
from stablespike.spec.report import ReportKind


@pytest.mark.parametrize("kind", ["lost", "damaged", "doubled", "reordered", "noise"])
def test_faults_of_the_link_change_nothing(kind: str) -> None:
    program = program_of(small("words", "both"))
    samples = spikes(40)
    device, _, transport = board_device(
        program, to=Faults(**{kind: 0.15}, seed=1), back=Faults(**{kind: 0.15}, seed=2),
        timeout=1e6,
    )
    device.load(program)
    same(device.run(samples, trace=True), golden(program).run(samples, trace=True))
    assert transport.device.hellos == 1
    assert transport.to.happened[kind] > 0
    assert transport.back.happened[kind] > 0


def test_every_window_is_computed_once() -> None:
    program = program_of(small())
    device, board, transport = board_device(
        program, to=Faults(lost=0.2, doubled=0.2, seed=5), back=Faults(lost=0.2, seed=6),
        timeout=1e6,
    )
    device.load(program)
    device.run(spikes(30))
    assert len(board.heads) == 30 * 2
    assert min(transport.to.happened[kind] for kind in ("lost", "doubled")) > 0
    assert transport.back.happened["lost"] > 0


def test_a_device_that_stops_is_usable_again() -> None:
    program = program_of(small())
    device, _, transport = board_device(program, timeout=3.0)
    device.load(program)
    reads = 0

    def stop() -> None:
        nonlocal reads
        reads += 1
        transport.dead = reads > 5

    transport.on_read = stop
    began = transport.now
    with pytest.raises(ss.DeviceTimeout, match=r"did not answer in 3.0 s .* results of its sam"):
        device.run(spikes(200))
    assert transport.now - began < 4.0
    with pytest.raises(ss.DeviceTimeout, match=r"did not answer hello in 3\.0 s"):
        device.run(spikes())
    transport.on_read, transport.dead = (lambda: None), False
    before = device.link_bytes
    same(device.run(spikes()), golden(program).run(spikes()))
    assert device.link_bytes.sent > before.sent
    assert transport.device.hellos == 2


def test_ctrl_c_leaves_the_device_usable() -> None:
    program = program_of(small())
    device, _, transport = board_device(program)
    device.load(program)
    reads = 0

    def interrupt() -> None:
        nonlocal reads
        reads += 1
        if reads == 4:
            raise KeyboardInterrupt

    transport.on_read = interrupt
    with pytest.raises(KeyboardInterrupt):
        device.run(spikes(100))
    same(device.run(spikes()), golden(program).run(spikes()))


def test_state_lost_by_an_error_is_not_made_up() -> None:
    program = program_of(small())
    device, _, transport = board_device(program, timeout=2.0)
    device.load(program)
    transport.dead = True
    with pytest.raises(ss.DeviceTimeout):
        device.run(spikes(), carry_state=True)
    transport.dead = False
    with pytest.raises(ss.DeviceError, match="lost the state to carry on from"):
        device.run(spikes(), carry_state=True)
    device.run(spikes())
    device.run(spikes(), carry_state=True)


def test_ctrl_c_in_the_golden_model_loses_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of(small())
    device = golden(program)
    run = device._golden.run

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    device.run(spikes())
    calls = iter([run, interrupt])  # the first sample of the batch is computed, the second is not
    monkeypatch.setattr(device._golden, "run", lambda *a, **k: next(calls)(*a, **k))
    with pytest.raises(KeyboardInterrupt):
        device.run(spikes(2), carry_state=True)
    monkeypatch.setattr(device._golden, "run", run)
    with pytest.raises(ss.DeviceError, match="lost the state to carry on from"):
        device.run(spikes(), carry_state=True)
    same(device.run(spikes()), golden(program).run(spikes()))

    stream = device.stream()
    stream.send(spikes()[0])
    monkeypatch.setattr(device._golden, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        stream.send(spikes()[0])
    with pytest.raises(ss.DeviceError, match="this stream has ended"):
        stream.send(spikes()[0])
    with pytest.raises(ss.DeviceError, match="lost the state to carry on from"):
        device.run(spikes(), carry_state=True)


def test_a_broken_transport_is_opened_again() -> None:
    program = program_of(small())
    board = Board(program)
    first, second = (
        ModelTransport(DeviceModel(board.config, board.execute, board.reset)) for _ in range(2)
    )
    transports = iter([first, second])
    device = LinkDevice("model:", lambda: next(transports), clock=first.clock)
    device.load(program)

    def unplug() -> None:
        first.broken = True
        raise ss.LinkError("unplugged")

    first.on_read = unplug
    with pytest.raises(ss.LinkError, match="unplugged"):
        device.run(spikes())
    same(device.run(spikes()), golden(program).run(spikes()))
    assert first.closed
    assert device.transport is second


def test_loading_fails_and_the_program_before_stays() -> None:
    one, two = program_of(small()), program_of(small("words"))
    device, _, transport = board_device(one, two, timeout=2.0)
    device.load(one)
    transport.dead = True
    with pytest.raises(ss.DeviceTimeout, match="the program to be written"):
        device.load(two)
    transport.dead = False
    assert device.program is one
    same(device.run(spikes()), golden(one).run(spikes()))
    device.load(two)
    same(device.run(spikes()), golden(two).run(spikes()))


def test_a_device_that_refuses() -> None:
    program = program_of(small())
    device, board, transport = board_device(program)
    device.load(program)
    transport.device.execute = lambda command: (
        None if command[0] == Command.INPUT else board.execute(command)
    )
    with pytest.raises(ss.LinkError, match="refused a command"):
        device.run(spikes())
    transport.device.execute = board.execute
    same(device.run(spikes()), golden(program).run(spikes()))


def _replace(kind: int, tag: int, group: int, core: int, words: int) -> Any:
    def change(packets: list[list[bytes]]) -> list[list[bytes]]:
        packets[0].insert(0, packet(kind, tag, group, core, [0] * words))
        return packets

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_replace(7, 0, 0, 0, 1), r"kind 7 of layer 0, group 0, core 0: it has 1 words"),
        (_replace(ReportKind.WORDS, 1, 0, 9, 1), r"WORDS of layer 1, .* there is no such core"),
        (_replace(ReportKind.WORDS, 1, 7, 0, 1), r"group 7, core 0: group 0 comes next"),
        (_replace(ReportKind.WORDS, 0, 0, 0, 1), r"this program does not cause it"),
        (_replace(ReportKind.TRACE_SPIKES, 0, 0, 0, 1), r"this program does not cause it"),
        (_replace(ReportKind.END, 0, 0, 0, 2), r"0 packets of core 0 in window 0 of sample 0, not"),
        (lambda packets: [packets[0][1:], packets[1]], r"reported 2 packets of core 0 in window 0"),
        (lambda packets: [p * 5 for p in packets], r"no window is under way there"),
    ],
)
def test_reports_that_cannot_be(change: Any, message: str) -> None:
    program = program_of(small())
    device, board, _ = board_device(program)
    device.load(program)
    keep, board.change = board.change, change
    with pytest.raises(ss.LinkError, match=message):
        device.run(spikes(1))
    board.change = keep
    same(device.run(spikes()), golden(program).run(spikes()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_replace(ReportKind.END, 0, 0, 1, 2), r"END of layer 0, .* this program does not cause"),
        (_replace(ReportKind.WORDS, 1, 7, 1, 1), r"group 7, core 1: group 0 comes next"),
        (_replace(ReportKind.WORDS, 1, 0, 0, 1), r"WORDS .* core 0: this program does not cause"),
        (lambda packets: [p * 5 for p in packets], r"no window is under way there"),
    ],
)
def test_reports_that_cannot_be_without_times(change: Any, message: str) -> None:
    """Of two cores, only one has neurons of the last layer, and the other one sends nothing."""
    program = program_of(small(outputs=2))
    assert [tile.groups for tile in program.tiles[1]] == [0, 1]
    device, board, _ = board_device(program)
    device.load(program)
    keep, board.change = board.change, change
    with pytest.raises(ss.LinkError, match=message):
        device.run(spikes(1), counters=False)
    board.change = keep
    same(device.run(spikes()), golden(program).run(spikes()))


def test_membranes_only_at_the_end() -> None:
    program = program_of(small("membrane"))
    device, board, _ = board_device(program)
    device.load(program)
    board.change = _replace(ReportKind.MEMBRANE, 1, 0, 0, ARRAY.lanes)
    with pytest.raises(ss.LinkError, match="it is not the last window"):
        device.run(spikes())


def test_membranes_are_of_every_neuron() -> None:
    program = program_of(small("membrane"))
    device, board, _ = board_device(program)
    device.load(program)

    def change(packets: list[list[bytes]]) -> list[list[bytes]]:
        at = next((i for i, p in enumerate(packets[0]) if p[0] & 7 == ReportKind.MEMBRANE), None)
        if at is not None:
            packets[0][at] = packet(ReportKind.MEMBRANE, 1, 0, 0, [0] * (ARRAY.lanes + 1))
        return packets

    board.change = change
    with pytest.raises(ss.LinkError, match="group 0, core 0: it has 5 words"):
        device.run(spikes())


def test_cores_that_disagree() -> None:
    program = program_of(small())
    device, board, _ = board_device(program)
    device.load(program)

    def change(packets: list[list[bytes]]) -> list[list[bytes]]:
        at = next(i for i, p in enumerate(packets[1]) if p[0] & 7 == ReportKind.COUNTERS)
        packets[1][at] = packets[1][at][:4] + b"\x63\x00" + packets[1][at][6:]
        return packets

    board.change = change
    with pytest.raises(ss.LinkError, match="counted other events on one core than on another"):
        device.run(spikes())


def test_counters_of_cores_without_groups() -> None:
    """Whether a core that has nothing to do reports counters or not."""
    program = program_of(small(outputs=2))
    (empty,) = [core for core, share in enumerate(program.tiles[1]) if not share.groups]
    for drop in (False, True):
        device, board, _ = board_device(program)

        def change(packets: list[list[bytes]], drop: bool = drop) -> list[list[bytes]]:
            kept = [
                p for p in packets[empty]
                if not (drop and p[0] & 7 == ReportKind.COUNTERS and p[1] >> 2 == 1)
            ]
            assert len(kept) == len(packets[empty]) - drop
            packets[empty] = kept
            return packets

        board.change = change
        device.load(program)
        same(device.run(spikes()), golden(program).run(spikes()))
