"""The link: frames, commands, input windows and reports, and the pins they cross.

It imports ``hw.lib`` and ``hw.vendor``. Each kind of physical link has a file (``uart``).
"""
