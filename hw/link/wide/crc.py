"""CRC-32, two bytes per cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..crc import CRC_RESIDUE, crc_table

__all__ = ["START_BEFORE", "WideCrc32", "crc_residue"]

_ALL_ONES = 0xFFFFFFFF


def _step(crc: int, byte: int) -> int:
    """The register after a byte."""
    return crc >> 8 ^ crc_table()[crc & 0xFF ^ byte]


def _before() -> int:
    """The register that a byte of 0 turns into all ones."""
    # The highest byte of an entry identifies it.
    index = next(i for i, entry in enumerate(crc_table()) if entry >> 24 == _ALL_ONES >> 24)
    return (_ALL_ONES ^ crc_table()[index]) << 8 & _ALL_ONES | index


START_BEFORE = _before()
"""The start of a frame whose first byte is the high one of a word: its low byte is 0."""


def crc_residue(zeros: int) -> int:
    """The register after a frame, its CRC and so many bytes of 0."""
    crc = CRC_RESIDUE
    for _ in range(zeros):
        crc = _step(crc, 0)
    return crc


class WideCrc32(wiring.Component):
    """The CRC register of Ethernet and zlib, before its final inversion.

    Parameters
    ----------
    start : int
        What the register holds before a frame.

    Members
    -------
    first : In(1)
        The word is the first one of a frame.
    valid : In(1)
        There is a word.
    data : In(16)
        The word; the low byte comes first.
    crc : Out(32)
        The register, one cycle after the word. The CRC to send is its inverse, the low half first:
        sending ``~crc[:16]`` while feeding ``crc[:16]`` as ``data`` moves the next half there.
    """

    first: In(1)
    valid: In(1)
    data: In(16)
    crc: Out(32)

    def __init__(self, start: int = _ALL_ONES) -> None:
        self.start = start
        super().__init__()

    def elaborate(self, platform) -> Module:
        m = Module()
        # The register is the XOR of these two, so that an XOR of many bits ends in a register.
        found, upper = Signal(32, reset_less=True), Signal(16, reset_less=True)
        index = Signal(16)
        m.d.comb += [
            self.crc.eq(upper ^ found),
            index.eq(Mux(self.first, self.start & 0xFFFF, self.crc[:16]) ^ self.data),
        ]
        parts = [_step(_step(1 << bit, 0), 0) for bit in range(16)]
        with m.If(self.valid):
            m.d.sync += [
                upper.eq(Mux(self.first, self.start >> 16, self.crc[16:])),
                found.eq(Cat(
                    Cat(index[bit] for bit in range(16) if parts[bit] >> position & 1).xor()
                    for position in range(32)
                )),
            ]
        return m
