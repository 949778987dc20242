"""The bitstream of the icebreaker, made by the real tools, compared with the record.

``nox -s record`` changes the record; that is never part of the tests. It builds the array
``icebreaker-recurrent`` too, which takes minutes more than the tests may.
"""

import json
from pathlib import Path

import pytest
from stablespike.boards.build import Trials, build
from stablespike.boards.registry import BOARDS
from stablespike.boards.survey import regressions
from stablespike.spec import preset

RECORD = json.loads((Path(__file__).parents[2] / "boards" / "record.json").read_text())


@pytest.mark.slow
def test_the_icebreaker_is_no_worse_than_the_record():
    record = RECORD["icebreaker"]
    array = record["array"]
    done = build(
        BOARDS["icebreaker"], config=preset(array), array=array,
        trials=Trials(first_seed=record["seed"]),
    )
    assert done.met
    assert regressions(done, record) == []
    assert done.slots_per_cycle == record["slots_per_cycle"]
    assert done.memory["EBR"][0] == done.block_rams
    assert bytes.fromhex("7eaa997e") in Path(done.bitstream).read_bytes()[:64]
