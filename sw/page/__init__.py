"""A run as one HTML page, without anything to load: spikes, cycles, times and memories."""

from .document import page
from .run import BoardFacts, Run, load_run, run_arrays

__all__ = ["BoardFacts", "Run", "load_run", "page", "run_arrays"]
