"""What the device tells the host, against the fields of USB 2.0, 9.6, and of CDC."""

import pytest
from stablespike.spec.usb import (
    BULK_ENDPOINT,
    MANUFACTURER,
    NOTIFY_ENDPOINT,
    PACKET_BYTES,
    PRODUCT_ID,
    VENDOR_ID,
)

pytest.importorskip("luna", reason="luna-usb is not installed")
from stablespike.hw.link.usb.descriptors import STRING_MAX, descriptors
from stablespike.hw.link.usb.wires import FullSpeedUsb, UlpiUsb

DEVICE, CONFIGURATION, STRING, INTERFACE, ENDPOINT, QUALIFIER = 1, 2, 3, 4, 5, 6


def parts(configuration):
    """The descriptors that a configuration is made of."""
    found = []
    while configuration:
        found.append(configuration[: configuration[0]])
        configuration = configuration[configuration[0]:]
    return found


@pytest.mark.parametrize("speed", ["high", "full"])
def test_descriptors(speed):
    all_of_them = {
        (int(kind), index): bytes(each) for kind, index, each in descriptors(speed, "a", "b1")
    }
    device = all_of_them[DEVICE, 0]
    assert int.from_bytes(device[8:10], "little") == VENDOR_ID
    assert int.from_bytes(device[10:12], "little") == PRODUCT_ID
    strings = [all_of_them[STRING, index][2:].decode("utf-16-le") for index in device[14:17]]
    assert strings == [MANUFACTURER, "a", "b1"]
    configuration = all_of_them[CONFIGURATION, 0]
    assert int.from_bytes(configuration[2:4], "little") == len(configuration)
    pieces = parts(configuration)
    assert [piece[5:8] for piece in pieces if piece[1] == INTERFACE] == [
        bytes([2, 2, 0]), bytes([10, 0, 0]),
    ]
    endpoints = {
        piece[2]: (piece[3], int.from_bytes(piece[4:6], "little"))
        for piece in pieces if piece[1] == ENDPOINT
    }
    assert endpoints == {
        0x80 | NOTIFY_ENDPOINT: (3, 8),
        0x80 | BULK_ENDPOINT: (2, PACKET_BYTES[speed]), BULK_ENDPOINT: (2, PACKET_BYTES[speed]),
    }
    assert ((QUALIFIER, 0) in all_of_them) == (speed == "high")


@pytest.mark.parametrize("wire", [UlpiUsb, FullSpeedUsb])
@pytest.mark.parametrize(("product", "serial_number", "error", "message"), [
    (5, "1", TypeError, "product must be text, not 5"),
    ("a", None, TypeError, "serial_number must be text, not None"),
    ("", "1", ValueError, "product must be 1 to 126 printable ASCII characters, not ''"),
    ("a", "b" * (STRING_MAX + 1), ValueError, "serial_number must be 1 to 126 printable"),
    ("a", "\n", ValueError, r"serial_number must be 1 to 126 .* not '\\n'"),
    ("é", "1", ValueError, "product must be .* not 'é'"),
])
def test_strings_that_cannot_be_sent(wire, product, serial_number, error, message):
    with pytest.raises(error, match=message):
        wire(product, serial_number)
