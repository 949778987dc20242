"""Boards simulated at their pins, with all their clocks and a model of the link's other side."""
