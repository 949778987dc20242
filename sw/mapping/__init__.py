"""How a network is laid out on an array: groups, partitions, maps, the plan, tasks and constraints.

May import ``samples``, ``network``, ``support`` and ``spec``."""
