"""Training: the integers of the array are what is trained, with or without Stable Spike's losses.

``train`` runs a recipe; the parts by themselves: ``consistency`` (losses on the features of any
spiking backbone), ``exact`` (the integer neuron in torch), ``recipes``.
"""

from .consistency import (
    ConsistencyLoss,
    amplitude_noise,
    firing_rate,
    noise_loss,
    skeleton,
    skeleton_rate,
    spike_loss,
)
from .convolutions import Convolution
from .entry import train
from .exact import ExactNeuron, straight_through
from .recipes import RECIPES, Recipe
from .result import Result
from .run import CheckpointError, Diverged

__all__ = [
    "RECIPES", "CheckpointError", "ConsistencyLoss", "Convolution", "Diverged", "ExactNeuron",
    "Recipe", "Result", "amplitude_noise", "firing_rate", "noise_loss", "skeleton",
    "skeleton_rate", "spike_loss", "straight_through", "train",
]
