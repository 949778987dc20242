"""How a network is laid out on an array: partitions, maps, the plan, tasks, and the constraints.

May import ``samples``, ``network``, ``support`` and ``spec``."""
