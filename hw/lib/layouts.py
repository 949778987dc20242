"""Layouts of ``spec`` as Amaranth shapes."""

from __future__ import annotations

from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from stablespike.spec import Layout

__all__ = ["struct"]


def struct(*layouts: Layout) -> data.StructLayout:
    """The fields of several layouts as one.

    Parameters
    ----------
    *layouts : Layout
        Layouts of ``spec``, whose fields have different names.

    Returns
    -------
    StructLayout
        All fields in order, the first one lowest.
    """
    return data.StructLayout(
        {
            field.name: signed(field.width) if field.signed else unsigned(field.width)
            for layout in layouts
            for field in layout.fields
        }
    )
