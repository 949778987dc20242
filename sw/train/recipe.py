"""A recipe: which network is trained, on which data, and how."""

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
from .own import OwnData

__all__ = [
    "DATASETS", "EVENT_DATASETS", "FOLDS", "OWN", "QUANTIZERS", "CheckpointError", "Recipe",
]

OWN = "own"
DATASETS = ("mnist", "fashion-mnist", "nmnist", "nmnist-small", OWN)
QUANTIZERS = ("steps", "brevitas-channel", "brevitas-power-of-two")
CHOICES = ("best", "last")
SIDES = {"mnist": 28, "fashion-mnist": 28, "nmnist": 34, "nmnist-small": 34}
EVENT_DATASETS = ("nmnist", "nmnist-small")
FOLDS = 5
_LARGEST = (1 << 31) - 1
_DISTORTIONS = ("rotate", "scale", "shear", "shift", "elastic", "mirror")
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

    It is fully connected with hidden layers, or convolutional.

    Parameters
    ----------
    dataset : {"mnist", "fashion-mnist", "nmnist", "nmnist-small", "own"}
        Images, or (nmnist) recordings of events, each cut into ``steps`` of equal length; or data
        of one's own, as ``own`` says.
    own : OwnData, optional
        What is known of data of one's own. Their shape, their number of classes, and the steps of
        spikes and frames are those of the data.
    fold : int
        The fold of "nmnist-small" that is tested: its 1,100 recordings are split into 5.
    convolutions : tuple of Convolution
        Layers in front of the hidden one; they need ``norm``.
    hidden : int or tuple of int
        Neurons of the fully connected hidden layer, or of each of several in a row; 0 for none,
        behind convolutions.
    recurrent : bool
        Whether these layers have weights on their own spikes of the previous step. It needs
        ``quantizer="steps"``.
    classes : int
        Outputs.
    side : int
        Rows and columns of the network's input; a divisor of 28, or of 34 for events. Own data
        have a shape instead.
    pixel_bits : int
        Width of a pixel, or of a value of a frame.
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
    held_out : int or float
        Number of samples at the end of the training set that are never trained on; or, less than
        1, their share.
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
    own: OwnData | None = None
    fold: int = 0
    convolutions: tuple[Convolution, ...] = ()
    hidden: int | tuple[int, ...] = 128
    recurrent: bool = False
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
    held_out: int | float = 5000
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
        self._check_hidden()
        for name in ("classes", "steps", "epochs", "batch", "elastic_grid"):
            exact_int(name, getattr(self, name), 1, _LARGEST)
        if not (isinstance(self.held_out, float) and 0 < self.held_out < 1):
            exact_int("held_out", self.held_out, 1, _LARGEST)
        for name in ("fraction_bits", "state_bits", "acc_bits"):
            exact_int(name, getattr(self, name), *LIMITS[name])
        exact_int("fold", self.fold, 0, FOLDS - 1 if self.dataset == "nmnist-small" else 0)
        exact_int("pixel_bits", self.pixel_bits, 1, 8)
        self._check_source()
        Leak.of(self.leak)
        Leak.of(self.readout_leak, "readout_leak")
        if self.synapse_leak is not None:
            Leak.of(self.synapse_leak, "synapse_leak")
        self._check_numbers()
        if self.dataset != OWN or (self.own is not None and self.own.shape is not None):
            self._check_convolutions()
        bits = self.acc_bits - 1 + (0 if self.binary else self.pixel_bits)
        if bits > EXACT_BITS:
            raise ValueError(
                f"acc_bits={self.acc_bits} and pixel_bits={self.pixel_bits} must add up to at most "
                f"{EXACT_BITS + 1}, not {bits + 1}: sums of more are not exact in float32"
            )

    def _check_hidden(self) -> None:
        several = isinstance(self.hidden, tuple)
        for size in self.hidden if isinstance(self.hidden, tuple) else (self.hidden,):
            exact_int("hidden", size, 0 if self.convolutions and not several else 1, _LARGEST)
        if several and not self.hidden:
            raise ValueError("hidden must be a number, or a tuple of at least one, not ()")
        if not isinstance(self.recurrent, bool):
            raise TypeError(f"recurrent must be True or False, not {self.recurrent!r}")
        if self.recurrent and not self.sizes:
            raise ValueError("recurrent must be False without a hidden layer (hidden=0)")
        if self.recurrent and self.quantizer != "steps":
            raise ValueError(
                f"quantizer must be 'steps' with recurrent=True, not {self.quantizer!r}: both "
                "kinds of weights have one scale"
            )

    def _check_source(self) -> None:
        """Refuse what does not go with the data."""
        own = self.own
        if own is not None and not isinstance(own, OwnData):
            raise TypeError(f"own must be an OwnData or None, not {own!r}")
        if (own is None) == (self.dataset == OWN):
            raise ValueError(
                f"own must be an OwnData with dataset='own', and None with another one, not "
                f"{own!r} with {self.dataset!r}"
            )
        if own is None:
            side = SIDES[self.dataset]
            exact_int("side", self.side, 1, side)
            if side % self.side:
                raise ValueError(
                    f"side must divide the {side} pixels of {self.dataset}: {self.side}"
                )
            return
        bent = [name for name in _DISTORTIONS if getattr(self, name)]
        if bent:
            raise ValueError(
                f"{bent[0]} must be 0 with data of one's own, not {getattr(self, bent[0])!r}: "
                "begin with a recipe for them, such as replace(RECIPES['frames'], ...), or call "
                ".plain()"
            )
        if own.zero >= 1 << self.pixel_bits:
            raise ValueError(
                f"zero must be from 0 to {(1 << self.pixel_bits) - 1} with "
                f"pixel_bits={self.pixel_bits}, not {own.zero}"
            )
        if own.bands is not None and own.bands.bits != self.pixel_bits:
            raise ValueError(
                f"pixel_bits must be the {own.bands.bits} bits of bands, not {self.pixel_bits}"
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
        if self.convolutions and len(self.shape) != 3:
            raise ValueError(
                f"convolutions need samples of (channels, height, width), not {self.shape}"
            )
        if self.zero and self.convolutions and self.convolutions[0].padding:
            raise ValueError(
                f"zero must be 0 in front of a padded convolution, not {self.zero}: pad the "
                f"samples with {self.zero} instead"
            )
        for index in range(len(self.convolutions)):
            try:
                self.shape_at(index + 1)
            except ValueError as error:
                raise ValueError(f"convolutions[{index}]: {error}") from None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the network's input."""
        if self.own is None:
            return (2 if self.events else 1, self.side, self.side)
        if self.own.shape is None:
            raise ValueError("shape of the data of one's own is known once they are loaded")
        return self.own.shape

    def shape_at(self, index: int) -> tuple[int, ...]:
        """Return the shape of the input of a layer, flat for a fully connected one."""
        shape = self.shape
        for each in self.convolutions[:index]:
            shape = each.output_shape(shape)
        behind = index - len(self.convolutions)
        if behind < 0:
            return shape
        return (self.sizes[behind - 1],) if behind else (prod(shape),)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of each fully connected hidden layer."""
        if isinstance(self.hidden, tuple):
            return self.hidden
        return (self.hidden,) if self.hidden else ()

    @property
    def features(self) -> int:
        """Number of inputs of the last layer."""
        return self.shape_at(len(self.convolutions) + len(self.sizes))[0]

    @property
    def events(self) -> bool:
        """Whether the data set is one of recordings."""
        return self.dataset in EVENT_DATASETS

    @property
    def binary(self) -> bool:
        """Whether the network's input is spikes."""
        return self.events or (self.own is not None and self.own.input == "spikes")

    @property
    def stepped(self) -> bool:
        """Whether samples have an axis of steps: spikes and frames, not pixels."""
        return self.events or (self.own is not None and self.own.input != "pixels")

    @property
    def zero(self) -> int:
        """The pixel or value that stands for 0."""
        return 0 if self.own is None else self.own.zero

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, as values that JSON can hold."""
        # asdict would copy leaks, which are not plain tuples.
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        synapse = None if self.synapse_leak is None else Leak.of(self.synapse_leak).plain
        return values | {
            "own": None if self.own is None else self.own.as_dict(),
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
