"""The scan side of a core: from task lists to events, and their weights summed up in the lanes.

It imports ``hw.lib`` and ``hw.vendor``.
"""
