"""USB: what a device tells about itself, and what the host finds it by."""

from __future__ import annotations

__all__ = [
    "BULK_ENDPOINT", "MANUFACTURER", "NOTIFY_ENDPOINT", "PACKET_BYTES", "PRODUCT", "PRODUCT_ID",
    "VENDOR_ID",
]

VENDOR_ID = 0x1209
"""Vendor ID: pid.codes, https://pid.codes."""
PRODUCT_ID = 0x0001
"""Product ID: pid.codes' first test ID. Other projects use it too, so the host looks at the
product string as well. A product that is sold needs an ID of its own."""
MANUFACTURER = "StableSpike"
"""Manufacturer string."""
PRODUCT = "StableSpike"
"""The product string begins with this; the name of the board follows."""

NOTIFY_ENDPOINT = 1
"""Endpoint of CDC-ACM's notifications, of which there are none."""
BULK_ENDPOINT = 2
"""Endpoint of the bytes, both ways."""
PACKET_BYTES = {"high": 512, "full": 64}
"""Bytes of a bulk packet, by speed (USB 2.0, 5.8.3)."""
