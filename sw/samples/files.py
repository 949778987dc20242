"""Files of samples, as the command line reads them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..support.errors import FileError

__all__ = ["check_labels", "read_samples", "split_batches"]


def read_samples(path: Path) -> tuple[Any, Any]:
    """Samples and labels from a file of numpy's.

    Parameters
    ----------
    path : Path
        A ``.npy`` file of samples, or a ``.npz`` file with an array ``samples``, with a single
        array, or with event arrays only; in a ``.npz`` file there may be ``labels``.

    Returns
    -------
    samples : array or list of structured arrays
        The samples.
    labels : array or None
        The labels, if there are any.

    Raises
    ------
    FileError
        If there is no such file, or it has no samples.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise FileError(f"there is no file {path}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        raise FileError(
            f"{path} is no array of numbers of numpy's{reason}: save samples with numpy.save or "
            "savez"
        ) from error
    if isinstance(loaded, np.ndarray):
        return ([loaded] if loaded.dtype.names else loaded), None
    with loaded:
        try:
            arrays = {name: loaded[name] for name in loaded.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise FileError(
                f"{path} is damaged, or holds other things than numbers: save arrays of numbers"
            ) from error
    labels = arrays.pop("labels", None)
    if "samples" in arrays:
        return arrays["samples"], labels
    if arrays and all(array.dtype.names for array in arrays.values()):
        return list(arrays.values()), labels
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
