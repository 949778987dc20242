"""Samples of a network: checks dense samples, bins recordings, packs words, and reads files.

May import ``network``, ``support`` and ``spec``."""
