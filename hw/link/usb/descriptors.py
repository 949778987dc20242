"""What the device tells the host: a CDC-ACM serial port (USB CDC PSTN 1.2)."""

from __future__ import annotations

from stablespike.spec.usb import (
    BULK_ENDPOINT,
    MANUFACTURER,
    NOTIFY_ENDPOINT,
    PACKET_BYTES,
    PRODUCT_ID,
    VENDOR_ID,
)
from usb_protocol.emitters import DeviceDescriptorCollection
from usb_protocol.emitters.descriptors import cdc
from usb_protocol.types import USBTransferType

__all__ = ["STRING_MAX", "check_string", "descriptors"]

STRING_MAX = 126
"""Characters of a string: its descriptor's length is a byte, two of them each."""

_IN = 0x80
_COMMUNICATIONS, _ABSTRACT_CONTROL, _NO_PROTOCOL, _DATA = 2, 2, 0, 10
_TWO_INTERFACES = (0xEF, 2, 1)  # class of a device with an interface association
_LINE_REQUESTS = 2  # bmCapabilities: SET_LINE_CODING and SET_CONTROL_LINE_STATE; no break
_NOTIFY_BYTES = 8
_NOTIFY_INTERVAL = {"high": 16, "full": 255}  # 2**15 microframes, or frames: about never
_QUALIFIER = 6


def check_string(name: str, text: object) -> str:
    """Check a string of a descriptor.

    Raises
    ------
    TypeError, ValueError
        If it is not text of 1 to ``STRING_MAX`` printable ASCII characters.
    """
    if not isinstance(text, str):
        raise TypeError(f"{name} must be text, not {text!r}")
    if not 1 <= len(text) <= STRING_MAX or not (text.isascii() and text.isprintable()):
        raise ValueError(
            f"{name} must be 1 to {STRING_MAX} printable ASCII characters, not {text!r}"
        )
    return text


def descriptors(speed: str, product: str, serial_number: str) -> DeviceDescriptorCollection:
    """The descriptors of a device.

    Parameters
    ----------
    speed : str
        ``high`` or ``full``.
    product : str
        Product string.
    serial_number : str
        Serial number; it names the same board when it comes back at another port.

    Raises
    ------
    TypeError, ValueError
        If a string cannot be sent.
    """
    strings = [check_string("product", product), check_string("serial_number", serial_number)]
    collection = DeviceDescriptorCollection()
    with collection.DeviceDescriptor() as d:
        d.bDeviceClass, d.bDeviceSubclass, d.bDeviceProtocol = _TWO_INTERFACES
        d.bMaxPacketSize0 = 64
        d.idVendor, d.idProduct = VENDOR_ID, PRODUCT_ID
        d.iManufacturer, d.iProduct, d.iSerialNumber = MANUFACTURER, *strings
        d.bNumConfigurations = 1
    with collection.ConfigurationDescriptor() as c:
        with c.InterfaceAssociationDescriptor() as a:
            a.bFirstInterface, a.bInterfaceCount = 0, 2
            a.bFunctionClass, a.bFunctionSubClass = _COMMUNICATIONS, _ABSTRACT_CONTROL
            a.bFunctionProtocol = _NO_PROTOCOL
        with c.InterfaceDescriptor() as i:
            i.bInterfaceNumber = 0
            i.bInterfaceClass, i.bInterfaceSubclass = _COMMUNICATIONS, _ABSTRACT_CONTROL
            i.bInterfaceProtocol = _NO_PROTOCOL
            i.add_subordinate_descriptor(cdc.HeaderDescriptorEmitter())
            control = cdc.ACMFunctionalDescriptorEmitter()
            control.bmCapabilities = _LINE_REQUESTS
            i.add_subordinate_descriptor(control)
            union = cdc.UnionFunctionalDescriptorEmitter()
            union.bControlInterface, union.bSubordinateInterface0 = 0, 1
            i.add_subordinate_descriptor(union)
            calls = cdc.CallManagementFunctionalDescriptorEmitter()
            calls.bDataInterface = 1
            i.add_subordinate_descriptor(calls)
            with i.EndpointDescriptor() as e:
                e.bEndpointAddress = _IN | NOTIFY_ENDPOINT
                e.bmAttributes = USBTransferType.INTERRUPT
                e.wMaxPacketSize = _NOTIFY_BYTES
                e.bInterval = _NOTIFY_INTERVAL[speed]
        with c.InterfaceDescriptor() as i:
            i.bInterfaceNumber = 1
            i.bInterfaceClass, i.bInterfaceSubclass, i.bInterfaceProtocol = _DATA, 0, _NO_PROTOCOL
            for direction in (_IN, 0):
                with i.EndpointDescriptor() as e:
                    e.bEndpointAddress = direction | BULK_ENDPOINT
                    e.bmAttributes = USBTransferType.BULK
                    e.wMaxPacketSize = PACKET_BYTES[speed]
    if speed == "high":
        # A device with high speed must say what it would be at the other speed (USB 2.0, 9.6.2):
        # there, it has no configuration.
        collection.add_descriptor(
            bytes([10, _QUALIFIER, 0, 2, *_TWO_INTERFACES, 64, 0, 0]), descriptor_type=_QUALIFIER
        )
    return collection
