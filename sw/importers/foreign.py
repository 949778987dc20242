"""Files that are no models here, told by their first bytes: what they are, and the next step.

Nothing in them is executed: a pickle may run any code when it is loaded.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

__all__ = ["described", "next_step"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_PICKLE = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_HEADER_HIGH = 100_000_000  # bytes; the limit of safetensors itself
_ONNX, _ONNX_VERSIONS = 0x08, 31  # the first field of its protobuf: a version, a small number
_ONNX_FIELDS = b"\x12\x1a\x22\x28\x32\x3a\x42"  # tags of the fields that may follow

_WEIGHTS = "weights without the module that computes with them"


def described(path: str | os.PathLike[str]) -> str | None:
    """Return what a file is, if it is a model or weights of another kind; else None.

    Parameters
    ----------
    path : str or path object
        The file.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(16)
        if zipfile.is_zipfile(path):
            return _zipped(path)
        for known in (_hdf5, _safetensors, _pickle, _onnx):
            found = known(Path(path), start)
            if found is not None:
                return found
    except (OSError, zipfile.BadZipFile):
        return None
    return None


def next_step(path: str | os.PathLike[str]) -> str | None:
    """Return a sentence about such a file: what it is, and what to give instead; else None.

    Parameters
    ----------
    path : str or path object
        The file.
    """
    found = described(path)
    if found is None:
        return None
    if found.startswith("a stablespike"):
        return f"{path} is {found}"
    name = os.path.basename(path)
    return (
        f"{path} is {found}, not a NIR file: write a Python file with a function that makes the "
        f"module and loads {name} into it (module.load_state_dict(torch.load({name!r}))), and give "
        "FILE.py:NAME of that function on the command line; in Python give the module to "
        "from_snntorch or from_spikingjelly"
    )


def _zipped(path: str | os.PathLike[str]) -> str | None:
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
    last = {name.rpartition("/")[2] for name in names}
    if "data.pkl" in last:
        script = "constants.pkl" in last or any("/code/" in name for name in names)
        if script:
            return "a TorchScript archive of torch.jit, whose neurons cannot be told"
        return f"a torch checkpoint ({_WEIGHTS})"
    if "model.weights.h5" in last:
        return "a Keras model"
    if names and all(name.endswith(".npy") for name in names):
        return "a file of numpy arrays (samples, or weights without a module)"
    return None


def _hdf5(path: Path, start: bytes) -> str | None:
    if not start.startswith(_HDF5):
        return None
    try:
        import h5py
    except ImportError:
        return None
    try:
        with h5py.File(path, "r") as file:
            keys, marks = set(file), set(file.attrs)
    except (OSError, RuntimeError):
        return None
    if "node" in keys:
        return None
    if {"model_weights", "layers", "_layer_checkpoint_dependencies"} & keys or {
        "layer_names", "keras_version", "model_config",
    } & marks:
        return "an HDF5 file of Keras"
    return f"an HDF5 file without a NIR graph (it has {', '.join(sorted(keys)[:4]) or 'nothing'})"


def _safetensors(path: Path, start: bytes) -> str | None:
    length = int.from_bytes(start[:8], "little")
    if start[8:9] != b"{" or not 2 <= length <= min(_HEADER_HIGH, path.stat().st_size - 8):
        return None
    with path.open("rb") as file:
        file.seek(8)
        text = file.read(length)
    try:
        header = json.loads(text)
        ours = json.loads(header.get("__metadata__", {}).get("stablespike", "{}"))
        kind = ours.get("format")
    except (ValueError, AttributeError, TypeError):
        return None
    if isinstance(kind, str) and kind.startswith("stablespike"):
        return f"a {kind} already: it needs no import; load it, compile it or run it"
    return f"a safetensors file ({_WEIGHTS})"


def _pickle(path: Path, start: bytes) -> str | None:
    if start.startswith(_PICKLE):
        return f"a pickle, such as a checkpoint of an old torch ({_WEIGHTS}, or a whole module)"
    return None


def _onnx(path: Path, start: bytes) -> str | None:
    version = len(start) > 2 and start[0] == _ONNX and 1 <= start[1] <= _ONNX_VERSIONS
    if version and start[2] in _ONNX_FIELDS:
        return "an ONNX model, which has no spiking neurons"
    return None
