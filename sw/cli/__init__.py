"""The command line; may import everything.

Nothing but typer is imported before the verb is known, so that ``--help`` takes no time.
"""

from .entry import app, main

__all__ = ["app", "main"]
