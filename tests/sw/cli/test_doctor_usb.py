"""What ``doctor`` says of boards with USB of their own."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest
import serial.tools.list_ports
from stablespike.cli import installation
from stablespike.spec.usb import PRODUCT_ID, VENDOR_ID


def check(monkeypatch: pytest.MonkeyPatch, *devices: str) -> installation.Check:
    ports = [
        SimpleNamespace(
            device=device, vid=VENDOR_ID, pid=PRODUCT_ID, product="StableSpike ulx3s-85f",
            serial_number="a1",
        ) for device in devices
    ]
    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: ports)
    (found,) = (each for each in installation.examine() if each.name == "USB boards")
    return found


@pytest.mark.parametrize(("system", "words"), [
    ("linux", "cdc_acm, is in the kernel, and the group dialout"),
    ("darwin", "nothing to install, the port is called /dev/cu.usbmodem"),
    ("win32", "nothing to install from Windows 10 on, the port is called COM"),
    ("other", "plug one in"),
])
def test_no_board(monkeypatch: pytest.MonkeyPatch, system: str, words: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    found = check(monkeypatch)
    assert not found.found
    assert not found.needed
    assert found.detail == "none"
    assert words in found.remedy


def test_a_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    found = check(monkeypatch, "/dev/ttyACM0")
    assert found.found
    assert found.detail == "/dev/ttyACM0 (StableSpike ulx3s-85f, serial number a1)"


def test_a_board_that_one_may_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != "/dev/ttyACM1")
    found = check(monkeypatch, "/dev/ttyACM0", "/dev/ttyACM1")
    assert not found.found
    assert found.detail.endswith("; you may not use /dev/ttyACM1")
    assert found.remedy.startswith("sudo usermod -aG dialout $USER")
