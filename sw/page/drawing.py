"""Drawings in SVG, which take their width from the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["bar", "lines", "raster", "table"]

_LINES = 10
_HEIGHT = 140


def raster(
    spikes: npt.NDArray[np.bool_], stable: npt.NDArray[np.bool_], window: int, most: int
) -> tuple[str, int]:
    """Spikes over time, stable ones in another colour, with a line at each window.

    Parameters
    ----------
    spikes, stable : (steps, neurons) bool
        The spikes, and those of them that are in the skeleton.
    window : int
        Steps of a word.
    most : int
        The most spikes to draw.

    Returns
    -------
    str
        The drawing.
    int
        The neurons that it shows, the first ones: as many as have ``most`` spikes.
    """
    steps, neurons = spikes.shape
    total = np.cumsum(spikes.sum(axis=0))
    shown = max(1, min(neurons, int(np.searchsorted(total, most, side="right"))))
    paths = []
    for kind, marks in (("spike", spikes & ~stable), ("stable", stable)):
        at = "".join(f"M{t} {n}h1v1h-1z" for t, n in np.argwhere(marks[:, :shown]))
        paths.append(f'<path class="{kind}" d="{at}"/>')
    edges = "".join(f"M{t} 0v{shown}" for t in range(window, steps, window))
    height = min(240, max(40, 3 * shown))
    label = f"{int(spikes.sum())} spikes of {neurons} neurons in {steps} steps"
    drawing = (
        f'<svg class="raster" role="img" aria-label="{label}" viewBox="0 0 {steps} {shown}" '
        f'preserveAspectRatio="none" style="height:{height}px">{"".join(paths)}'
        f'<path class="edge" d="{edges}"/></svg>'
    )
    return drawing, shown


def lines(values: npt.NDArray[Any], level: float | None) -> str:
    """Values over time, the first ones as lines, with a level across.

    Parameters
    ----------
    values : (steps, lines) array
        The values after each step.
    level : float or None
        The level.
    """
    drawn = values[:, :_LINES]
    low, high = min(0, drawn.min()), max(0, drawn.max())
    if level is not None:
        high = max(high, level)
    scale = _HEIGHT / max(high - low, 1)
    width = 600 / max(len(drawn) - 1, 1)

    def y(value: float) -> str:
        return f"{(high - value) * scale:.1f}"

    paths = "".join(
        f'<path class="line c{i}" d="M'
        + "L".join(f"{width * t:.1f} {y(v)}" for t, v in enumerate(column))
        + '"/>'
        for i, column in enumerate(drawn.T)
    )
    across = "" if level is None else f'<path class="level" d="M0 {y(level)}H600"/>'
    return (
        f'<svg class="chart" role="img" aria-label="membranes from {low:g} to {high:g}" '
        f'viewBox="0 -4 600 {_HEIGHT + 8}" preserveAspectRatio="none">'
        f'<path class="zero" d="M0 {y(0)}H600"/>{across}{paths}</svg>'
    )


def bar(parts: Sequence[tuple[str, float]], whole: float) -> str:
    """A bar of parts of a whole; what is more than the whole is cut off.

    Parameters
    ----------
    parts : sequence of (str, float)
        The class of each part, and how much it is.
    whole : float
        The length of the bar.
    """
    at, rects = 0.0, []
    for name, value in parts:
        width = min(100.0 * value / whole, 100.0 - at) if whole else 0.0
        rects.append(f'<rect class="{name}" x="{at:.2f}" width="{width:.2f}" height="10"/>')
        at += width
    return (
        '<svg class="bar" aria-hidden="true" viewBox="0 0 100 10" preserveAspectRatio="none">'
        f'<rect class="there" width="100" height="10"/>{"".join(rects)}</svg>'
    )


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], raw: Sequence[int] = ()
) -> str:
    """A table that scrolls by itself where it is wider than the page.

    Parameters
    ----------
    head : sequence of str
        The names of the columns.
    rows : sequence of sequence of str
        The cells as text.
    raw : sequence of int
        The columns whose cells are HTML.
    """
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(
            f"<td>{cell if i in raw else escape(cell)}</td>" for i, cell in enumerate(row)
        ) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'
