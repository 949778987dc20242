"""Summaries of objects, as text for ``print`` and as a small table for notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

__all__ = ["Summary"]

_WIDTH = 90


@dataclass(frozen=True)
class Summary:
    """What an object is, in a few lines.

    Attributes
    ----------
    title : str
        What it is.
    facts : dict of str to str
        Values by their names.
    columns : tuple of str
        Names of the columns of a table below the facts; no table without them.
    rows : tuple of tuple of str
        Rows of that table.
    """

    title: str
    facts: dict[str, str]
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    def text(self) -> str:
        """The summary as lines of text."""
        width = max(map(len, self.facts))
        lines = [self.title, *(f"  {name:<{width}}  {value}" for name, value in self.facts.items())]
        if self.columns:
            table = (self.columns, *self.rows)
            *widths, last = [max(map(len, column)) for column in zip(*table, strict=True)]
            # A last column that is too wide is written below its row, without its name.
            below = sum(widths) + last > _WIDTH
            lines.append("")
            for row in table:
                cells = [f"{cell:<{size}}" for cell, size in zip(row, widths, strict=False)]
                lines.append("  " + "  ".join(cells if below else [*cells, row[-1]]))
                if below and row is not self.columns:
                    lines.append(f"      {row[-1]}")
        return "\n".join(line.rstrip() for line in lines)

    def html(self) -> str:
        """The summary as HTML."""
        facts = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in self.facts.items()
        )
        parts = [f"<table><caption>{escape(self.title)}</caption>{facts}</table>"]
        if self.columns:
            head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
            body = "".join(
                "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
                for row in self.rows
            )
            parts.append(f"<table><tr>{head}</tr>{body}</table>")
        return f"<div>{''.join(parts)}</div>"
