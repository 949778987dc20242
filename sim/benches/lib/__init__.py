"""Benches of ``hw.lib``."""
