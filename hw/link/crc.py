"""CRC-32, one byte per cycle, with a table in block memory."""

import zlib

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..vendor.devices import prefers_logic

__all__ = ["CRC_RESIDUE", "Crc32", "crc_table"]

CRC_RESIDUE = 0xDEBB20E3
"""The register after a frame and its CRC, whatever the frame."""


def crc_table() -> list[int]:
    """The values of the register 8 shifts after it held 0..255."""
    # zlib starts with all ones and inverts the result. In the low 24 bits, the two cancel out.
    return [zlib.crc32(bytes([byte ^ 0xFF])) ^ 0xFF << 24 for byte in range(256)]


class Crc32(wiring.Component):
    """The CRC register of Ethernet and zlib, before its final inversion.

    ``amaranth.lib.crc`` is a parallel XOR network. Here the table's output register is part of the
    state, so a byte costs one lookup and one XOR. This takes 32 logic cells and two 256 x 16 block
    RAMs, a third of the network. If block RAM is scarce or slow, a separate register and XORs
    replace the table.

    Members
    -------
    first : In(1)
        The byte is the first one of a frame.
    valid : In(1)
        There is a byte.
    data : In(8)
        The byte.
    crc : Out(32)
        The register, one cycle after the byte. The CRC to send is its inverse, low byte first:
        sending ``~crc[:8]`` while feeding ``crc[:8]`` as ``data`` moves the next byte there.
    match : Out(1)
        One cycle after a byte of 0: the bytes from ``first`` up to the byte before it ended with
        their own CRC. (It is read behind the XOR, so that the same cells hold the register.)
    """

    first: In(1)
    valid: In(1)
    data: In(8)
    crc: Out(32)
    match: Out(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        index, entry = Signal(8), Signal(32)
        if prefers_logic(platform):
            found = Signal(32, reset_less=True)
            m.d.comb += entry.eq(found)
            # An entry is the XOR of the entries of its index's bits.
            parts = [crc_table()[1 << bit] for bit in range(8)]
            with m.If(self.valid):
                m.d.sync += found.eq(Cat(
                    Cat(index[bit] for bit in range(8) if parts[bit] >> position & 1).xor()
                    for position in range(32)
                ))
        else:
            m.submodules.table = table = Memory(shape=32, depth=256, init=crc_table())
            read = table.read_port()
            m.d.comb += [read.en.eq(self.valid), read.addr.eq(index), entry.eq(read.data)]
        upper = Signal(24, reset_less=True)
        table_of_residue = crc_table()[CRC_RESIDUE & 0xFF]
        m.d.comb += [
            self.crc.eq(upper ^ entry),
            # A frame starts from all ones, and XOR with them is an inversion.
            index.eq(Mux(self.first, ~self.data, self.crc[:8] ^ self.data)),
            # The highest byte of an entry identifies it.
            self.match.eq(
                Cat(upper, entry[24:])
                == Cat(Const(CRC_RESIDUE >> 8, 24), Const(table_of_residue >> 24, 8))
            ),
        ]
        with m.If(self.valid):
            m.d.sync += upper.eq(Mux(self.first, 0xFFFFFF, self.crc[8:]))
        return m
