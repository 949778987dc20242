"""Devices: load a program, run samples, stream windows, and the results they give.

May import ``program``, ``golden``, ``link`` and what is below them."""
