"""The operations in front of a layer of neurons, folded into one convolution or one matrix.

May import what ``importers`` may, and its operations, layers and semantics.
"""
