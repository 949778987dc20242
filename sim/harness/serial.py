"""A model of the UART's receiver: when it samples, and what it makes of a line."""

from __future__ import annotations

from fractions import Fraction

from stablespike.spec.link import BIT_PARTS

__all__ = ["Receiver", "sample_clocks", "tolerances"]

_BITS = 10  # start, 8 data, stop


def sample_clocks(divisor: int) -> list[int]:
    """The clocks in which the bits of a byte are sampled, counted from the first one in which its
    start bit is seen. ``divisor`` is the duration of a bit in parts of a clock."""
    return [(divisor // 2 + k * divisor) // BIT_PARTS for k in range(_BITS)]


def tolerances(divisor: int) -> tuple[Fraction, Fraction]:
    """By how much the bits of a sender may be shorter, and longer, as a share of theirs.

    An edge is seen less than a clock late, and at once at the earliest. Every sample must be in its
    own bit. The sample of the stop bit comes before the next start bit then, which is the last
    thing that could go wrong.
    """
    bit, at = Fraction(divisor, BIT_PARTS), sample_clocks(divisor)
    shorter = min(1 - (at[k] + 1) / ((k + 1) * bit) for k in range(_BITS))
    longer = min(at[k] / (k * bit) - 1 for k in range(1, _BITS))
    return shorter, longer


class Receiver:
    """The receiver behind its synchronizer, clock by clock, at one rate and without breaks."""

    def __init__(self, divisor: int) -> None:
        self._at = sample_clocks(divisor)
        self._age = -1      # clocks since the start bit was seen; -1 without one
        self._released = True
        self._bits = 0

    def step(self, line: int) -> int | None:
        """Take the level of the line in a clock; the byte whose stop bit is sampled in it."""
        if not self._released:
            self._released = bool(line)
        elif self._age < 0:
            if not line:
                self._age = self._bits = 0
            return None
        else:
            self._age += 1
            if self._age not in self._at:
                return None
            k = self._at.index(self._age)
            self._bits |= line << k
            if k == 0 and line:
                self._age = -1
            elif k == _BITS - 1:
                self._age, self._released = -1, bool(line)
                return self._bits >> 1 & 0xFF if line else None
        return None
