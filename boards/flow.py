"""From a board and an array to a synthesized netlist, or to a project for a vendor's tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stablespike.spec import ArrayConfig
from stablespike.spec.link import BUILD_ID_BYTES

from .board import Board
from .links.link import BoardLink
from .tools import Tools

__all__ = ["READ", "elaborate", "project", "synthesize"]

# Wherever the gateware reads a row in the cycle that writes it, it does not use what it read. yosys
# would add logic around the block RAM to return the old row, as the RTLIL of Amaranth says; marking
# the result of such a read as undefined avoids that. Transparent reads and reads without a clock
# keep their meaning, and so do those at another clock than the writes: yosys stops at a mark there.
READ = """\
read_rtlil top.il
select -set written t:$memwr_v2 %ci1:+[CLK] w:* %i
select -set undefined t:$memrd_v2 r:COLLISION_X_MASK=1'0 %i r:CLK_ENABLE=1 %i
select -set undefined @undefined @written %co1:+[CLK] %i
select -set undefined @undefined r:TRANSPARENCY_MASK=1'0 %i
setparam -set COLLISION_X_MASK 1'1 @undefined
"""
# abc9 gives up speed for fewer cells wherever a path is shorter than the longest one of a module.
# The clock of a wire may be faster than that of the array, so the wire is no part of its module.
_APART = "setattr -mod -set keep_hierarchy 1 top.accelerator.{}\n"
_JOINED = """\
setattr -mod -unset keep_hierarchy *
flatten
"""
_WRITE = """\
tee -q -o cells.json stat -json
write_json top.json
"""


def elaborate(
    board: Board, config: ArrayConfig, build_id: bytes, folder: Path,
    link: BoardLink | None = None,
) -> None:
    """Write ``top.il`` and the constraints file with pins and clock rates into a folder.

    The link is the board's default one if None.
    """
    from .top import Top

    link = link or board.link()
    plan = board.platform().prepare(Top(board, config, build_id, link), "top", emit_src=False)
    for name in ("top.il", f"top.{board.constraints}"):
        (folder / name).write_text(plan.files[name])


def synthesize(
    board: Board,
    folder: Path,
    config: ArrayConfig | None = None,
    build_id: bytes = bytes(BUILD_ID_BYTES),
    tools: Tools | None = None,
    elaborated: Callable[[str], None] = lambda rtlil: None,
    link: BoardLink | None = None,
) -> Path:
    """Synthesize the gateware of a board.

    Parameters
    ----------
    board : Board
        A board of ``boards.registry``.
    folder : Path
        Folder for ``top.il``, the constraints, the script, yosys' log and the netlist.
    config : ArrayConfig, optional
        Configuration of the array; the board's own if None.
    build_id : bytes
        Build ID that the device reports.
    tools : Tools, optional
        Tools that run in ``folder``.
    elaborated : callable
        Called with the RTLIL before yosys runs.
    link : BoardLink, optional
        Link of the board; its default one if None.

    Returns
    -------
    Path
        ``top.json``, yosys' netlist of the module ``top``. amaranth-boards names its ports, such
        as ``uart_0__rx__io``.

    Raises
    ------
    ToolError
        If a tool is missing or fails.
    """
    elaborate(board, config or board.config, build_id, folder, link)
    elaborated((folder / "top.il").read_text())
    domain = (link or board.link()).domain
    apart, joined = ("", "") if domain == "sync" else (_APART.format(domain), _JOINED)
    (folder / "top.ys").write_text(READ + apart + board.synthesis + joined + _WRITE)
    (tools or Tools(folder)).run("yosys", "-q", "-l", "yosys.log", "top.ys")
    netlist = folder / "top.json"
    board.finish(netlist)
    return netlist


def project(
    board: Board, config: ArrayConfig, build_id: bytes, link: BoardLink, folder: Path
) -> str:
    """Write the project for a vendor's tool into a folder.

    Parameters
    ----------
    board : Board
        A board of ``boards.registry`` with a vendor's tool.
    config : ArrayConfig
        Configuration of the array.
    build_id : bytes
        Build ID that the device reports.
    link : BoardLink
        Link of the board.
    folder : Path
        Folder for the project.

    Returns
    -------
    str
        RTLIL of the accelerator, from which the memories are counted.

    Raises
    ------
    ToolError
        If amaranth-boards is not installed.
    """
    from amaranth.back import rtlil
    from stablespike.hw.accelerator import WiredAccelerator

    from .top import Top

    plan = board.platform().prepare(Top(board, config, build_id, link), "top", emit_src=False)
    for name in board.project:
        (folder / name).write_text(plan.files[name])
    (folder / "README").write_text(
        f"{board.title}: only the vendor's tool makes its bitstream. Run here:\n\n"
        "    vivado -mode batch -source top.tcl\n"
    )
    # The project itself holds Verilog, in which memories cannot be counted.
    accelerator = WiredAccelerator(
        config, link.wire(board, config, build_id), build_id, clock_hz=board.clock_hz,
        domain=link.domain,
    )
    return str(rtlil.convert(accelerator, emit_src=False))
