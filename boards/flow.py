"""From a board to a bitstream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stablespike.spec import ArrayConfig
from stablespike.spec.link import BUILD_ID_BYTES

from .board import Board
from .tools import Tools

__all__ = ["READ", "elaborate", "project", "synthesize"]

# No memory of the gateware reads a row in the cycle that writes it, or else does not use what it
# read: what such a read gives need not be built. Reads without a clock and transparent ones are
# defined whatever is written.
READ = """\
read_rtlil top.il
select -set undefined t:$memrd_v2 r:COLLISION_X_MASK=1'0 %i r:CLK_ENABLE=1 %i
select -set undefined @undefined r:TRANSPARENCY_MASK=1'0 %i
setparam -set COLLISION_X_MASK 1'1 @undefined
"""
_WRITE = """\
tee -q -o cells.json stat -json
write_json top.json
"""


def elaborate(board: Board, config: ArrayConfig, build_id: bytes, folder: Path) -> None:
    """Write ``top.il``, and the constraints of its pins and rates, into a folder."""
    from .top import Top

    plan = board.platform().prepare(Top(board, config, build_id), "top", emit_src=False)
    for name in ("top.il", f"top.{board.constraints}"):
        (folder / name).write_text(plan.files[name])


def synthesize(
    board: Board,
    folder: Path,
    config: ArrayConfig | None = None,
    build_id: bytes = bytes(BUILD_ID_BYTES),
    tools: Tools | None = None,
    elaborated: Callable[[str], None] = lambda rtlil: None,
) -> Path:
    """Synthesize a board's gateware.

    Parameters
    ----------
    board : of ``boards.registry``.
    folder : for ``top.il``, constraints, script, yosys' log and the netlist.
    config : of the array; the board's own if None.
    build_id : what ``hello`` returns.
    tools : that run in ``folder``.
    elaborated : called with the RTLIL before yosys is.

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
    elaborated((folder / "top.il").read_text())
    (folder / "top.ys").write_text(READ + board.synthesis + _WRITE)
    (tools or Tools(folder)).run("yosys", "-q", "-l", "yosys.log", "top.ys")
    netlist = folder / "top.json"
    board.finish(netlist)
    return netlist


def project(board: Board, config: ArrayConfig, build_id: bytes, folder: Path) -> str:
    """Write the project for a vendor's tool into a folder; the RTLIL of the accelerator in it.

    Raises
    ------
    ToolError
        If amaranth is not installed.
    """
    from amaranth.back import rtlil
    from stablespike.hw.accelerator import UartAccelerator

    from .top import Top

    plan = board.platform().prepare(Top(board, config, build_id), "top", emit_src=False)
    for name in board.project:
        (folder / name).write_text(plan.files[name])
    (folder / "README").write_text(
        f"{board.title}: only the vendor's tool makes its bitstream. Run here:\n\n"
        "    vivado -mode batch -source top.tcl\n"
    )
    accelerator = UartAccelerator(config, build_id, clock_hz=board.clock_hz)
    return str(rtlil.convert(accelerator, emit_src=False))
