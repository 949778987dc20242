"""Samples of a network: dense ones checked, recordings binned, words packed, files read.

May import ``network``, ``support`` and ``spec``."""
