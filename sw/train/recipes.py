"""Recipes: which network is trained, on which data, and how."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from math import prod
from typing import Any

from ..network import COMPARES, RESET_TIMINGS, RESETS, WEIGHT_BITS, Leak, Shifts
from ..spec.array import LIMITS
from ..support.errors import FileError
from ..support.values import exact_choice, exact_int
from .consistency import NOISE_DETACH, SPIKE_DETACH
from .convolutions import Convolution

__all__ = [
    "DATASETS", "EVENT_DATASETS", "FOLDS", "LOSSES", "QUANTIZERS", "RECIPES", "CheckpointError",
    "Recipe",
]

DATASETS = ("mnist", "fashion-mnist", "nmnist", "nmnist-small")
QUANTIZERS = ("steps", "brevitas-channel", "brevitas-power-of-two")
CHOICES = ("best", "last")
SIDES = {"mnist": 28, "fashion-mnist": 28, "nmnist": 34, "nmnist-small": 34}
EVENT_DATASETS = ("nmnist", "nmnist-small")
FOLDS = 5
_NONE_OR_MORE = ("at least 0", lambda value: value >= 0)
_MORE = ("more than 0", lambda value: value > 0)
_SHARE = ("at least 0 and less than 1", lambda value: 0 <= value < 1)
_REAL: dict[str, tuple[str, Callable[[float], bool]]] = {
    **dict.fromkeys(("beta", "gamma", "shear", "shift", "elastic"), _NONE_OR_MORE),
    **dict.fromkeys(("alpha", "rate", "scale_rate", "width"), _MORE),
    **dict.fromkeys(("smoothing", "scale"), _SHARE),
    "rotate": ("from 0 to 180", lambda value: 0 <= value <= 180),
}
EXACT_BITS = 24
"""Whole numbers of up to this many bits are exact in float32."""


class CheckpointError(FileError):
    """A checkpoint is missing, damaged, or belongs to another run or network."""


@dataclass(frozen=True)
class Recipe:
    """A classifier and how it is trained.

    It is fully connected with one hidden layer, or convolutional.

    Parameters
    ----------
    dataset : {"mnist", "fashion-mnist", "nmnist", "nmnist-small"}
        Images, or (nmnist) recordings of events, each cut into ``steps`` of equal length.
    fold : int
        The fold of "nmnist-small" that is tested: its 1,100 recordings are split into 5.
    convolutions : tuple of Convolution
        Layers in front of the hidden one; they need ``norm``.
    hidden : int
        Neurons of the fully connected hidden layer; 0 for none, behind convolutions.
    classes : int
        Outputs.
    side : int
        Rows and columns of the network's input; a divisor of 28, or of 34 for events.
    pixel_bits : int
        Width of a pixel.
    weight_bits : {4, 8}
        Width of a weight.
    fraction_bits : int
        Fraction bits of membranes, biases and thresholds.
    state_bits : int
        Width of a membrane of the array.
    acc_bits : int
        Width of an accumulator of the array.
    steps : int
        Steps of a sample.
    leak : Leak or (int or None, int or None)
        Shifts of the neurons that fire, as in ``stablespike.Neuron``.
    reset : {"subtract", "zero", "none"}
        Reset of the neurons that fire, as in ``stablespike.Neuron``.
    reset_timing : {"same_step", "next_step"}
        Step of their reset, as in ``stablespike.Neuron``.
    compare : {"ge", "gt"}
        Their comparison with the threshold, as in ``stablespike.Neuron``.
    synapse_leak : Leak or (int or None, int or None), optional
        Shifts of their synaptic current, as in ``stablespike.Neuron``.
    readout_leak : Leak or (int or None, int or None)
        Shifts of the last layer, which is read by its membrane.
    quantizer : {"steps", "brevitas-channel", "brevitas-power-of-two"}
        How latent weights become integers. "steps": they are in weight steps, and the scale of a
        neuron is in its threshold alone. "brevitas-channel": a learned scale for each neuron that
        fires, and one for the last layer. "brevitas-power-of-two": a power of two for each layer.
        Scales go into the thresholds.
    norm : bool
        Thresholds and biases follow the mean and the spread of each neuron's current, as with a
        batch normalisation in front of it. It is folded into them, so the network has none.
    epochs : int
        Passes over the training samples.
    batch : int
        Samples per update.
    rate : float
        Largest learning rate of the weights, in weight steps. It rises over one epoch, then falls
        to 0 along a cosine.
    scale_rate : float
        Largest learning rate of thresholds, biases and the last layer's scale.
    width : float
        Half width of the surrogate gradient, in thresholds.
    held_out : int
        Number of samples at the end of the training set that are never trained on.
    choose : {"best", "last"}
        The network comes from the epoch with the highest accuracy on the held-out samples ("best"),
        or from the last epoch, when the learning rate is 0 ("last").
    smoothing : float
        Label smoothing.
    beta : float
        Weight of Stable Spike's ``L_spike`` on the spikes that the last layer reads.
    gamma : float
        Weight of ``L_noise`` on the same spikes.
    alpha : float
        Temperature, as in ``ConsistencyLoss``.
    spike_detach : {"none", "skeleton", "rate"}
        As in ``ConsistencyLoss``.
    noise_detach : {"none", "clean", "noisy"}
        As in ``ConsistencyLoss``.
    rotate : float
        Largest rotation, in degrees.
    scale : float
        Largest change of size, as a share.
    shear : float
        Largest shear, as a share.
    shift : float
        Largest shift, in pixels of the network's input. Recordings with no other distortion are
        shifted by whole pixels.
    elastic : float
        Spread of the elastic displacement, in pixels.
    elastic_grid : int
        The displacement is drawn on a grid of that many rows and columns, and interpolated.
    mirror : bool
        Whether half of the samples are mirrored left to right.

    Raises
    ------
    TypeError, ValueError
        Naming the field, the value and what is allowed.
    """

    dataset: str = "mnist"
    fold: int = 0
    convolutions: tuple[Convolution, ...] = ()
    hidden: int = 128
    classes: int = 10
    side: int = 28
    pixel_bits: int = 4
    weight_bits: int = 4
    fraction_bits: int = 4
    state_bits: int = 16
    acc_bits: int = 12
    steps: int = 4
    leak: Shifts = (1, None)
    reset: str = "subtract"
    reset_timing: str = "same_step"
    compare: str = "ge"
    synapse_leak: Shifts | None = None
    readout_leak: Shifts = (None, None)
    quantizer: str = "steps"
    norm: bool = False
    epochs: int = 150
    batch: int = 256
    rate: float = 0.05
    scale_rate: float = 0.005
    width: float = 1.0
    held_out: int = 5000
    choose: str = "best"
    smoothing: float = 0.0
    beta: float = 0.0
    gamma: float = 0.0
    alpha: float = 2.0
    spike_detach: str = "skeleton"
    noise_detach: str = "none"
    rotate: float = 10.0
    scale: float = 0.1
    shear: float = 0.1
    shift: float = 1.5
    elastic: float = 0.8
    elastic_grid: int = 7
    mirror: bool = False

    def __post_init__(self) -> None:
        exact_choice("dataset", self.dataset, DATASETS)
        exact_choice("quantizer", self.quantizer, QUANTIZERS)
        exact_choice("choose", self.choose, CHOICES)
        if exact_int("weight_bits", self.weight_bits, *LIMITS["weight_bits"]) not in WEIGHT_BITS:
            raise ValueError(f"weight_bits must be 4 or 8, not {self.weight_bits!r}")
        for name, allowed in (
            ("reset", RESETS), ("reset_timing", RESET_TIMINGS), ("compare", COMPARES),
            ("spike_detach", SPIKE_DETACH), ("noise_detach", NOISE_DETACH),
        ):
            exact_choice(name, getattr(self, name), allowed)
        exact_int("hidden", self.hidden, 0 if self.convolutions else 1, (1 << 31) - 1)
        for name in ("classes", "steps", "epochs", "batch", "held_out", "elastic_grid"):
            exact_int(name, getattr(self, name), 1, (1 << 31) - 1)
        for name in ("fraction_bits", "state_bits", "acc_bits"):
            exact_int(name, getattr(self, name), *LIMITS[name])
        exact_int("fold", self.fold, 0, FOLDS - 1 if self.dataset == "nmnist-small" else 0)
        exact_int("pixel_bits", self.pixel_bits, 1, 8)
        side = SIDES[self.dataset]
        exact_int("side", self.side, 1, side)
        if side % self.side:
            raise ValueError(f"side must divide the {side} pixels of {self.dataset}: {self.side}")
        Leak.of(self.leak)
        Leak.of(self.readout_leak, "readout_leak")
        if self.synapse_leak is not None:
            Leak.of(self.synapse_leak, "synapse_leak")
        self._check_numbers()
        self._check_convolutions()
        bits = self.acc_bits - 1 + (0 if self.events else self.pixel_bits)
        if bits > EXACT_BITS:
            raise ValueError(
                f"acc_bits={self.acc_bits} and pixel_bits={self.pixel_bits} must add up to at most "
                f"{EXACT_BITS + 1}, not {bits + 1}: sums of more are not exact in float32"
            )

    def _check_numbers(self) -> None:
        for name in ("norm", "mirror"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False, not {getattr(self, name)!r}")
        for name, (text, good) in _REAL.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{name} must be a number, not {value!r}")
            if not (math.isfinite(value) and good(value)):
                raise ValueError(f"{name} must be {text}, not {value!r}")
        if self.steps < 2 and (self.beta or self.gamma):
            raise ValueError(
                f"steps must be at least 2 with beta={self.beta} and gamma={self.gamma}: "
                "the skeleton is of pairs of steps"
            )

    def _check_convolutions(self) -> None:
        if not isinstance(self.convolutions, tuple) or not all(
            isinstance(each, Convolution) for each in self.convolutions
        ):
            raise TypeError(
                f"convolutions must be a tuple of Convolution, not {self.convolutions!r}"
            )
        if self.convolutions and not self.norm:
            raise ValueError("norm must be True with convolutions")
        for index in range(len(self.convolutions)):
            try:
                self.shape_at(index + 1)
            except ValueError as error:
                raise ValueError(f"convolutions[{index}]: {error}") from None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of a sample."""
        return (2 if self.events else 1, self.side, self.side)

    def shape_at(self, index: int) -> tuple[int, ...]:
        """Return the shape of the input of a layer, flat for a fully connected one."""
        shape = self.shape
        for each in self.convolutions[:index]:
            shape = each.output_shape(shape)
        return shape if index < len(self.convolutions) else (prod(shape),)

    @property
    def features(self) -> int:
        """Number of inputs of the last layer."""
        return self.hidden or self.shape_at(len(self.convolutions))[0]

    @property
    def events(self) -> bool:
        """Whether the samples are recordings of events, not images."""
        return self.dataset in EVENT_DATASETS

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, as values that JSON can hold."""
        # asdict would copy leaks, which are not plain tuples.
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        synapse = None if self.synapse_leak is None else Leak.of(self.synapse_leak).plain
        return values | {
            "convolutions": tuple(asdict(each) for each in self.convolutions),
            "leak": Leak.of(self.leak).plain,
            "synapse_leak": synapse,
            "readout_leak": Leak.of(self.readout_leak).plain,
        }

    def plain(self) -> Recipe:
        """Return the same recipe without distortions."""
        return replace(
            self, rotate=0.0, scale=0.0, shear=0.0, shift=0.0, elastic=0.0, mirror=False
        )


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
    **_experiments(),
}
"""Recipes by name. Those of the experiment are named ``<data set>-<losses>-t<steps>``."""
