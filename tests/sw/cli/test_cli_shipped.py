"""The verbs demo and bench."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import stablespike as ss
from board_model import Board
from stablespike.spec.array import preset
from verbs import Out, call


def test_demo(
    capsys: Out, tmp_path: Path, board: Callable[..., Board]
) -> None:
    pytest.importorskip("matplotlib")
    from stablespike.datasets import shipped_path
    from stablespike.datasets.shipped import NETWORK

    network = ss.load(shipped_path(NETWORK))
    array = preset("icebreaker")
    made = board(*(ss.compile(network, array, steps=n) for n in (4, 16)))
    picture = tmp_path / "digit.png"
    code, out, err = call(capsys, "demo", "--images", 3, "--json", "--picture", picture)
    assert code == 0, err
    figures = json.loads(out)
    assert figures["images"] == 3
    assert figures["mismatches"] == 0
    assert figures["words"] == 3 * 2 * 138
    assert figures["array"] == "icebreaker"
    assert 0 < figures["utilization"] <= 1
    assert 0 < figures["utilization_alone"] <= 1
    assert figures["cycles_per_image"] > 100
    assert 100 < figures["link_bytes_per_image"] < 1000
    assert figures["accuracy"] in (0, 1 / 3, 2 / 3, 1)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "6 of 6 images" in err
    code, out, _ = call(capsys, "demo", "--images", 1, "--no-picture")
    assert code == 0
    assert "differences from golden" in out
    code, _, err = call(capsys, "demo", "--images", 1, "--picture", tmp_path / "no" / "x.png")
    assert code == 2
    assert "x.png cannot be written" in err

    def damage(packets: list[list[bytes]]) -> list[list[bytes]]:
        packets[0][-2] = packets[0][-2][:4] + b"\x7f" + packets[0][-2][5:]
        return packets

    made.change = damage
    assert call(capsys, "demo", "--images", 1, "--no-picture", "-q")[0] == 1


def test_a_picture_needs_matplotlib(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.colors", None)
    code, _, err = call(capsys, "demo", "--images", 1)
    assert code == 3
    assert "a picture needs matplotlib" in err


def test_bench(capsys: Out, board: Callable[..., Board]) -> None:
    from stablespike.datasets import shipped_path
    from stablespike.datasets.shipped import NETWORK

    board(ss.compile(ss.load(shipped_path(NETWORK)), preset("icebreaker"), steps=4))
    code, out, _ = call(capsys, "bench", "--images", 2, "--json")
    assert code == 0
    figures = json.loads(out)
    assert figures["images_per_second"] > 0
    assert figures["golden_images_per_second"] > 0
    assert figures["cycles_per_image"] > 0
    code, out, _ = call(capsys, "bench", "--device", "golden:", "--images", 2)
    assert code == 0
    assert "images per second" in out
    assert "cycles" not in out
