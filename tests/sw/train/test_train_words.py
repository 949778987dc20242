"""Spoken words: from a folder of WAV files to a network, and on to the simulated board."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import stablespike as ss
from stablespike.signals import MelBands, read_words
from tones import WORDS, write_words
from verbs import Out, call

torch = pytest.importorskip("torch")

from stablespike.train import RECIPES, OwnData, train  # noqa: E402


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken")
    write_words(folder / "words", each=20)
    write_words(folder / "more", each=3, seed=7, nested=False)
    return folder


@pytest.mark.parametrize("name", ["words", "words-recurrent"])
def test_words_are_learned(spoken: Path, name: str):
    hidden = 16 if name == "words-recurrent" else (24, 16)
    plan = replace(RECIPES[name], hidden=hidden, epochs=10, batch=8)
    result = train(plan, data=spoken / "words")
    assert (result.golden_differences, result.test > 0.8) == (0, True)
    assert result.network.input == ss.FrameInput((32,), bits=4)
    assert result.data is not None
    assert result.data["classes"] == list(WORDS)
    assert (result.settings["steps"], result.settings["classes"]) == (32, 3)
    assert MelBands.of(result.settings["own"]["bands"]) == MelBands()
    assert (result.network.layers[0].recurrent is None) == (name == "words")


def test_from_wav_files_to_answers(spoken: Path, tmp_path: Path, capsys: Out):
    """The words of the network, not those of the folder, number the labels of the samples."""
    code, out, err = call(
        capsys, "train", "words", "--data", spoken / "words", "--hidden", "16,8", "--epochs", 8,
        "--batch", 8, "--split-seed", 3, "-o", tmp_path, "--json",
    )
    assert code == 0, err
    assert json.loads(out)["network"] == str(tmp_path / "words.safetensors")
    assert "drawn with split_seed=3" in err
    figures = json.loads((tmp_path / "words.json").read_text())
    assert figures["settings"]["hidden"] == [16, 8]
    for path in (spoken / "more").glob("down*"):
        path.unlink()
    code, out, err = call(
        capsys, "frames", spoken / "more", "-o", tmp_path / "more.npz", "--settings",
        tmp_path / "words.json", "--json",
    )
    assert code == 0, err
    assert json.loads(out) == {
        "words": 6, "frames": 32, "bands": 32, "bits": 4, "classes": "down, flat, up",
        "samples": str(tmp_path / "more.npz"),
    }
    with np.load(tmp_path / "more.npz") as found:
        assert found["labels"].tolist() == [1, 1, 1, 2, 2, 2]
        assert np.array_equal(found["samples"], read_words(spoken / "more").frames)
    program = tmp_path / "words.prog"
    code, _, err = call(
        capsys, "compile", tmp_path / "words.safetensors", "--array", "icebreaker", "--steps", 32,
        "-o", program,
    )
    assert code == 0, err
    code, out, err = call(
        capsys, "run", program, tmp_path / "more.npz", "--device", "golden:", "-o",
        tmp_path / "result.npz", "--json",
    )
    assert code == 0, err
    assert json.loads(out)["accuracy"] > 0.8
    one = next((spoken / "more").glob("flat*"))
    code, _, err = call(capsys, "frames", one, "-o", tmp_path / "one")
    assert code == 0, err
    with np.load(tmp_path / "one.npz") as found:
        assert found.files == ["samples"]
        assert found["samples"].shape == (1, 32, 32)


def test_frames_in_a_file_train_the_same(spoken: Path, tmp_path: Path, capsys: Out):
    plan = replace(RECIPES["words"], hidden=8, epochs=1)
    code, _, err = call(capsys, "frames", spoken / "words", "-o", tmp_path / "words.npz")
    assert code == 0, err
    one, two = (train(plan, data=each) for each in (spoken / "words", tmp_path / "words.npz"))
    assert one.data == two.data
    assert one.network == two.network
    fewer = replace(plan, own=OwnData("frames", bands=MelBands(frames=16)))
    with pytest.raises(ValueError, match=r"\(n, 16, 32\) for frames, not \(60, 32, 32\)"):
        train(fewer, data=tmp_path / "words.npz")


def test_bits_of_bands_are_those_of_the_recipe():
    with pytest.raises(ValueError, match="pixel_bits must be the 4 bits of bands, not 5"):
        replace(RECIPES["words"], pixel_bits=5)
    with pytest.raises(ValueError, match="input must be 'frames' with bands, not 'pixels'"):
        OwnData("pixels", bands=MelBands())


def test_refused_settings_of_frames(spoken: Path, tmp_path: Path, capsys: Out):
    bad = tmp_path / "bad.json"
    for text, message in (
        ("{", "is not the figures of a training on words (JSONDecodeError"),
        ("[" * 100_000, "is not the figures of a training on words (RecursionError"),
        ('{"settings": {}}', "is not the figures of a training on words (KeyError: 'own')"),
        (json.dumps({"settings": {"own": {"bands": asdict(MelBands()) | {"x": 1}}}}), "TypeError"),
        (None, "cannot be read"),
    ):
        bad.unlink() if text is None else bad.write_text(text)
        code, _, err = call(
            capsys, "frames", spoken / "words", "-o", tmp_path / "a", "--settings", bad
        )
        assert (code, message in err) == (2, True), err


def test_options_of_own_data(tmp_path: Path, capsys: Out):
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    samples = rng.integers(0, 30, (40, 5, 6)) + 30 * labels[:, None, None]
    np.savez(tmp_path / "my.npz", samples=samples, labels=labels)
    code, _, err = call(
        capsys, "train", "frames", "--data", tmp_path / "my.npz", "--bits", 6, "--zero", 32,
        "--hidden", 9, "--recurrent", "--test-share", 0.25, "--epochs", 1, "-o", tmp_path,
    )
    assert code == 0, err
    network = ss.load(tmp_path / "frames.safetensors")
    assert network.input == ss.FrameInput((6,), bits=6, zero=32)
    assert network.layers[0].recurrent.shape == (9, 9)
    assert json.loads((tmp_path / "frames.json").read_text())["data"]["test_samples"] == 10
    for arguments, message in (
        (["mnist-mlp", "--hidden", 9], "--hidden is for recipes of data of one's own: pixels, sp"),
        (["frames", "--hidden", "a"], "hidden must be 128 or 128,64, not 'a'"),
        (["frames", "--steps", 3, "--bin-count", 4], "bin_count must be the 3 steps, not 4"),
        (["frames"], "--data must be given for a recipe of data of one's own"),
        (["nothing", "--hidden", 9], "no recipe 'nothing'"),
        (["spikes", "--data", tmp_path, "--start", "x", "--crop", "1,2"], "subfolder"),
    ):
        code, _, err = call(capsys, "train", *arguments, "-o", tmp_path)
        assert (code, message in err) == (2, True), err
