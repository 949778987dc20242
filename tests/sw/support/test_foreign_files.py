"""Files of something else, however large: refused at once, and without being read."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stablespike as ss
from stablespike.datasets import fashion_mnist, mnist, nmnist, nmnist_small
from stablespike.importers.nir.importer import from_nir
from stablespike.samples.files import read_sample_file
from stablespike.samples.recordings.reading import read_events
from stablespike.signals.waves import read_wave

SIZE = 1 << 30  # holes, which take no room on the disk
HEADS = {
    "zeros": b"", "text": b"hello world\n", "wave": b"RIFF\xff\xff\xff\x3fAVI LIST",
    "sound": b"RIFF\xff\xff\xff\x3fWAVEdata\xff\xff\xff\x3f",
    "gzip": gzip.compress(bytes(1000)), "zip": b"PK\x03\x04", "hdf5": b"\x89HDF\r\n\x1a\n",
    "safetensors": (90_000_000).to_bytes(8, "little") + b'{"__metadata__":{"format":"pt"}',
    "numpy": b"\x93NUMPY\x01\x00", "prophesee": b"% Date\n", "aedat": b"#!AER-DAT1.0\r\n",
}


def in_folder(read: Callable[[Path], Any], name: str) -> Callable[[Path], Any]:
    """A reader of a folder, for a file of a name in it."""

    def named(path: Path) -> Any:
        path.rename(path.with_name(name))
        return read(path.parent)

    return named


LOADERS: dict[str, Callable[[Path], Any]] = {
    "network": ss.load, "program": ss.load_program, "events": read_events,
    "samples": read_sample_file, "wave": read_wave, "nir": from_nir,
    "mnist": in_folder(lambda path: mnist("test", path), "t10k-images-idx3-ubyte.gz"),
    "fashion": in_folder(lambda path: fashion_mnist("train", path), "train-images-idx3-ubyte.gz"),
    "nmnist": in_folder(lambda path: nmnist("test", path), "Test.zip"),
    "nmnist-small": in_folder(nmnist_small, "nmnist-small.tar.gz"),
}


@pytest.mark.parametrize("loader", LOADERS)
def test_a_large_foreign_file_is_refused_at_once(loader: str, tmp_path: Path) -> None:
    seconds: dict[str, float] = {}
    for name, head in HEADS.items():
        for attempt in range(3):  # the machine may be busy, and libraries are imported
            folder = tmp_path / f"{name}-{attempt}"
            folder.mkdir()
            with (folder / "file").open("wb") as file:
                file.write(head)
                file.truncate(SIZE)
            tracemalloc.start()
            began = time.process_time()
            with pytest.raises(ss.FileError):
                LOADERS[loader](folder / "file")
            took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
            tracemalloc.stop()
            seconds[name] = min(took, seconds.get(name, took))
            if attempt:
                assert peak < 50e6, (name, peak)
            if attempt and seconds[name] < 0.2:
                break
    assert max(seconds.values()) < 0.2, seconds
