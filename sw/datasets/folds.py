"""A split of samples into folds that is the same on every machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..support.values import exact_int

__all__ = ["folds"]

Integers = npt.NDArray[np.int64]


def folds(
    labels: npt.ArrayLike, fold: int, count: int = 5
) -> tuple[Integers, Integers]:
    """Return the training and the test samples of one of ``count`` folds.

    The k-th sample of a class, in the given order, is in fold ``k % count``. So classes are spread
    evenly over the folds, nothing is random, and every sample is tested in exactly one fold.

    Parameters
    ----------
    labels : (n,) array_like
        Classes of the samples.
    fold : int
        The fold that is tested, 0 to ``count - 1``.
    count : int
        Number of folds, at least 2.

    Returns
    -------
    train : (m,) int64
        Indices of the training samples, ascending.
    test : (n - m,) int64
        Indices of the test samples, ascending.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what is allowed; also if a fold would be empty.
    """
    classes = np.asarray(labels)
    if classes.ndim != 1:
        raise ValueError(f"labels must be (n,), not {classes.shape}")
    exact_int("count", count, 2, max(2, len(classes)))
    exact_int("fold", fold, 0, count - 1)
    rank = np.empty(len(classes), np.int64)
    for each in np.unique(classes):
        of_class = np.flatnonzero(classes == each)
        rank[of_class] = np.arange(len(of_class))
    tested = rank % count == fold
    if not tested.any() or tested.all():
        raise ValueError(
            f"fold {fold} of {count} would be {'empty' if not tested.any() else 'everything'}: no "
            f"class of the {len(classes)} labels has enough samples for so many folds"
        )
    return np.flatnonzero(~tested), np.flatnonzero(tested)
