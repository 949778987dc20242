"""Programs: a mapped network as the memory contents of the cores, its report, its file.

May import ``timing``, ``mapping`` and what is below them."""
