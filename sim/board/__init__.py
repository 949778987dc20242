"""The simulated board that a user runs: the gateware as a native library."""
