"""Programs: a mapping with the memory contents of the cores; their compiler, report and files.

May import ``timing``, ``mapping`` and what is below them."""
