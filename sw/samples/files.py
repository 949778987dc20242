"""Files of samples, as the command line reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..support.errors import FileError
from .arrays import NPY_MAGIC, ZIP_MAGIC, read_npy, read_npz
from .columns import recordings_in
from .recordings.reading import read_recordings

__all__ = [
    "SampleFile", "check_per_sample", "count_samples", "read_sample_file", "read_samples",
    "split_batches",
]


@dataclass(frozen=True)
class SampleFile:
    """What a file says about samples; everything but the samples may be None.

    Attributes
    ----------
    values : array or list of structured arrays
        The samples.
    labels : array or None
        The label of each sample.
    lengths : array or None
        The steps of each sample, as for ``Device.run``.
    carry_state : array or None
        Whether each sample continues from the one before it, as for ``Device.run``.
    """

    values: Any
    labels: Any = None
    lengths: Any = None
    carry_state: Any = None

    def pair(self, path: Path) -> tuple[Any, Any]:
        """The samples and their labels, for a use that has no lengths and carries no state.

        Parameters
        ----------
        path : Path
            The file, for messages.

        Raises
        ------
        FileError
            If the file says more of its samples.
        """
        for name in ("lengths", "carry_state"):
            if getattr(self, name) is not None:
                raise FileError(
                    f"{path} has an array {name!r}, which is for running samples on a device: save "
                    "the samples without it, those of a length together"
                )
        return self.values, self.labels


def read_samples(path: Path, format: str | None = None) -> tuple[Any, Any]:
    """Samples and labels from a file of samples that all have the same steps and start afresh.

    Parameters
    ----------
    path : Path
        As for ``read_sample_file``.
    format : str or None
        The format of recordings, as for ``read_events``.

    Returns
    -------
    samples : array or list of structured arrays
        The samples.
    labels : array or None
        The labels, if there are any.

    Raises
    ------
    FileError
        If there is no such file, it is damaged, has no samples, or says more of them.
    """
    return read_sample_file(path, format).pair(path)


def read_sample_file(path: Path, format: str | None = None) -> SampleFile:
    """The samples of a file of numpy's, or of recordings, and what it says about them.

    Parameters
    ----------
    path : Path
        A ``.npy`` file of samples; or a ``.npz`` file with an array ``samples``, with a single
        array, or with event arrays only, and perhaps with ``labels``, ``lengths`` or
        ``carry_state``; or any file that ``read_events`` reads. The content tells which, not the
        name.
    format : str or None
        The format of recordings, as for ``read_events``.

    Raises
    ------
    FileError
        If there is no such file, it is damaged, or has no samples.
    """
    if format is not None:
        recorded = read_recordings(path, format)
        return SampleFile(recorded.events, recorded.labels)
    try:
        with path.open("rb") as file:
            head = file.read(len(NPY_MAGIC))
        if head == NPY_MAGIC:
            array = read_npy(path)
            return SampleFile([array] if array.dtype.names else array)
        if not head.startswith(ZIP_MAGIC):
            recorded = read_recordings(path)
            return SampleFile(recorded.events, recorded.labels)
        arrays = read_npz(path)
    except FileNotFoundError:
        raise FileError(f"there is no file {path}") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error})") from error
    said = {name: arrays.pop(name, None) for name in ("labels", "lengths", "carry_state")}
    found = recordings_in({"samples": arrays["samples"]} if "samples" in arrays else arrays)
    if found is not None:
        return SampleFile(found, **said)
    if "samples" in arrays:
        return SampleFile(arrays["samples"], **said)
    if len(arrays) == 1:
        return SampleFile(next(iter(arrays.values())), **said)
    raise FileError(
        f"{path} must have an array 'samples', or event arrays only; it has {', '.join(arrays)}"
        if arrays
        else f"{path} has no arrays in it"
    )


def count_samples(values: Any, time_axis: int) -> int:
    """The number of samples.

    Parameters
    ----------
    values : array or list
        The samples.
    time_axis : int
        0 if the samples' first axis is time, else 1.
    """
    return len(values) if isinstance(values, list) else int(values.shape[int(time_axis == 0)])


def check_per_sample(name: str, array: Any, values: Any, time_axis: int, path: Path) -> None:
    """Refuse an array that has not one value per sample.

    Parameters
    ----------
    name : str
        The array's name in the file.
    array : array
        The array.
    values, time_axis
        As for ``count_samples``.
    path : Path
        The file, for messages.

    Raises
    ------
    ValueError
        If there are more or fewer values than samples.
    """
    count = count_samples(values, time_axis)
    if array.shape != (count,):
        raise ValueError(f"{name} in {path} must be ({count},), one per sample, not {array.shape}")


def split_batches(values: Any, size: int, time_axis: int) -> list[Any]:
    """Samples in batches of ``size``; the last one has the rest.

    Parameters
    ----------
    values : array or list
        The samples.
    size : int
        Samples of a batch.
    time_axis : int
        0 if the samples' first axis is time, else 1.

    Raises
    ------
    ValueError
        If there are no samples, or they are not an array.
    """
    if isinstance(values, list):
        return [values[at : at + size] for at in range(0, len(values), size)]
    axis = int(time_axis == 0)
    if values.ndim <= axis:
        wanted = "(steps, batch, ...) with time_axis 0" if axis else "(batch, ...)"
        raise ValueError(f"samples must be {wanted}, not {values.shape}")
    count = values.shape[axis]
    if not count:
        raise ValueError("samples must hold at least 1 sample, not 0")
    spans = [slice(at, at + size) for at in range(0, count, size)]
    return [values[:, span] if axis else values[span] for span in spans]
