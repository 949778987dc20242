"""A faster way from gateware to RTLIL and Verilog, which tests patch into Amaranth.

Most of the suite's elaboration time goes into two things that tests do not look at: the initial
values of memories, for which Amaranth makes an object per bit, and coverage of its own code.
``nox -s elaboration`` runs the tests without the patch, and ``tests/hw/test_quick_elaboration.py``
compares the text of both.
"""

import sys
from functools import wraps

from amaranth.back import rtlil, verilog
from amaranth.back.rtlil import ModuleEmitter
from amaranth.build import Platform

__all__ = ["AMARANTHS", "emit_memory", "install", "unmeasured"]

AMARANTHS = ModuleEmitter.emit_memory
"""The method that ``emit_memory`` replaces."""


def emit_memory(emitter, index, cell):
    """Write the same text as Amaranth, without an object for each bit."""
    mask = (1 << cell.width) - 1
    bits = "".join(f"{row & mask:0{cell.width}b}" for row in reversed(cell.init))
    ones = "1" * cell.width
    emitter.builder.cell(
        "$meminit_v2",
        ports={"ADDR": emitter.sigspec(), "DATA": f"{len(bits)}'{bits}",
               "EN": f"{cell.width}'{ones}"},
        parameters={"MEMID": emitter.memories[index].memid, "ABITS": 0, "WIDTH": cell.width,
                    "WORDS": cell.depth, "PRIORITY": 0},
        src_loc=cell.src_loc,
    )


def unmeasured(convert):
    """Return ``convert`` without coverage, which doubles its time and leaves gateware out."""

    @wraps(convert)
    def quick(*args, **options):
        trace = sys.gettrace()
        sys.settrace(None)
        try:
            return convert(*args, **options)
        finally:
            sys.settrace(trace)

    return quick


def install():
    """Patch Amaranth for the rest of the process."""
    ModuleEmitter.emit_memory = emit_memory
    rtlil.convert = unmeasured(rtlil.convert)
    verilog.convert = unmeasured(verilog.convert)
    Platform.prepare = unmeasured(Platform.prepare)
