"""Files that are no NIR files, told by their bytes: what they are, and the next step.

Nothing in them is executed: a pickle may run any code when it is loaded.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

__all__ = ["other_format"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_PICKLE = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_HEADER_HIGH = 1 << 22  # bytes; a longer header is parsed for no message
_ONNX, _ONNX_VERSIONS = 0x08, 31  # the first field of its protobuf: a version, a small number
_ONNX_FIELDS = b"\x12\x1a\x22\x28\x32\x3a\x42"  # tags of the fields that may follow
_KERAS_KEYS = {"model_weights", "layers", "_layer_checkpoint_dependencies"}
_KERAS_MARKS = {"layer_names", "keras_version", "model_config"}

_LOAD = (
    "write a Python file with a function that makes the module and loads the weights into it "
    "({}), and give FILE.py:NAME of that function to 'stablespike import'; in Python give the "
    "module to its framework's importer, such as from_snntorch"
)
_TORCH = _LOAD.format("module.load_state_dict(torch.load(path))")
_SAFETENSORS = _LOAD.format("module.load_state_dict(safetensors.torch.load_file(path))")
_REBUILD = (
    "make the network in snnTorch or SpikingJelly, put its weights there, and give FILE.py:NAME of "
    "the module to 'stablespike import'"
)


def other_format(path: str | os.PathLike[str]) -> str | None:
    """Return a sentence about a file that holds a model or weights of another kind, with the next
    step; None for any other file.

    Parameters
    ----------
    path : str or path object
        The file.
    """
    file = Path(path)
    try:
        with file.open("rb") as opened:
            start = opened.read(16)
        if zipfile.is_zipfile(file):
            found = _zipped(file)
        else:
            kinds = (_hdf5, _safetensors, _pickle, _onnx)
            found = next(filter(None, (kind(file, start) for kind in kinds)), None)
    except Exception:  # zipfile and h5py raise whatever the bytes lead to
        return None
    if found is None:
        return None
    what, following = found
    return f"{path} is not a NIR file, but {what}: {following}"


def _zipped(path: Path) -> tuple[str, str] | None:
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
    last = {name.rpartition("/")[2] for name in names}
    if "data.pkl" in last and ("constants.pkl" in last or any("/code/" in name for name in names)):
        return "a TorchScript archive, in which neurons cannot be told", _TORCH
    if "data.pkl" in last:
        return "a torch checkpoint", _TORCH
    if "model.weights.h5" in last:
        return "a Keras model", _REBUILD
    if names and all(name.endswith(".npy") for name in names):
        return "a file of numpy arrays", (
            "samples belong to --calibration or --test; for weights, " + _REBUILD
        )
    return None


def _hdf5(path: Path, start: bytes) -> tuple[str, str] | None:
    if not start.startswith(_HDF5):
        return None
    try:
        import h5py
    except ImportError:
        return None
    with h5py.File(path, "r") as file:
        keys, marks = set(file), set(file.attrs)
    if "node" in keys:
        return None
    if keys & _KERAS_KEYS or marks & _KERAS_MARKS:
        return "an HDF5 file of Keras", _REBUILD
    there = ", ".join(sorted(keys)[:4]) or "nothing"
    return f"an HDF5 file without a graph (it has {there})", "expected what nir.write writes"


def _safetensors(path: Path, start: bytes) -> tuple[str, str] | None:
    length = int.from_bytes(start[:8], "little")
    if start[8:9] != b"{" or not 2 <= length <= min(_HEADER_HIGH, path.stat().st_size - 8):
        return None
    with path.open("rb") as file:
        file.seek(8)
        text = file.read(length)
    try:
        header = json.loads(text)
        kind = json.loads(header.get("__metadata__", {}).get("stablespike", "{}")).get("format")
    except (ValueError, AttributeError, TypeError):
        return None
    if isinstance(kind, str) and kind.startswith("stablespike"):
        return f"a {kind} already", (
            "it needs no import; load it, compile it ('stablespike compile') or run it"
        )
    return "a safetensors file of weights", _SAFETENSORS


def _pickle(path: Path, start: bytes) -> tuple[str, str] | None:
    if not start.startswith(_PICKLE):
        return None
    return "a pickle, such as a checkpoint of an old torch or a whole module", _TORCH


def _onnx(path: Path, start: bytes) -> tuple[str, str] | None:
    version = len(start) > 2 and start[0] == _ONNX and 1 <= start[1] <= _ONNX_VERSIONS
    if version and start[2] in _ONNX_FIELDS:
        return "an ONNX model, which has no spiking neurons", _REBUILD
    return None
