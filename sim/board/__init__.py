"""The simulated board: gateware as a native library. Imports hw, spec and support."""
