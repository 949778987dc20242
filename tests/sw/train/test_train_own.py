"""Data of one's own: arrays, files and folders, and the networks that they train."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from own_data import DATA, FRAMES, LABELS, SPIKES, recorded, recording, small  # noqa: F401

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


def test_a_folder_of_recordings(recorded: Path):  # noqa: F811
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
    frames = small("frames", own=replace(own, input="frames", excess="saturate"), steps=5)
    counted = gather(replace(frames, pixel_bits=1), recorded)
    assert torch.equal(counted.train.inputs, listed.train.inputs)
    assert gather(frames, recorded).train.inputs.max() > 1
    timed = replace(plan, own=replace(own, bin_time=10_000.0))
    assert gather(timed, recorded).train.inputs.shape == (20, 5, 2, 4, 8)
    np.savez(recorded / "some.npz", *arrays, labels=[0] * 12 + [1] * 12)
    assert gather(plan, recorded / "some.npz").about["sha256"] == result.data["sha256"]


def test_folders_train_and_test(recorded: Path):  # noqa: F811
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


def waves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Raw signals of two channels: slow or fast."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    time = np.arange(20) + rng.integers(0, 20, count)[:, None]
    wave = np.sin(2 * np.pi * time / np.where(labels, 5, 18)[:, None])
    return np.stack([wave, -wave], 2) + 0.05 * rng.standard_normal((count, 20, 2)), labels


@pytest.mark.parametrize(
    ("name", "encoder", "steps"),
    [
        ("spikes", ss.DeltaEncoder((2,), threshold=0.2), 20),
        ("frames", ss.QuantizeEncoder((2,), low=-2.0, high=[2.0, 3.0]), 20),
        ("spikes", ss.LatencyEncoder((40,), low=-2.0, high=2.0), 7),
    ],
)
def test_an_encoder_is_trained_with_and_kept(
    name: str, encoder: Any, steps: int, tmp_path: Path
):
    signals, labels = waves(80, 0)
    raw = signals.reshape(80, 40) if encoder.static else signals
    plan = small(name, own=OwnData(name, encoder=encoder), epochs=12, steps=7)
    result = train(plan, data=(raw, labels), out=tmp_path)
    assert (result.golden_differences, result.settings["steps"]) == (0, steps)
    network = ss.load(result.files["network"])
    assert network.encoder == encoder
    # The network's file takes the raw signal.
    own = gather(plan, (raw, labels))
    assert result.settings == own.plan.as_dict()
    fresh, truth = waves(40, 1)
    golden = ss.Golden(network).run(fresh.reshape(40, 40) if encoder.static else fresh, steps)
    encoded = encoder.encode(fresh.reshape(40, 40) if encoder.static else fresh, steps)
    same = ss.Golden(network).run(encoded, steps, encoded=True)
    assert np.array_equal(golden.readout, same.readout)
    if encoder.kind == "delta":
        assert (golden.readout.argmax(1) == truth).mean() > 0.8
    json.dumps(result.summary())


def test_refused_encoders():
    signals, labels = waves(20, 0)
    delta = ss.DeltaEncoder((2,), threshold=0.2)
    with pytest.raises(TypeError, match=r"encoder must be an encoder, such as .*, not 3"):
        OwnData("spikes", encoder=3)
    with pytest.raises(ValueError, match="input must be 'spikes' for a DeltaEncoder, not 'frames'"):
        OwnData("frames", encoder=delta)
    plan = small("spikes", own=OwnData("spikes", encoder=delta))
    with pytest.raises(ValueError, match=r"samples must be \(batch, steps, 2\), the raw signal"):
        train(plan, data=(signals[..., :1], labels))
    with pytest.raises(ValueError, match="encoder must be None: samples are recordings of events"):
        train(plan, data=([recording(0, 0)] * 4, [0, 1, 0, 1]))
    wide = OwnData("frames", encoder=ss.QuantizeEncoder((2,), -2.0, 2.0, bits=6))
    with pytest.raises(ValueError, match=r"encoder must have the bits of .* input: 4, not"):
        train(small("frames", own=wide), data=(signals, labels))
    with pytest.raises(ValueError, match="encoder must be None with bands"):
        replace(wide, bands=RECIPES["words"].own.bands)
