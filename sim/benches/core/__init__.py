"""Benches of ``hw.core``."""
