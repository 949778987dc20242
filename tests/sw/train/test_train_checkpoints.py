"""Training runs that are interrupted, resumed or diverge, and their checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stablespike as ss
from stablespike.support.errors import FileError, StableSpikeError

torch = pytest.importorskip("torch")

from stablespike.train import CheckpointError, Diverged, train  # noqa: E402
from stablespike.train.model import Model  # noqa: E402
from training import SMALL, shipped_as_data, small_run  # noqa: E402, F401


def interrupt(line: str) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "change",
    [
        {}, {"norm": True, "gamma": 0.1, "steps": 2}, {"quantizer": "brevitas-channel"},
        {"leak": ss.Leak(1, 4, add=True)},
    ],
)
def test_resumed_run_is_the_uninterrupted_one(tmp_path: Path, change: dict[str, Any]):
    if "quantizer" in change:
        pytest.importorskip("brevitas")
    plan = replace(SMALL, **change)
    whole = train(plan, epochs=3)
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if line.startswith("epoch 2/3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(plan, epochs=3, out=tmp_path, progress=stop)
    resumed = train(plan, epochs=3, out=tmp_path, progress=lines.append, resume=True)
    assert lines[2] == "resumed after epoch 2 of 3"
    assert lines[3].startswith("epoch 3/3")
    assert resumed.network == whole.network
    assert resumed.test == whole.test


def test_a_folder_that_takes_no_files_is_found_before_training(tmp_path: Path):
    (tmp_path / "file").touch()

    def unwanted(line: str) -> None:
        raise AssertionError(line)

    for folder, match in {
        tmp_path / "file": "is not a folder and cannot become one: File exists",
        tmp_path / "file" / "deep": "is not a folder and cannot become one: Not a directory",
    }.items():
        with pytest.raises(FileError, match=match):
            train(SMALL, out=folder, progress=unwanted)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (2 * 8 + 3, r"the loss is nan in batch 4 of epoch 3: lower rate=.* is of epoch 2"),
        (3 * 8, r"a parameter is not finite at the end of epoch 3: lower .* is of epoch 2"),
    ],
)
def test_divergence_says_so_and_keeps_the_checkpoint(
    call: int, match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Update number ``call`` fails; an epoch has 8 updates."""
    calls, bound = [], Model.bound

    def poison(model: Any) -> None:
        bound(model)
        calls.append(None)
        if len(calls) == call:
            model.log_gain.data.fill_(float("nan"))

    monkeypatch.setattr(Model, "bound", poison)
    with pytest.raises(Diverged, match=match) as caught:
        train(SMALL, epochs=5, out=tmp_path)
    assert isinstance(caught.value, StableSpikeError)
    monkeypatch.setattr(Model, "bound", bound)
    lines: list[str] = []
    train(SMALL, epochs=5, out=tmp_path, progress=lines.append, resume=True)
    assert lines[0] == "resumed after epoch 2 of 5"


def test_divergence_before_there_is_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Model, "bound", lambda model: model.log_gain.data.fill_(float("nan")))
    for out, match in {
        tmp_path: r"batch 2 of epoch 1: lower rate=0\.05 or scale_rate=0\.005; there is no "
        r"checkpoint of it yet$",
        None: r"batch 2 of epoch 1: lower rate=0\.05 or scale_rate=0\.005$",
    }.items():
        with pytest.raises(Diverged, match=match):
            train(SMALL, out=out)
    assert list(tmp_path.iterdir()) == []


def test_divergence_is_said_with_the_losses_too():
    plan = replace(SMALL, beta=1.0, gamma=1.0)
    _, run = small_run(plan, 0)
    run.model.log_gain.data.fill_(float("nan"))
    with pytest.raises(Diverged, match="the loss is nan in batch 1 of epoch 1"):
        run.one_epoch()
    _, run = small_run(plan, 0)
    run.model.hidden[0].weights.latent.data.fill_(float("nan"))
    with pytest.raises(Diverged, match=r"of epoch 1: lower rate="):
        run.one_epoch()


def test_checkpoint_errors(tmp_path: Path):
    with pytest.raises(ValueError, match="resume=True needs out="):
        train(SMALL, resume=True)
    with pytest.raises(ValueError, match=r"no checkpoint .*custom\.checkpoint\.pt to resume"):
        train(SMALL, out=tmp_path, resume=True)
    with pytest.raises(KeyboardInterrupt):
        train(SMALL, out=tmp_path, progress=interrupt)
    with pytest.raises(ValueError, match=r"another run, with \{'seed': 0\} instead of \{'seed': 9"):
        train(SMALL, seed=9, out=tmp_path, resume=True)
    file = tmp_path / "custom.checkpoint.pt"
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"something else"):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match="truncated or not a checkpoint"):
            train(SMALL, out=tmp_path, resume=True)
    torch.save({"weights": 1}, file)
    with pytest.raises(ValueError, match="truncated or not a checkpoint"):
        train(SMALL, out=tmp_path, resume=True)


def test_checkpoints_of_another_network_or_with_values_not_finite(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        train(SMALL, out=tmp_path, progress=interrupt)
    file = tmp_path / "custom.checkpoint.pt"
    for change, match in {
        ("drop", "hidden.0.bias"): r"another network: its hidden\.0\.bias is missing, not \(12,\)",
        ("more", "more"): "another network: its more is \\(1,\\), not there",
        ("wide", "bias"): "another network: its bias is \\(11,\\), not \\(10,\\)",
        ("nan", "log_gain"): "log_gain of model with values that are not finite",
    }.items():
        kept = torch.load(file, weights_only=True)
        state, (kind, key) = kept["model"], change
        if kind == "drop":
            del state[key]
        else:
            state[key] = torch.full((11,) if kind == "wide" else (1,), float("nan"))
        if kind == "nan":
            state[key] = state[key][0]
        damaged = tmp_path / "damaged"
        damaged.mkdir(exist_ok=True)
        torch.save(kept, damaged / file.name)
        with pytest.raises(CheckpointError, match=match):
            train(SMALL, out=damaged, resume=True)


DAMAGES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda kept: kept["run"].clear(), r"is of another run, with \{'name': None, "),
    (lambda kept: kept["run"].update(steps=3), r"with \{'steps': 3\} instead of \{'steps': 4\}"),
    (lambda kept: kept["run"].pop("rate"), r"with \{'rate': None\} instead of \{'rate': 0\.05\}"),
    (lambda kept: kept["run"].update(more=1), r"with \{'more': 1\} instead of \{'more': None\}"),
    (lambda kept: kept["model"].update(bias=3), r"damaged \(bias of model is not a tensor\)"),
    (lambda kept: kept["best_state"].update(bias=None), r"\(bias of best_state is not a tensor\)"),
    (lambda kept: kept["figures"].clear(), r"damaged \(KeyError: 'epoch'\)"),
    (lambda kept: kept["figures"].update(epoch="1"), r"epoch.*1 to 2, not"),
    (lambda kept: kept["figures"].update(epoch=3), r"epoch.*1 to 2.*3"),
    (lambda kept: kept["figures"].update(best_epoch=2), r"best_epoch.*1 to 1.*2"),
    (lambda kept: kept["figures"].update(best=float("nan")), r"best.*at least 0.*nan"),
    (lambda kept: kept["figures"].update(seconds=None), r"seconds.*at least 0.*None"),
    (lambda kept: kept["figures"].update(devices=1), r"devices.*string.*1"),
    (lambda kept: kept["optimizer"].clear(), r"damaged \(KeyError: 'param_groups'\)"),
    (lambda kept: kept["optimizer"]["param_groups"].pop(), r"damaged \(ValueError: zip"),
    (lambda kept: kept["optimizer"]["param_groups"][0].update(params=[0]), "of other parameters"),
    (lambda kept: kept["optimizer"]["param_groups"][1].pop("lr"), "of other parameters"),
    (lambda kept: kept["optimizer"].update(state={}), "the optimizer's state is empty"),
    (lambda kept: kept["optimizer"]["state"].update({99: kept["optimizer"]["state"][0]}),
     r"damaged \(IndexError"),
    (lambda kept: kept["optimizer"]["state"][0].pop("step"), r"damaged \(KeyError: 'step'\)"),
    (lambda kept: kept["optimizer"]["state"][0].update(step=3), r"damaged \(AttributeError"),
    (lambda kept: kept["optimizer"]["state"][1].update(exp_avg=torch.zeros(3)),
     r"exp_avg 1.*\(10, 12\).*"),
    (lambda kept: kept["optimizer"]["state"][1]["exp_avg_sq"].fill_(float("nan")),
     "exp_avg_sq 1.*finite"),
]


def test_damaged_checkpoints(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        train(SMALL, out=tmp_path, progress=interrupt)
    file = tmp_path / "custom.checkpoint.pt"
    whole, (_, run) = file.read_bytes(), small_run(SMALL, 0)
    run.name = "custom"
    for damage, match in DAMAGES:
        file.write_bytes(whole)
        kept = torch.load(file, weights_only=True)
        damage(kept)
        torch.save(kept, file)
        with pytest.raises(CheckpointError, match=match):
            run.restore(file)
    assert run.epoch == 0
    file.write_bytes(whole)
    run.restore(file)
    assert run.epoch == 1
