"""Torch modules of snnTorch and SpikingJelly, read into operations.

May import what ``importers`` may, its modules and ``importers.tracing``.
"""
