"""Boards simulated at the pins of their UART."""

from __future__ import annotations

import ctypes
from typing import Any

from stablespike.spec.link import BAUD_DEFAULT, BREAK_BITS, CLOCKS_PER_BIT_MIN
from stablespike.support.errors import LinkError

from .design import Design
from .transport import PinsTransport

__all__ = ["UartPins"]

_SECOND = 10**12  # in ps


class UartPins(PinsTransport):
    """A board at the pins of its UART, at ``BAUD_DEFAULT`` until told otherwise."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._set_bit = self.function("uart_set_bit", ctypes.c_void_p, ctypes.c_uint64)
        self._break = self.function("uart_break", ctypes.c_void_p, ctypes.c_uint64)
        self.set_baud(BAUD_DEFAULT)

    def peer(self, design: Design) -> str:
        return "uart.h"

    @property
    def wire_rate(self) -> float:
        """Bytes per second at the rate that is set, ten bits each."""
        return _SECOND / self._bit / 10

    @property
    def idle(self) -> int:
        return max(super().idle, 100 * self._bit)

    def set_baud(self, baud: int) -> None:
        """Change the baud rate, from the next byte on.

        Raises
        ------
        LinkError
            If the clock of the board is too slow for the rate.
        """
        if baud > self.clock_hz // CLOCKS_PER_BIT_MIN:
            raise LinkError(
                f"{self.name} cannot be set to {baud} baud: at {self.clock_hz} Hz at most "
                f"{self.clock_hz // CLOCKS_PER_BIT_MIN}"
            )
        self._bit = _SECOND // baud
        # A byte takes 10 bits.
        self.quiet, self.gather = 24 * self._bit, 400 * self._bit  # type: ignore[misc]
        self._set_bit(self.handle, self._bit)

    def reset(self) -> None:
        """Discard queued bytes, send a break and return to the default rate."""
        super().reset()
        self.set_baud(BAUD_DEFAULT)
        self._break(self.handle, 4 * BREAK_BITS * self._bit)
        super().reset()
