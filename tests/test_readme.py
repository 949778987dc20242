"""README's own example runs as it stands there, and its commands are ones that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_example_runs(capsys):
    example = re.search(r"(?:^ {4}.*\n|^\n)+", README[README.index("## Your own network"):], re.M)
    code = re.sub(r"^ {4}", "", example.group(), flags=re.M)
    assert "open_device" in code
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["result"].prediction.shape == (8,)
    assert (names["result"].counters["cycles"] > 0).all()
    assert "cycles" in capsys.readouterr().out


def test_its_sessions_exist():
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.M))
    named = re.findall(r"nox -s (\w+)", README)
    assert {"demo", "tests"} <= set(named) <= sessions


def test_its_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
