"""Training on the integers of the array, with or without Stable Spike's losses.

``train`` runs a recipe of ``RECIPES``. Its parts can be used alone: the losses of ``consistency``
take the features of any spiking backbone, and ``ExactNeuron`` is the integer neuron in torch. This
package may import ``golden``, ``samples``, ``signals``, ``datasets``, ``network``, ``support`` and
``spec``.
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
from .own import OwnData
from .recipe import Recipe
from .recipes import RECIPES
from .result import Result
from .run import CheckpointError, Diverged

__all__ = [
    "RECIPES", "CheckpointError", "ConsistencyLoss", "Convolution", "Diverged", "ExactNeuron",
    "OwnData", "Recipe", "Result", "amplitude_noise", "firing_rate", "noise_loss", "skeleton",
    "skeleton_rate", "spike_loss", "straight_through", "train",
]
