"""The command line. Nothing but typer is imported before a verb is known."""

from .entry import app, main

__all__ = ["app", "main"]
