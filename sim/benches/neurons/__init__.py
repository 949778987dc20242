"""Benches of ``hw.neurons``."""
