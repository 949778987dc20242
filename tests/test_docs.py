"""The examples of the documentation run as they stand there."""

import doctest
import json
import re
import shlex
import shutil
from dataclasses import replace
from importlib import import_module
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import stablespike as ss
from recording_files import evt2, hand
from stablespike.cli import main
from stablespike.datasets import shipped_mnist
from stablespike.importers import Options
from stablespike.network.leaks import closest_leak
from tones import WORDS, chirp, pcm, riff, write_ecg, write_emg, write_words

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


def run_commands(text):
    """Run the commands of a block, each of which must succeed."""
    for command in text.replace("\\\n", " ").strip().splitlines():
        program, *arguments = shlex.split(command)
        assert program == "stablespike"
        assert main(arguments) == 0


def without_numbers(lines):
    """Return lines of a report; its numbers depend on the release of torch."""
    return [re.sub(r"\d[\d.]*", "#", line) for line in lines]


def test_importing(tmp_path, monkeypatch, capsys):
    pytest.importorskip("snntorch")
    pytest.importorskip("nir")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, code in enumerate(blocks("import.md", "python")):
        exec(compile(code, f"import.md, block {number}", "exec"), names)
    fidelity = names["network"].fidelity
    printed = capsys.readouterr().out.splitlines()
    assert "leak 0.9 asked, 0.90625 used" in "\n".join(printed)
    shown = blocks("import.md", "text")[0].splitlines()
    assert without_numbers(shown) == without_numbers(printed[-len(shown) :])
    assert min(layer.spikes.agreement for layer in fidelity.layers) > 0.9
    assert 0.02 < fidelity.layers[-1].spikes.rate < 0.9
    assert np.isfinite(names["result"].readout).all()
    Path("model.py").write_text(MODEL)
    commands = blocks("import.md", "sh")[0].strip().splitlines()
    assert len(commands) == 3
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "stablespike"
        assert main(arguments) == 0
    assert ss.load("same.safetensors") == names["network"]


def test_importing_nir(tmp_path, monkeypatch):
    pytest.importorskip("nir")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, code in enumerate(blocks("import-nir.md", "python")):
        exec(compile(code, f"import-nir.md, block {number}", "exec"), names)
    assert names["network"].fidelity.exact
    (command,) = blocks("import-nir.md", "sh")[0].strip().splitlines()
    assert main(shlex.split(command)[1:]) == 0
    assert ss.load("net.safetensors") == names["network"]


def test_every_option_of_importers_is_documented():
    page = (ROOT / "docs" / "import.md").read_text()
    table = re.search(r"^\| question .*\n((?:\|.*\n)+)", page, re.M)[1]
    for name in Options.__annotations__:
        assert f"`{name}`" in table, name
    page = (ROOT / "docs" / "import-nir.md").read_text()
    table = re.search(r"^\| question .*\n((?:\|.*\n)+)", page, re.M)[1]
    own = [*signature(ss.from_nir).parameters][1:-1]
    for name in own:
        assert f"`{name}`" in table, name


def test_how_far_a_decay_is_from_a_leak():
    """The largest difference is half of the largest gap between two leaks."""
    page = (ROOT / "docs" / "import.md").read_text()
    table = re.search(r"^\| decay from .*\n\| ---.*\n((?:\|.*\n)+)", page, re.M)
    rows = [tuple(map(float, line.strip("|").split("|"))) for line in table[1].splitlines()]
    assert [low for low, _, _ in rows] == [0, *(high for _, high, _ in rows[:-1])]
    assert rows[-1][1] == 1
    for low, high, largest in rows:
        decays = np.linspace(low, high, 1 + 64 * 16)
        errors = [abs(closest_leak(decay).factor - decay) for decay in decays]
        assert max(errors) == largest, (low, high)


def test_recordings(tmp_path, monkeypatch):
    """With recordings in another format, since the name of a file says nothing."""
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    head = "% evt 2.0\n% geometry 128x128\n% end\n"
    for number in range(20):
        path = Path("hands", ("left", "right")[number % 2], f"{number}.raw")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(evt2(hand(left=not number % 2, seed=number + 1), head))
    events = np.array(
        [(40 * i, 37 * i % 128, 11 * i % 128, i % 2) for i in range(6000)],
        [("t", "i8"), ("x", "i8"), ("y", "i8"), ("p", "i8")],
    )
    Path("hand.aedat4").write_bytes(evt2(events, head))
    training, running, imported = blocks("recordings.md", "sh")
    run_commands(training)
    names: dict[str, object] = {}
    run_blocks("recordings.md", names, [0])
    assert names["events"]["x"].max() == 15
    assert names["result"].counters["spikes"].sum() > 0
    run_commands(running)
    same_readout("result.npz", names["result"])
    run_blocks("recordings.md", names, [1])
    full, own = names["full"], names["own"]
    assert (full.lengths.tolist(), own.lengths.tolist()) == ([40, 40], [40, 12])
    assert (full.readout[0] == own.readout[0]).all()
    assert (full.readout[1] != own.readout[1]).any()
    right = ss.fit_events(hand(left=False, seed=99), downscale=8)
    with ss.open_device("golden:") as device:
        device.load(names["program"])
        answer = device.run([right], bin_time=5_000, late="drop").prediction
    classes = json.loads(Path("trained/spikes.json").read_text())["data"]["classes"]
    assert classes[answer[0]] == "right"
    run_blocks("recordings.md", names, [2])
    assert names["frames"].sum() == 6000
    with ss.open_device("golden:") as device:
        device.load(names["program"])
        found = device.run(names["frames"]).readout
    np.testing.assert_array_equal(found, names["result"].readout)
    pytest.importorskip("snntorch")
    Path("model.py").write_text(
        MODEL.replace("torch.nn.Linear(64,", "torch.nn.Flatten(), torch.nn.Linear(2048,")
        .replace("beta=0.5", "beta=0.5, threshold=0.01")
    )
    parts = [events[at : at + 300] for at in range(0, 6000, 300)]
    names["recordings"] = [ss.fit_events(part, downscale=4) for part in parts]
    names["labels"] = np.arange(20) % 4
    scope: dict[str, object] = {}
    exec(Path("model.py").read_text(), scope)
    names["module"] = scope["build"]()
    assert run_blocks("recordings.md", names, [3]) == 4
    assert "of 20 calibration samples" in names["network"].fidelity.samples
    np.savez("hands.npz", *parts, labels=names["labels"])
    run_commands(imported)
    fidelity = ss.load("net.safetensors").fidelity
    assert "of 20 calibration samples" in fidelity.samples
    assert fidelity.accuracy is not None


def test_encoders(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    code = blocks("encoders.md", "python")
    for number, part in enumerate(code):
        exec(compile(part, f"encoders.md, block {number}", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    lines = [line for part in code for line in part.splitlines() if line.startswith("print(")]
    assert len(lines) == len(printed)
    for line, given in zip(lines, printed, strict=True):
        said = re.split(r" {2,}# ", line)[1].partition(":")[0]
        assert given == said or re.match("close to|lines", said), line
    assert printed[-1] == "[0 1 1 1 0 0 0 0] [0 8 1 4 0 0 0 0]"
    assert abs(names["random"].encode(names["image"], 1000)[0].mean(0) - names["image"]).max() < 0.1
    result, same = names["result"], names["same"]
    assert result.counters["spikes"].sum() > 0
    np.testing.assert_array_equal(result.readout, same.readout)
    assert (names["network"].encoder.threshold, names["plain"].encoder) == (0.1, None)
    np.save("signal.npy", names["signal"])
    for command in blocks("encoders.md", "sh")[0].strip().splitlines():
        program, *arguments = shlex.split(command)
        assert program == "stablespike"
        assert main(arguments) == 0
    with np.load("result.npz") as found:
        np.testing.assert_array_equal(found["readout"], result.readout)


def run_blocks(page, names, numbers, after=None):
    """Run some of the blocks of a page in Python; ``after`` says what else to do behind one."""
    code = blocks(page, "python")
    for number in numbers:
        exec(compile(code[number], f"{page}, block {number}", "exec"), names)
        if after and number in after:
            after[number]()
    return len(code)


def same_readout(path, result):
    with np.load(path) as found:
        np.testing.assert_array_equal(found["readout"], result.readout)


def test_signals_of_microphones(tmp_path, monkeypatch, capsys):
    """With a network of few epochs that knows the words."""
    pytest.importorskip("torch")
    from stablespike.train import RECIPES, train

    monkeypatch.chdir(tmp_path)
    write_words(tmp_path / "speech", each=20)
    write_words(tmp_path / "recorded", each=10, seed=1, nested=False)
    shutil.copy("recorded/up_tester_000.wav", "word.wav")
    small = replace(RECIPES["words"], hidden=64, batch=10)
    train(small, data="speech", epochs=6, out="words", name="words")
    names: dict[str, object] = {}

    def one_word():
        assert capsys.readouterr().out.startswith("up ")
        run_commands(blocks("signals.md", "sh")[0])
        same_readout("answer.npz", names["result"])

    run_blocks("signals.md", names, range(3), {0: one_word})
    result = names["result"]
    assert len(set(result.lengths)) > 3
    assert (result.prediction == names["expected"]).mean() > 0.7
    device = ss.open_device("golden:")
    device.load(names["program"])
    alone = [device.run([names["frames_of"](path)], lengths="own") for path in names["files"][:3]]
    assert [list(each.readout[0]) for each in alone] == result.readout[:3].tolist()


def test_signals_of_electrodes(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    write_emg(Path("emg.csv"), [0, 1, 2] * 10, seed=0)
    write_emg(Path("new.csv"), [2, 0, 1], seed=1)
    write_ecg(Path("ecg.npz"))
    names: dict[str, object] = {}

    def trained():
        assert names["trained"].test > 0.9
        assert names["trained"].golden_differences == 0

    def answers():
        gestures = np.loadtxt("new.csv", delimiter=",", skiprows=1)[:, 9].astype(int)
        expected = names["windows"](gestures)[:, 25]
        assert (names["result"].prediction == expected).mean() > 0.9
        run_commands(blocks("signals.md", "sh")[1])
        same_readout("gestures.npz", names["result"])
        assert re.search(r"different spike words +0\n", capsys.readouterr().out)

    def by_envelope():
        assert float(capsys.readouterr().out) > 0.9

    after = {4: trained, 5: answers, 6: by_envelope, 8: trained}
    assert run_blocks("signals.md", names, range(3, 10), after) == 10
    assert "FrameInput(shape=(1,), bits=6, zero=32)" in capsys.readouterr().out
    result = names["result"]
    assert (result.prediction == names["kinds"][names["first"] :]).mean() > 0.9
    assert len(set(result.lengths)) > 10


def test_live(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    weight = random.integers(-8, 8, (4, 512)) * (random.random((4, 512)) < 0.1)
    layer = ss.Dense(weight, neuron=ss.Neuron(threshold=200))
    Path("trained").mkdir()
    ss.save(ss.Network(ss.SpikeInput((2, 16, 16)), [layer]), "trained/spikes.safetensors")
    events = hand(left=True, seed=3, count=4000, duration=320_000)
    Path("hand.raw").write_bytes(evt2(events, "% evt 2.0\n% geometry 128x128\n% end\n"))
    write_words(tmp_path / "speech", each=20)
    rng = np.random.default_rng(1)
    said = [WORDS[i] for i in (2, 0, 1, 1, 0, 2)]
    quiet = 0.002 * rng.standard_normal(3000)
    talk = np.concatenate([part for word in said for part in (chirp(word, rng), quiet)])
    Path("talk.wav").write_bytes(riff(pcm(talk)))
    names: dict[str, object] = {}

    def camera():
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert [int(steps) for _, _, steps in lines][:3] == [8, 16, 24]
        longer = ss.compile(names["network"], "icebreaker", steps=int(lines[-1][2]))
        with ss.open_device("golden:") as device:
            device.load(longer)
            alone = device.run([names["recording"]], bin_time=5_000)
        assert alone.scores[0].any()
        np.testing.assert_array_equal(names["decision"].scores, alone.scores[0])

    def restarts():
        steps = [each.steps for each in names["decisions"]]
        assert steps[:6] == [8, 16, 24, 32, 40, 8]
        np.testing.assert_array_equal(names["decisions"][4].scores, names["whole"].readout[0])
        capsys.readouterr()

    def late():
        first, second = capsys.readouterr().out.splitlines()
        assert re.match(r"events field 't' goes back from \d+ to \d+ \(event 0\): ", first)
        recording = names["recording"]
        used = recording["t"][500], recording["t"][1999]
        assert int(second) == (int(used[1]) - int(used[0])) // 5_000 + 1

    def words():
        answers = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
        assert len(answers) == len(said)
        assert sum(map(str.__eq__, answers, said)) >= 5
        listen, pieces = names["listen"], names["pieces"]
        with ss.open_device("golden:") as device:  # all at once, and so each word is in one piece
            device.load(names["program"])
            with device.stream() as stream:
                again = [each.scores for each in listen(stream, [np.concatenate(pieces)])]
            with device.stream() as stream:
                scores = [each.scores for each in listen(stream, pieces)]
        np.testing.assert_array_equal(scores, again)

    def electrodes():
        np.testing.assert_array_equal(names["last"].decision.scores, names["whole"].readout[0])
        assert names["whole"].readout.any()
        capsys.readouterr()

    def latency():
        lines = capsys.readouterr().out.splitlines()
        steps, cycles, scores = zip(*(line.split(maxsplit=2) for line in lines), strict=True)
        assert steps == ("1", "4", "20")
        assert int(cycles[0]) > int(cycles[1])
        assert len(set(scores)) == 1

    after = {0: camera, 1: restarts, 2: late, 5: words, 6: electrodes, 7: latency}
    assert run_blocks("live.md", names, range(8), after) == 8


def test_training(tmp_path, monkeypatch, capsys):
    """On the shipped images; the experiments, which take hours, as far as their options go."""
    pytest.importorskip("torch")
    from stablespike.train import RECIPES, data

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "mnist", lambda split, path=None: shipped_mnist())
    small = replace(RECIPES["mnist-mlp-small"], held_out=200)
    monkeypatch.setitem(RECIPES, "mnist-mlp-small", small)
    names: dict[str, object] = {}
    for number, code in enumerate(blocks("train.md", "python")):
        exec(compile(code, f"train.md, block {number}", "exec"), names)
    assert names["network"].layers[0].outputs == 64
    assert names["features"].shape == (4, 16, 32)
    assert names["hidden"].weight.grad.abs().max() > 0
    assert names["own_result"].golden_differences == 0
    pytest.importorskip("scipy")
    write_words(tmp_path / "speech", each=10)
    write_words(tmp_path / "recorded", each=2, seed=1, nested=False)
    training, words, experiments = blocks("train.md", "sh")
    for command in (training + words).strip().splitlines():
        program, *arguments = shlex.split(command)
        assert program == "stablespike"
        assert main(arguments) == 0
    assert "resumed after epoch 2 of 2" in capsys.readouterr().err
    assert ss.load("trained/mnist-mlp-small.safetensors").layers[0].outputs == 64
    with np.load("answers.npz") as answers:
        assert len(answers["prediction"]) == 6

    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for command in experiments.strip().splitlines():
        nox, _, session, _, *arguments = shlex.split(command)
        assert nox == "nox"
        assert f"def {session}(" in (ROOT / "noxfile.py").read_text()
        import_module(session).arguments(arguments)


def test_every_recipe_is_documented():
    pytest.importorskip("torch")
    from stablespike.train import RECIPES

    page = (ROOT / "docs" / "train.md").read_text()
    experiment = re.compile(r"(mnist|fashion|nmnist(-conv)?)-(baseline|spike|noise|both)-t[24]")
    for name in RECIPES:
        if not experiment.fullmatch(name):
            assert f"`{name}`" in page, name


def test_the_life_of_a_spike():
    """The examples give what the page says, and every file it names is there."""
    pytest.importorskip("torch")
    page = ROOT / "docs" / "life-of-a-spike.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried > 10
    assert failed == 0
    for line in re.findall(r"^`(?:sw|spec|hw)/.*$", page.read_text(), re.M):
        folder = Path()
        for name in re.findall(r"`([\w/]+(?:\.py|/))`", line):
            folder = (ROOT / name).parent if "/" in name else folder
            assert (folder / Path(name).name).exists(), name


def test_named_files_exist():
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for name in re.findall(
            r"`((?:sw|hw|sim|spec|boards|tests|benchmarks)/[\w/.-]+)`", page.read_text()
        ):
            assert (ROOT / name).exists() or "NAME" in name, f"{page.name}: {name}"


def test_links_lead_somewhere():
    for page in (ROOT / "docs").rglob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
