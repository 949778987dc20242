"""Torch modules of snnTorch and SpikingJelly: recorded, and read into operations.

May import what ``importers`` may, and its modules.
"""
