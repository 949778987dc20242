"""Common parts of the package: errors, checked values, immutable objects, the cache.

May import ``spec`` alone.
"""
