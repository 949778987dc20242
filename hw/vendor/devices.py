"""Features of the device that the gateware is built for."""

from __future__ import annotations

__all__ = ["has_ecp5_cells", "has_multipliers", "has_single_port_ram", "prefers_logic"]


def _device(platform) -> str:
    return getattr(platform, "device", "")


def has_ecp5_cells(platform) -> bool:
    """Whether carry cells (CCU2C) and registers (TRELLIS_FF) are those of an ECP5."""
    return _device(platform).startswith("LFE5U")


def has_multipliers(platform) -> bool:
    """Whether there are SB_MAC16 multipliers, which nothing but ``multiplier`` uses."""
    return _device(platform).startswith("iCE40UP")


def has_single_port_ram(platform) -> bool:
    """Whether there are SB_SPRAM256KA memories of 16,384 16-bit rows."""
    return _device(platform).startswith("iCE40UP")


def prefers_logic(platform) -> bool:
    """Whether small tables do better in logic cells than in block RAM.

    Block RAM is scarce on an HX8K, and slow on an ECP5, where its outputs come 5.6 ns after the
    clock.
    """
    return _device(platform).startswith(("iCE40HX", "LFE5U"))
