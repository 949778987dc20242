"""What the gateware asks of the device it is built for."""

from __future__ import annotations

__all__ = ["has_multipliers", "short_of_memory"]


def _device(platform) -> str:
    return getattr(platform, "device", "")


def has_multipliers(platform) -> bool:
    """Whether there are SB_MAC16s, which nothing else here uses."""
    return _device(platform).startswith("iCE40UP")


def short_of_memory(platform) -> bool:
    """Whether logic cells are easier to come by than block RAMs."""
    return _device(platform).startswith("iCE40HX")
