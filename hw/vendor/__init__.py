"""The only place that names a vendor's cell, attribute or device.

Each module offers one function of the hardware with plain Amaranth as the fallback, so everything
else reads the same for every device. It imports nothing else of ``hw``.
"""
