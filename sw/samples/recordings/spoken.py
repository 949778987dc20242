"""Spoken digits as events: the HDF5 files of Spiking Heidelberg Digits and Spiking Speech
Commands."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .source import Recordings, Source, library

__all__ = ["HDF5_MAGIC", "read_spoken"]

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_REFERENCE_BYTES = 16  # of each list of events in the file


def read_spoken(source: Source) -> Recordings:
    """All recordings; times as stored, float16 in seconds, and the channel as x."""
    h5py = library("h5py", source, "an HDF5 file")
    try:
        with h5py.File(source.path, "r") as file:
            for name in ("spikes/times", "spikes/units"):
                if name not in file or not isinstance(file[name], h5py.Dataset):
                    raise source.error(
                        f"is an HDF5 file without {name}: those of Spiking Heidelberg Digits and "
                        "Spiking Speech Commands are read"
                    )
            times, units = file["spikes/times"], file["spikes/units"]
            count = _count(source, times, units)
            labels = file["labels"][:] if "labels" in file else None
            events = [_events(source, i, times[i], units[i]) for i in range(count)]
    except (KeyboardInterrupt, SystemExit, ValueError) as error:
        if type(error) is ValueError:
            raise source.damaged(error) from error
        raise
    except Exception as error:
        raise source.damaged(error) from error
    if labels is not None and labels.shape != (count,):
        raise source.error(f"is damaged: it has {count} recordings and labels of {labels.shape}")
    return Recordings(events, labels, several=True)


def _count(source: Source, times: Any, units: Any) -> int:
    """The number of recordings."""
    if times.ndim != 1 or times.shape != units.shape:
        raise source.error(
            f"must have a list of times for each list of units, not {times.shape} and {units.shape}"
        )
    if len(times) * _REFERENCE_BYTES > source.size:
        raise source.error(
            f"is damaged: it claims {len(times)} recordings, which its {source.size} bytes have no "
            "room for"
        )
    return len(times)


def _events(source: Source, number: int, times: Any, units: Any) -> npt.NDArray[Any]:
    if np.shape(times) != np.shape(units) or np.ndim(times) != 1:
        raise source.error(
            f"is damaged: recording {number} has times of shape {np.shape(times)} and units of "
            f"shape {np.shape(units)}"
        )
    events = np.empty(len(times), [("t", times.dtype), ("x", units.dtype)])
    events["t"], events["x"] = times, units
    return events
