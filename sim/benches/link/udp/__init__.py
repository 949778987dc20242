"""Benches of hw.link.udp."""
