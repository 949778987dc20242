"""Recipes, and those that are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from stablespike.train import RECIPES  # noqa: E402
from training import SMALL  # noqa: E402


def test_every_recipe_is_of_data_there_is():
    for name, plan in RECIPES.items():
        assert plan.dataset.split("-")[0] == name.split("-")[0], name
    assert (RECIPES["mnist-mlp-2step"].hidden, RECIPES["mnist-mlp-2step"].steps) == (256, 2)
    both, noise = RECIPES["nmnist-both-t2"], RECIPES["fashion-noise-t4"]
    assert (both.steps, both.beta > 0, both.gamma > 0) == (2, True, True)
    assert (noise.steps, noise.beta, noise.gamma > 0) == (4, 0.0, True)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"fold": 1}, "fold must be from 0 to 0, not 1"),
        ({"dataset": "nmnist-small", "side": 28}, "side must divide the 34 pixels of nmnist"),
        ({"dataset": "cifar"}, "dataset must be one of 'mnist'"),
        ({"side": 13}, "side must divide the 28 pixels of mnist: 13"),
        ({"weight_bits": 5}, "weight_bits must be 4 or 8, not 5"),
        ({"steps": 0}, "steps must be from 1 to"),
        ({"steps": 1, "beta": 1.0}, "steps must be at least 2 with beta=1.0 and gamma=0.0"),
        ({"gamma": -1.0}, "gamma must be at least 0, not -1.0"),
        ({"beta": float("nan")}, "beta must be at least 0, not nan"),
        ({"rate": 0.0}, "rate must be more than 0, not 0.0"),
        ({"spike_detach": "all"}, "spike_detach must be one of 'none', 'skeleton', 'rate'"),
        ({"choose": "first"}, "choose must be one of 'best', 'last', not 'first'"),
        ({"reset": "hard"}, "reset must be one of 'subtract', 'zero', 'none'"),
        ({"rotate": float("nan")}, "rotate must be from 0 to 180, not nan"),
        ({"rotate": 181}, "rotate must be from 0 to 180, not 181"),
        ({"smoothing": 2}, "smoothing must be at least 0 and less than 1, not 2"),
        ({"scale": 5}, "scale must be at least 0 and less than 1, not 5"),
        ({"elastic": float("inf")}, "elastic must be at least 0, not inf"),
        ({"shift": -3}, "shift must be at least 0, not -3"),
        ({"shear": -0.1}, "shear must be at least 0, not -0.1"),
        ({"width": float("inf")}, "width must be more than 0, not inf"),
        ({"acc_bits": 18, "pixel_bits": 8}, "must add up to at most 25, not 26: sums of more"),
    ],
)
def test_refused_recipes(change: dict[str, Any], match: str):
    with pytest.raises(ValueError, match=match):
        replace(SMALL, **change)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rotate": "x"}, "rotate must be a number, not 'x'"),
        ({"rate": "x"}, "rate must be a number, not 'x'"),
        ({"beta": True}, "beta must be a number, not True"),
        ({"gamma": None}, "gamma must be a number, not None"),
        ({"norm": "no"}, "norm must be True or False, not 'no'"),
        ({"mirror": 1}, "mirror must be True or False, not 1"),
        ({"weight_bits": 4.0}, "weight_bits must be an integer from 4 to 8, not 4.0"),
        ({"epochs": 2.0}, "epochs must be an integer"),
    ],
)
def test_recipes_of_wrong_types(change: dict[str, Any], match: str):
    with pytest.raises(TypeError, match=match):
        replace(SMALL, **change)
