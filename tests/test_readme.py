"""README's own example runs as it stands there, and its commands are ones that exist."""

import re
from pathlib import Path

import numpy as np
import stablespike as ss
from stablespike.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
NET = ss.Network(
    ss.SpikeInput((100,)), [ss.Dense(np.ones((10, 100), int), neuron=ss.Neuron(threshold=200))]
)
SAMPLES = np.zeros((8, 4, 100), bool)


def test_the_example_runs(capsys):
    section = README[README.index("## Your own network"):]
    example = re.search(r"^ {4}.*\n(?:^ {4}.*\n|^\n)*", section, re.M)
    code = re.sub(r"^ {4}", "", example.group(), flags=re.M)
    assert "open_device" in code
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["result"].prediction.shape == (8,)
    assert (names["result"].counters["cycles"] > 0).all()
    assert "cycles" in capsys.readouterr().out


def test_its_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    section = README[README.index("## Your own network"):]
    for line in re.findall(r"`([^`]*save\([^`]*\))`", section):
        exec(line, {"ss": ss, "np": np, "net": NET, "samples": SAMPLES})
    commands = re.findall(r"^ {4}stablespike (.*)$", section, re.M)
    assert len(commands) == 3
    for command in commands:
        assert main(command.split()) == 0, capsys.readouterr().err
    assert (tmp_path / "result.npz").exists()


def test_its_sessions_exist():
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.M))
    named = re.findall(r"nox -s (\w+)", README)
    assert {"demo", "tests"} <= set(named) <= sessions


def test_its_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
