from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stablespike.datasets import DATA_VARIABLE, DatasetError, nmnist, nmnist_small, parse_events
from stablespike.samples.events import bin_events

module = sys.modules["stablespike.datasets.nmnist"]
LABELS = {"train1K.txt": {1: 5, 2: 0, 3: 5}, "test100.txt": {60001: 7}}


def recording(seed: int, count: int = 50) -> tuple[bytes, np.ndarray]:
    """Return a file, and (count, 4) of its times, x, y and p."""
    rng = np.random.default_rng(seed)
    events = np.stack([
        np.sort(rng.integers(0, 1 << 23, count)),
        *rng.integers(0, 34, (2, count)), rng.integers(0, 2, count),
    ], 1)
    data = b"".join(
        bytes([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255]) for t, x, y, p in events.tolist()
    )
    return data, events


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bytes]:
    """A subset of four recordings, whose checksum is made the expected one."""
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    contents, digest = {}, hashlib.md5(usedforsecurity=False)
    for name, labels in LABELS.items():
        lines = ["#sample #class", *(f"{number}\t{label}" for number, label in labels.items())]
        contents[name] = "\r\n".join(lines).encode()
        for number, label in labels.items():
            data, _ = recording(number)
            contents[f"{number}.bs2"] = data
            digest.update(b"%d %d\n" % (number, label) + data)
    monkeypatch.setattr(module, "SMALL_MD5", digest.hexdigest())
    return contents


def zipped(files: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"NMNISTsmall/{name}", data)
    return memory.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"NMNISTsmall/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return memory.getvalue()


def check(found: tuple[list[np.ndarray], np.ndarray]) -> None:
    recordings, labels = found
    numbers = [number for each in LABELS.values() for number in each]
    assert labels.tolist() == [5, 0, 5, 7]
    for number, events in zip(numbers, recordings, strict=True):
        want = recording(number)[1]
        for column, name in enumerate(("t", "x", "y", "p")):
            assert np.array_equal(events[name], want[:, column])


def test_from_a_folder_and_from_archives(files: dict[str, bytes], tmp_path: Path):
    (tmp_path / "NMNISTsmall").mkdir()
    for name, data in files.items():
        (tmp_path / "NMNISTsmall" / name).write_bytes(data)
    check(nmnist_small(tmp_path))
    archives = {"NMNISTsmall.zip": zipped(files), "nmnist-small.tar.gz": tarred(files)}
    for name, data in archives.items():
        inside = tmp_path / name[:5] / "nmnist-small"
        inside.mkdir(parents=True)
        (inside / name).write_bytes(data)
        check(nmnist_small(tmp_path / name[:5]))


def test_downloads_once_from_the_second_mirror(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
):
    asked = []

    def urlopen(address: str, timeout: float) -> io.BytesIO:
        asked.append(address)
        return io.BytesIO(zipped(files)[: None if len(asked) == 2 else 100])

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    check(nmnist_small())
    check(nmnist_small())
    assert asked == list(module.SMALL_MIRRORS)


def test_missing_says_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(DatasetError, match=r"NMNISTsmall.zip does not exist: put .*slayerPytorch"):
        nmnist_small(tmp_path)
    with pytest.raises(DatasetError, match=r"Train.zip does not exist: put .*mendeley.*or path="):
        nmnist("train", tmp_path)


def test_damaged(files: dict[str, bytes], tmp_path: Path):
    file = tmp_path / "NMNISTsmall.zip"
    whole, entry = zipped(files), b"PK\1\2\x14\3\x14"
    cases = {
        whole[: len(whole) // 2]: "truncated or not an archive",
        b"<html>": "truncated or not an archive",
        whole.replace(entry, entry[:-1] + b"\xff"): "an archive .zip file version 25.5",
        whole.replace(entry + b"\0\0", entry + b"\0\1"): "an archive .*encrypted",
        zipped({**files, "1.bs2": recording(9)[0]}): "the MD5 of its recordings is",
        zipped({**files, "1.bs2": files["1.bs2"][:-1]}): "249 bytes are not a whole number of",
        zipped({k: v for k, v in files.items() if k != "2.bs2"}): "has no 2.bs2",
        zipped({**files, "train1K.txt": b"1 two\n"}): "a number and a class a line, not '1 two'",
    }
    for data, match in cases.items():
        file.write_bytes(data)
        with pytest.raises(DatasetError, match=match):
            nmnist_small(tmp_path)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_bomb(pack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules["stablespike.datasets.nmnist"], "_UNPACKED_MOST", 1000)
    (tmp_path / "NMNISTsmall.zip").write_bytes(pack({"1.bs2": bytes(1001)}))
    with pytest.raises(DatasetError, match=r"it unpacks to 1001 bytes, more than 1000"):
        nmnist_small(tmp_path)


def test_whole_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, seed in (("Test/7/00002.bin", 2), ("Test/2/00001.bin", 1)):
            archive.writestr(name, recording(seed)[0])
    (tmp_path / "Test.zip").write_bytes(memory.getvalue())
    with pytest.raises(DatasetError, match=r"is not N-MNIST's Test.zip: its MD5 is"):
        nmnist("test", tmp_path)
    md5 = hashlib.md5(memory.getvalue(), usedforsecurity=False).hexdigest()
    monkeypatch.setitem(module.ARCHIVES, "test", ("Test.zip", "https://there", md5))
    recordings, labels = nmnist("test", tmp_path)
    assert labels.tolist() == [2, 7]
    assert np.array_equal(recordings[0]["t"], recording(1)[1][:, 0])
    with pytest.raises(ValueError, match=r"split.*'train', 'test'.*'all'"):
        nmnist("all", tmp_path)


def test_time_overflows_are_no_spikes():
    data = bytes([3, 4, 128, 0, 9, 0, 240, 0, 0, 0, 5, 6, 0, 0, 2])
    events = parse_events(data, "x")
    assert events.tolist() == [(9, 3, 4, 1), (8194, 5, 6, 0)]


def test_events_outside_are_refused():
    with pytest.raises(DatasetError, match=r"x\.bin has an event at x=34, outside of 34 pixels"):
        parse_events(bytes([34, 0, 0, 0, 0]), "x.bin")


def test_no_events_are_a_recording():
    assert len(parse_events(b"", "x")) == 0


def test_the_real_subset():
    folder = os.environ.get(DATA_VARIABLE)
    try:
        recordings, labels = nmnist_small(folder or "nowhere")
    except DatasetError as error:
        if "does not exist" not in str(error):
            raise
        pytest.skip(f"${DATA_VARIABLE} names no folder with N-MNIST-small")
    assert len(recordings) == len(labels) == 1100
    assert np.bincount(labels).min() > 80
    spikes = bin_events(recordings[:20], (2, 34, 34), 4, bin_count=4)
    assert spikes.any((2, 3, 4)).all()
