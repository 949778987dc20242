"""Leaves for every folder: errors, checked values, immutable objects, the cache.

May import ``spec`` alone.
"""
