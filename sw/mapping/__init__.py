"""How a network is laid out on an array: maps, partitions, the plan, tasks, and what does not fit.

May import ``samples``, ``network``, ``support`` and ``spec``."""
