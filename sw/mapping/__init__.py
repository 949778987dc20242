"""How a network is laid out on an array: partitions, maps, the plan, tasks, and its constraints.

May import ``samples``, ``network``, ``support`` and ``spec``."""
