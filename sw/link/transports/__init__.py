"""The ways in which bytes reach a device, each a ``Transport``."""
