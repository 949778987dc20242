"""The FPGA boards: pins, clocks and bitstreams; imports hw, spec and the support package."""
