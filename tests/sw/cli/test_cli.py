"""The command line as a whole: help, wrong use, log lines, and the verb doctor."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stablespike.cli import main
from stablespike.cli.console import plain
from stablespike.program.files import load_program
from verbs import Out, call


def test_help_is_light() -> None:
    code = (
        "import sys; from stablespike.cli import main; main(['--help']); "
        "heavy = {'numpy', 'torch', 'amaranth', 'cocotb', 'rich', 'matplotlib'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for verb in ("demo", "train", "frames", "compile", "run", "verify", "report", "doctor"):
        assert f"  {verb} " in done.stdout


@pytest.mark.parametrize(
    "verb",
    [
        "demo", "train", "frames", "import", "compile", "run", "verify", "report", "bench",
        "doctor",
    ],
)
def test_help_of_verbs(capsys: Out, verb: str) -> None:
    code, out, _ = call(capsys, verb, "--help")
    assert code == 0
    assert "--json" in out
    assert "--quiet" in out
    assert "--verbose" in out


def test_version(capsys: Out) -> None:
    code, out, _ = call(capsys, "--version")
    assert code == 0
    assert out.startswith("stablespike 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "error: No such command 'nothing'. (stablespike --help lists"),
        (["demo", "--nothing"], "error: No such option: --nothing"),
        (["demo", "--images", "0"], "error: Invalid value for '--images'"),
        (["demo", "--images", "1001"], "error: images must be from 1 to 1000, not 1001"),
        (["bench", "--images", "5000"], "error: images must be from 1 to 1000, not 5000"),
        (["bench", "--device", "sim:no"], "error: 'sim:no' names no preset: sim: takes one of"),
        (["demo", "--array", "nothing"], "error: array must be an ArrayConfig or one of"),
        (["report"], "error: Missing argument 'FILE'"),
        (["report", "/nothing"], "error: "),
        (["train", "nothing"], "error: "),
        (["bench", "--device", "usb:0"], "error: uri must be golden:"),
        (["bench", "--device", "sim:"], "error: 'sim:' names no preset: sim: takes one of icebr"),
    ],
)
def test_wrong_use(capsys: Out, arguments: list[str], message: str) -> None:
    code, out, err = call(capsys, *arguments)
    assert code == 2
    assert not out
    assert err.startswith(message)
    assert "Traceback" not in err


def test_no_verb_lists_them(capsys: Out) -> None:
    code, _, err = call(capsys)
    assert code == 2
    assert "Commands:" in err


def test_interrupted(capsys: Out, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stablespike.program.files.load_program", interrupt)
    code, _, err = call(capsys, "report", files / "program")
    assert code == 130
    assert err == "interrupted\n"


def test_a_fault_of_ours_is_not_hidden(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("stablespike.program.files.load_program", fail)
    with pytest.raises(ZeroDivisionError):
        main(["report", str(files / "program")])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("times", [1, 200])  # less and more than what is held back
def test_an_output_that_is_full(times: int) -> None:
    code = _PRINTING.format(times)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 3
    assert re.fullmatch(r"error: .*No space left on device\n", done.stderr)


@pytest.mark.parametrize("times", [1, 200])
def test_an_output_nobody_reads(times: int) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", _PRINTING.format(times)],
        stdout=write, stderr=subprocess.PIPE, text=True,
    )
    os.close(write)
    assert done.returncode == 141
    assert not done.stderr


_PRINTING = """
import sys
from stablespike import cli
@cli.app.command()
def lines():
    for _ in range({}):
        print("x" * 99)
sys.exit(cli.main(["lines"]))
"""


def test_other_errors_of_the_system(
    capsys: Out, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("stablespike.program.files.load_program", fail)
    code, _, err = call(capsys, "report", files / "program")
    assert code == 3
    assert err == f"error: [Errno 13] Permission denied: '{files / 'program'}'\n"


def test_log_lines(capsys: Out, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def log(path: Path) -> Any:
        logger = logging.getLogger("stablespike.sim.board.board")
        logger.info("detail")
        logger.warning("important")
        return load_program(path)

    monkeypatch.setattr("stablespike.program.files.load_program", log)
    both = "detail\nimportant\n"
    for option, lines in (("-q", ""), ("-v", both), ("-vv", both)):
        assert call(capsys, "report", files / "program", option)[2] == lines
    assert call(capsys, "report", files / "program")[2] == "important\n"
    assert call(capsys, "-q", "report", files / "program")[2] == ""


@pytest.mark.parametrize(
    ("own", "pinged", "found", "detail"),
    [
        (None, None, False, "no address in 192.168.1.0/24, beside 192.168.1.50 of boards"),
        ("10.0.0.5", True, False, "no address in 192.168.1.0/24"),
        ("192.168.1.100", False, False, "192.168.1.100; 192.168.1.50 does not answer ping"),
        ("192.168.1.100", True, True, "192.168.1.50 answers ping"),
        ("192.168.1.100", None, True, "was not pinged: no right"),
    ],
)
def test_doctor_looks_for_boards_on_ethernet(
    monkeypatch: pytest.MonkeyPatch, own: str | None, pinged: bool | None, found: bool, detail: str
) -> None:
    from stablespike.cli import installation

    monkeypatch.setattr(installation, "own_address", lambda _: own)
    monkeypatch.setattr(installation, "answers_ping", lambda *_: pinged)
    check = next(each for each in installation.examine() if each.name == "Ethernet")
    assert (check.found, check.needed) == (found, False)
    assert detail in check.detail
    assert "docs/links/ethernet.md" in check.remedy


def test_doctor(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = call(capsys, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert checks["numpy"]["found"]
    assert checks["shipped network"]["found"]
    assert code == int(any(c["needed"] and not c["found"] for c in checks.values()))
    monkeypatch.setenv("CXX", "nothing++")
    code, out, _ = call(capsys, "doctor")
    assert code == 1
    assert re.search(r"MISSING +C\+\+ compiler +\$CXX is 'nothing\+\+', which is no program", out)
    monkeypatch.delenv("CXX")
    monkeypatch.setattr("shutil.which", lambda name: None)
    code, out, _ = call(capsys, "doctor")
    assert code == 1
    assert "MISSING  C++ compiler" in out
    assert "for sim: devices: apt install g++" in out
    assert "absent   make" in out


def test_doctor_tries_the_cache(
    capsys: Out, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path / "new"))
    assert re.search(rf"ok +cache +{tmp_path}/new\n", call(capsys, "doctor")[1])
    (tmp_path / "file").touch()
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path / "file"))
    code, out, _ = call(capsys, "doctor")
    assert code == 1
    assert re.search(rf"MISSING +cache +{tmp_path}/file takes no files \(File exists\)", out)


class _Terminal:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def test_on_a_terminal(capsys: Out, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Terminal(sys.stdout))
    monkeypatch.setattr(sys, "stderr", _Terminal(sys.stderr))
    monkeypatch.setenv("TERM", "dumb")
    code, out, _ = call(
        capsys, "verify", files / "program", files / "samples.npy", "--device", "golden:"
    )
    assert code == 0
    assert "different spike words" in out


def test_plain_values() -> None:
    assert plain(0.12345) == "0.1235"
    assert plain(12345.6) == "12,346"
    assert plain(1234567) == "1,234,567"
    assert plain("x") == "x"
