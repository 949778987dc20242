"""Flashing, with a script in place of openFPGALoader."""

import pytest
from stablespike.boards import flash as module
from stablespike.boards.flash import flash
from stablespike.boards.registry import BOARDS
from stablespike.support.errors import DeviceNotFound, FileError, ToolError


@pytest.fixture
def loader(monkeypatch, tmp_path):
    """Puts a script on the path that writes its arguments to a file, prints, and ends."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def put(says="", status=0):
        script = folder / "openFPGALoader"
        script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/told\necho "{says}"\nexit {status}\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=":")
        return tmp_path / "told"

    return put


@pytest.fixture
def bitstream(tmp_path):
    path = tmp_path / "top.bit"
    path.write_bytes(b"bits")
    return path


def test_the_board_is_named_and_options_go_through(loader, bitstream):
    told = loader()
    flash(BOARDS["ulx3s-85f"], bitstream)
    assert told.read_text().split() == ["-b", "ulx3s", str(bitstream)]
    flash(BOARDS["ulx3s-85f"], bitstream, permanent=True, options=["--busdev-num", "1:4"])
    assert told.read_text().split() == [
        "-b", "ulx3s", "--write-flash", "--busdev-num", "1:4", str(bitstream)
    ]


@pytest.mark.parametrize(
    ("says", "error", "message"),
    [
        ("unable to open ftdi device: -3 (device not found)", DeviceNotFound,
         r"there is no Radiona ULX3S 85F \(unable to open.*plug it in.*-- --cable ft232"),
        ("error while loading shared libraries: libusb-1.0.so.0", ToolError,
         r"cannot start \(.*libusb.*apt install libusb-1\.0-0"),
        ("cable is on fire", ToolError, "openFPGALoader failed with status 3: cable is on fire"),
    ],
)
def test_failures(loader, bitstream, says, error, message):
    loader(says, 3)
    with pytest.raises(error, match=message):
        flash(BOARDS["ulx3s-85f"], bitstream)


def test_a_loader_that_cannot_be_started(loader, bitstream, tmp_path):
    loader()
    (tmp_path / "bin" / "openFPGALoader").write_text("#!/no/such/shell\n")
    with pytest.raises(ToolError, match="openFPGALoader cannot be started: No such file"):
        flash(BOARDS["ulx3s-85f"], bitstream)


def test_a_missing_loader_is_named(monkeypatch, bitstream, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"not installed: pip install 'stablespike\[build\]', or"):
        flash(BOARDS["ulx3s-85f"], bitstream)


def test_what_cannot_be_flashed_is_refused(tmp_path, bitstream):
    with pytest.raises(FileError, match=r"no file .*none\.bit: stablespike build ulx3s-85f"):
        flash(BOARDS["ulx3s-85f"], tmp_path / "none.bit")
    with pytest.raises(ValueError, match="with an open tool chain, not arty-a7-35t: program it"):
        flash(BOARDS["arty-a7-35t"], bitstream)
