"""Parts that any block may use: queues, stream registers, ports, layouts, bits, checks.

They import ``spec`` and, for memories, ``hw.vendor``.
"""
