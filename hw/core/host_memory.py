"""Host memory: the host writes it in 16-bit chunks, the core reads it in rows.

On an iCE40UP5K, memories of 2,048 rows or more are in its single-port RAM.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from stablespike.spec import bits_for

from ..lib.checks import check_int
from ..lib.ports import CHUNK_BITS, read_signature
from ..vendor.devices import has_single_port_ram
from ..vendor.memory import collision_free_memory
from ..vendor.spram import SPRAM_DEPTH, SPRAM_WORTH, single_port_ram

__all__ = ["HostMemory", "chunks"]


def chunks(width: int) -> int:
    """The number of chunks in which a row of ``width`` bits is written."""
    return -(-width // CHUNK_BITS)


class HostMemory(wiring.Component):
    """``depth`` rows of ``width`` bits; one access per cycle, and a write goes first.

    A single-port memory allows only one access per cycle. So a read in the cycle of a write returns
    an undefined row. This does no harm: the host writes only while the core is idle, and the
    sequencer then repeats what it had read ahead.

    Parameters
    ----------
    width : int
        Bits of a row.
    depth : int
        Number of rows.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, the value and what is allowed.

    Members
    -------
    read : In(read_signature(depth, width))
        The core's side; its ``data`` is held until the next ``enable`` or ``write``.
    write : In(1)
        Write a chunk in this cycle.
    write_address : In
        The row that contains the chunk.
    write_chunk : In
        Which chunk of the row; the lowest is 0.
    write_data : In(CHUNK_BITS)
        The new value of the chunk. The host's layout has no bits beyond ``width``.
    """

    def __init__(self, width: int, depth: int) -> None:
        self.width, self.depth = check_int("width", width, 1), check_int("depth", depth, 1)
        super().__init__({
            "read": In(read_signature(depth, width)),
            "write": In(1),
            "write_address": In(unsigned(bits_for(depth - 1))),
            "write_chunk": In(unsigned(max(1, (chunks(width) - 1).bit_length()))),
            "write_data": In(CHUNK_BITS),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        if has_single_port_ram(platform) and self.depth >= SPRAM_WORTH:
            self.single_port(m)
        else:
            self.inferred(m)
        return m

    def single_port(self, m: Module) -> None:
        """Use one SPRAM per chunk and 16,384 rows; the output bank is selected a cycle later."""
        banks = -(-self.depth // SPRAM_DEPTH)
        read = self.read
        address = Signal.like(read.address)
        m.d.comb += address.eq(read.address)
        with m.If(self.write):
            m.d.comb += address.eq(self.write_address)
        # The outputs come a cycle later, from the bank that was read.
        bank = Signal.like(address[14:])
        with m.If(read.enable):
            m.d.sync += bank.eq(address[14:])
        for b in range(banks):
            for chunk in range(chunks(self.width)):
                here = Signal()
                write = Signal()
                m.d.comb += [
                    here.eq(address[14:] == b if banks > 1 else 1),
                    write.eq(self.write & here & (self.write_chunk == chunk)),
                ]
                data = single_port_ram(
                    m, f"spram_{b}_{chunk}", address[:14],
                    here & (write | (read.enable & ~self.write)), write, self.write_data,
                )
                part = read.data[chunk * CHUNK_BITS : (chunk + 1) * CHUNK_BITS]
                with m.If(bank == b):
                    m.d.comb += part.eq(data[: len(part)])

    def inferred(self, m: Module) -> None:
        """Use a memory that the tools map; rows of several chunks are padded to whole chunks."""
        count = chunks(self.width)
        stored = count * CHUNK_BITS if count > 1 else self.width
        m.submodules.memory = memory = collision_free_memory(stored, self.depth)
        write = memory.write_port(granularity=CHUNK_BITS if count > 1 else None)
        read = memory.read_port()
        m.d.comb += [
            write.addr.eq(self.write_address),
            read.addr.eq(self.read.address),
            read.en.eq(self.read.enable & ~self.write),
            self.read.data.eq(read.data),
        ]
        if count > 1:
            # Rows are padded to whole chunks, so each chunk has a write enable of its own.
            m.d.comb += [
                write.data.eq(self.write_data.replicate(count)),
                write.en.eq(self.write << self.write_chunk),
            ]
        else:
            m.d.comb += [write.data.eq(self.write_data), write.en.eq(self.write)]
