"""Cycles without a device: estimates of a mapping, and utilization.

May import ``mapping`` and what is below it."""
