"""Data of one's own: arrays, files and folders, and the networks that they train."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from recording_files import evt2

torch = pytest.importorskip("torch")

from stablespike.train import (  # noqa: E402
    RECIPES,
    CheckpointError,
    Convolution,
    OwnData,
    Recipe,
    train,
)
from stablespike.train.gathering import gather  # noqa: E402
from stablespike.train.model import exported  # noqa: E402
from stablespike.train.run import Run  # noqa: E402

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


@pytest.mark.parametrize("name", DATA)
def test_arrays(name: str):
    lines: list[str] = []
    result = train(small(name), data=(DATA[name], LABELS), progress=lines.append)
    assert (result.golden_differences, result.test > 0.8) == (0, True)
    kinds = {"frames": ss.FrameInput, "pixels": ss.PixelInput, "spikes": ss.SpikeInput}
    assert isinstance(result.network.input, kinds[name])
    assert result.network.input.shape == (12,)
    assert result.settings["classes"] == 3
    assert result.settings["own"]["shape"] == (12,)
    assert result.data is not None
    assert result.data["classes"] == ["0", "1", "2"]
    assert (result.data["train_samples"], result.data["test_samples"]) == (96, 24)
    assert result.data["test"] == "0.2 of each class, drawn with split_seed=0"
    assert lines[0].startswith("96 samples to train on and hold out, 24 to test (0.2 of each class")
    json.dumps(result.summary())


def golden_agrees(plan: Recipe, data: Any) -> ss.Network:
    """Train a little; membranes and spikes of the frozen model are golden's and the reference's."""
    own = gather(plan, data)
    run = Run("own", own.plan, 1, own.train)
    run.one_epoch()
    run.one_epoch()
    membranes, spikes = run.evaluated(own.test)
    network, inputs = exported(run.model), own.test.inputs.numpy().astype(int)
    steps = None if own.plan.stepped else own.plan.steps
    golden = ss.Golden(network).run(inputs, steps, trace=True)
    assert np.array_equal(golden.readout, membranes.numpy().astype(np.int64))
    fired = golden.spikes[-2].reshape(len(inputs), own.plan.steps, -1)
    assert np.array_equal(fired, spikes.numpy().swapaxes(0, 1).astype(bool))
    assert 0 < golden.spikes[-2].mean() < 1
    from stablespike.spec import reference

    for sample, want in zip(inputs[:2], golden.readout, strict=False):
        found = reference.run(network, sample, own.plan.steps, 1)
        assert found.readout == want.tolist()
    return network


@pytest.mark.parametrize(
    "change",
    [
        {"hidden": (14, 9)},
        {"hidden": (14, 9), "recurrent": True},
        {"recurrent": True, "reset": "zero", "compare": "gt", "synapse_leak": (2, None)},
        {"recurrent": True, "norm": False, "weight_bits": 8, "acc_bits": 16},
        {"own": OwnData("frames", zero=5), "hidden": (14, 9)},
        {"own": OwnData("frames", zero=15), "norm": False, "leak": (2, 3)},
        {"own": OwnData("frames", zero=3), "recurrent": True, "beta": 1.0, "gamma": 0.1},
    ],
)
def test_frozen_model_of_frames_is_the_golden_model(change: dict[str, Any]):
    network = golden_agrees(small("frames", **change), (FRAMES, LABELS))
    for layer in network.layers[:-1]:
        assert (layer.recurrent is not None) == change.get("recurrent", False)
        if layer.recurrent is not None:
            assert np.any(layer.recurrent)


@pytest.mark.parametrize("name", ["pixels", "spikes", "frames"])
def test_convolutions_of_own_maps(name: str):
    """A zero point counts once for every pixel of a pool."""
    own = RECIPES[name].own
    assert own is not None
    plan = small(
        name, convolutions=(Convolution(4, 2, sum_pool=2),), hidden=0,
        own=own if name == "spikes" else replace(own, zero=6),
    )
    maps = np.repeat(np.repeat(DATA[name], 2, -1)[..., None, :, None], 6, -1)
    maps = maps.reshape(*DATA[name].shape[:-1], 1, 24, 6)
    assert golden_agrees(plan, (maps, LABELS)).input.shape == (1, 24, 6)


def test_recurrent_weights_count_in_the_accumulators():
    own = gather(small("frames", recurrent=True, acc_bits=8), (FRAMES, LABELS))
    run = Run("own", own.plan, 1, own.train)
    with torch.no_grad():
        for latent in run.model.firing[0].latent:
            latent.fill_(7.0)
    match = r"neuron 0 of layers\[0\] \(recurrent Dense 12 -> 16\) sum to 0 and 196, beyond acc_b"
    with pytest.raises(ValueError, match=match):
        exported(run.model)
    run.model.bound()
    low, high = exported(run.model).layers[0].sum_bounds((12,))
    assert (low.max(), high.max()) == (0, 28 * 4)  # 7 * 0.98 * 128 / 196, rounded
    assert all(int(latent.unique().round()) == 4 for latent in run.model.firing[0].latent)


def test_a_zero_point_fits_biases():
    """Sums of weights are kept so small that the folded biases fit the array."""
    plan = small("frames", own=OwnData("frames", zero=15), weight_bits=8, acc_bits=14)
    own = gather(plan, (FRAMES, LABELS))
    run = Run("own", own.plan, 1, own.train)
    with torch.no_grad():
        run.model.firing[0].weights.latent.fill_(60.0)
        run.model.firing[0].bias.fill_(-300.0)
    run.model.bound()
    network = exported(run.model)
    sums = network.layers[0].weight.sum(1)
    assert (sums > 0).all()
    assert (sums * 15 * 16 < 1 << 15).all()
    folded = network.without_zero.layers[0].bias
    assert folded.min() >= -(1 << 15)
    assert (folded == network.layers[0].bias - 15 * 16 * sums).all()


def test_splits_and_resuming(tmp_path: Path):
    plan = small("frames")
    one, again, other = (
        gather(replace(plan, own=OwnData("frames", split_seed=seed)), (FRAMES, LABELS))
        for seed in (0, 0, 1)
    )
    assert one.about == again.about
    assert one.about["sha256"] != other.about["sha256"]
    assert np.bincount(one.test.labels).tolist() == [8, 8, 8]
    both = torch.cat([one.train.inputs, one.test.inputs]).numpy()
    assert np.array_equal(
        np.unique(both.reshape(120, -1), axis=0), np.unique(FRAMES.reshape(120, -1), axis=0)
    )
    train(plan, data=(FRAMES, LABELS), epochs=1, out=tmp_path, name="mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "mine.checkpoint.pt", "mine.json", "mine.safetensors"
    ]
    changed = FRAMES.copy()
    changed[0, 0, 0] ^= 1
    with pytest.raises(CheckpointError, match=r"is of another run, with \{'data'"):
        train(plan, data=(changed, LABELS), epochs=1, out=tmp_path, name="mine", resume=True)


def test_given_test_samples(tmp_path: Path):
    names = {
        "samples": FRAMES[:90], "labels": LABELS[:90], "test_samples": FRAMES[90:],
        "test_labels": LABELS[90:],
    }
    np.savez(tmp_path / "all.npz", **names)
    want = gather(small("frames"), tuple(names.values()))
    for data in (names, tmp_path / "all.npz", str(tmp_path / "all.npz")):
        found = gather(small("frames"), data)
        assert found.about == want.about
    assert (want.about["test"], want.about["test_samples"]) == ("given", 30)
    assert torch.equal(want.test.inputs, torch.from_numpy(FRAMES[90:].astype(np.uint8)))
    np.savez(tmp_path / "named.npz", samples=FRAMES, labels=LABELS, classes=["a", "b", "c"])
    assert gather(small("frames"), tmp_path / "named.npz").about["classes"] == ["a", "b", "c"]


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


def test_a_folder_of_recordings(recorded: Path):
    own = OwnData("spikes", crop=(0, 4, 16, 8), downscale=2)
    plan = small("spikes", own=own, steps=5, epochs=6)
    result = train(plan, data=recorded)
    assert (result.golden_differences, result.test) == (0, 1.0)
    assert result.network.input == ss.SpikeInput((2, 4, 8))
    assert result.data is not None
    assert result.data["classes"] == ["left", "right"]
    arrays = [recording(side, 100 * side + n) for side in (0, 1) for n in range(12)]
    shaped = replace(plan, own=replace(own, shape=(2, 4, 8)))
    listed = gather(shaped, (arrays, [0] * 12 + [1] * 12))
    assert listed.about["sha256"] == result.data["sha256"]
    timed = replace(plan, own=replace(own, bin_time=10_000.0))
    assert gather(timed, recorded).train.inputs.shape == (20, 5, 2, 4, 8)
    np.savez(recorded / "some.npz", *arrays, labels=[0] * 12 + [1] * 12)
    assert gather(plan, recorded / "some.npz").about["sha256"] == result.data["sha256"]


def test_folders_train_and_test(recorded: Path):
    (recorded / "test").mkdir()
    (recorded / "Train").mkdir()
    for name in ("left", "right"):
        (recorded / name).rename(recorded / "Train" / name)
    (recorded / "test" / "right").mkdir()
    np.save(recorded / "test" / "right" / "a.npy", recording(1, 5))
    plan = small("spikes", own=OwnData("spikes", shape=(2, 16, 16)), steps=5)
    found = gather(plan, recorded)
    assert (found.about["train_samples"], found.about["test"]) == (24, "given")
    assert found.test.labels.tolist() == [1]
    (recorded / "test" / "up").mkdir()
    np.save(recorded / "test" / "up" / "a.npy", recording(1, 5))
    with pytest.raises(ss.FileError, match="up is of a class that is not one of left, right"):
        gather(plan, recorded)


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
    ({}, [[recording(0, 0)] * 4, [0, 1, 0, 1]], ValueError,
     "samples are recordings of events, for input 'spikes', not 'frames'"),
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


def test_refused_files(tmp_path: Path, recorded: Path):
    plan = small("spikes", own=OwnData("spikes", shape=(2, 16, 16)), steps=5)
    path = tmp_path / "a.npz"
    np.savez(path, samples=FRAMES)
    with pytest.raises(ss.FileError, match=r"a\.npz must have the arrays samples .* it has samples"):
        gather(plan, path)
    np.savez(path, samples=FRAMES, labels=LABELS, classes=[1, 2, 3])
    with pytest.raises(ss.FileError, match="classes must be a list of names, not int64"):
        gather(plan, path)
    np.save(tmp_path / "a.npy", SPIKES)
    with pytest.raises(ss.FileError, match=r"a\.npy has no labels"):
        gather(plan, tmp_path / "a.npy")
    with pytest.raises(ss.FileError, match=r"is a folder: .* input 'frames' takes an \.npz file"):
        gather(small("frames"), recorded)
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
        ({"test_share": 1.0}, ValueError, "test_share must be more than 0 and less than 1, not 1.0"),
        ({"test_share": "x"}, TypeError, "test_share must be a number, not 'x'"),
        ({"split_seed": -1}, ValueError, "split_seed must be from 0"),
        ({"bin_time": 0.0}, ValueError, "bin_time must be a positive"),
        ({"late": "no"}, ValueError, "late.*'refuse'"),
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
        ({"own": OwnData("frames", zero=16)}, ValueError, "zero must be from 0 to 15 with pixel_bi"),
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
