"""Bit layouts as plain tables, from which both sides of the link derive theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Field", "Layout", "bits_for", "pack_words"]


def bits_for(maximum: int) -> int:
    """Width of an unsigned field that holds ``0 .. maximum``, at least 1."""
    return max(1, int(maximum).bit_length())


@dataclass(frozen=True)
class Field:
    """A named integer in a layout.

    Attributes
    ----------
    name : str
        Its name.
    width : int
        Its bits.
    signed : bool
        Whether it is in two's complement.
    """

    name: str
    width: int
    signed: bool = False

    @property
    def minimum(self) -> int:
        """The lowest value it holds."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """The highest value it holds."""
        return (1 << (self.width - self.signed)) - 1

    def encode(self, value: int) -> int:
        """The bits of ``value``.

        Raises
        ------
        ValueError
            If the value does not fit the field.
        """
        value = int(value)
        if not self.minimum <= value <= self.maximum:
            raise ValueError(
                f"{self.name} must be from {self.minimum} to {self.maximum}, not {value}"
            )
        return value & ((1 << self.width) - 1)

    def decode(self, bits: int) -> int:
        """The value in the lowest ``width`` bits; the bits above them are ignored."""
        bits &= (1 << self.width) - 1
        return bits - (1 << self.width) if self.signed and bits >> (self.width - 1) else bits


@dataclass(frozen=True)
class Layout:
    """Fields side by side, the first in the lowest bits.

    Attributes
    ----------
    name : str
        Its name, for messages.
    fields : tuple of Field
        Its fields.
    """

    name: str
    fields: tuple[Field, ...]

    @property
    def width(self) -> int:
        """Bits of all fields."""
        return sum(field.width for field in self.fields)

    def pack(self, values: Mapping[str, int]) -> int:
        """One integer from a value for every field.

        Raises
        ------
        ValueError
            If a field is missing or unknown, or a value does not fit.
        """
        names = {field.name for field in self.fields}
        if names != set(values):
            raise ValueError(
                f"{self.name} has the fields {sorted(names)}, not {sorted(values)}"
            )
        bits, offset = 0, 0
        for field in self.fields:
            bits |= field.encode(values[field.name]) << offset
            offset += field.width
        return bits

    def unpack(self, bits: int) -> dict[str, int]:
        """The value of every field; bits above the layout's are ignored."""
        values, offset = {}, 0
        for field in self.fields:
            values[field.name] = field.decode(bits >> offset)
            offset += field.width
        return values


def pack_words(name: str, fields: Iterable[Field], width: int) -> tuple[Layout, ...]:
    """Distribute fields over words: each goes to the first word that has room for it.

    Parameters
    ----------
    name : str
        Name of the words; a number is added to each.
    fields : iterable of Field
        The fields.
    width : int
        The most bits of a word.

    Raises
    ------
    ValueError
        If a field is wider than a word.
    """
    bins: list[list[Field]] = []
    for field in fields:
        if field.width > width:
            raise ValueError(f"{field.name} is {field.width} bits wide, a {name} word only {width}")
        for word in bins:
            if sum(f.width for f in word) + field.width <= width:
                word.append(field)
                break
        else:
            bins.append([field])
    return tuple(Layout(f"{name}[{i}]", tuple(word)) for i, word in enumerate(bins))
