"""Output of the command line: tables and JSON for results, lines and bars for people."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ToStandardError", "columns", "level", "named", "plain", "print_json", "progress", "say",
    "stages", "table",
]


@dataclass
class _Level:
    """How much is printed: -1 with -q, 0 by default, 1 with -v, 2 with -vv."""

    value: int = 0


# Options set it while typer parses them, before a verb is called.
level = _Level()


def say(line: str) -> None:
    """Print a line for people on standard error, away from results."""
    if level.value >= 0:
        print(line, file=sys.stderr)


def print_json(values: dict[str, Any]) -> None:
    """Print figures as one JSON object on standard output."""
    # JSON has no NaN, so a missing figure must not get here.
    print(json.dumps(values, allow_nan=False, default=str, indent=2))


def named(figures: dict[str, Any]) -> dict[str, str]:
    """Figures as rows of a table."""
    return {name.replace("_", " "): plain(value) for name, value in figures.items()}


def plain(value: Any) -> str:
    """A figure as text for a table."""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def table(title: str, rows: dict[str, str]) -> None:
    """Print a table on standard output: drawn on a terminal, aligned lines elsewhere."""
    if not sys.stdout.isatty():  # for scripts: no colours, no width of a terminal
        print(title)
        width = max(map(len, rows))
        for name, value in rows.items():
            print(f"  {name:<{width}}  {value}")
        return
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title, show_header=False)
    drawn.add_column(style="cyan")
    drawn.add_column(justify="right")
    for name, value in rows.items():
        drawn.add_row(name, value)
    Console().print(drawn)


def columns(values: dict[str, list[str]]) -> None:
    """Print columns on standard output: drawn on a terminal, aligned lines elsewhere."""
    lines = list(zip(*values.values(), strict=True))
    if not sys.stdout.isatty():
        widths = [max(map(len, (name, *column))) for name, column in values.items()]
        for line in (tuple(values), *lines):
            cells = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
            print("  ".join(cells).rstrip())
        return
    from rich.console import Console
    from rich.table import Table

    drawn = Table()
    for name in values:
        drawn.add_column(name)
    for line in lines:
        drawn.add_row(*line)
    Console().print(drawn)


@contextmanager
def stages() -> Iterator[Callable[[str], None]]:
    """Show stages of the work with the time they take; nothing with -q.

    It yields a function to call with a line of text at the beginning of each stage.
    """
    if level.value < 0:
        yield lambda line: None
        return
    if not sys.stderr.isatty():
        yield say
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    shown = (SpinnerColumn(finished_text=" "), TextColumn("{task.description}"),
             TimeElapsedColumn())
    with Progress(*shown, console=Console(stderr=True)) as bar:
        tasks: list[Any] = []

        def stage(line: str) -> None:
            for task in tasks:
                bar.update(task, total=1, completed=1)
            tasks.append(bar.add_task(line, total=None))

        yield stage
        for task in tasks:
            bar.update(task, total=1, completed=1)


@contextmanager
def progress(total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Show progress: a bar on a terminal, a line for every quarter elsewhere, nothing with -q.

    It yields a function to call with the number of units that were just done.
    """
    if level.value < 0:
        yield lambda count: None
        return
    if not sys.stderr.isatty():
        done = 0

        def line(count: int) -> None:
            nonlocal done
            before, done = done, done + count
            if 4 * before // total != 4 * done // total:
                print(f"{done} of {total} {unit}", file=sys.stderr)

        yield line
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(unit, total=total)
        yield lambda count: bar.advance(task, count)


class ToStandardError(logging.Handler):
    """Prints log lines on standard error, errors only with -q.

    It looks up standard error for each line, because tests and callers may replace it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        wanted = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}
        if record.levelno >= wanted.get(level.value, logging.DEBUG):
            print(self.format(record), file=sys.stderr)
