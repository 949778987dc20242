"""The command line; may import everything.

Only typer is imported before the verb is known, so that ``--help`` is fast.
"""

from .entry import app, main

__all__ = ["app", "main"]
