from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stablespike import datasets
from stablespike.datasets import DatasetError, mnist, mnist_folder, shipped_mnist, shipped_path
from stablespike.datasets.images import FASHION, MNIST
from stablespike.support.errors import FileError

IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


def idx(array: np.ndarray) -> bytes:
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a test set of 20 shipped images, whose checksums are made the expected ones."""
    monkeypatch.delenv(datasets.DATA_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    for name, part in zip((IMAGES, LABELS), shipped_mnist(20), strict=True):
        put(folder / name, idx(part), monkeypatch)
    return folder


def put(file: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(gzip.compress(data))
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    monkeypatch.setitem(MNIST.md5, file.name, found)


def same(parts: tuple[Any, Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(parts, shipped_mnist(20), strict=True))


def test_shipped_images_are_whole_and_the_right_ones():
    images, labels = shipped_mnist()
    assert images.shape == (1000, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(labels).tolist() == [85, 126, 116, 107, 110, 87, 87, 99, 89, 94]
    assert "Attribution-Share Alike 3.0" in shipped_path("NOTICE-mnist.txt").read_text()


def test_shipped_count():
    images, labels = shipped_mnist(3)
    assert len(images) == len(labels) == 3
    assert np.array_equal(images, shipped_mnist()[0][:3])
    assert images.flags.writeable


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_shipped_count_out_of_range(count: int):
    with pytest.raises(ValueError, match=rf"count.*1 to 1000.*{count}.*10,000"):
        shipped_mnist(count)


@pytest.mark.parametrize("count", [True, 1.0, "5"])
def test_shipped_count_no_integer(count: Any):
    with pytest.raises(TypeError, match=r"count.*integer or None, not"):
        shipped_mnist(count)


def test_shipped_path_names_what_is_there():
    with pytest.raises(ValueError, match=r"no shipped file 'net'.*NOTICE-mnist\.txt"):
        shipped_path("net")


def test_folder_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(datasets.DATA_VARIABLE, raising=False)
    assert mnist_folder() == tmp_path / "stablespike" / "mnist"
    monkeypatch.setenv(datasets.DATA_VARIABLE, "there")
    assert mnist_folder() == Path("there")
    assert mnist_folder("here") == Path("here")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv(datasets.DATA_VARIABLE)
    assert mnist_folder() == Path.home() / ".cache" / "stablespike" / "mnist"


def test_reads_path_variable_and_cache(small: Path, monkeypatch: pytest.MonkeyPatch):
    assert same(mnist("test", small))
    monkeypatch.setenv(datasets.DATA_VARIABLE, str(small))
    assert same(mnist("test"))
    monkeypatch.delenv(datasets.DATA_VARIABLE)
    mnist_folder().parent.mkdir(parents=True)
    small.rename(mnist_folder())
    assert same(mnist("test"))


def test_unknown_split(small: Path):
    with pytest.raises(ValueError, match=r"split.*'train', 'test'.*'valid'"):
        mnist("valid", small)


def test_missing_in_a_named_folder_is_not_downloaded(small: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: pytest.fail("downloaded"))
    with pytest.raises(DatasetError, match=r"train-images.*not exist: put train-images.*or path="):
        mnist("train", small)


@pytest.mark.parametrize("keep", [0, 5, 300, -1])
def test_truncated_file(small: Path, keep: int):
    file = small / IMAGES
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(FileError, match=r"t10k-images.*(is truncated|is not MNIST's)"):
        mnist("test", small)


def test_no_gzip_file(small: Path):
    (small / LABELS).write_bytes(b"<html>not found</html>")
    with pytest.raises(DatasetError, match=r"t10k-labels.*truncated or not a gzip file"):
        mnist("test", small)


def test_another_data_set(small: Path):
    file = small / IMAGES
    file.write_bytes(gzip.compress(idx(np.zeros((20, 28, 28)))))
    message = r"is not MNIST's t10k-images.*its unpacked MD5 is .*, not .*; "
    with pytest.raises(DatasetError, match=message + "it belongs to another data set"):
        mnist("test", small)
    mnist_folder().parent.mkdir(parents=True)
    small.rename(mnist_folder())
    with pytest.raises(DatasetError, match=message + "delete it and fetch it again"):
        mnist("test")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "starts with nothing, not 000008"),
        (b"\0\0\x0d\x01\0\0\0\0", "starts with 00000d01"),
        (b"\0\0\x08\x03\0\0\0\x01", "truncated or damaged"),
        (idx(np.zeros((20, 28, 28)))[:-1], "15695 bytes, not the 15696"),
        (idx(np.zeros((20, 28, 28))) + b"\0", "15697 bytes, not the 15696"),
        (b"\0\0\x08\x03\0\0\0\x14\0\0", "10 bytes, not the 16 of the head of .* with 3 axes"),
        (b"\0\0\x08\x09" + b"\xff" * 32 + bytes(4), "truncated or damaged: cannot reshape"),
        (b"\0\0\x08\x04" + b"\xff" * 16, "20 bytes, not the [0-9]{39} of an IDX file"),
        (idx(np.zeros((20, 28, 27))), r"has images \(20, 28, 27\) and labels \(20,\)"),
        (idx(np.zeros((19, 28, 28))), r"has images \(19, 28, 28\) and labels \(20,\)"),
    ],
)
def test_damaged_idx(small: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, match: str):
    put(small / IMAGES, data, monkeypatch)
    with pytest.raises(DatasetError, match=match):
        mnist("test", small)


def serve(monkeypatch: pytest.MonkeyPatch, answers: dict[str, bytes]) -> list[str]:
    """Answer downloads from ``answers`` by address; refuse the rest."""
    asked: list[str] = []

    def urlopen(address: str, timeout: float) -> io.BytesIO:
        asked.append(address)
        if address not in answers:
            raise urllib.error.URLError("no route")
        return io.BytesIO(answers[address])

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return asked


def test_download_falls_back_checks_and_keeps(small: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = MNIST.mirrors
    images, labels = (small / IMAGES).read_bytes(), (small / LABELS).read_bytes()
    answers = {first + IMAGES: images[:-9], second + IMAGES: images, first + LABELS: labels}
    asked = serve(monkeypatch, answers)
    assert same(mnist("test"))
    assert asked == [first + IMAGES, second + IMAGES, first + LABELS]
    assert sorted(file.name for file in mnist_folder().iterdir()) == [IMAGES, LABELS]
    assert same(mnist("test"))
    assert len(asked) == 3


def test_failed_download_says_where_to_put_the_files(small: Path, monkeypatch: pytest.MonkeyPatch):
    serve(monkeypatch, {MNIST.mirrors[1] + IMAGES: gzip.compress(b"another file")})
    with pytest.raises(DatasetError, match="could not be downloaded") as caught:
        mnist("test")
    for part in ("no route", "is not MNIST's", f"into {mnist_folder()}", "$STABLESPIKE_DATA"):
        assert part in str(caught.value)
    assert not mnist_folder().exists()


class Cut(io.BytesIO):
    """An answer that ends early."""

    def read(self, *size: Any) -> bytes:
        raise http.client.IncompleteRead(b"half")


def test_a_download_that_is_cut_off_goes_on_with_the_next_address(
    small: Path, monkeypatch: pytest.MonkeyPatch
):
    second = MNIST.mirrors[1]
    answers = {second + name: (small / name).read_bytes() for name in (IMAGES, LABELS)}

    def urlopen(address: str, timeout: float) -> io.BytesIO:
        return io.BytesIO(answers[address]) if address in answers else Cut()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    assert same(mnist("test"))
    answers.clear()
    with pytest.raises(DatasetError, match=r"could not be downloaded \(.*IncompleteRead"):
        mnist("train")


def test_a_cache_that_cannot_be_written(small: Path, monkeypatch: pytest.MonkeyPatch):
    serve(monkeypatch, {MNIST.mirrors[0] + IMAGES: (small / IMAGES).read_bytes()})
    (small / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(small / "file"))
    message = r"t10k-images.* downloaded but cannot be written \(Not a directory\): name another"
    with pytest.raises(DatasetError, match=message):
        mnist("test")
    monkeypatch.setenv("XDG_CACHE_HOME", str(small))

    def full(part: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DatasetError, match=r"cannot be written \(No space left on device\)"):
        mnist("test")
    assert list(mnist_folder().iterdir()) == []


def test_a_file_that_cannot_be_read(small: Path, monkeypatch: pytest.MonkeyPatch):
    def denied(file: Path, mode: str) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(DatasetError, match=rf"{IMAGES} cannot be read: Permission denied"):
        mnist("test", small)


def test_pixels():
    images = np.random.default_rng(1).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    assert (datasets.pixels(images, 28, 4) == images >> 4).all()
    small = datasets.pixels(images, 14, 5)
    assert small.shape == (3, 14, 14)
    assert small.dtype == np.uint8
    assert small[2, 3, 4] == int(images[2, 6:8, 8:10].sum()) // 4 >> 3


@pytest.mark.parametrize(("side", "bits", "message"), [
    (0, 4, "side must divide 28 x 28 images, not 0"),
    (13, 4, "side must divide 28 x 28 images, not 13"),
    (14, 0, "bits.*1 to 8.*0"),
    (14, 9, "bits.*1 to 8.*9"),
])
def test_pixels_refuses(side, bits, message):
    with pytest.raises(ValueError, match=message):
        datasets.pixels(np.zeros((1, 28, 28), np.uint8), side, bits)


def test_fashion_mnist_has_its_own_folder_and_checksums(
    small: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(DatasetError, match=r"is not Fashion-MNIST's t10k-images.*MD5 is"):
        datasets.fashion_mnist("test", small)
    for name, md5 in MNIST.md5.items():
        monkeypatch.setitem(FASHION.md5, name, md5)
    small.rename(small.parent / "fashion-mnist")
    assert same(datasets.fashion_mnist("test", small.parent))
    serve(monkeypatch, {})
    with pytest.raises(DatasetError, match=r"zalandoresearch.*into .*stablespike/fashion-mnist"):
        datasets.fashion_mnist("test")


def test_folds_test_every_sample_once():
    labels = np.random.default_rng(0).integers(0, 10, 203)
    tested = []
    for fold in range(5):
        train, test = datasets.folds(labels, fold)
        assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(203))
        counts = np.bincount(labels[test], minlength=10)
        assert np.abs(counts - np.bincount(labels, minlength=10) / 5).max() < 1
        tested.append(test)
        again = datasets.folds(labels.tolist(), fold)
        assert np.array_equal(again[0], train)
    assert np.array_equal(np.sort(np.concatenate(tested)), np.arange(203))


@pytest.mark.parametrize(("labels", "fold", "count", "match"), [
    ([[0, 1]], 0, 2, r"labels.*\(n,\).*\(1, 2\)"),
    ([0] * 9, 5, 5, "fold.*0 to 4.*5"),
    ([0] * 9, 0, 1, "count.*2 to 9.*1"),
    ([0, 1, 2], 1, 2, "fold 1 of 2 would be empty: no class of the 3 labels has enough"),
    ([0, 1, 2], 0, 2, "fold 0 of 2 would be everything"),
])
def test_folds_refuse(labels: Any, fold: int, count: int, match: str):
    with pytest.raises(ValueError, match=match):
        datasets.folds(labels, fold, count)
