"""What every room uses: errors, checked values, immutable objects, the cache.

May import ``spec`` alone.
"""
