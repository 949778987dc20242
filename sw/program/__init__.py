"""Programs: a mapping with the memory contents of the cores, its compiler, its report, its file.

May import ``timing``, ``mapping`` and what is below them."""
