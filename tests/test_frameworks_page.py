"""The page about frameworks has the figures that the sessions of nox measured."""

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
FIGURES = json.loads((DOCS / "results" / "frameworks.json").read_text())
PAGE = (DOCS / "frameworks.md").read_text()


def differences_on_the_page(name):
    """Return the numbers of the last column of a section's table."""
    section = re.split(r"^## ", PAGE, flags=re.M)
    (text,) = [each for each in section if each.lower().startswith(f"{name} ")]
    cells = [line.split("|")[-2].strip() for line in text.splitlines() if line.startswith("|")]
    return {int(cell.replace(",", "")) for cell in cells if re.fullmatch(r"[\d,]+", cell)}


@pytest.mark.parametrize("name", FIGURES)
def test_figures(name):
    rows = FIGURES[name]["rows"]
    assert len(rows) >= 10
    for row in rows.values():
        assert row.get("compared", 8_000) >= 8_000
        if "refused" not in row:
            assert (row["exact"], row["different"]) == (True, 0)
    measured = {row["different"] for row in rows.values() if "different" in row}
    assert differences_on_the_page(name) == measured
    release = FIGURES[name]["version"]
    assert re.search(rf"^\| {name} {re.escape(release)} \|", PAGE, re.M | re.I)


def test_figures_of_the_other_two():
    rows = json.loads((DOCS / "results" / "dialects.json").read_text())["on the grid"]
    for name in ("snntorch", "spikingjelly"):
        measured = {row["different"] for key, row in rows.items()
                    if key.lower().startswith(name) and "NIR" not in key}
        assert differences_on_the_page(name) == measured
