"""The floorplan: block RAMs of each core side by side, and those of the link in the middle."""

import re

import pytest
from stablespike.boards.floorplan import anchor


def cells(cores, blocks):
    names = {
        f"accelerator.array.core{core}.weights.memory.0.{i}": "DP16KD"
        for core in range(cores) for i in range(blocks)
    }
    link = {f"accelerator.link.ring.{i}": "DP16KD" for i in range(6)}
    logic = {"accelerator.array.core0.lanes.x": "LUT4"}
    return {name: {"type": kind} for name, kind in (names | link | logic).items()}


def placed(found):
    sites = {}
    for name, cell in found.items():
        if "attributes" in cell:
            number = re.search(r"core(\d+)", name)
            core = int(number[1]) if number else "link"
            x, y, z = map(int, re.fullmatch(r"X(\d+)/Y(\d+)/EBR(\d)", cell["attributes"]["BEL"])
                          .groups())
            sites.setdefault(core, []).append((x, y, z))
    return sites


def sites_of_cores(cores, blocks):
    """Sites of each core, after checks of what holds for every plan."""
    found = cells(cores, blocks)
    anchor(found, "85F")
    sites = placed(found)
    everywhere = [site for each in sites.values() for site in each]
    assert len(set(everywhere)) == len(everywhere)
    assert len(sites.pop("link", [])) == min(6, 208 - cores * blocks)
    assert {core: len(each) for core, each in sites.items()} == dict.fromkeys(range(cores), blocks)
    return sites


@pytest.mark.parametrize(("cores", "blocks"), [(8, 23), (8, 26), (6, 20), (4, 52), (2, 30)])
def test_every_core_has_a_part_of_a_row_of_its_own(cores, blocks):
    for each in sites_of_cores(cores, blocks).values():
        assert len({y for _, y, _ in each}) == 1
        columns = [x for x, _, _ in each]
        assert max(columns) - min(columns) <= (120 if cores <= 4 else 60)


@pytest.mark.parametrize(("cores", "blocks"), [(6, 31), (6, 34), (3, 60)])
def test_cores_too_large_for_that_have_stretches_of_their_own(cores, blocks):
    rows = [22, 46, 70, 82]
    for each in sites_of_cores(cores, blocks).values():
        lies = sorted({rows.index(y) for _, y, _ in each})
        assert lies == [*range(lies[0], lies[-1] + 1)]
        assert len(lies) <= 2


def test_the_link_lies_in_the_middle():
    found = cells(8, 23)
    anchor(found, "85F")
    link = placed(found)["link"]
    assert {y for _, y, _ in link} == {46}
    assert all(45 <= x <= 75 for x, _, _ in link)


@pytest.mark.parametrize(
    ("cores", "blocks", "size"),
    [(1, 23, "85F"), (9, 10, "85F"), (8, 27, "85F"), (4, 53, "85F"), (2, 23, "25F")],
)
def test_what_it_cannot_place_is_left_alone(cores, blocks, size):
    found = cells(cores, blocks)
    anchor(found, size)
    assert placed(found) == {}
