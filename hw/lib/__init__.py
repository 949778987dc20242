"""Parts that any block may use: stream registers, ports, layouts, bit functions, checks."""
