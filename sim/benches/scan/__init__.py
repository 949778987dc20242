"""Benches of ``hw.scan``."""
