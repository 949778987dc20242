"""What the tests change of Amaranth: it writes the same, and coverage goes on afterwards."""

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
    quick = text()
    monkeypatch.setattr(rtlil.ModuleEmitter, "emit_memory", quick_elaboration.AMARANTHS)
    assert text() == quick
    assert quick.count("$meminit_v2") == 3


def test_the_trace_function_is_that_of_before():
    def tracing(*_):
        return tracing

    before = sys.gettrace()
    sys.settrace(tracing)
    try:
        text()
        after = sys.gettrace()
    finally:
        sys.settrace(before)
    assert after is tracing
