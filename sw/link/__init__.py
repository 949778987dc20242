"""Bytes to and from a device: addresses, transports, and the session over them.

May import ``support`` and ``spec``, and the simulation when a simulated device is opened.
"""
