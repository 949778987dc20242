"""Recipes, and those that are refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import stablespike as ss  # noqa: E402
from stablespike.train import RECIPES  # noqa: E402
from training import SMALL  # noqa: E402


def test_every_recipe_is_of_data_there_is():
    for name, plan in RECIPES.items():
        kind = plan.dataset if plan.own is None else "words" if plan.own.bands else plan.own.input
        assert kind.split("-")[0] == name.split("-")[0], name
    assert (RECIPES["mnist-mlp-2step"].hidden, RECIPES["mnist-mlp-2step"].steps) == (256, 2)
    both, noise = RECIPES["nmnist-both-t2"], RECIPES["fashion-noise-t4"]
    assert (both.steps, both.beta > 0, both.gamma > 0) == (2, True, True)
    assert (noise.steps, noise.beta, noise.gamma > 0) == (4, 0.0, True)


def test_a_recipe_as_json():
    """Two recipes that differ in one sign differ there too: checkpoints compare it."""
    added = replace(
        SMALL, leak=ss.Leak(1, 4, add=True), readout_leak=ss.Leak(2, 6, add=True),
        synapse_leak=ss.Leak(0, 3, add=True),
    )
    subtracted = replace(added, leak=(1, 4))
    assert added.as_dict() != subtracted.as_dict()
    values = json.loads(json.dumps(added.as_dict()))
    assert values["leak"] == [1, 4, "add"]
    assert replace(SMALL, **{
        name: values[name] for name in ("leak", "readout_leak", "synapse_leak")
    }).as_dict() == added.as_dict()
    for plan in RECIPES.values():
        assert plan.as_dict() == asdict(plan)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"fold": 1}, "fold.*0 to 0.*1"),
        ({"dataset": "nmnist-small", "side": 28}, "side must divide the 34 pixels of nmnist"),
        ({"dataset": "cifar"}, "dataset.*'mnist'"),
        ({"side": 13}, "side must divide the 28 pixels of mnist: 13"),
        ({"weight_bits": 5}, "weight_bits.*4 or 8.*5"),
        ({"steps": 0}, "steps.*1 to"),
        ({"steps": 1, "beta": 1.0}, "steps.*at least 2 with beta=1.0 and gamma=0.0"),
        ({"gamma": -1.0}, "gamma.*at least 0.*-1.0"),
        ({"beta": float("nan")}, "beta.*at least 0.*nan"),
        ({"rate": 0.0}, "rate.*more than 0.*0.0"),
        ({"spike_detach": "all"}, "spike_detach.*'none', 'skeleton', 'rate'"),
        ({"choose": "first"}, "choose.*'best', 'last'.*'first'"),
        ({"reset": "hard"}, "reset.*'subtract', 'zero', 'none'"),
        ({"rotate": float("nan")}, "rotate.*0 to 180.*nan"),
        ({"rotate": 181}, "rotate.*0 to 180.*181"),
        ({"smoothing": 2}, "smoothing.*at least 0 and less than 1.*2"),
        ({"scale": 5}, "scale.*at least 0 and less than 1.*5"),
        ({"elastic": float("inf")}, "elastic.*at least 0.*inf"),
        ({"shift": -3}, "shift.*at least 0.*-3"),
        ({"shear": -0.1}, "shear.*at least 0.*-0.1"),
        ({"width": float("inf")}, "width.*more than 0.*inf"),
        ({"acc_bits": 18, "pixel_bits": 8}, "must add up to at most 25, not 26: sums of more"),
    ],
)
def test_refused_recipes(change: dict[str, Any], match: str):
    with pytest.raises(ValueError, match=match):
        replace(SMALL, **change)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rotate": "x"}, "rotate.*number.*'x'"),
        ({"rate": "x"}, "rate.*number.*'x'"),
        ({"beta": True}, "beta.*number.*True"),
        ({"gamma": None}, "gamma.*number.*None"),
        ({"norm": "no"}, "norm.*True or False.*'no'"),
        ({"mirror": 1}, "mirror.*True or False.*1"),
        ({"weight_bits": 4.0}, "weight_bits.*4 to 8.*4.0"),
        ({"epochs": 2.0}, "epochs.*integer"),
    ],
)
def test_recipes_of_wrong_types(change: dict[str, Any], match: str):
    with pytest.raises(TypeError, match=match):
        replace(SMALL, **change)
