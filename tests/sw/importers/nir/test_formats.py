"""Files of other kinds are told by their content, and none of them is executed."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import safetensors.numpy
import stablespike as ss
import torch
from refusals import refuses
from stablespike.importers.nir.formats import other_format

h5py = pytest.importorskip("h5py")
pytest.importorskip("nir")

WEIGHTS = {"weight": torch.zeros(2, 3)}


class Bomb:
    """Something that a pickle calls when it is loaded."""

    def __reduce__(self):
        return (pytest.fail, ("it was loaded",))


def hdf5(path, names=(), marks=()):
    with h5py.File(path, "w") as file:
        for name in names:
            file[name] = np.zeros(2)
        for name in marks:
            file.attrs[name] = "x"


def zipped(path, *names):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"")


def ours(path):
    neuron = ss.Neuron(threshold=1)
    ss.save(ss.Network(ss.SpikeInput((3,)), [ss.Dense(np.ones((2, 3)), neuron=neuron)]), path)


def old(path):
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=False)


KINDS = {
    "checkpoint": (lambda path: torch.save(WEIGHTS, path), "a torch checkpoint: ... FILE.py:NAME"),
    "bomb": (lambda path: torch.save(Bomb(), path), "a torch checkpoint: ... torch.load(path)"),
    "old checkpoint": (old, "a pickle, such as a checkpoint of an old torch ... FILE.py:NAME"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(Bomb())), "a pickle ... FILE.py:NAME"),
    "script": (lambda path: torch.jit.script(torch.nn.Linear(2, 2)).save(path),
               "a TorchScript archive, in which neurons cannot be told: ... FILE.py:NAME"),
    "safetensors": (
        lambda path: safetensors.numpy.save_file({"a": np.zeros(2)}, path),
        "a safetensors file of weights: ... safetensors.torch.load_file(path)",
    ),
    "network": (ours, "a stablespike network already: it needs no import"),
    "arrays": (lambda path: np.savez(path.open("wb"), samples=np.zeros(2)),
               "a file of numpy arrays: samples belong to --calibration or --test"),
    "keras": (lambda path: zipped(path, "config.json", "model.weights.h5"), "a Keras model: ... "),
    "keras weights": (lambda path: hdf5(path, ["layers"]), "an HDF5 file of Keras: ... "),
    "keras of old": (lambda path: hdf5(path, ["dense"], ["keras_version"]), "an HDF5 file of Ker"),
    "hdf5": (lambda path: hdf5(path, ["b", "a"]),
             "an HDF5 file without a graph (it has a, b): expected what nir.write writes"),
    "empty hdf5": (hdf5, "an HDF5 file without a graph (it has nothing)"),
    "onnx": (lambda path: path.write_bytes(b"\x08\x08\x12\x07pytorch\x1a\x032.1:\x00"),
             "an ONNX model, which has no spiking neurons: ... "),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_files_of_other_kinds(tmp_path, kind):
    make, said = KINDS[kind]
    path = tmp_path / "model.nir"
    make(path)
    with refuses(ss.FileError, f"{path} is not a NIR file, but {said}"):
        ss.from_nir(path)


def header(text, length=None):
    data = text.encode()
    return (len(data) if length is None else length).to_bytes(8, "little") + data


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\x08", b"PK\x03\x04", b"no model\n" * 20, header("{}", 1 << 40), header("{broken}"),
        header("[]") + b"\0" * 9, header(json.dumps({"__metadata__": {"stablespike": "{"}})),
        b"\x89HDF\r\n\x1a\n" + bytes(20),
    ],
)
def test_anything_else_is_left_to_the_reader(tmp_path, content):
    path = tmp_path / "some"
    path.write_bytes(content)
    assert other_format(path) is None


def test_a_zip_of_other_things(tmp_path):
    zipped(tmp_path / "some", "readme.txt")
    assert other_format(tmp_path / "some") is None
    assert other_format(tmp_path / "none") is None


def test_paths_and_weights_are_no_module():
    snn = pytest.importorskip("snntorch")
    assert snn
    with refuses(TypeError, "module must be a torch.nn.Module, not 'net.pth': make the module, and "
                 "load its weights into it"):
        ss.from_snntorch("net.pth", (3,))
    buffer = io.BytesIO()
    torch.save(WEIGHTS, buffer)
    buffer.seek(0)
    with refuses(TypeError, "not a dictionary of its weights: make the module"):
        ss.from_snntorch(torch.load(buffer, weights_only=True), (3,))


@pytest.mark.parametrize("mask", [0xFF, 0x80])
def test_a_damaged_archive_is_no_model(mask, tmp_path):
    """Every byte in turn; zipfile raises errors of many kinds."""
    path = tmp_path / "weights.pth"
    zipped(path, "a/data.pkl", "a/data/0")
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :])
        other_format(path)
    path.write_bytes(whole[:-1])
    with refuses(ss.FileError, "weights.pth is not a NIR file"):
        ss.from_nir(path)
