"""The HTML page of a run, with the figures of a board that carries its array."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..support.errors import ToolError

if TYPE_CHECKING:
    from ..page import BoardFacts, Run
    from ..spec.array import ArrayConfig

__all__ = ["write_page"]

_FIGURES = ("fmax_mhz", "logic_cells", "luts", "registers", "block_rams", "dsps", "seed")


def write_page(run: Run, out: Path, title: str, board: str | None = None) -> None:
    """Write the page of a run.

    Parameters
    ----------
    run : Run
        The run; its board is set here.
    out : Path
        The file.
    title : str
        The title of the page.
    board : str or None
        The name of the board whose clock and link are meant. None for that of the device's
        address, or else the first board that carries the array.

    Raises
    ------
    ValueError
        If there is no such board.
    FileError
        If the file cannot be written.
    """
    from ..network.files import atomic_file
    from ..page import page

    run = replace(run, board=_facts(run.program.config, run.device, board))
    if board is not None:  # its clock is meant, not the device's
        run = replace(run, result=replace(run.result, clock_hz=0))
    text = page(run, title)
    with atomic_file(out) as file:
        file.write(text.encode())


def _facts(config: ArrayConfig, device: str, name: str | None) -> BoardFacts | None:
    from ..boards.registry import BOARDS
    from ..boards.registry import board as named
    from ..page import BoardFacts

    target, _, options = device.removeprefix("sim:").partition("?")
    of_device = target.removeprefix("netlist=") if device.startswith("sim:") else ""
    kind = None
    if name is not None:
        board = named(name)
    elif of_device in BOARDS and (options.startswith("link=") or target != of_device):
        board = BOARDS[of_device]
        kind = options.removeprefix("link=").partition("&")[0] or None
    else:
        carrying = [each for each in BOARDS.values() if each.config == config]
        if not carrying:
            return None
        board = carrying[0]
    link = board.link(kind)
    # A byte takes ten bits on a UART: a start bit and a stop bit are around it.
    rate = link.rate(board) / (10 if link.kind == "uart" else 8)
    return BoardFacts(
        board.name, board.device, board.clock_hz, link.kind, rate, _built(board, config),
        board.config == config,
    )


def _built(board: Any, config: ArrayConfig) -> dict[str, str]:
    """Figures of the board's bitstream, if one of this array is in the cache."""
    if board.config != config:
        return {}
    try:
        from ..boards.build import built

        found = built(board)
    except (ImportError, ToolError):  # the tools are not installed, so nothing was built with them
        return {}
    if found is None:
        return {}
    figures = {
        name.replace("_", " "): f"{value:,}"
        for name in _FIGURES if (value := getattr(found, name)) is not None
    }
    figures |= {kind: f"{used} of {there} blocks" for kind, (used, there) in found.memory.items()}
    return figures
