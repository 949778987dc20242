"""The table of all boards, and comparison with the record."""

import dataclasses
import json

import pytest
from stablespike.boards.build import build
from stablespike.boards.survey import main, regressions


@pytest.fixture
def done(fake, icebreaker, small):
    return build(icebreaker, config=small, array="small")


@pytest.mark.parametrize(
    ("cells", "rate", "words"),
    [
        (4000, 30.0, []),
        (4200, 27.0, []),
        (4201, 30.0, ["icebreaker takes 4201 logic cells; 4000 are on record, and 5% more"]),
        (4000, 26.9, ["icebreaker reaches 26.9 MHz; 30.0 are on record, and 10% less"]),
        (5000, 10.0, ["icebreaker takes 5000", "icebreaker reaches 10.0"]),
    ],
)
def test_regressions(done, cells, rate, words):
    now = dataclasses.replace(done, logic_cells=cells, fmax_mhz=rate)
    found = regressions(now, {"logic_cells": 4000, "fmax_mhz": 30.0})
    assert len(found) == len(words)
    assert all(each.startswith(word) for each, word in zip(found, words, strict=True))


def test_figures_are_kept_board_by_board(fake, tmp_path, capsys):
    table = tmp_path / "boards.json"
    table.write_text('{"hx8k": {"fmax_mhz": 1.0}}')
    fake.rates = {1: 26.0, 2: 31.0}
    assert main(["icebreaker", "-o", str(table), "--seeds", "2"]) == 0
    kept = json.loads(table.read_text())
    assert list(kept) == ["icebreaker", "hx8k"]
    assert kept["hx8k"] == {"fmax_mhz": 1.0}
    assert (kept["icebreaker"]["fmax_mhz"], kept["icebreaker"]["seed"]) == (31.0, 2)
    assert "icebreaker: seed 2: 31.0 MHz" in capsys.readouterr().out


def test_another_array_is_kept_beside_the_boards_own(fake, tmp_path):
    table = tmp_path / "boards.json"
    assert main(["hx8k", "icebreaker:icebreaker-recurrent", "icebreaker", "-o", str(table)]) == 0
    kept = json.loads(table.read_text())
    assert list(kept) == ["icebreaker", "icebreaker:icebreaker-recurrent", "hx8k"]
    arrays = [kept[name]["array"] for name in kept]
    assert arrays == ["icebreaker", "icebreaker-recurrent", "hx8k"]
    with pytest.raises(ValueError, match=r"array must be .*, not 'no-such-array'"):
        main(["icebreaker:no-such-array", "-o", str(table)])


def test_what_misses_its_clock_is_kept_and_told(fake, tmp_path):
    fake.rates = {1: 20.0}
    table = tmp_path / "boards.json"
    assert main(["icebreaker", "-o", str(table)]) == 1
    assert json.loads(table.read_text())["icebreaker"]["met"] is False
