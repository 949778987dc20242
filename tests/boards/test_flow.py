"""The real tools, from pins and PLL to the bitstream, with a small design behind the link."""

import json
from pathlib import Path

import pytest
from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from stablespike.boards.board import ROUTED
from stablespike.boards.build import Trials, build
from stablespike.boards.registry import BOARDS
from stablespike.hw import accelerator
from stablespike.spec.link import BUILD_ID_BYTES


class Little(wiring.Component):
    """Takes the place of the accelerator behind the wire: a memory that delays the bytes."""

    def __init__(self, config, build_id, clock_hz):
        assert len(build_id) == BUILD_ID_BYTES
        assert any(build_id)
        assert clock_hz > 0
        self.config = config
        super().__init__({
            "rx": In(stream.Signature(8)), "tx": Out(stream.Signature(8)), "idle": In(1),
            "baud": Out(16), "baud_set": Out(1), "busy": Out(1), "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=2048, init=[])
        write, read = memory.write_port(), memory.read_port()
        at = Signal(11)
        m.d.sync += at.eq(at + self.rx.valid)
        m.d.comb += [
            write.addr.eq(at), read.addr.eq(at + 1), write.en.eq(self.rx.valid),
            write.data.eq(self.rx.payload), self.rx.ready.eq(1),
            self.tx.payload.eq(read.data), self.tx.valid.eq(at[0]),
            self.busy.eq(at[-1]), self.error.eq(at[-2]),
        ]
        return m


# Bytes at or near the beginning of a bitstream.
MARKS = {
    "ice40": bytes.fromhex("7eaa997e"), "ecp5": bytes.fromhex("ffffbdb3"),
    "gowin": b"1010010111000011",
}


def test_carry_outs_that_nothing_reads_are_left_open(tmp_path):
    def half(carry_in, carry_out):
        return {"type": "CCU2C", "port_directions": {"CIN": "input", "COUT": "output"},
                "connections": {"CIN": [carry_in], "COUT": [carry_out]}}

    netlist = tmp_path / "top.json"
    cells = {"first": half("0", 2), "second": half(2, 3)}
    netlist.write_text(json.dumps({"modules": {"top": {"cells": cells}}}))
    BOARDS["ulx3s-25f"].finish(netlist)
    after = json.loads(netlist.read_text())["modules"]["top"]["cells"]
    assert after == {"first": half("0", 2), "second": half(2, "x")}


@pytest.mark.slow
@pytest.mark.parametrize("name", [
    # The board whose whole array is routed is in test_record.py.
    name for name, board in BOARDS.items() if not board.project and board.state != ROUTED
])
def test_bitstream(name, monkeypatch):
    monkeypatch.setattr(accelerator, "Accelerator", Little)
    board, seeds = BOARDS[name], 2 if name == "hx8k" else 1
    done = build(board, trials=Trials(seeds, jobs=seeds))
    assert done.met
    assert list(done.seeds) == [str(board.seed + i) for i in range(seeds)]
    assert done.fmax_mhz == max(done.seeds.values())
    assert done.registers > 10
    assert done.block_rams == done.memory[board.ram.name][0]
    assert " ns: " in done.critical_path
    assert MARKS[board.family] in Path(done.bitstream).read_bytes()[:4096]
    wanted = [rate for _, rate in done.clocks.values()]
    assert any(rate == pytest.approx(done.clock_mhz, rel=1e-3) for rate in wanted)
