"""Data of one's own: small arrays that are easy to learn, and a folder of recordings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recording_files import evt2

torch = pytest.importorskip("torch")

from stablespike.train import RECIPES, Recipe  # noqa: E402

rng = np.random.default_rng(0)
LABELS = np.arange(120) % 3
FRAMES = rng.integers(0, 7, (120, 6, 12))
for _sample, _label in zip(FRAMES, LABELS, strict=True):
    _sample[:, 4 * _label : 4 * _label + 4] += 7
PIXELS = FRAMES.max(1)
SPIKES = FRAMES > 8
DATA = {"frames": FRAMES, "pixels": PIXELS, "spikes": SPIKES}


def small(name: str, **change: Any) -> Recipe:
    return replace(RECIPES[name], **{"hidden": 16, "epochs": 4, "batch": 10, **change})


def recording(side: int, seed: int) -> np.ndarray:
    """Events of which most are in the left or the right half."""
    rng = np.random.default_rng(seed)
    events = np.zeros(60, [("t", "i8"), ("x", "i8"), ("y", "i8"), ("p", "i8")])
    events["t"] = 1_000_000 + np.sort(rng.integers(0, 50_000, 60))
    events["x"], events["y"] = rng.integers(0, 8, 60) + 8 * side, rng.integers(0, 16, 60)
    events["p"] = rng.integers(0, 2, 60)
    return events


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A folder of recordings in two formats, with hidden files beside them."""
    for side, name in enumerate(("left", "right")):
        folder = tmp_path / "recorded" / name
        folder.mkdir(parents=True)
        (folder / ".hidden").write_text("?")
        for number in range(12):
            events = recording(side, 100 * side + number)
            if number % 2:
                np.save(folder / f"{number:02}.npy", events)
            else:
                head = "% evt 2.0\n% geometry 16x16\n% end\n"
                (folder / f"{number:02}.raw").write_bytes(evt2(events, head))
    return tmp_path / "recorded"
