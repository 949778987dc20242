"""What a board says about each of its links."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from amaranth.hdl import Module
    from amaranth.lib.wiring import Component
    from stablespike.spec.array import ArrayConfig

__all__ = ["BoardLink"]


@dataclass(frozen=True)
class BoardLink(abc.ABC):
    """A link of a board: its wire, its pins, and what its user plugs in."""

    kind: ClassVar[str] = ""
    """``uart``, ``usb``, ``udp`` or ``spi``; the name of the link in ``--link``."""
    domain: ClassVar[str] = "sync"
    """Clock domain of the wire's bytes."""

    @property
    @abc.abstractmethod
    def cable(self) -> str:
        """What to plug in, in words."""

    @abc.abstractmethod
    def rate(self, board: Any) -> int:
        """Bits per second of the wire, each way."""

    def baud(self, board: Any) -> int | None:
        """The highest baud rate; None if it is no UART."""
        return None

    @abc.abstractmethod
    def address(self, board: Any) -> str:
        """The device's address, with ``PORT`` or the like where only the user knows."""

    @abc.abstractmethod
    def wire(self, board: Any, config: ArrayConfig, build_id: bytes) -> Component:
        """The wire for an array: a component with ``hw.link.wire.wire_signature`` and its pins."""

    def add_resources(self, platform: Any) -> None:  # noqa: B027 (most need none)
        """Add pins that the board's definition does not have."""

    @abc.abstractmethod
    def ports(self, platform: Any) -> Any:
        """The ports of the link, requested from a board's platform."""

    @abc.abstractmethod
    def connect(self, m: Module, platform: Any, board: Any, accelerator: Any, ports: Any) -> None:
        """Tie the pins of the accelerator to ports, and drive the wire's clock domains.

        Parameters
        ----------
        m : Module
            The board's top.
        platform : Any
            The board's platform; None in simulations.
        board : Board
            The board.
        accelerator : WiredAccelerator
            The accelerator on this wire.
        ports : Any
            What ``ports`` returned, or simulated ports like it.
        """
