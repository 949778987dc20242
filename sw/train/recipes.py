"""The recipes by name."""

from __future__ import annotations

from dataclasses import replace

from ..signals import MelBands
from .convolutions import Convolution
from .own import OwnData
from .recipe import OWN, Recipe

__all__ = ["LOSSES", "RECIPES"]

LOSSES = {
    "baseline": (0.0, 0.0),
    "spike": (1.0, 0.0),
    "noise": (0.0, 0.1),
    "both": (1.0, 0.1),
}
"""``beta`` and ``gamma`` of the recipes of the experiment, by name."""


# Positions and groups of 32 channels divide evenly among 8 cores: 144 x 1, 64 x 2 and 16 x 2.
_IMAGES = Recipe(
    convolutions=(
        Convolution(32, 6, 2), Convolution(64, 5, max_pool=2), Convolution(64, 3, padding=1)
    ),
    hidden=0, norm=True, leak=(None, None), epochs=40, rate=0.2, choose="last",
)
_EVENTS = Recipe(
    dataset="nmnist-small", side=34,
    convolutions=(
        Convolution(32, 5, 2, 1, sum_pool=2), Convolution(64, 3, padding=1, max_pool=2),
        Convolution(64, 3, padding=1),
    ),
    hidden=0, norm=True, leak=(None, None), epochs=100, batch=32, held_out=100, choose="last",
    rotate=12.0, scale=0.12, shear=0.12, shift=2.0, elastic=1.0,
)


def _experiments() -> dict[str, Recipe]:
    """Return the recipes that compare the losses, by name."""
    images = Recipe(epochs=15).plain()
    bases = {
        "mnist": images,
        "fashion": replace(images, dataset="fashion-mnist"),
        "nmnist": replace(
            images, dataset="nmnist-small", side=17, norm=True, epochs=30, batch=32, held_out=100,
            shift=1.0,
        ),
        "nmnist-conv": _EVENTS,
    }
    return {
        f"{dataset}-{losses}-t{steps}": replace(base, beta=beta, gamma=gamma, steps=steps)
        for dataset, base in bases.items()
        for losses, (beta, gamma) in LOSSES.items()
        for steps in (2, 4)
    }


# Normalised, so that data of any kind begin with thresholds that are crossed.
_OWN = replace(
    Recipe().plain(), dataset=OWN, own=OwnData("pixels"), norm=True, leak=(None, None), epochs=40,
    batch=32, held_out=0.1,
)
_FRAMES = replace(_OWN, own=OwnData("frames"), hidden=(128, 64), leak=(3, None))
_WORDS = replace(_FRAMES, own=OwnData("frames", bands=MelBands()))


RECIPES = {
    "mnist-mlp": Recipe(),
    "mnist-mlp-256": Recipe(hidden=256),
    "mnist-mlp-2step": Recipe(hidden=256, steps=2),
    # These are for arrays with too little memory for 784 x 128 weights, and for hx8k, which has the
    # least.
    "mnist-mlp-small": Recipe(hidden=64, side=14),
    "mnist-mlp-tiny": Recipe(hidden=48, side=14, state_bits=15, epochs=60),
    "fashion-mlp": Recipe(dataset="fashion-mnist", rotate=5.0, elastic=0.0),
    "mnist-conv": _IMAGES,
    "fashion-conv": replace(
        _IMAGES, dataset="fashion-mnist", rotate=0.0, scale=0.0, shear=0.0, shift=1.0, elastic=0.0,
        mirror=True, epochs=80, smoothing=0.1,
    ),
    "nmnist-conv": _EVENTS,
    # Data of one's own.
    "pixels": _OWN,
    "spikes": replace(_OWN, own=OwnData("spikes"), leak=(2, None), steps=10),
    "frames": _FRAMES,
    "words": _WORDS,
    "words-recurrent": replace(_WORDS, hidden=128, recurrent=True),
    **_experiments(),
}
"""Recipes by name. Those of the experiment are named ``<data set>-<losses>-t<steps>``; those of
data of one's own by their input."""
