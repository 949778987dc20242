"""Operations on maps, as plain convolutions or matrices.

May import what ``importers`` may, and its operations and semantics.
"""
