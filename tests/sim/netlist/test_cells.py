"""Models of memories and multipliers: the mapped design does what the gateware says."""

import os
import random
from dataclasses import dataclass

import pytest
from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from stablespike.hw.core.host_memory import HostMemory
from stablespike.sim.board.board import SimTransport
from stablespike.sim.board.verilog import board_verilog
from stablespike.sim.netlist.netlist import netlist_verilog
from stablespike.spec import ArrayConfig
from synthesis import STREAM_PINS, synthesize

CLOCKS = 60_000
# The memories of the iCE40 take a minute, so only `nox -s cells` has them.
FAMILIES = ["ecp5", "ice40"] if os.environ.get("STABLESPIKE_CELLS") else ["ecp5"]


@dataclass(frozen=True)
class Shape:
    """Shape of a memory.

    Attributes
    ----------
    width : int
        Bits of a row.
    depth : int
        Number of rows.
    part : int or None
        Bits of a row that are written together; None for all of them.
    transparent : bool
        Whether a read in the cycle of a write returns what is written; otherwise it is undefined.
    rom : bool
        Whether the memory is never written.
    """

    width: int
    depth: int
    part: int | None = None
    transparent: bool = False
    rom: bool = False


SHAPES = {
    # Every width of a block, and the memories of the gateware: words, flags, parameters, tables,
    # ring buffers.
    "ecp5": [
        Shape(1, 16384), Shape(2, 8192), Shape(4, 4096), Shape(9, 2048), Shape(18, 1024),
        Shape(36, 512), Shape(36, 512, transparent=True), Shape(128, 512, 16), Shape(8, 1024),
        Shape(32, 256, rom=True), Shape(64, 32, 16), Shape(13, 16, transparent=True),
        Shape(8, 512, transparent=True),
    ],
    "ice40": [
        Shape(2, 2048), Shape(4, 1024), Shape(8, 512), Shape(16, 256),
        Shape(16, 256, transparent=True), Shape(64, 256), Shape(64, 512, 16),
        Shape(9, 512), Shape(32, 256, rom=True), Shape(8, 512, transparent=True),
    ],
}


class Exercise(wiring.Component):
    """Memories and a multiplier under random stimulus, with a byte in and a byte out per clock.

    Parameters
    ----------
    shapes : list of Shape
        Memories to exercise.
    clash : bool
        Whether to use what a read returns in the cycle of a write, although it is undefined.
        Then there are only the memories, without a multiplier and a host's memory.
    """

    rx: In(stream.Signature(8))
    tx: Out(stream.Signature(8))

    def __init__(self, shapes, clash=False):
        self.shapes, self.clash = shapes, clash
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        state = Signal(64, init=0x9E3779B97F4A7C15)
        mixed = state ^ (state << 13)[:64]
        mixed = mixed ^ (mixed >> 7)
        m.d.comb += [self.rx.ready.eq(1), self.tx.valid.eq(self.rx.valid)]
        with m.If(self.rx.valid):
            m.d.sync += state.eq((mixed ^ (mixed << 17)[:64]) ^ self.rx.payload)
        seen = [self.memory(m, i, shape, state) for i, shape in enumerate(self.shapes)]
        if not self.clash:
            seen += [self.product(m, state), self.host_memory(m, state)]
        folded = 0
        for bits in seen:
            for at in range(0, len(bits), 8):
                folded = folded ^ bits[at : at + 8]
        m.d.comb += self.tx.payload.eq(folded)
        return m

    def memory(self, m, index, shape, state):
        rng = random.Random(index)
        memory = Memory(
            shape=unsigned(shape.width), depth=shape.depth,
            init=[rng.getrandbits(shape.width) for _ in range(min(shape.depth, 64))],
        )
        m.submodules[f"memory_{index}"] = memory
        write = None if shape.rom else memory.write_port(granularity=shape.part)
        read = memory.read_port(transparent_for=[write] if shape.transparent else [])
        # Few rows, so that what is written is also read, and reads meet writes.
        rows = state[: min(6, len(read.addr))]
        m.d.comb += [
            read.addr.eq(rows if index % 2 else state[: len(read.addr)]), read.en.eq(state[20])
        ]
        clash = Signal()
        if write is not None:
            other = state[30 : 30 + min(6, len(write.addr))]
            m.d.comb += [
                write.addr.eq(other if index % 2 else state[30 : 30 + len(write.addr)]),
                write.data.eq(Cat(state[11:], state[3:], state)),
                write.en.eq(state[44:]),
            ]
            if not (shape.transparent or self.clash):
                with m.If(read.en):
                    m.d.sync += clash.eq(write.en.any() & (write.addr == read.addr))
        seen, begun = Signal(shape.width), Signal()
        with m.If(read.en):
            m.d.sync += begun.eq(1)
        with m.If(begun & ~clash):
            m.d.comb += seen.eq(read.data)
        return seen

    def product(self, m, state):
        product = Signal(signed(32))
        m.d.sync += product.eq(state[:16].as_signed() * state[32:48].as_signed())
        return product.as_unsigned()

    def host_memory(self, m, state):
        """A host memory, filled first because its single-port form starts with arbitrary values."""
        m.submodules.host = memory = HostMemory(64, 2048)
        filled = Signal(14)
        known = Signal()
        seen = Signal(64)
        with m.If(~filled[13]):
            m.d.sync += filled.eq(filled + 1)
            m.d.comb += [
                memory.write.eq(1), memory.write_address.eq(filled[2:]),
                memory.write_chunk.eq(filled[:2]),
            ]
        with m.Else():
            m.d.comb += [
                memory.write.eq(state[50]), memory.write_address.eq(state[2:13]),
                memory.write_chunk.eq(state[:2]), memory.read.enable.eq(state[51]),
                memory.read.address.eq(state[20:31]),
            ]
            with m.If(memory.write):
                m.d.sync += known.eq(0)
            with m.Elif(memory.read.enable):
                m.d.sync += known.eq(1)
        m.d.comb += memory.write_data.eq(state[33:])
        with m.If(known):
            m.d.comb += seen.eq(memory.read.data)
        return seen


def exchange(verilog, data, count):
    """The board's answer to all of the data."""
    board = SimTransport(ArrayConfig(), verilog=verilog, quick=True)
    board.write(data)
    answer = b""
    while len(answer) < count:
        part = board.read(60)
        assert part, f"{len(answer)} of {count} bytes came"
        answer += part
    return answer


@pytest.mark.parametrize("family", FAMILIES)
def test_mapped_memories_are_what_was_written(family):
    component = Exercise(SHAPES[family])
    netlist = synthesize(component, family)
    used = {"ice40": {"SB_RAM40_4K", "SB_SPRAM256KA"},
            "ecp5": {"DP16KD", "TRELLIS_DPR16X4", "MULT18X18D"}}[family]
    assert used <= set(netlist.kinds)
    data = random.Random(1).randbytes(CLOCKS)
    answer = exchange(board_verilog(component), data, CLOCKS)
    assert len(set(answer)) == 256
    assert exchange(netlist_verilog(netlist, STREAM_PINS, {"tx__ready": 1}), data, CLOCKS) == answer


@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_a_read_that_meets_a_write_is_seen(family):
    component = Exercise([Shape(8, 512)], clash=True)
    netlist = synthesize(component, family)
    data = random.Random(1).randbytes(CLOCKS)
    right = exchange(board_verilog(component), data, CLOCKS)
    wrong = exchange(netlist_verilog(netlist, STREAM_PINS, {"tx__ready": 1}), data, CLOCKS)
    share = sum(a != b for a, b in zip(right, wrong, strict=True)) / CLOCKS
    # One read in 512 meets a write; a wrong word is seen until the next read.
    assert 0.0002 < share < 0.01


class Reads(wiring.Component):
    """A memory that is read without a clock, and one with a transparent read port."""

    address: In(4)
    data: In(4)
    write: In(1)
    plain: Out(4)
    transparent: Out(4)

    def elaborate(self, platform):
        m = Module()
        for output in (self.plain, self.transparent):
            m.submodules += (memory := Memory(shape=unsigned(4), depth=16, init=[]))
            write = memory.write_port()
            read = memory.read_port(domain="comb") if output is self.plain else (
                memory.read_port(transparent_for=[write])
            )
            m.d.comb += [
                write.addr.eq(self.address), write.data.eq(self.data), write.en.eq(self.write),
                read.addr.eq(self.address), output.eq(read.data),
            ]
        return m


def test_reads_that_are_always_defined_stay_so():
    assert synthesize(Reads(), "ecp5").kinds["TRELLIS_DPR16X4"] == 2


PORTS = [
    # widths, write modes and registers of the two ports
    (18, 9, "NORMAL", "READBEFOREWRITE", "NOREG", "NOREG"),
    (9, 18, "WRITETHROUGH", "NORMAL", "NOREG", "OUTREG"),
    (1, 4, "READBEFOREWRITE", "WRITETHROUGH", "NOREG", "NOREG"),
    (2, 18, "NORMAL", "NORMAL", "OUTREG", "NOREG"),
    (36, 36, "NORMAL", "NORMAL", "NOREG", "NOREG"),
    (36, 9, "NORMAL", "NORMAL", "NOREG", "NOREG"),
    (36, 1, "NORMAL", "NORMAL", "NOREG", "OUTREG"),
]
IN_BYTES = 12
OUT_BYTES = 5


class Blocks(wiring.Component):
    """Block RAMs that run for one clock per 12 bytes; each of them sends 5 bytes back."""

    rx: In(stream.Signature(8))
    tx: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        pins = Signal(8 * IN_BYTES)
        got = Signal(range(IN_BYTES + 1))
        left = Signal(range(OUT_BYTES * len(PORTS) + 1))
        out = Signal(8 * OUT_BYTES * len(PORTS))
        results = []
        run, after = Signal(), Signal(2)
        m.d.comb += [
            self.rx.ready.eq((got != IN_BYTES) & (left == 0) & (after == 0)),
            run.eq(got == IN_BYTES),
            self.tx.valid.eq(left != 0),
            self.tx.payload.eq(out[:8]),
        ]
        m.d.sync += after.eq(Cat(run, after[0]))
        with m.If(run):
            m.d.sync += got.eq(0)
        with m.Elif(self.rx.valid & self.rx.ready):
            m.d.sync += [pins.eq(Cat(pins[8:], self.rx.payload)), got.eq(got + 1)]
        for index, (a, b, mode_a, mode_b, register_a, register_b) in enumerate(PORTS):
            doa, dob = Signal(18, name=f"doa{index}"), Signal(18, name=f"dob{index}")
            clock = ClockSignal()
            numbered = {
                f"{way}_{name}{i}": bits[i]
                for way, name, bits in (
                    ("i", "DIA", pins[:18]), ("i", "DIB", pins[18:36]), ("i", "ADA", pins[36:50]),
                    ("i", "ADB", pins[50:64]), ("i", "CSA", pins[64:67]),
                    ("i", "CSB", pins[67:70]), ("o", "DOA", doa), ("o", "DOB", dob),
                )
                for i in range(len(bits))
            }
            m.submodules[f"block{index}"] = Instance(
                "DP16KD",
                p_DATA_WIDTH_A=a, p_DATA_WIDTH_B=b, p_WRITEMODE_A=mode_a, p_WRITEMODE_B=mode_b,
                p_REGMODE_A=register_a, p_REGMODE_B=register_b, p_CLKAMUX="CLKA",
                p_CLKBMUX="CLKB", p_CSDECODE_A="0b000", p_CSDECODE_B="0b000", p_RESETMODE="SYNC",
                i_CLKA=clock, i_CLKB=clock, i_RSTA=0, i_RSTB=0,
                i_CEA=run & pins[72], i_CEB=run & pins[73], i_WEA=pins[74], i_WEB=pins[75],
                i_OCEA=after[0] & pins[76], i_OCEB=after[0] & pins[77], **numbered,
            )
            results.append(Cat(doa, dob, Const(0, 4)))
        with m.If(after[1]):
            m.d.sync += [out.eq(Cat(*results)), left.eq(OUT_BYTES * len(PORTS))]
        with m.Elif((left != 0) & self.tx.ready):
            m.d.sync += [out.eq(out >> 8), left.eq(left - 1)]
        return m


class Block:
    """A block RAM as its vendor describes it: 2,048 bytes of 9 bits; narrow ports use 8 of them."""

    def __init__(self, a, b, mode_a, mode_b, register_a, register_b):
        self.width = a, b
        self.mode = mode_a, mode_b
        self.registered = register_a == "OUTREG", register_b == "OUTREG"
        self.bits = [0] * (2048 * 9)
        self.latch = [[0] * 36, [0] * 36]
        self.register = [[0] * 36, [0] * 36]

    def positions(self, port, address):
        """Positions of the bits that a port selects, from its lowest pin up."""
        width = self.width[port]
        if width < 9:
            byte, within = address >> 3, (address & 7) // width * width
            return [9 * byte + within + i for i in range(width)]
        first = 9 * (address >> 3) // width * width
        return [first + i for i in range(width)]

    def clock(self, enable, write, address, data, output):
        pdp = self.width[0] == 36
        positions = [self.positions(port, address[port]) for port in (0, 1)]
        if pdp:
            data, write = ((data[1] << 18) | data[0], 0), (write[0], 0)
        written = [{}, {}]
        for port in (0, 1):
            if enable[port] and write[port]:
                for i, position in enumerate(positions[port]):
                    if self.width[port] < 18 or address[port] >> i // 9 & 1:
                        written[port][position] = data[port] >> i & 1
        for port in (0, 1):
            other, mode = written[1 - port], self.mode[port]
            holds = write[port] and mode == "NORMAL"
            if enable[port] and not holds and not (pdp and port == 0):
                self.latch[port] = [
                    self.bits[position] ^ (position in other) for position in positions[port]
                ]
                if mode == "WRITETHROUGH":
                    self.latch[port] = [
                        written[port].get(position, bit)
                        for position, bit in zip(positions[port], self.latch[port], strict=True)
                    ]
                self.latch[port] += [0] * (36 - len(self.latch[port]))
        for position in written[0].keys() | written[1].keys():
            both = position in written[0] and position in written[1]
            self.bits[position] = written[1].get(position, written[0].get(position)) ^ both
        for port in (0, 1):
            if output[port]:
                self.register[port] = self.latch[port]

    def out(self):
        """The output pins of both ports as one number."""
        sources = [
            self.register[port] if self.registered[port] else self.latch[port] for port in (0, 1)
        ]
        if self.width[1] == 36:
            pins = sources[1]
        elif self.width[0] == 36:
            pins = [0] * 18 + sources[1][:18]
        else:
            pins = sources[0][:18] + sources[1][:18]
        return sum(bit << i for i, bit in enumerate(pins))


def test_a_block_ram_is_as_documented():
    rng = random.Random(2)
    netlist = synthesize(Blocks(), "ecp5")
    assert netlist.kinds["DP16KD"] == len(PORTS)
    blocks = [Block(*ports) for ports in PORTS]
    operations = 4000
    sent, expected = b"", b""
    for _ in range(operations):
        # Few rows; ports that are mostly on.
        address = tuple(rng.getrandbits(14) & 0b10000000111111 for _ in range(2))
        data = rng.getrandbits(18), rng.getrandbits(18)
        select = [rng.choice([0, 0, 0, rng.randrange(8)]) for _ in range(2)]
        enable, write, output = ([rng.random() < p for _ in range(2)] for p in (0.9, 0.5, 0.7))
        word = data[0] | data[1] << 18 | address[0] << 36 | address[1] << 50
        word |= select[0] << 64 | select[1] << 67
        for i, pair in enumerate((enable, write, output)):
            word |= (pair[0] | pair[1] << 1) << 72 + 2 * i
        sent += word.to_bytes(IN_BYTES, "little")
        for block in blocks:
            on = [enable[i] and not select[i] for i in (0, 1)]
            block.clock(on, write, address, data, output)
            expected += block.out().to_bytes(OUT_BYTES, "little")
    found = exchange(netlist_verilog(netlist, STREAM_PINS, {"tx__ready": 1}), sent, len(expected))
    size = OUT_BYTES * len(PORTS)
    for at in range(operations):
        for index, ports in enumerate(PORTS):
            answer = slice(size * at + OUT_BYTES * index, size * at + OUT_BYTES * (index + 1))
            assert found[answer] == expected[answer], (at, ports)
