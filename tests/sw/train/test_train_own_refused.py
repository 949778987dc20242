"""Data of one's own, settings and recipes that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from own_data import FRAMES, LABELS, PIXELS, SPIKES, recorded, recording, small  # noqa: F401

torch = pytest.importorskip("torch")

from stablespike.train import Convolution, OwnData, train  # noqa: E402
from stablespike.train.gathering import gather  # noqa: E402

REFUSED: list[tuple[dict[str, Any], Any, type[Exception], str]] = [
    ({}, None, ValueError, r"data must be given for a recipe of data of one's own: arrays"),
    ({}, 3, TypeError, "data must be a path, a dict of arrays, or a tuple .*, not int"),
    ({}, (FRAMES,), TypeError, "not tuple of 1"),
    ({}, {"samples": FRAMES}, ValueError, "arrays samples and labels, .* not samples"),
    ({}, {"x": FRAMES, "labels": LABELS}, ValueError, "not x, labels"),
    ({}, (FRAMES, LABELS, FRAMES, None), ValueError, "test_samples and test_labels must be given"),
    ({}, (PIXELS, LABELS), ValueError, r"samples must be \(n, steps, \*shape\) for frames, not"),
    ({}, (FRAMES[:0], LABELS[:0]), ValueError, r"samples must hold at least one value, not \(0, 6"),
    ({}, (FRAMES, LABELS[:9]), ValueError, r"labels must be \(120,\), one per sample, not \(9,\)"),
    ({}, (FRAMES, LABELS - 1), ValueError, "labels.*-1"),
    ({}, (FRAMES, LABELS / 2), ValueError, "labels.*0.5"),
    ({}, (FRAMES, LABELS * 0), ValueError, "labels must name at least two classes, not 0 alone"),
    ({}, (FRAMES, LABELS * 2), ValueError, "from 0 to 4, each of one sample at least: class 1 has"),
    ({}, (FRAMES, np.r_[np.zeros(119, int), 1]), ValueError,
     "two samples of each class, one of them to be tested: class 1 has 1"),
    ({}, (FRAMES, LABELS, FRAMES[:, :5], LABELS), ValueError,
     r"test_samples must be \(n, 6, 12\) like samples, not \(120, 5, 12\)"),
    ({}, (FRAMES, LABELS, FRAMES, LABELS + 1), ValueError,
     "test_labels must be less than the 3 classes of labels, not 3"),
    ({}, (FRAMES + 3, LABELS), ValueError,
     r"from 0 to 15, not 16 at \(\d+, \d, \d+\): pixel_bits=4 .*images >> 4"),
    ({}, (FRAMES - 0.5, LABELS), ValueError, r"samples must be integers from 0 to 15, not"),
    ({}, (np.where(FRAMES > 12, np.nan, FRAMES), LABELS), ValueError, "from 0 to 15, not nan at"),
    ({"own": OwnData("spikes")}, (FRAMES, LABELS), ValueError, "integers from 0 to 1, not"),
    ({"own": OwnData("frames", shape=(3, 4))}, (FRAMES, LABELS), ValueError,
     r"\(n, steps, 3, 4\) for frames, not \(120, 6, 12\)"),
    ({"own": OwnData("pixels")}, [[recording(0, 0)] * 4, [0, 1, 0, 1]], ValueError,
     "samples are recordings of events, for input 'spikes' or 'frames', not 'pixels'"),
    ({"own": OwnData("spikes")}, [[recording(0, 0)] * 4, [0, 1, 0, 1]], ValueError,
     r"shape must be given for recordings, such as \(2, 34, 34\)"),
    ({"own": OwnData("spikes", shape=(2, 4, 4))}, [[recording(0, 0)] * 4, [0, 1, 0, 1]], ValueError,
     "samples.0. field 'p'|samples.0. field .* must be from 0 to 3"),
    ({}, "/nothing", ss.FileError, "there is no file or folder /nothing"),
]


@pytest.mark.parametrize(("change", "data", "error", "match"), REFUSED)
def test_refused_data(
    change: dict[str, Any], data: Any, error: type[Exception], match: str
):
    with pytest.raises(error, match=match):
        train(small("frames", **change), data=data)


def test_refused_files(tmp_path: Path, recorded: Path):  # noqa: F811
    plan = small("spikes", own=OwnData("spikes", shape=(2, 16, 16)), steps=5)
    path = tmp_path / "a.npz"
    np.savez(path, samples=FRAMES)
    with pytest.raises(ss.FileError, match=r"a\.npz must have the arrays .*; it has samples"):
        gather(plan, path)
    for extra in ("lengths", "carry_state"):
        np.savez(path, samples=FRAMES, labels=LABELS, **{extra: LABELS})
        with pytest.raises(ss.FileError, match=f"has an array '{extra}', .* save .* without it"):
            gather(plan, path)
    np.savez(path, samples=FRAMES, labels=LABELS, classes=[1, 2, 3])
    with pytest.raises(ss.FileError, match="classes must be a list of names, not int64"):
        gather(plan, path)
    np.save(tmp_path / "a.npy", SPIKES)
    with pytest.raises(ss.FileError, match=r"a\.npy has no labels"):
        gather(plan, tmp_path / "a.npy")
    with pytest.raises(ss.FileError, match=r"is a folder: .* input 'pixels' takes an \.npz file"):
        gather(small("pixels"), recorded)
    with pytest.raises(ss.FileError, match="left has no subfolder"):
        gather(plan, recorded / "left")
    np.save(recorded / "left" / "zz.npy", recording(2, 0))
    with pytest.raises(ValueError, match=r"left/zz\.npy field 'x' must be from 0 to 15"):
        gather(plan, recorded)
    (recorded / "empty").mkdir()
    with pytest.raises(ss.FileError, match="empty has no file: every class must have recordings"):
        gather(plan, recorded)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"input": "sounds"}, ValueError, "input.*'pixels'.*'sounds'"),
        ({"zero": 256}, ValueError, "zero must be from 0 to 255"),
        ({"input": "spikes", "zero": 1}, ValueError, "zero must be 0 for spikes, not 1"),
        ({"test_share": 1.0}, ValueError, "test_share must be more than 0 and less than 1, not"),
        ({"test_share": "x"}, TypeError, "test_share must be a number, not 'x'"),
        ({"split_seed": -1}, ValueError, "split_seed must be from 0"),
        ({"bin_time": 0.0}, ValueError, "bin_time must be a positive"),
        ({"late": "no"}, ValueError, "late.*'refuse'"),
        ({"excess": "no"}, ValueError, "excess.*'saturate'"),
        ({"format": "avi"}, ValueError, "format.*'aedat4'"),
        ({"downscale": 0}, ValueError, "downscale must be from 1"),
        ({"shape": (0,)}, ValueError, "shape"),
        ({"bands": 3}, TypeError, "bands must be a MelBands, not 3"),
    ],
)
def test_refused_settings(change: dict[str, Any], error: type[Exception], match: str):
    with pytest.raises(error, match=match):
        OwnData(**{"input": "frames", **change})


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"dataset": "mnist"}, ValueError, "own must be an OwnData with dataset='own', and None"),
        ({"own": None}, ValueError, "own must be an OwnData with dataset='own'"),
        ({"own": 3}, TypeError, "own must be an OwnData or None, not 3"),
        ({"rotate": 3.0}, ValueError, "rotate must be 0 with data of one's own, not 3.0"),
        ({"own": OwnData("frames", zero=16)}, ValueError, "zero must be from 0 to 15 with pix"),
        ({"hidden": ()}, ValueError, "hidden must be a number, or a tuple"),
        ({"hidden": (4, 0)}, ValueError, "hidden must be from 1"),
        ({"recurrent": 1}, TypeError, "recurrent must be True or False, not 1"),
        ({"recurrent": True, "quantizer": "brevitas-channel"}, ValueError,
         "quantizer must be 'steps' with recurrent=True"),
        ({"recurrent": True, "hidden": 0, "convolutions": (Convolution(2),)}, ValueError,
         "recurrent must be False without a hidden layer"),
        ({"own": OwnData("frames", shape=(12,)), "convolutions": (Convolution(2),)}, ValueError,
         r"convolutions need samples of \(channels, height, width\), not \(12,\)"),
        ({"own": OwnData("frames", shape=(1, 8, 8), zero=2),
          "convolutions": (Convolution(2, padding=1),)}, ValueError,
         "zero must be 0 in front of a padded convolution, not 2"),
        ({"held_out": 1.0}, TypeError, "held_out must be an integer"),
    ],
)
def test_refused_recipes_of_own_data(change: dict[str, Any], error: type[Exception], match: str):
    with pytest.raises(error, match=match):
        small("frames", **change)


def test_known_data_sets_are_folders():
    with pytest.raises(TypeError, match=r"data must be the folder .*recipes .* are pixels, spikes"):
        train("mnist-mlp", data=(PIXELS, LABELS))
    with pytest.raises(ValueError, match="name must be the name of a file without a folder, not"):
        train(small("frames"), data=(FRAMES, LABELS), name="a/b")
