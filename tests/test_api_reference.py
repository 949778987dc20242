"""The API reference names everything users touch, and only what is there."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ENTRY = re.compile(r"\.\. (?:auto)?(?:class|function|data|exception):: (\S+)")
PAGES = Path(__file__).parents[1] / "docs" / "reference"


def documented():
    """Full names of all objects on the pages of the reference."""
    found = set()
    for page in PAGES.glob("*.rst"):
        module = ""
        for line in page.read_text().splitlines():
            if moved := re.match(r"\.\. currentmodule:: (\S+)", line):
                module = moved[1]
            elif entry := ENTRY.match(line):
                name = entry[1]
                found.add(name if name.startswith("stablespike.") else f"{module}.{name}")
    return found


def resolve(name):
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def test_every_documented_name_is_importable():
    pytest.importorskip("torch")
    for name in documented():
        assert resolve(name) is not None, name


@pytest.mark.parametrize(
    "module",
    [
        "stablespike", "stablespike.datasets", "stablespike.importers", "stablespike.signals",
        "stablespike.train",
    ],
)
def test_every_public_name_is_documented(module):
    pytest.importorskip("torch")
    objects = {id(resolve(name)) for name in documented()}
    for name in import_module(module).__all__:
        assert id(resolve(f"{module}.{name}")) in objects, name
