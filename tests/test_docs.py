"""The examples of the documentation run as they stand there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import stablespike as ss
from stablespike.cli import main

ROOT = Path(__file__).parents[1]
MODEL = """
import snntorch as snn
import torch


def build():
    return torch.nn.Sequential(
        torch.nn.Linear(64, 32), snn.Leaky(beta=0.5, init_hidden=True),
        torch.nn.Linear(32, 4), snn.Leaky(beta=0.5, init_hidden=True, output=True),
    )
"""


def blocks(page, language):
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def test_importing(tmp_path, monkeypatch, capsys):
    pytest.importorskip("snntorch")
    pytest.importorskip("nir")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, code in enumerate(blocks("import.md", "python")):
        exec(compile(code, f"import.md, block {number}", "exec"), names)
    fidelity = names["network"].fidelity
    assert "leak 0.9 asked, 0.90625 used" in capsys.readouterr().out
    assert min(layer.spikes.agreement for layer in fidelity.layers) > 0.9
    assert 0.02 < fidelity.layers[-1].spikes.rate < 0.9
    assert np.isfinite(names["result"].readout).all()
    Path("model.py").write_text(MODEL)
    commands = blocks("import.md", "sh")[0].strip().splitlines()
    assert len(commands) == 2
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "stablespike"
        assert main(arguments) == 0
    assert ss.load("same.safetensors") == names["network"]


def test_links_lead_somewhere():
    for page in (ROOT / "docs").glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
