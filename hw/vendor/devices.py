"""What the gateware asks of the device it is built for."""

from __future__ import annotations

__all__ = ["has_multipliers", "prefers_logic"]


def _device(platform) -> str:
    return getattr(platform, "device", "")


def has_multipliers(platform) -> bool:
    """Whether there are SB_MAC16s, which nothing else here uses."""
    return _device(platform).startswith("iCE40UP")


def prefers_logic(platform) -> bool:
    """Whether small tables do better in logic cells than in block RAM.

    That is scarce on an HX8K; an ECP5's takes 5.6 ns from the clock to its outputs.
    """
    return _device(platform).startswith(("iCE40HX", "LFE5U"))
