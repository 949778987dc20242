"""The options of importers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy.typing as npt

from ..network import READOUTS, FrameInput, Input, PixelInput, SpikeInput
from ..network.weights import checked_weight_bits
from ..samples.binning import BINNING
from ..spec.array import LIMITS, ArrayConfig
from ..support.arrays import AnyArray, array_config
from ..support.immutable import SIZE_HIGH, put
from ..support.values import exact_choice, exact_int, positive
from .asking import Missing

__all__ = ["Options", "Settings", "checked_options", "value_asks"]

_DEFAULT: Any = None  # replaced when the settings are made
_BITS = 4


class Options(TypedDict, total=False):
    """Options of every importer, all passed by name.

    Parameters
    ----------
    array : ArrayConfig, str or path-like
        The array that the network is for, as ``compile`` takes it. Scales are
        then chosen so that the sums of every neuron fit its accumulators, and thresholds, biases
        and weights their widths. The report says what that cost. By default, nothing is known of
        the array, and ``compile`` may refuse the network.
    weight_bits : {4, 8}
        Width of a weight; by default the array's, or 4 without one.
    fraction_bits : int
        Fraction bits of membranes, biases and thresholds; by default the array's, or 4 without one.
    input : SpikeInput, PixelInput or FrameInput
        The network's input. By default a ``SpikeInput`` of the model's shape.
    input_scale : float
        The value that the model receives for an input of 1, such as 1 / 15 for 4-bit pixels that it
        expects as 0 to 1. It is 1 for spikes, and must be given for pixels and frames. If the input
        has a ``zero``, the model receives ``input_scale * (p - zero)`` for the value ``p``.
    leaks : int
        How many different leaks a layer may have. Each further leak takes a task of its own on a
        core, and may leave a group partly empty. By default every neuron has the leak closest to
        its own decay.
    scale : float or list
        The size of one weight step in the model's units: one number, or a list with an entry per
        layer, which is None, a number, or one number per neuron. By default the scale is chosen so
        that rounding changes least.
    calibration : array_like
        Samples on which the rounding is chosen: ``(batch, steps, *shape)`` spikes or frames, or
        ``(batch, *shape)`` pixels, the integers that the network is given; or a list of recordings,
        as ``read_events`` gives them, which are binned. By default weights are rounded without
        samples.
    test : array_like or (array_like, labels)
        Samples on which the report is measured, of the same form, or a tuple of them and their
        classes. By default every fourth calibration sample, which is then left out of the rounding;
        all of them if the rounding needs none, or if there are fewer than 16; random samples
        without calibration.
    labels : (batch,) array_like of int
        Classes of the test samples, or without ``test`` of the calibration samples. With them the
        report has accuracies.
    steps : int
        Steps of a sample. It must be given for pixels, unless the model repeats them itself.
    time_axis : {0, 1}
        Axis of the steps in calibration and test samples, if they are no pixels; 1 by default, 0
        for (steps, batch, ...).
    bin_time, bin_count, start, late, excess
        How recordings among the samples are binned into steps, as for ``bin_events``. ``steps``
        must be given with ``bin_time``.
    readout : {"counts", "words", "membrane"}
        The network's readout. By default "membrane" if the last layer never fires, else "counts".
    approximate : bool
        If the array has no equivalent of the model's rule, take the nearest one, measure what it
        changes and report it. By default, such a rule is refused.
    """

    array: AnyArray | None
    weight_bits: int
    fraction_bits: int
    input: Input | None
    input_scale: float | None
    leaks: int | None
    scale: Any
    calibration: npt.ArrayLike | None
    test: Any
    labels: npt.ArrayLike | None
    steps: int | None
    time_axis: int
    bin_time: float | None
    bin_count: int | None
    start: Any
    late: str
    excess: str
    readout: str | None
    approximate: bool


@dataclass(frozen=True, eq=False)
class Settings:
    """The options of an importer, with defaults, checked.

    Besides those of ``Options``, there are two that a graph of ``to_nir`` sets. ``array`` becomes
    the configuration, and ``test`` the samples without their labels.

    Parameters
    ----------
    layer_bits : sequence of int or None
        Weight widths of the layers; None for the network's.
    emits : sequence of str
        What the layers emit.

    Raises
    ------
    TypeError, ValueError
        Naming the option, the value and what is allowed.
    """

    array: Any = None
    weight_bits: int = _DEFAULT
    fraction_bits: int = _DEFAULT
    input: Input | None = None
    input_scale: float | None = None
    leaks: int | None = None
    scale: Any = None
    calibration: npt.ArrayLike | None = None
    test: Any = None
    labels: npt.ArrayLike | None = None
    steps: int | None = None
    time_axis: int = 1
    bin_time: float | None = None
    bin_count: int | None = None
    start: Any = None
    late: str = "refuse"
    excess: str = "refuse"
    readout: str | None = None
    approximate: bool = False
    layer_bits: Sequence[int | None] = ()
    emits: Sequence[str] = ()
    array_name: str | None = field(default=None, init=False)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Settings:
        """Return the settings of an importer's options.

        Raises
        ------
        TypeError, ValueError
            Naming the option, the value and what is allowed.
        """
        return cls(**checked_options(options))

    def bits(self, index: int) -> int:
        """Return the weight width of a layer."""
        own = self.layer_bits[index] if self.layer_bits else None
        return self.weight_bits if own is None else own

    @property
    def state_bits(self) -> int:
        """Width of the membranes: the array's, or that of most arrays."""
        return ArrayConfig.state_bits if self.array is None else int(self.array.state_bits)

    @property
    def binning(self) -> dict[str, Any]:
        """How recordings are binned, by the names of ``bin_events``."""
        return {name: getattr(self, name) for name in BINNING}

    @property
    def missing(self) -> dict[str, str]:
        """What must be given besides, by the name of the option."""
        if self.input is None or isinstance(self.input, SpikeInput):
            return {}
        return value_asks(self.input, self.input_scale, self.steps)

    @property
    def factor(self) -> float:
        """What the model receives for an input of 1 more."""
        return 1.0 if self.input_scale is None else float(self.input_scale)

    @property
    def received(self) -> tuple[float, float]:
        """The lowest and the highest value that the model receives."""
        zero, bits = (0, 1) if self.input is None else (self.input.zero, self.input.bits)
        return -zero * self.factor, ((1 << bits) - 1 - zero) * self.factor

    def check_complete(self) -> None:
        """Refuse settings of which something is missing.

        Raises
        ------
        Missing
            Naming all that is.
        """
        if self.missing:
            raise Missing(self.missing)

    def __post_init__(self) -> None:
        self._put_array()
        self._put_widths()
        self._put_test()
        if self.leaks is not None:
            exact_int("leaks", self.leaks, 1, SIZE_HIGH)
        if not isinstance(self.approximate, bool):
            raise TypeError(f"approximate must be True or False, not {self.approximate!r}")
        if self.readout is not None:
            exact_choice("readout", self.readout, READOUTS)
        if not (self.input is None or isinstance(self.input, (SpikeInput, PixelInput, FrameInput))):
            raise TypeError(
                f"input must be a SpikeInput, a PixelInput or a FrameInput, not {self.input!r}"
            )
        if self.array is not None and isinstance(self.input, PixelInput):
            window = self.array.window
            if self.input.bits > window:
                raise ValueError(
                    f"input must have pixels of at most {window} bits, the window of the array "
                    f"{self.array_name}, not {self.input.bits}"
                )
        if self.input_scale is not None:
            positive("input_scale", self.input_scale)

    def _put_array(self) -> None:
        array = self.array
        if array is None:
            return
        name = "of its own" if isinstance(array, ArrayConfig) else str(array)
        put(self, array=array_config(array), array_name=name)

    def _put_widths(self) -> None:
        array, bits, fraction = self.array, self.weight_bits, self.fraction_bits
        if bits is None:
            bits = _BITS if array is None else array.weight_bits
        bits = checked_weight_bits("weight_bits", bits)
        if fraction is None:
            fraction = _BITS if array is None else array.fraction_bits
        fraction = exact_int("fraction_bits", fraction, *LIMITS["fraction_bits"])
        put(self, weight_bits=bits, fraction_bits=fraction)
        if array is None:
            return
        widest = 8 if array.wide_weights else array.weight_bits
        if max([bits, *(each for each in self.layer_bits if each is not None)]) > widest:
            raise ValueError(
                f"weight_bits must be at most {widest} for the array {self.array_name}, not 8; "
                "an array with weight_bits=8 or wide_weights=True takes them"
            )
        if fraction != array.fraction_bits:
            raise ValueError(
                f"fraction_bits must be {array.fraction_bits}, as the array {self.array_name} has "
                f"them, not {fraction}"
            )

    def _put_test(self) -> None:
        if isinstance(self.test, tuple) and len(self.test) == 2:
            if self.labels is not None:
                raise ValueError(
                    "labels must not be given with test=(samples, labels), which has those of the "
                    "test samples; calibration samples need none"
                )
            put(self, test=self.test[0], labels=self.test[1])
        if self.labels is not None and self.calibration is None and self.test is None:
            raise ValueError(
                "labels are those of the calibration samples, or of the test samples: give them too"
            )


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a call by name.

    Raises
    ------
    TypeError
        If one is unknown.
    """
    for name in options:
        if name not in Options.__annotations__:
            raise TypeError(
                f"there is no option {name!r}; the options are {', '.join(Options.__annotations__)}"
            )
    return dict(options)


def value_asks(
    source: PixelInput | FrameInput, input_scale: float | None, steps: int | None
) -> dict[str, str]:
    """Return what must be given for pixels or frames besides, by the name of the option."""
    asks, high = {}, (1 << source.bits) - 1
    if input_scale is None:
        # Both ends of the values are as far from the zero as the model knows them, or closer.
        known = "-1 to 1" if source.zero else "0 to 1"
        asks["input_scale"] = (
            f"input_scale must be given for {source.kind}: what the model is given for a "
            f"{'pixel' if source.kind == 'pixels' else 'value'} of {source.zero + 1}, such as 1 / "
            f"{max(source.zero, high - source.zero)} if it knows them as {known}"
        )
    if steps is None and source.kind == "pixels":
        asks["steps"] = "steps must be given for pixels: the steps per sample"
    return asks
