"""cocotb benches, one for each file of ``hw``."""
