"""Folders of WAV files named by word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stablespike import FileError
from stablespike.signals import MelBands, mel_frames, read_wave, read_words
from tones import WORDS, pcm, riff, write_words


def test_both_layouts_give_the_same(tmp_path: Path):
    write_words(tmp_path / "nested", each=2)
    write_words(tmp_path / "flat", each=2, nested=False)
    (tmp_path / "nested" / "_background_noise_").mkdir()
    (tmp_path / "nested" / "_background_noise_" / "hum.wav").write_bytes(b"?")
    (tmp_path / "flat" / "README.txt").write_text("about")
    one, two = (read_words(tmp_path / name) for name in ("nested", "flat"))
    assert one.classes == two.classes == WORDS
    assert one.labels.tolist() == two.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert np.array_equal(one.frames, two.frames)
    assert [path.parent.name for path in one.files] == [WORDS[each] for each in one.labels]
    for path, frames in zip(one.files, one.frames, strict=True):
        assert np.array_equal(mel_frames(*read_wave(path)), frames)
    assert read_words(tmp_path / "flat", MelBands(frames=8)).frames.shape == (6, 8, 32)


def test_classes_of_a_trained_network(tmp_path: Path):
    write_words(tmp_path, each=1)
    words = read_words(tmp_path, classes=("up", "left", "flat", "down"))
    assert words.labels.tolist() == [3, 2, 0]
    with pytest.raises(ValueError, match=r"the word 'flat' of .* is not one of up, down"):
        read_words(tmp_path, classes=("up", "down"))


def test_refused_folders(tmp_path: Path):
    with pytest.raises(FileError, match="is not a folder of WAV files"):
        read_words(tmp_path / "none")
    with pytest.raises(FileError, match=r"has no WAV file: they must be in WORD/ANY\.wav"):
        read_words(tmp_path)
    good = riff(pcm(np.sin(np.arange(4000))))
    (tmp_path / "yes.wav").write_bytes(good)
    with pytest.raises(FileError, match=r"yes\.wav must be named WORD_ANY\.wav"):
        read_words(tmp_path)
    (tmp_path / "no").mkdir()
    (tmp_path / "no" / "a.wav").write_bytes(good)
    with pytest.raises(FileError, match=r"WAV files \(yes\.wav\) as well as subfolders .*\(no\)"):
        read_words(tmp_path)
    (tmp_path / "yes.wav").unlink()
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="empty has no WAV file: every subfolder must have"):
        read_words(tmp_path)
    (tmp_path / "empty" / "b.wav").write_bytes(riff(bytes(800)))
    with pytest.raises(FileError, match=r"b\.wav: wave must not be silent"):
        read_words(tmp_path)
