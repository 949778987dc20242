"""The golden model: the numerics in PyTorch, and the counters that are the same on every device.

May import ``program``, ``mapping``, ``samples`` and what is below them.
"""
