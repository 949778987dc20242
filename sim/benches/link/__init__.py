"""Benches of ``hw.link``."""
