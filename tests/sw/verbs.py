"""Calls of the command line."""

from __future__ import annotations

from typing import Any

import pytest
from stablespike.cli import main

Out = pytest.CaptureFixture[str]


def call(out: Out, *arguments: Any) -> tuple[int, str, str]:
    """Run a command line: its exit code, standard output and standard error."""
    out.readouterr()
    code = main([str(a) for a in arguments])
    captured = out.readouterr()
    return code, captured.out, captured.err
