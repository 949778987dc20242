"""Devices: they load a program, run samples, stream windows, and return results.

May import ``golden``, ``program``, ``link`` and what is below them.
"""
