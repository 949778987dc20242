"""The verbs build, flash and boards; the tools are not run."""

import json
import re
from pathlib import Path

import pytest
from stablespike.boards.registry import BOARDS, board
from stablespike.cli import main
from stablespike.support.errors import ToolError


def test_boards(capsys):
    assert main(["boards", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["boards"]
    assert [row["board"] for row in rows] == list(BOARDS)
    (row,) = (row for row in rows if row["board"] == "icebreaker")
    assert row == {
        "board": "icebreaker", "title": "1BitSquared iCEBreaker", "device": "iCE40UP5K-SG48",
        "array": "icebreaker", "slots_per_cycle": 64, "clock_mhz": row["clock_mhz"],
        "link": "uart", "baud": 6_000_000, "state": "routed in CI", "links": row["links"],
    }
    assert main(["boards"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(BOARDS)
    assert lines[0].split()[:3] == ["board", "device", "array"]


def test_build(capsys, fake, tmp_path):
    out = tmp_path / "mine.bin"
    assert main(["build", "icebreaker", "--json", "--seeds", "2", "-o", str(out)]) == 0
    captured = capsys.readouterr()
    figures = json.loads(captured.out)
    assert figures["bitstream"] == str(out)
    assert out.read_bytes() == b"packed 1.asc"
    wanted = {
        "board", "build_id", "slots_per_cycle", "fmax_mhz", "clock_mhz", "logic_cells", "seed",
        "bitstream",
    }
    assert wanted <= set(figures)
    assert "place and route: 2 seeds" in captured.err
    assert main(["build", "icebreaker", "--seeds", "2", "-o", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "is in the cache" in captured.err
    assert (tmp_path / "icebreaker.bin").is_file()
    for words in ("critical path", "core0.scanner (row) to uart (left)", "logic cells    4,000"):
        assert words in captured.out
    assert main(["build", "icebreaker", "--seeds", "2", "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_a_vendors_project(capsys, tmp_path):
    assert main(["build", "arty-a7-35t", "-o", str(tmp_path / "project")]) == 0
    captured = capsys.readouterr()
    assert "arty-a7-35t needs its vendor's tool, which is not part of this" in captured.err
    assert (tmp_path / "project" / "top.tcl").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build", "icebraker"], 2, "not 'icebraker': did you mean icebreaker?"),
        (["build", "ulx3s"], 2, "did you mean ulx3s-85f"),
        (["build", "zzz"], 2, "'stablespike boards' lists them"),
        (["flash", "tang-nano"], 2, "did you mean tang-nano-9k"),
        (["build", "icebreaker", "--array", "none"], 2, "not 'none'"),
        (["build", "icebreaker", "--seeds", "0"], 2, "seeds"),
        (["build", "hx8k", "--array", "icebreaker"], 2, "too many"),
        (["flash", "icebreaker", "--bitstream", "none.bin"], 2, "there is no file none.bin"),
        (["flash", "icebreaker", "--bitstream", "a", "--array", "b"], 2, "leave one of them out"),
        (["flash", "arty-a7-35t"], 2, "with an open tool chain, not arty-a7-35t"),
    ],
)
def test_wrong_use(capsys, fake, arguments, code, message):
    assert main(arguments) == code
    assert message in capsys.readouterr().err
    assert not fake.calls


def test_failures(capsys, fake, tmp_path):
    fake.rates = {1: 20.0, 2: ToolError("nextpnr-ice40 failed with status 1"), 3: 30.0}
    assert main(["build", "icebreaker", "--array", "icebreaker"]) == 1
    assert "the worst path: core0.scanner (row) to uart" in capsys.readouterr().err
    assert main(["build", "icebreaker", "--allow-timing-failure", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["met"] is False
    assert main(["build", "icebreaker", "--seed", "2"]) == 3
    assert "nextpnr-ice40 failed" in capsys.readouterr().err
    assert main(["build", "icebreaker", "--seed", "3", "-o", str(tmp_path / "no" / "x")]) == 2
    assert "x cannot be written: No such file or directory" in capsys.readouterr().err


@pytest.fixture
def loader(monkeypatch, tmp_path):
    """An openFPGALoader that writes its arguments to the file ``told``."""
    script = tmp_path / "openFPGALoader"
    script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/told\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def test_the_documented_commands(capsys, fake, loader, monkeypatch, tmp_path):
    monkeypatch.setattr("stablespike.boards.ecp5.Ecp5Board.finish", lambda board, netlist: None)
    page = (Path(__file__).parents[2] / "docs" / "boards.md").read_text()
    commands = re.findall(r"^ {4}stablespike ((?:build|flash|boards)[^#\n]*)", page, re.M)
    assert len(commands) == 6
    monkeypatch.chdir(tmp_path)
    (array,) = re.findall(r"(?:^ {4}\w+ = .*\n)+", page, re.M)
    (tmp_path / "own.toml").write_text(array)
    for command in commands:
        assert main(command.split()) == 0, capsys.readouterr().err


def test_flash_builds_first(capsys, fake, loader, tmp_path):
    assert main(["flash", "icebreaker", "--permanent", "--", "--freq", "1000000"]) == 0
    told = (tmp_path / "told").read_text().split()
    assert told[:5] == ["-b", "ice40_generic", "--write-flash", "--freq", "1000000"]
    assert told[5].endswith("top.bin")
    assert "serial:PORT?baud=6000000; plug in: USB, the port" in capsys.readouterr().err


def test_names_are_looked_up():
    assert board("icebreaker") is BOARDS["icebreaker"]
    with pytest.raises(ValueError, match=f"board must be one of {len(BOARDS)}, not 3"):
        board(3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["icebreaker", "--link", "udp"], "link must be one that icebreaker has, not 'udp': uart"),
        (["icebreaker", "--ip", "10.0.0.7"], "link must be one that icebreaker has, not 'udp'"),
        (["colorlight-5a-75b", "--link", "uart", "--ip", "10.0.0.7"], "ip is for the link udp"),
        (["colorlight-5a-75b", "--ip", "10.0.7"], "ip must be an IPv4 address, not '10.0.7'"),
        (["colorlight-5a-75b", "--ip", "10.0.0.7:x"], "ip must be ADDRESS or ADDRESS:PORT"),
        (["colorlight-5a-75b", "--ip", "10.0.0.7:70000"], "port must be from 1 to 65535"),
    ],
)
def test_wrong_links(capsys, fake, arguments, message):
    assert main(["build", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not fake.calls


def test_the_address_of_a_board_on_ethernet(capsys, fake, monkeypatch):
    monkeypatch.setattr("stablespike.boards.ecp5.Ecp5Board.finish", lambda board, netlist: None)
    ids = set()
    for arguments, address in (
        ([], "udp:192.168.1.50"), (["--ip", "10.0.0.7:5000"], "udp:10.0.0.7:5000")
    ):
        assert main(["build", "colorlight-5a-75b", "--array", "gw1nr-9", "--json", *arguments]) == 0
        figures = json.loads(capsys.readouterr().out)
        assert (figures["link"], figures["address"], figures["baud"]) == ("udp", address, None)
        ids.add(figures["build_id"])
    assert len(ids) == 2
