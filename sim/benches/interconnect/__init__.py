"""Benches of ``hw.interconnect``."""
