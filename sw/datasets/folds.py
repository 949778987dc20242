"""A split of samples into folds that is the same everywhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..support.values import exact_int

__all__ = ["folds"]

Integers = npt.NDArray[np.int64]


def folds(
    labels: npt.ArrayLike, fold: int, count: int = 5
) -> tuple[Integers, Integers]:
    """Indices of the training and of the test samples of one of ``count`` folds.

    The k-th sample of its class, in the order they have, is in fold ``k % count``: folds have as
    many samples of each class as can be, nothing is drawn, and every sample is tested once.

    Parameters
    ----------
    labels : (n,).
    fold : 0 to ``count - 1``, the one that is tested.
    count : folds, at least 2.

    Returns
    -------
    train, test
        Both ascending.

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
