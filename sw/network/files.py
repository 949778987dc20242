"""Networks on disk: a safetensors file of integer arrays with a JSON header.

Arrays have the narrowest integer type that holds them, and the same network always gives the same
bytes. ``write`` and ``read`` are the container of all files of this package: its header holds the
name and the version of the format, which a reader checks first, and a checksum of all the rest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from ..encoders.files import decode_encoder, encode_encoder
from ..support.errors import FileError
from .convolution import Conv2d
from .dense import Dense
from .fidelity import Fidelity
from .inputs import FrameInput, Input, PixelInput, SpikeInput
from .leaks import plain_leaks
from .network import Layer, Network
from .neurons import Neuron
from .pooling import MaxPool2d, SumPool2d

__all__ = [
    "NETWORK_FORMAT",
    "NETWORK_VERSION",
    "atomic_file",
    "check_writable",
    "decode_network",
    "encode_network",
    "file_format",
    "load",
    "narrowest",
    "read",
    "save",
    "write",
]

NETWORK_FORMAT = "stablespike network"
NETWORK_VERSION = 5
"""Version 2 added convolutions, max pooling and recurrence, version 3 leaks that add their second
term and leaks per neuron, version 4 frames, zero points and encoders, version 5 a checksum; files
of older versions still load."""
_CHECKED = 5  # the first version of each format with a checksum

_KEY = "stablespike"
_START = 9  # the size of the header, and its first byte
_HEADER_MOST = 1 << 23  # bytes; safetensors itself parses twelve times as much
_CHECKSUM = "checksum"
_REPORT = "fidelity"  # the report of an import, if there is one
_PER_NEURON = "per neuron"  # marks a threshold that is stored as an array
_NEXT = {
    NETWORK_FORMAT: "compile it first ('stablespike compile', or stablespike.compile)",
    "stablespike program": (
        "it is compiled already: run it ('stablespike run'), or read it with "
        "stablespike.load_program"
    ),
}
"""What to do with a file of one format when another one is expected."""

Tensors = dict[str, npt.NDArray[Any]]
PathLike = str | os.PathLike[str]


def narrowest(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a copy in the narrowest signed integer type that holds every value."""
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    for dtype in (np.int8, np.int16, np.int32):
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return np.ascontiguousarray(array, dtype=dtype)
    return np.ascontiguousarray(array, dtype=np.int64)


def check_writable(path: PathLike) -> None:
    """Refuse a path that cannot be written, before any work is done for it.

    Raises
    ------
    TypeError
        If ``path`` is neither a str nor a path object.
    FileError
        If the path exists and is not a file, or its folder is missing or not writable.
    """
    target = _as_path(path)
    if target.exists() and not target.is_file():
        kind = "a folder" if target.is_dir() else "not a regular file"
        raise FileError(f"{target} cannot be written: it is {kind}; give it another name")
    # Only an attempt shows whether a folder takes files: permissions differ between file systems.
    trial = _beside(target)
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise FileError(f"{target} cannot be written: {error.strerror}") from error


def _as_path(path: PathLike) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be the name of a file (a str or a Path), not {path!r}")
    return Path(path)


def _beside(target: Path) -> Path:
    """Return a name in the same folder that no other process uses."""
    return target.with_name(f".{target.name}.{os.getpid()}.part")


@contextmanager
def atomic_file(path: PathLike) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name only when it is complete.

    An existing file of that name is replaced only then, and is kept if an error occurs.

    Raises
    ------
    TypeError
        If ``path`` is neither a str nor a path object.
    FileError
        If the file cannot be written.
    """
    check_writable(path)
    target = Path(path)
    partial = _beside(target)
    try:
        with partial.open("wb") as file:
            yield file
        os.replace(partial, target)
    except OSError as error:
        raise FileError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def write(
    path: PathLike, file_format: str, version: int, header: Mapping[str, Any], tensors: Tensors
) -> None:
    """Write a file completely or not at all.

    Parameters
    ----------
    path : str or path object
        The file.
    file_format : str
        Name of the format.
    version : int
        Version of the format.
    header : mapping
        Values that JSON can hold. ``format`` and ``version`` are added.
    tensors : dict of arrays
        The arrays by name.

    Raises
    ------
    TypeError
        If ``path`` is neither a str nor a path object.
    FileError
        If the file cannot be written.
    """
    record = {**header, "format": file_format, "version": version}
    # safetensors 0.8.0 stores an array that is not contiguous with its numbers in the wrong places.
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    text = _plain({**record, _CHECKSUM: _checksum(record, contiguous)})
    data = safetensors.numpy.save(contiguous, metadata={_KEY: text})
    if _header_bytes(data[:_START]) > _HEADER_MOST:
        raise FileError(f"{path} cannot be written: its header is longer than {_HEADER_MOST} bytes")
    with atomic_file(path) as file:
        file.write(data)


def _header_bytes(start: bytes) -> int:
    """The bytes of the header of a safetensors file, which begins so; -1 if it is none."""
    return int.from_bytes(start[:8], "little") if start[8:_START] == b"{" else -1


def _is_read(source: Path) -> bool:
    """Whether the library may read a file: it reads and parses whatever header a file claims."""
    with source.open("rb") as file:
        return 0 <= _header_bytes(file.read(_START)) <= _HEADER_MOST


def _plain(record: Mapping[str, Any]) -> str:
    """JSON of a header, sorted and without spaces: equal headers are equal bytes."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"))


def _checksum(record: Mapping[str, Any], tensors: Tensors) -> str:
    """SHA-256 in hex of a header without its checksum, and of the arrays with their names."""
    state = hashlib.sha256(_plain(record).encode())
    for name, array in sorted(tensors.items()):
        state.update(f"{name}:{array.dtype.str}:{array.shape}:".encode())
        state.update(array.tobytes())
    return state.hexdigest()


def read(path: PathLike, file_format: str, version: int) -> tuple[dict[str, Any], Tensors]:
    """Return the header and the arrays of a file.

    Parameters
    ----------
    path : str or path object
        The file.
    file_format : str
        The format that is expected.
    version : int
        The newest version that is understood.

    Raises
    ------
    TypeError
        If ``path`` is neither a str nor a path object.
    FileError
        If the file is missing, truncated, not a file of this package, of another format, or of a
        newer version, or if its contents are not those of its checksum.
    """
    source = _as_path(path)
    try:
        if source.is_dir():
            raise FileError(f"{source} is a directory; expected a {file_format}")
        if source.stat().st_size == 0:
            raise FileError(f"{source} is empty; expected a {file_format}")
        if not _is_read(source):
            raise FileError(
                f"{source} is truncated or not a safetensors file (it does not begin with a header "
                f"of at most {_HEADER_MOST} bytes); expected a {file_format}"
            )
        with safetensors.safe_open(source, framework="numpy") as file:
            # Nothing else is read of a foreign file, however large it is.
            header = _header(source, file.metadata() or {}, file_format, version)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise FileError(f"{source} does not exist; expected a {file_format}") from None
    except OSError as error:
        raise FileError(f"{source} cannot be read: {error.strerror or error}") from error
    except safetensors.SafetensorError as error:
        raise FileError(
            f"{source} is truncated or not a safetensors file ({error}); expected a {file_format}"
        ) from error
    except FileError:
        raise
    # safetensors has types of numbers that numpy does not know.
    except (AttributeError, TypeError, ValueError, MemoryError) as error:
        raise FileError(f"{source} is damaged: {error}; write it again") from error
    told = header.pop(_CHECKSUM, None)
    if told is None and header["version"] < _CHECKED:
        return header, tensors
    if told != _checksum(header, tensors):
        raise FileError(
            f"{source} is damaged: its contents are not those of its checksum; write or copy it "
            "again"
        )
    return header, tensors


def _header(
    source: Path, metadata: Mapping[str, str], file_format: str, version: int
) -> dict[str, Any]:
    """The header of a file of this package, checked for format and version."""
    try:
        header = json.loads(metadata[_KEY])
        found, found_version = header["format"], header["version"]
        if not isinstance(found, str):
            raise ValueError("format is no name")
    except (KeyError, TypeError, ValueError, RecursionError):
        raise FileError(
            f"{source} was not written by stablespike: it has no {_KEY!r} header; "
            f"expected a {file_format}"
        ) from None
    if found != file_format:
        hint = f": {_NEXT[found]}" if found in _NEXT else ""
        raise FileError(f"{source} is a {found}, not a {file_format}{hint}")
    if not isinstance(found_version, int) or not 1 <= found_version <= version:
        raise FileError(
            f"{source} has version {found_version} of the {file_format} format, this stablespike "
            f"reads up to {version}: install the version that wrote it, or a newer one"
        )
    return dict(header)


def file_format(path: PathLike) -> str | None:
    """Return the name of the format of a file of this package; None if it is none.

    Parameters
    ----------
    path : str or path object
        The file.
    """
    try:
        if not _is_read(_as_path(path)):
            return None
        with safetensors.safe_open(_as_path(path), framework="numpy") as file:
            found = json.loads((file.metadata() or {})[_KEY])["format"]
    except (
        OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError, RecursionError
    ):
        return None
    return found if isinstance(found, str) else None


def save(network: Network, path: PathLike) -> None:
    """Write a network to a file. The same network and report always give the same bytes.

    Parameters
    ----------
    network : Network
        The network; its ``fidelity`` is kept.
    path : str or path object
        The file, by convention ``*.safetensors``. An existing one is replaced.

    Raises
    ------
    TypeError
        If ``network`` is not a ``Network``, or ``path`` is neither a str nor a path object.
    FileError
        If the file cannot be written.
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be a Network, not {network!r}")
    header, tensors = encode_network(network)
    if network.fidelity is not None:
        header[_REPORT] = network.fidelity.as_dict()
    write(path, NETWORK_FORMAT, NETWORK_VERSION, header, tensors)


def load(path: PathLike) -> Network:
    """Read a network from a file that ``save`` wrote.

    Parameters
    ----------
    path : str or path object
        The file.

    Returns
    -------
    Network

    Raises
    ------
    TypeError
        If ``path`` is neither a str nor a path object.
    FileError
        If the file is missing, damaged, of another format or of a newer version.
    """
    header, tensors = read(path, NETWORK_FORMAT, NETWORK_VERSION)
    try:
        network = decode_network(header, tensors)
        if header.get(_REPORT) is None:
            return network
        return replace(network, fidelity=Fidelity.from_dict(header[_REPORT]))
    except KeyError as error:
        raise FileError(f"{path} is damaged: it lacks {error.args[0]!r}") from error
    # A header that is valid JSON may still hold values of any other type.
    except (TypeError, ValueError, AttributeError) as error:
        raise FileError(f"{path} is damaged: {error}") from error


def encode_network(network: Network) -> tuple[dict[str, Any], Tensors]:
    """Return the header and the arrays from which ``decode_network`` makes a network."""
    tensors: Tensors = {}
    layers = [_encode_layer(layer, i, tensors) for i, layer in enumerate(network.layers)]
    source: dict[str, Any] = {"kind": network.input.kind, "shape": network.input.shape}
    if not isinstance(network.input, SpikeInput):
        source |= {"bits": network.input.bits, "zero": network.input.zero}
    header = {
        "input": source,
        "layers": layers,
        "readout": network.readout,
        "weight_bits": network.weight_bits,
        "fraction_bits": network.fraction_bits,
    }
    if network.encoder is not None:
        header["encoder"] = encode_encoder(network.encoder, tensors)
    return header, tensors


def _encode_layer(layer: Layer, index: int, tensors: Tensors) -> dict[str, Any]:
    """Return a layer's entry in the header, and add its arrays to ``tensors``."""
    neuron, prefix = layer.neuron, f"layers.{index}"
    tensors[f"{prefix}.weight"] = narrowest(layer.weight)
    tensors[f"{prefix}.bias"] = narrowest(layer.bias)
    threshold: Any = neuron.threshold
    if isinstance(threshold, np.ndarray):
        tensors[f"{prefix}.threshold"] = narrowest(threshold)
        threshold = _PER_NEURON
    by_kind: dict[str, Any] = {}
    if isinstance(layer, Conv2d):
        after = None if layer.pool_after is None else layer.pool_after.size
        by_kind = {"stride": layer.stride, "padding": layer.padding, "pool_after": after}
    elif layer.recurrent is not None:
        by_kind = {"recurrent": True}
        tensors[f"{prefix}.recurrent"] = narrowest(layer.recurrent)
    return {
        "kind": layer.kind,
        "emit": layer.emit,
        "weight_bits": layer.weight_bits,
        "pool_before": None if layer.pool_before is None else layer.pool_before.size,
        **by_kind,
        "neuron": {
            "leak": plain_leaks(neuron.leak),
            "threshold": threshold,
            "reset": neuron.reset,
            "reset_timing": neuron.reset_timing,
            "compare": neuron.compare,
            "v_init": neuron.v_init,
            "fires": neuron.fires,
            "synapse_leak": plain_leaks(neuron.synapse_leak),
        },
    }


def decode_network(header: Mapping[str, Any], tensors: Tensors) -> Network:
    """Return the network of a header and arrays. Every check of ``Network`` applies.

    Raises
    ------
    KeyError
        Naming what is missing.
    TypeError, ValueError
        If a value is not allowed, or an array is not one of the network.
    """
    entry = header["input"]
    source = _decode_input(entry)
    layers = []
    for i, layer in enumerate(header["layers"]):
        try:
            layers.append(_decode_layer(layer, i, tensors))
        except (TypeError, ValueError) as error:
            raise ValueError(f"layers[{i}]: {error}") from error
    entry = header.get("encoder")
    network = Network(
        source, tuple(layers), header["readout"], header["weight_bits"], header["fraction_bits"],
        encoder=None if entry is None else decode_encoder(entry, tensors),
    )
    if unknown := tensors.keys() - encode_network(network)[1].keys():
        raise ValueError(f"the array {min(unknown)} belongs to nothing in the header")
    return network


def _decode_input(entry: Mapping[str, Any]) -> Input:
    shape = tuple(entry["shape"])
    if entry["kind"] == SpikeInput.kind:
        return SpikeInput(shape)
    for of_values in (PixelInput, FrameInput):
        if entry["kind"] == of_values.kind:
            return of_values(shape, entry["bits"], entry.get("zero", 0))
    raise ValueError(f"input: unknown kind {entry['kind']!r}")


def _decode_layer(entry: Mapping[str, Any], index: int, tensors: Tensors) -> Layer:
    settings = dict(entry["neuron"])
    if settings["threshold"] == _PER_NEURON:
        settings["threshold"] = tensors[f"layers.{index}.threshold"]
    before = entry["pool_before"]
    weight, bias = tensors[f"layers.{index}.weight"], tensors[f"layers.{index}.bias"]
    shared: dict[str, Any] = {
        "neuron": Neuron(**settings),
        "pool_before": None if before is None else SumPool2d(before),
        "emit": entry["emit"],
        "weight_bits": entry["weight_bits"],
    }
    if entry["kind"] == Dense.kind:
        recurrent = tensors[f"layers.{index}.recurrent"] if entry.get("recurrent") else None
        return Dense(weight, bias, recurrent=recurrent, **shared)
    if entry["kind"] == Conv2d.kind:
        after = entry["pool_after"]
        return Conv2d(
            weight, bias, stride=entry["stride"], padding=entry["padding"],
            pool_after=None if after is None else MaxPool2d(after), **shared,
        )
    raise ValueError(f"unknown kind {entry['kind']!r}")
