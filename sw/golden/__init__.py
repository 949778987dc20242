"""The golden model: the numerics in PyTorch, and the counters that every device agrees on.

May import ``program``, ``mapping``, ``samples`` and what is below them.
"""
