"""Files of samples, as the command line reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..support.errors import FileError
from .arrays import NPY_MAGIC, ZIP_MAGIC, read_npy, read_npz
from .columns import recordings_in
from .recordings.reading import read_recordings

__all__ = ["check_labels", "read_samples", "split_batches"]


def read_samples(path: Path, format: str | None = None) -> tuple[Any, Any]:
    """Samples and labels from a file of numpy's, or of recordings.

    Parameters
    ----------
    path : Path
        A ``.npy`` file of samples; or a ``.npz`` file with an array ``samples``, with a single
        array, or with event arrays only, and perhaps with ``labels``; or any file that
        ``read_events`` reads. The content tells which, not the name.
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
        If there is no such file, it is damaged, or has no samples.
    """
    if format is not None:
        recorded = read_recordings(path, format)
        return recorded.events, recorded.labels
    try:
        with path.open("rb") as file:
            head = file.read(len(NPY_MAGIC))
        if head == NPY_MAGIC:
            array = read_npy(path)
            return ([array] if array.dtype.names else array), None
        if not head.startswith(ZIP_MAGIC):
            recorded = read_recordings(path)
            return recorded.events, recorded.labels
        arrays = read_npz(path)
    except FileNotFoundError:
        raise FileError(f"there is no file {path}") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error})") from error
    labels = arrays.pop("labels", None)
    found = recordings_in({"samples": arrays["samples"]} if "samples" in arrays else arrays)
    if found is not None:
        return found, labels
    if "samples" in arrays:
        return arrays["samples"], labels
    if len(arrays) == 1:
        return next(iter(arrays.values())), labels
    raise FileError(
        f"{path} must have an array 'samples', or event arrays only; it has {', '.join(arrays)}"
        if arrays
        else f"{path} has no arrays in it"
    )


def check_labels(labels: Any, values: Any, time_axis: int, path: Path) -> None:
    """Refuse labels that are not one integer per sample.

    Parameters
    ----------
    labels : array
        The labels.
    values : array or list
        The samples.
    time_axis : int
        0 if the samples' first axis is time, else 1.
    path : Path
        The file, for messages.

    Raises
    ------
    TypeError
        If the labels are not integers.
    ValueError
        If there are more or fewer of them than samples.
    """
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels in {path} must be integers, not {labels.dtype}")
    count = len(values) if isinstance(values, list) else values.shape[int(time_axis == 0)]
    if labels.shape != (count,):
        raise ValueError(
            f"labels in {path} must be ({count},), one per sample, not {labels.shape}"
        )


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
