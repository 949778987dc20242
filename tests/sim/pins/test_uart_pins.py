"""A board at the pins of its UART: bytes, rates, time and errors, on a wire from pin to pin."""

import pytest
from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import io
from stablespike.boards.registry import BOARDS
from stablespike.sim.pins.design import elaborate
from stablespike.sim.pins.uart import UartPins
from stablespike.spec.link import BAUD_DEFAULT, CLOCKS_PER_BIT_MIN
from stablespike.support.errors import LinkError

BOARD = BOARDS["icebreaker"]
FASTEST = BOARD.clock_hz // CLOCKS_PER_BIT_MIN


class Loop(Elaboratable):
    """Drives the transmit pin with the receive pin of three clocks before."""

    def elaborate(self, platform):
        m = Module()
        uart = platform.request("uart", 0, dir="-")
        m.domains.sync = sync = ClockDomain(reset_less=True)
        BOARD.add_pll(
            m, platform.request(platform.default_clk, dir="-"), BOARD.pll, sync.clk, Signal()
        )
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        line = Signal(3, init=7)
        m.d.sync += line.eq((line << 1) | rx.i)
        m.d.comb += tx.o.eq(line[2])
        return m


@pytest.fixture(scope="module")
def design():
    return elaborate(Loop(), BOARD)


@pytest.fixture
def board(design):
    board = UartPins(BOARD, BOARD.link("uart"), quick=True, design=design)
    yield board
    board.close()


def collect(board, count):
    data = b""
    while len(data) < count:
        part = board.read(10)
        assert part, f"{len(data)} of {count} bytes came"
        data += part
    return data


@pytest.mark.parametrize("baud", [BAUD_DEFAULT, 3_000_000, FASTEST])
def test_bytes_take_ten_bits_of_the_rate(board, baud):
    board.set_baud(baud)
    data = bytes(range(256))
    board.write(data[:1])
    board.write(data[1:])
    assert collect(board, 256) == data
    statistics = board.statistics
    assert statistics.wire_bytes == (256, 256)
    assert statistics.occupied == (2560 * (10**12 // baud),) * 2
    assert statistics.picoseconds == pytest.approx(2560e12 / baud, rel=0.02)
    assert statistics.cycles == pytest.approx(statistics.picoseconds * 24e-6, abs=2)


def test_time_stands_still_outside_read_and_stops_in_silence(board):
    board.write(b"x")
    assert board.read(0) == b""
    assert board.statistics.picoseconds == 0
    assert board.read(10) == b"x"
    before = board.cycles
    assert board.read(60) == b""
    assert 0 < board.cycles - before <= 400_000
    board.run(10**9)
    assert board.statistics.picoseconds % 10**9 > 0


def test_a_slow_host(board):
    board.set_latency(5 * 10**9)
    board.write(b"x")
    board.run(4 * 10**9)
    assert board.statistics.wire_bytes == (0, 0)
    board.write(b"y")
    assert collect(board, 1) == b"x"
    assert 5 * 10**9 < board.statistics.picoseconds < 9 * 10**9
    assert collect(board, 1) == b"y"
    assert board.statistics.picoseconds > 9 * 10**9


def test_a_reset_drops_bytes_and_returns_to_the_default_rate(board):
    board.set_baud(FASTEST)
    board.write(b"never")
    board.reset()
    board.write(b"again")
    assert collect(board, 5) == b"again"
    assert board.statistics.occupied[1] == 50 * (10**12 // BAUD_DEFAULT)


def test_a_rate_beyond_the_clock(board):
    with pytest.raises(LinkError, match=f"baud: at {BOARD.clock_hz} Hz at most {FASTEST}"):
        board.set_baud(FASTEST + 1)


def test_a_closed_board_says_so(board):
    board.write(b"x")
    board.read(1)
    cycles = board.cycles
    board.close()
    board.close()
    assert board.cycles == cycles
    for use in (lambda: board.read(1), lambda: board.write(b"x"), board.reset):
        with pytest.raises(LinkError, match="simulated icebreaker is closed: open the device"):
            use()


def test_two_boards_do_not_share_state(board, design):
    other = UartPins(BOARD, BOARD.link("uart"), quick=True, design=design)
    board.write(b"ab")
    other.write(b"c")
    assert (collect(board, 2), collect(other, 1)) == (b"ab", b"c")
    other.close()
