"""A core's memory that the host writes in 16-bit chunks and the core reads in rows.

On an iCE40UP5K, memories of 2,048 rows and more live in its single-port RAM.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..lib.checks import check_int
from ..lib.ports import CHUNK_BITS
from ..vendor.devices import has_single_port_ram
from ..vendor.memory import collision_free_memory
from ..vendor.spram import SPRAM_DEPTH, SPRAM_WORTH, single_port_ram

__all__ = ["HostMemory", "chunks"]


def chunks(width: int) -> int:
    """Chunks a row of ``width`` bits is written in."""
    return -(-width // CHUNK_BITS)


class HostMemory(wiring.Component):
    """``depth`` rows of ``width`` bits; one access per cycle, a write before a read.

    The two sides never meet, so that the memory maps to a single-port one. A read in the
    cycle of a write returns an undefined row: the host writes only while the core is idle, and the
    sequencer reads again what it had read ahead.

    Parameters
    ----------
    width : bits of a row. depth : rows.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, the value and what is allowed.

    Members
    -------
    address : row to read; ``data`` is that row one cycle later, held until ``enable`` or
        ``write``.
    write, write_address, write_chunk, write_data : chunk ``write_chunk`` of a row becomes
        ``write_data`` (bits beyond ``width`` are dropped by the host's layout, which has none).
    """

    def __init__(self, width: int, depth: int) -> None:
        self.width, self.depth = check_int("width", width, 1), check_int("depth", depth, 1)
        address = max(1, (depth - 1).bit_length())
        super().__init__(
            {
                "address": In(unsigned(address)),
                "enable": In(1),
                "data": Out(width),
                "write": In(1),
                "write_address": In(unsigned(address)),
                "write_chunk": In(unsigned(max(1, (chunks(width) - 1).bit_length()))),
                "write_data": In(CHUNK_BITS),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        if has_single_port_ram(platform) and self.depth >= SPRAM_WORTH:
            self.single_port(m)
        else:
            self.inferred(m)
        return m

    def single_port(self, m: Module) -> None:
        """One SPRAM per chunk and 16,384 rows, the banks' outputs selected a cycle later."""
        banks = -(-self.depth // SPRAM_DEPTH)
        address = Signal.like(self.address)
        m.d.comb += address.eq(self.address)
        with m.If(self.write):
            m.d.comb += address.eq(self.write_address)
        bank = Signal.like(address[14:])
        with m.If(self.enable):
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
                    here & (write | (self.enable & ~self.write)), write, self.write_data,
                )
                part = self.data[chunk * CHUNK_BITS : (chunk + 1) * CHUNK_BITS]
                with m.If(bank == b):
                    m.d.comb += part.eq(data[: len(part)])

    def inferred(self, m: Module) -> None:
        """A memory for the tools to map, its rows whole chunks where there are several."""
        count = chunks(self.width)
        stored = count * CHUNK_BITS if count > 1 else self.width
        m.submodules.memory = memory = collision_free_memory(stored, self.depth)
        write = memory.write_port(granularity=CHUNK_BITS if count > 1 else None)
        read = memory.read_port()
        m.d.comb += [
            write.addr.eq(self.write_address),
            read.addr.eq(self.address),
            read.en.eq(self.enable & ~self.write),
            self.data.eq(read.data),
        ]
        if count > 1:
            m.d.comb += [
                write.data.eq(self.write_data.replicate(count)),
                write.en.eq(self.write << self.write_chunk),
            ]
        else:
            m.d.comb += [write.data.eq(self.write_data), write.en.eq(self.write)]
