"""Boards at the SPI of an FT2232H on USB, through pyftdi."""

from __future__ import annotations

import sys
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from ...spec.link import SPI_HZ
from ...support.errors import DeviceNotFound, LinkError
from .mpsse import AHEAD, OUTPUTS, RELEASED, MpsseBytes
from .transport import Transport

__all__ = ["SpiTransport", "permission_advice", "spi_urls"]

_FTDI, _FT2232H = 0x0403, 0x6010
_BOARDS = ("icebreaker",)  # part of the product's name, in small letters
_CHANNEL = 1               # A; B is the UART
_BASE_HZ = 30_000_000      # the chip's clock is this divided by a whole number
_SLOWEST_HZ = 100_000
_READ_BYTES = 8192       # whole packets, of 510 bytes with 2 of status, for the longest transfer
_BUSY, _DENIED = (16,), (1, 13)  # EBUSY; EPERM, EACCES
_INSTALL = "pip install 'stablespike[spi]'"


class SpiTransport(Transport):
    """A board whose FPGA is at channel A of an FT2232H, on the pins of its flash memory.

    Parameters
    ----------
    url : str
        A URL of pyftdi, such as ``ftdi://ftdi:2232h:SERIAL/1``. If it is empty, the only board of a
        known kind, or else the only FT2232H.
    rate : int or None
        The fastest clock of SPI in Hz, at most ``SPI_HZ``; the chip's next one below is used. None
        for ``SPI_HZ``.

    Attributes
    ----------
    rate : float
        The clock of SPI in Hz.

    Raises
    ------
    ValueError
        If the rate is not allowed.
    DeviceNotFound
        If pyftdi, libusb or the board is missing, or may not be used. The message says which, and
        what to do.
    """

    ahead = AHEAD
    poll = 0.05  # asking costs nothing, because the host must ask for everything
    foreign = (
        "check that its bitstream was built with --link spi, and that no other program uses it"
    )

    def __init__(self, url: str = "", rate: int | None = None) -> None:
        self.name = f"spi:{url}"
        rate = SPI_HZ if rate is None else rate
        if not _SLOWEST_HZ <= rate <= SPI_HZ:
            raise ValueError(f"rate must be from {_SLOWEST_HZ} to {SPI_HZ} Hz, not {rate}")
        self.rate = _BASE_HZ / -(-_BASE_HZ // rate)
        ftdi = _pyftdi(self.name)
        self._chip = ftdi.Ftdi()
        try:
            self._open(ftdi, url)
            self._bytes = MpsseBytes(self._chip, self.name)
            self._bytes.sleep_flash()
        except DeviceNotFound:
            raise
        except _errors(ftdi) as error:
            self.close()
            raise DeviceNotFound(f"{self.name} cannot be opened: {_reason(error)}") from error

    def _open(self, ftdi: Any, url: str) -> None:
        """Open channel A. pyftdi detaches the system's driver from it, but not from channel B."""
        settings = {"direction": OUTPUTS, "initial": RELEASED, "frequency": self.rate}
        if url:
            # This also reads the list of devices anew, as a board may have been plugged in again.
            ftdi.UsbTools.flush_cache()
            self._chip.open_mpsse_from_url(url, **settings)
        else:
            device = ftdi.UsbTools.get_device(_only(ftdi, self.name))
            self._chip.open_mpsse_from_device(device, _CHANNEL, **settings)
        # By default each read takes one packet of USB.
        self._chip.read_data_set_chunksize(_READ_BYTES)

    def write(self, data: bytes) -> None:
        try:
            self._bytes.write(data)
        except (OSError, LinkError) as error:
            raise self._broken(error) from error

    def read(self, timeout: float) -> bytes:
        try:
            return self._bytes.read(timeout)
        except (OSError, LinkError) as error:
            raise self._broken(error) from error

    def reset(self) -> None:
        self._bytes.reset()

    def set_baud(self, baud: int) -> None:
        raise LinkError(f"{self.name} has no baud rate to change to {baud}: use ?rate=")

    def close(self) -> None:
        # If it is gone, there is nothing to close.
        with suppress(OSError, ValueError):
            self._chip.close()

    def _broken(self, error: Exception) -> LinkError:
        self.broken = True
        if isinstance(error, LinkError):
            return error
        return LinkError(f"{self.name} broke ({error}): plug the board in again and retry")


def spi_urls() -> list[str]:
    """The URLs of the boards that ``spi:`` may be, those of known kinds first.

    Raises
    ------
    DeviceNotFound
        If pyftdi or libusb is missing, or USB may not be read.
    """
    ftdi = _pyftdi("spi:")
    try:
        return [_url(each) for each in _devices(ftdi)]
    except _errors(ftdi) as error:
        raise DeviceNotFound(f"USB cannot be read: {_reason(error)}") from error


def permission_advice() -> str:
    """How to get at the USB chip on this operating system."""
    if sys.platform == "win32":
        return "give interface 0 of the board the driver WinUSB with Zadig (not interface 1)"
    if sys.platform == "darwin":
        return "run it as the user at the screen, and close programs that hold the board"
    return (
        'write the line SUBSYSTEM=="usb", ATTR{idVendor}=="0403", ATTR{idProduct}=="6010", '
        'TAG+="uaccess" into /etc/udev/rules.d/70-ft2232h.rules, run "udevadm control --reload", '
        "and plug the board in again"
    )


def _pyftdi(name: str) -> Any:
    """pyftdi's classes, with libusb loaded: the system's, or else that of libusb-package."""
    try:
        import usb.backend.libusb1
        from pyftdi.ftdi import Ftdi
        from pyftdi.usbtools import UsbTools, UsbToolsError
    except ImportError as error:
        raise DeviceNotFound(
            f"{name} needs pyftdi, which is not installed ({error}): {_INSTALL}"
        ) from error
    if usb.backend.libusb1.get_backend() is None:
        try:
            import libusb_package
        except ImportError as error:
            raise DeviceNotFound(f"{name} needs libusb ({error}): {_INSTALL}") from error
        # What is loaded here stays loaded for all later calls.
        usb.backend.libusb1.get_backend(find_library=libusb_package.find_library)
    return SimpleNamespace(Ftdi=Ftdi, UsbTools=UsbTools, UsbToolsError=UsbToolsError)


def _errors(ftdi: Any) -> tuple[type[Exception], ...]:
    """What opening raises; pyusb raises ValueError where it may not read."""
    return OSError, ValueError, LinkError, ftdi.UsbToolsError


def _devices(ftdi: Any) -> list[Any]:
    """Descriptors of all FT2232H, of boards of known kinds first."""
    ftdi.UsbTools.flush_cache()
    found = [each for each, _ in ftdi.UsbTools.find_all([(_FTDI, _FT2232H)])]
    return sorted(found, key=lambda each: (not _known(each), each.bus or 0, each.address or 0))


def _known(device: Any) -> bool:
    return any(board in (device.description or "").lower() for board in _BOARDS)


def _url(device: Any) -> str:
    serial = device.sn or f"{device.bus:x}:{device.address:x}"
    return f"ftdi://ftdi:2232h:{serial}/{_CHANNEL}"


def _only(ftdi: Any, name: str) -> Any:
    found = _devices(ftdi)
    known = [each for each in found if _known(each)]
    if not found:
        raise DeviceNotFound(
            f"{name} finds no board: check its cable, and that nothing else holds it "
            f"({permission_advice()})"
        )
    choice = known or found
    if len(choice) > 1:
        urls = ", ".join(f"spi:{_url(each)}" for each in choice)
        raise DeviceNotFound(f"{name} may be one of {len(choice)} boards: name one of {urls}")
    return choice[0]


def _reason(error: Exception) -> str:
    """Why it does not open, and what to do. pyftdi keeps the number only in its text."""
    number = getattr(error, "errno", None)
    text = str(error)
    if number in _BUSY or "Errno 16" in text:
        return f"another program holds it ({error}): close it"
    if number in _DENIED or "Errno 13" in text or "langid" in text:
        return f"it may not be used ({error}): {permission_advice()}"
    if number == 19 or "Errno 19" in text:
        return f"it was unplugged ({error}): plug the board in again and retry"
    if "does not support MPSSE" in text or "No such FTDI port" in text:
        return f"{error}: name channel A of an FT2232H, ftdi://ftdi:2232h/{_CHANNEL}"
    return f"{error}: check the cable and the URL; boards here: {_listed()}"


def _listed() -> str:
    try:
        return ", ".join(spi_urls()) or "none"
    except DeviceNotFound:
        return "none that may be read"
