"""The host's end of the link: addresses, transports, and the session over them.

May import ``support`` and ``spec``, and the simulation when a simulated device is opened.
"""
