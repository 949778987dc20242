"""The simulated board and the cocotb test benches."""
