"""Operations on maps, as one convolution or one matrix.

May import what ``importers`` may, and its ``operations`` and ``semantics``.
"""
