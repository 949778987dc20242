"""The patch of Amaranth that tests use: it writes the same text, and coverage goes on after it."""

import sys

import quick_elaboration
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal, signed
from amaranth.lib.memory import Memory


def text():
    m = Module()
    address = Signal(5)
    for shape, depth, init in ((7, 20, []), (signed(5), 17, [3, -1, 0, -16]), (1, 32, [1, 0, 1])):
        m.submodules += (memory := Memory(shape=shape, depth=depth, init=init))
        m.d.comb += memory.read_port().addr.eq(address)
    return rtlil.convert(m, ports=[address], emit_src=False)


def test_memories_are_as_amaranth_writes_them(monkeypatch):
    monkeypatch.setattr(rtlil.ModuleEmitter, "emit_memory", quick_elaboration.emit_memory)
    quick = text()
    monkeypatch.setattr(rtlil.ModuleEmitter, "emit_memory", quick_elaboration.AMARANTHS)
    assert text() == quick
    assert quick.count("$meminit_v2") == 3


def test_the_trace_function_is_restored():
    def tracing(*_):
        return tracing

    seen = []
    before = sys.gettrace()
    sys.settrace(tracing)
    try:
        quick_elaboration.unmeasured(lambda: seen.append(sys.gettrace()))()
        after = sys.gettrace()
    finally:
        sys.settrace(before)
    assert seen == [None]
    assert after is tracing
