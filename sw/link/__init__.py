"""Bytes to and from a device: addresses, transports, and the session over them.

May import ``support``, ``spec`` and ``sim.board``."""
