"""From a board to a bitstream."""

from __future__ import annotations

from pathlib import Path

from stablespike.spec import ArrayConfig
from stablespike.spec.link import BUILD_ID_BYTES

from .board import Board
from .netlist import without_collisions
from .tools import Tools

__all__ = ["synthesize"]


def elaborate(board: Board, config: ArrayConfig, build_id: bytes, folder: Path) -> None:
    """Write ``top.il``, and the constraints of its pins and rates, into a folder."""
    from .top import Top

    plan = board.platform().prepare(Top(board, config, build_id), "top", emit_src=False)
    text = plan.files["top.il"]
    (folder / "top.il").write_text(without_collisions(text))
    name = f"top.{board.constraints}"
    (folder / name).write_text(plan.files[name])


def synthesize(
    board: Board,
    folder: Path,
    config: ArrayConfig | None = None,
    build_id: bytes = bytes(BUILD_ID_BYTES),
    tools: Tools | None = None,
) -> Path:
    """Synthesize a board's gateware.

    Parameters
    ----------
    board : of ``boards.registry``.
    folder : for ``top.il``, constraints, script, yosys' log and the netlist.
    config : of the array; the board's own if None.
    build_id : what ``hello`` returns.

    Returns
    -------
    Path
        ``top.json``, yosys' netlist of module ``top``. Its pins are named by amaranth-boards, such
        as ``uart_0__rx__io``.

    Raises
    ------
    ToolError
        If a tool is missing or fails.
    """
    elaborate(board, config or board.config, build_id, folder)
    (folder / "top.ys").write_text(
        f"read_rtlil top.il\n{board.synthesis}write_json top.json\n"
    )
    (tools or Tools(folder)).run("yosys", "-q", "-l", "yosys.log", "top.ys")
    return folder / "top.json"
