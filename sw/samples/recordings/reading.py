"""``read_events``: which format a file has, and its recordings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...support.errors import FileError
from ...support.values import exact_choice, exact_int
from ..arrays import NPY_MAGIC, ZIP_MAGIC, read_npy, read_npz
from ..columns import recordings_in
from .atis import is_nmnist, read_atis
from .event_stream import EVENT_STREAM_MAGIC, read_event_stream
from .inivation import AEDAT4_MAGIC, read_aedat3, read_aedat4
from .jaer import AEDAT2_MAGIC, CHIPS, read_aedat2
from .prophesee import read_dat, read_evt2, read_evt3
from .source import Recordings, Source, header_lines
from .spoken import HDF5_MAGIC, read_spoken

__all__ = ["FORMATS", "read_events", "read_recordings"]

_HEAD_BYTES = 1 << 16
_READ = (
    "recordings in AEDAT 4, 3.1 and 2, EVT3, EVT2, DAT, Event Stream, N-MNIST, HDF5 (SHD, SSC)"
)
_PASS = (
    "read others with a library of theirs, and pass arrays with the fields t, x, y, p to run, or "
    "save them with numpy.savez"
)


def read_events(
    path: str | os.PathLike[str],
    format: str | None = None,
    recordings: int | Sequence[int] | None = None,
) -> Any:
    """Read a file of events, whatever its name is: its content tells the format.

    ``y`` counts from the top and ``x`` from the left, in every format; ``p`` is 1 for an event
    that became brighter, 0 for one that became darker. Times are those of the file: microseconds
    of the camera's clock, or the seconds of SHD and SSC. They need not begin at 0; steps begin
    with the first event unless ``start`` says otherwise.

    Parameters
    ----------
    path : str or path object
        The file.
    format : str or None
        "aedat4", "aedat3", "aedat2" (with the chip that its header names), "aedat2-dvs128",
        "aedat2-davis240", "aedat2-davis346", "evt2", "evt3", "dat", "es", "nmnist", "spoken" (the
        HDF5 files of SHD and SSC) or "numpy"; by default the content tells. It is needed for
        recordings of 5-byte events that are not surely N-MNIST's ("nmnist"), which have no mark,
        for EVT files without a header, and for AEDAT 2 files whose header does not name the chip.
    recordings : int, sequence of int or None
        Of a file with several recordings, the number of the one to return, from 0; or several
        numbers.

    Returns
    -------
    structured array, or list of them
        One recording, with the fields ``t`` (int64), ``x``, ``y`` (uint16) and ``p`` (uint8). Of
        "spoken" files, ``t`` (float16, as stored) and ``x`` (the channel). Of numpy's files, the
        fields that are there. A list if the file has several recordings, of which ``recordings``
        names no single one.

    Raises
    ------
    FileError
        If there is no such file, it is truncated, damaged or of another format, or the library
        that reads it is not installed. The message says what was found.
    TypeError, ValueError
        If there is no such format or recording.
    """
    found = read_recordings(Path(path), format)
    events = found.events
    if recordings is None:
        return events if found.several else events[0]
    last = len(events) - 1
    if not isinstance(recordings, (list, tuple, range, np.ndarray)):
        return events[exact_int("recordings", recordings, 0, last)]
    return [events[exact_int("recordings", each, 0, last)] for each in recordings]


def read_recordings(path: Path, format: str | None = None) -> Recordings:
    """All recordings of a file, and their labels.

    Parameters
    ----------
    path, format
        As for ``read_events``.

    Raises
    ------
    FileError, ValueError
        As for ``read_events``.
    """
    if format is not None:
        exact_choice("format", format, tuple(FORMATS))
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            size = os.fstat(file.fileno()).st_size
        source = Source(path, size, head)
        return FORMATS[format or _told(source)](source)
    except FileNotFoundError:
        raise FileError(f"there is no file {path}") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error})") from error
    except MemoryError as error:
        raise FileError(f"{path} has more events than there is memory for") from error


def _read_numpy(source: Source) -> Recordings:
    if source.head.startswith(NPY_MAGIC):
        array = read_npy(source.path)
        if not array.dtype.names or array.ndim != 1:
            raise source.error(
                f"must have a list of events with fields, not {array.dtype} of shape {array.shape}"
            )
        return Recordings([array])
    arrays = read_npz(source.path)
    labels = arrays.pop("labels", None)
    found = recordings_in(arrays)
    if found is None:
        raise source.error(
            "must have recordings, each a list of events with fields, or the columns t, x, y and p "
            f"of one; it has {', '.join(arrays) or 'no arrays'}"
        )
    return Recordings(found, labels, several=len(found) > 1)


FORMATS: dict[str, Callable[[Source], Recordings]] = {
    "aedat4": read_aedat4, "aedat3": read_aedat3, "aedat2": read_aedat2(),
    **{f"aedat2-{chip}": read_aedat2(chip) for chip in CHIPS},
    "evt2": read_evt2, "evt3": read_evt3, "dat": read_dat, "es": read_event_stream,
    "nmnist": read_atis, "spoken": read_spoken, "numpy": _read_numpy,
}
"""The reader of each format by its name."""
_MAGIC = {
    AEDAT4_MAGIC: "aedat4", b"#!AER-DAT3.1\r\n": "aedat3", AEDAT2_MAGIC: "aedat2",
    EVENT_STREAM_MAGIC: "es", HDF5_MAGIC: "spoken", NPY_MAGIC: "numpy", ZIP_MAGIC: "numpy",
}
_OTHERS = {
    b"#!AER-DAT": "an AEDAT file of a version that is not read: 2.0, 3.1 and 4.0 are; {line!r}",
    b"\x1f\x8b": "compressed (gzip): unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed (zstd): unpack it first",
    b"BZh": "compressed (bzip2): unpack it first",
    b"\xfd7zXZ": "compressed (xz): unpack it first",
    b"\x80\x02": "of pickle or torch.save, which can hold code and is not loaded: save samples as "
                 "arrays, with numpy.savez(path, samples=samples.numpy())",
}


def _told(source: Source) -> str:
    """The format that the content of a file tells."""
    for magic, name in _MAGIC.items():
        if source.head.startswith(magic):
            return name
    if not source.size:
        raise source.error("is empty")
    for magic, what in _OTHERS.items():
        if source.head.startswith(magic):
            line = source.head.split(b"\n")[0][:40].strip()
            raise source.error("is " + what.format(line=line.decode("ascii", "replace")))
    if source.head.startswith(b"%"):
        return _told_by_header(source)
    if is_nmnist(source):
        return "nmnist"
    raise source.error(
        f"is no file of samples that can be read: {_READ} are, and arrays of numpy's "
        f"(numpy.save, savez); {_PASS}"
    )


def _told_by_header(source: Source) -> str:
    """The format of a file of Prophesee's, by the lines of its header."""
    lines, _ = header_lines(source.head, b"%", b"% end")
    words = [line[1:].split() for line in lines]
    named = {word[1].split(";")[0].upper() for word in words if word[:1] == ["format"] and word[1:]}
    said = {word[1] for word in words if word[:1] == ["evt"] and word[1:]}
    kinds = named | {"EVT" + version.removesuffix(".0").replace(".", "") for version in said}
    if kinds == {"EVT2"}:
        return "evt2"
    if kinds == {"EVT3"}:
        return "evt3"
    if not kinds and any(word[:1] == ["Version"] for word in words):
        return "dat"
    what = " and ".join(sorted(kinds)) or "no format"
    raise source.error(
        f"has a header with lines of '%' that says {what}: EVT2, EVT3 and DAT are read; {_PASS}"
    )
