"""Memory blocks counted before synthesis, compared with the mapping of yosys."""

import json
from dataclasses import replace

import pytest
from stablespike.boards.flow import elaborate
from stablespike.boards.memory import BlockRam, check_fit, needs, totals
from stablespike.boards.netlist import Memory, memories
from stablespike.boards.registry import BOARDS
from stablespike.boards.tools import Tools
from stablespike.spec import ArrayConfig
from stablespike.support.errors import DoesNotFit

MAPPING = {
    "ice40": "memory_libmap -lib +/ice40/brams.txt",
    "ecp5": "memory_libmap -lib +/lattice/lutrams_trellis.txt -lib +/lattice/brams_16kd.txt",
    "gowin": "memory_libmap -lib +/gowin/lutrams.txt -lib +/gowin/brams.txt",
}
ARRAYS = {
    "one core": {},
    "two cores": {"cores": 2, "lanes": 16, "window": 8, "neuron_groups": 64, "weight_rows": 512},
    "wide": {"lanes": 32, "window": 8, "weight_bits": 8, "spike_rows": 512, "state": False},
    "deep": {"weight_rows": 6000, "neuron_groups": 100, "result_bytes": 2048, "tasks": 40},
}


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("name", ["icebreaker", "ulx3s-25f", "tang-nano-9k"])
def test_blocks_are_yosys_blocks(name, array, small, tmp_path):
    board, config = BOARDS[name], replace(small, **ARRAYS[array])
    elaborate(board, config, bytes(16), tmp_path)
    text = (tmp_path / "top.il").read_text()
    (tmp_path / "map.ys").write_text(
        "read_rtlil top.il\n"
        "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:COLLISION_X_MASK=1'0 %i\n"
        "hierarchy -top top\nproc\nmemory_collect\n"
        f"{MAPPING[board.family]}\ntee -q -o cells.json stat -json\n"
    )
    Tools(tmp_path).run("yosys", "-q", "map.ys")
    counted = json.loads((tmp_path / "cells.json").read_text())["design"]["num_cells_by_type"]
    blocks = sum(
        count for kind, count in counted.items()
        if kind.startswith("$__") and "LUTRAM" not in kind and "DPR16X4" not in kind
    )
    found = totals(needs(memories(text), board.ram))
    assert found.get(board.ram.name, 0) == blocks, counted
    assert found.get("SPRAM", 0) == counted.get("SB_SPRAM256KA", 0)


def test_memories_are_those_of_the_configuration(small, tmp_path):
    elaborate(BOARDS["hx8k"], replace(small, cores=2), bytes(16), tmp_path)
    found = memories((tmp_path / "top.il").read_text())
    weights = [each for each in found if each.path[-1] == "weights"]
    assert [(each.width, each.depth, each.lanes) for each in weights] == [(16, 2048, 1)] * 2


@pytest.mark.parametrize(("name", "style", "tables"), [("icebreaker", "block", 2), ("hx8k", "", 0)])
def test_the_link_takes_what_the_device_has_most_of(name, style, tables, small, tmp_path):
    elaborate(BOARDS[name], small, bytes(16), tmp_path)
    found = memories((tmp_path / "top.il").read_text())
    running = [each for each in found if each.name.startswith("running")]
    assert [each.style for each in running] == [style]
    # Tables are never written.
    assert [each.lanes for each in found if each.name == "table"] == [0] * tables


EBR = BlockRam("EBR", ((2048, 2), (1024, 4), (512, 8), (256, 16)), 1, 64)
DP16KD = BlockRam("DP16KD", ((1024, 18), (512, 36)), 9, 128, lut_rows=16)


@pytest.mark.parametrize(
    ("ram", "memory", "blocks"),
    [
        (EBR, Memory("m", "a", 16, 256, 1), 1),
        (EBR, Memory("m", "a", 17, 256, 1), 2),
        (EBR, Memory("m", "a", 4, 2048, 1), 2),
        (EBR, Memory("m", "a", 8, 4, 1), 0),             # 32 bits go into registers
        (EBR, Memory("m", "a", 8, 4, 1, "block"), 1),
        (EBR, Memory("m", "a", 8, 100, 0), 0),           # 800 bits of ROM go into LUTs
        (EBR, Memory("m", "a", 64, 256, 4), 4),
        (DP16KD, Memory("m", "a", 64, 512, 4), 2),       # two 16-bit parts in 36 bits
        (DP16KD, Memory("m", "a", 64, 1024, 4), 4),
        (DP16KD, Memory("m", "a", 16, 64, 1), 0),        # LUT RAM is cheaper
        (DP16KD, Memory("m", "a", 10, 128, 1), 1),       # but not with what selects its pieces
    ],
)
def test_blocks_of_one_memory(ram, memory, blocks):
    assert ram.blocks(memory) == blocks


def test_what_does_not_fit_says_what_would():
    found = [
        Memory("top.accelerator.accelerator.array.core0.weights", "memory", 16, 4096, 1),
        Memory("top.accelerator.accelerator.array.core0.weights", "memory", 16, 4096, 1),
        Memory("top.accelerator.accelerator.link.receiver", "buffer", 8, 512, 1),
    ]
    assert len(check_fit("it", found, EBR, {"EBR": 33}, 4096)) == 3
    others = [("big", DP16KD, {"DP16KD": 20}), ("tiny", DP16KD, {"DP16KD": 2})]
    with pytest.raises(
        DoesNotFit,
        match=r"^it does not fit: it needs 33 EBR of 20, 13 too many \(most of them: "
        r"cores\.weights 32, link\.receiver 1\); weight_rows=2048 would fit; it would fit big$",
    ):
        check_fit("it", found, EBR, {"EBR": 20}, 4096, others)
    def command(board, rows):
        return f"build {board} {rows}"

    with pytest.raises(DoesNotFit, match=r"\nbuild None 2048$"):
        check_fit("it", found, EBR, {"EBR": 20}, 4096, others, command)
    with pytest.raises(DoesNotFit, match=r"\nbuild big 4096$"):
        check_fit("it", found, EBR, {"EBR": 0}, 4096, others, command)
    with pytest.raises(DoesNotFit, match="choose an array with fewer weight_rows, cores or lanes"):
        check_fit("it", found, EBR, {"EBR": 0}, 4096)


def test_presets_fit_their_boards(tmp_path):
    for board in BOARDS.values():
        if board.name in ("icebreaker", "hx8k", "tang-nano-9k"):
            assert isinstance(board.config, ArrayConfig)
            elaborate(board, board.config, bytes(16), tmp_path)
            check_fit(board.name, memories((tmp_path / "top.il").read_text()), board.ram,
                      board.memory, board.config.weight_rows)
