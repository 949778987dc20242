"""Runs of an experiment, one line of JSON each, so that it can be resumed; and their statistics.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

__all__ = ["add_line", "mean_and_deviation", "paired", "read_lines", "table"]


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Return the finished runs; removes a last line from the file that was not written completely.

    Raises
    ------
    ValueError
        If another line is not a JSON object.
    """
    if not file.is_file():
        return []
    text = file.read_text()
    whole, last = text[: text.rfind("\n") + 1], text[text.rfind("\n") + 1 :]
    if last:
        file.write_text(whole)
    found = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            found.append(dict(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file} line {number} is not a finished run: {error}") from error
    return found


def add_line(file: Path, run: dict[str, Any]) -> None:
    """Append a finished run."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps(run) + "\n")


def mean_and_deviation(values: Iterable[float]) -> tuple[float, float]:
    """Return mean and sample deviation; the latter is NaN for one value."""
    each = np.array(list(values), float)
    return float(each.mean()), float(each.std(ddof=1)) if len(each) > 1 else math.nan


def paired(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Return the mean difference, and two-sided p of the paired t-test and of all sign flips.

    Not-a-number where there are fewer than two pairs, or (Student's) all differ by the same.
    """
    difference = np.array(ours, float) - np.array(theirs, float)
    found = {"difference": float(difference.mean()), "t_test": math.nan, "sign_flips": math.nan}
    if len(difference) > 1:
        if difference.std() > 1e-12:
            found["t_test"] = float(stats.ttest_rel(ours, theirs).pvalue)
        flips = stats.permutation_test(
            (difference,), lambda each, axis: each.mean(axis), permutation_type="samples",
            vectorized=True, n_resamples=100_000, rng=np.random.default_rng(0),
        )
        found["sign_flips"] = float(flips.pvalue)
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
