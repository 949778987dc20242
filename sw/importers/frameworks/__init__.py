"""Torch modules of snnTorch, SpikingJelly, sinabs, rockpool and Norse, read into operations.

May import what ``importers`` may, its modules and ``importers.tracing``.
"""
