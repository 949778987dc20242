"""Runs samples on a model and on the network made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..network import Dense, Input, Layer, Network, Neuron, SpikeInput
from ..network.fidelity import Fidelity
from ..network.layer_fidelity import LayerFidelity, compare_spikes
from ..samples.binning import binned, check_unused
from ..samples.columns import as_recordings
from ..samples.events import is_recordings
from ..samples.samples import STEPS_MAX, check_samples
from ..support.values import as_array, exact_int, exact_integers
from .graph import FloatNetwork, Run
from .ranges import clipped_membranes
from .semantics import Floats
from .settings import Settings

if TYPE_CHECKING:
    from ..golden.golden import GoldenResult

__all__ = ["Samples"]

Integers = npt.NDArray[np.int64]

_CHUNK = 64  # samples the source runs at once, which bounds its memory
_COMPARED = 256  # samples for choosing thresholds; more take time and change little
_ENOUGH = 16  # calibration samples, of which some can be left out of the rounding:
_EVERY = 4  # every fourth, and so of every class even if the samples are sorted
_RANDOM_SAMPLES, _RANDOM_RATE, _RANDOM_STEPS = 64, 0.3, 8
_FEWEST_RANDOM = 4
_RANDOM_WORK = 1e8  # neuron-steps of all random samples; more take minutes, and gigabytes


class Samples:
    """The samples on which a network is calibrated and compared with its source.

    Parameters
    ----------
    network : FloatNetwork
        The source.
    source : SpikeInput, PixelInput or FrameInput
        Input of the imported network.
    settings : Settings
        The importer's options, with samples and labels.

    Attributes
    ----------
    given : bool
        Whether there are samples on which the rounding may be chosen. Random ones serve the report
        only.
    flat : (batch, steps, inputs) or (batch, inputs) int64
        Spikes, frames or pixels: the calibration samples, then the test samples.
    run : Run
        The run of the source on them.

    Raises
    ------
    TypeError, ValueError
        If samples or labels do not fit the input.
    """

    def __init__(self, network: FloatNetwork, source: Input, settings: Settings) -> None:
        self.network, self.source, self.settings = network, source, settings
        self.given = settings.calibration is not None
        self._used = False  # whether the rounding depends on samples
        self._recorded = False  # whether some are recordings of events
        self.steps = settings.steps
        parts = [
            self._checked(name, given)
            for name, given in (("calibration", settings.calibration), ("test", settings.test))
            if given is not None
        ]
        self._random = not parts
        if self._random:
            parts = [self._checked("random samples", self._random_samples(), 1)]
        if not self._recorded:
            check_unused(settings.binning)
        self.flat = np.concatenate(parts)
        self._calibrations = len(parts[0]) if self.given else 0
        self._tested = settings.test is not None
        self.labels = self._checked_labels(settings.labels)
        self.run = self._source_run()

    def _checked(self, name: str, samples: Any, time_axis: int | None = None) -> Integers:
        """Return samples flattened; all of them must have the same steps."""
        axis = self.settings.time_axis if time_axis is None else time_axis
        try:
            events = self._binned(as_recordings(samples), axis)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None
        self._recorded |= events is not None
        samples = samples if events is None else events
        _check_form(name, samples)
        samples = _as_read(samples, self.network.shape, self.source.shape)
        # The checks of samples need a network; any network with this input will do.
        stand_in = Network(
            self.source,
            (Dense(np.zeros((1, self.source.size)), neuron=Neuron(fires=False)),),
            readout="membrane",
        )
        try:
            flat, self.steps = check_samples(stand_in, samples, self.steps, axis)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}{self._in_units(samples)}") from None
        if not len(flat):
            raise ValueError(f"{name} must hold at least 1 sample, not 0")
        return flat.astype(np.int64)

    def _binned(self, samples: Any, time_axis: int) -> npt.NDArray[Any] | None:
        """Return recordings in steps; None if the samples are none."""
        settings, steps = self.settings, self.steps
        if steps is None and settings.bin_count is not None:
            steps = exact_int("bin_count", settings.bin_count, 1, STEPS_MAX)
        if steps is None and is_recordings(samples):
            raise ValueError("steps must be given for recordings: the steps per sample")
        return binned(self.source, samples, steps or 1, time_axis, settings.binning)

    def _in_units(self, samples: Any) -> str:
        """Return how to make integers of samples, if these are in the units of the model."""
        try:
            values = as_array("samples", samples)
        except (TypeError, ValueError):  # it was said
            return ""
        if isinstance(self.source, SpikeInput) or values.dtype.kind not in "if":
            return ""
        if (values == np.floor(values)).all() and not (values < 0).any():
            return ""
        zero = f" + {self.source.zero}" if self.source.zero else ""
        return (
            f"; y in the units of the model is the integer round(y / {self.settings.factor:.6g})"
            f"{zero}"
        )

    def _random_samples(self) -> Integers:
        generator, source = np.random.default_rng(0), self.source
        steps = self.steps or _RANDOM_STEPS
        work = steps * sum(prod(layer.output_shape) for layer in self.network.layers)
        count = int(min(_RANDOM_SAMPLES, max(_FEWEST_RANDOM, _RANDOM_WORK // work)))
        shape = (count, *source.shape) if source.kind == "pixels" else (count, steps, *source.shape)
        if isinstance(source, SpikeInput):
            return (generator.random(shape) < _RANDOM_RATE).astype(np.int64)
        return generator.integers(0, 1 << source.bits, shape)

    @property
    def _split(self) -> bool:
        """Whether some calibration samples are left out of the rounding, to measure on."""
        return not self._tested and self._calibrations >= _ENOUGH

    @property
    def _rounding(self) -> Integers:
        """Indices of the samples on which the rounding is chosen."""
        chosen = np.arange(self._calibrations)
        return chosen[chosen % _EVERY != _EVERY - 1] if self._split else chosen

    @property
    def _measured(self) -> Integers:
        """Indices of the samples on which the report is measured."""
        if self._tested:
            return np.arange(self._calibrations, len(self.flat))
        if self._split and self._used:
            return np.arange(_EVERY - 1, self._calibrations, _EVERY)
        return np.arange(len(self.flat))

    def _described(self) -> str:
        """Return what the report is measured on, in words."""
        count = len(self._measured)
        if self._tested:
            return f"{count} test samples"
        if self._random and not isinstance(self.source, SpikeInput):
            return f"{count} random {self.source.kind} (seed 0; no calibration given)"
        if self._random:
            return (
                f"{count} random samples (rate {_RANDOM_RATE}, seed 0; no calibration given)"
            )
        if not self._used:
            return f"{count} calibration samples, which the rounding did not need"
        if self._split:
            return (
                f"{count} of {self._calibrations} calibration samples (every {_EVERY}th), which "
                "the rounding did not use"
            )
        return (
            f"{count} calibration samples, which the rounding used too (fewer than {_ENOUGH}, and "
            "no test samples)"
        )

    def _checked_labels(self, labels: npt.ArrayLike | None) -> npt.NDArray[Any] | None:
        if labels is None:
            return None
        kind, count = "calibration", self._calibrations
        if self._tested:
            kind, count = "test", len(self.flat) - self._calibrations
        array = as_array("labels", labels)
        if array.shape != (count,) or array.dtype.kind not in "iu":
            raise ValueError(
                f"labels must be ({count},) integers, one per {kind} sample, not "
                f"{array.shape} of {array.dtype}"
            )
        outputs = prod(self.network.layers[-1].output_shape)
        return exact_integers("labels", array, 0, outputs - 1)

    def _source_run(self) -> Run:
        runs = []
        for at in range(0, len(self.flat), _CHUNK):
            part = self.flat[at : at + _CHUNK].astype(np.float64) - self.source.zero
            part = part * self.settings.factor
            if self.source.kind == "pixels":
                part = np.broadcast_to(part, (self.steps or 1, *part.shape))
            else:
                part = np.swapaxes(part, 0, 1)
            runs.append(self.network.run(part.reshape(*part.shape[:2], *self.network.shape)))
        spikes = [
            np.concatenate([run.spikes[i] for run in runs], axis=1)
            for i in range(len(self.network.layers))
        ]
        return Run(spikes, np.concatenate([run.membrane for run in runs]))

    def inputs(self, layers: Sequence[Layer]) -> Floats:
        """Return (values, inputs) of the layer after ``layers``, before its pooling, on the samples
        for the rounding. Those of the first layer are counted from the input's zero."""
        self._used = True
        if not layers:
            flat = self.flat[self._rounding].reshape(-1, self.source.size)
            return flat.astype(np.float64) - self.source.zero
        spikes = self._last_spikes(layers, self._rounding)
        spikes = self.network.layers[len(layers) - 1].output(spikes)
        return spikes.reshape(-1, spikes.shape[-1]).astype(np.float64)

    def different(self, layers: Sequence[Layer]) -> int:
        """Count the spikes of the last of ``layers`` that differ from the source's.

        The first of the samples for the rounding are enough for that.
        """
        self._used = True
        first = self._rounding[:_COMPARED]
        layer = self.network.layers[len(layers) - 1]
        spikes = layer.as_in_model(self._last_spikes(layers, first))
        source = self.run.spikes[len(layers) - 1][:, first]
        return int((np.swapaxes(spikes, 0, 1) != source).sum())

    def _last_spikes(self, layers: Sequence[Layer], chosen: Integers) -> npt.NDArray[np.bool_]:
        """Return (count, steps, neurons) spikes of the last of ``layers`` on some samples."""
        partial = Network(
            self.source, tuple(layers),
            weight_bits=self.settings.weight_bits, fraction_bits=self.settings.fraction_bits,
        )
        spikes = self._golden(partial, chosen).spikes[-1]
        return spikes.reshape(*spikes.shape[:2], -1)

    def _golden(self, network: Network, chosen: Integers) -> GoldenResult:
        from ..golden.golden import Golden  # loads torch, which importing this package must not

        flat = self.flat[chosen]
        shaped = flat.reshape(*flat.shape[:-1], *self.source.shape)
        return Golden(network, self.settings.state_bits).run(shaped, self.steps, trace=True)

    def report(
        self, network: Network, layers: tuple[LayerFidelity, ...], approximations: tuple[str, ...]
    ) -> Fidelity:
        """Compare a network with its source.

        Parameters
        ----------
        network : Network
            The imported network.
        layers : tuple of LayerFidelity
            The reports of its layers, still without spikes.
        approximations : tuple of str
            Where its rules differ from the source's.
        """
        chosen = self._measured
        result = self._golden(network, chosen)
        sources = [spikes[:, chosen] for spikes in self.run.spikes]
        measured = tuple(
            replace(report, spikes=compare_spikes(theirs, layer.as_in_model(_steps_first(ours))))
            if layer.cell.fires
            else report
            for report, layer, theirs, ours in zip(
                layers, self.network.layers, sources, result.spikes, strict=True
            )
        )
        if network.readout == "membrane":
            # The membranes of the two networks differ in scale, so each prediction uses only its
            # own network.
            scores = self.run.membrane[chosen]
            approximations += clipped_membranes(
                layers[-1], scores, result.readout, network.fraction_bits, self.settings.state_bits
            )
        else:
            scores = self.network.layers[-1].handed_on(sources[-1]).sum(0).astype(np.int64)
        theirs, ours = scores.argmax(1), result.prediction
        undecided = _all_equal(scores) & _all_equal(result.readout)
        return Fidelity(
            source=self.network.source,
            assumed=self.network.assumed,
            approximations=approximations,
            input=self._input(),
            layers=measured,
            array=self.settings.array_name,
            misses=(),
            state_bits=self.settings.state_bits,
            samples=f"{self._described()}, {self.steps} steps",
            count=len(chosen),
            steps=self.steps or 0,
            readout=network.readout,
            same_prediction=None if undecided.all() else float((theirs == ours).mean()),
            undecided=int(undecided.sum()),
            predicted_source=len(np.unique(theirs)),
            predicted=len(np.unique(ours)),
            accuracy_source=self._accuracy(theirs),
            accuracy=self._accuracy(ours),
        )

    def _input(self) -> str:
        """Return what the input is, in words."""
        source, scale = self.source, self.settings.input_scale
        times = "" if scale is None else f", times {scale:.6g}"
        if not isinstance(source, SpikeInput):
            when = ", new in every step" if source.kind == "frames" else ""
            zero = f", counted from {source.zero}" if source.zero else ""
            return f"{source.shape} {source.kind} of {source.bits} bits{when}{zero}{times}"
        text = f"{source.shape} spikes, 0 or 1 in every step{times}"
        if self.settings.input is None and self._random:
            text += " (images and other values need input=stablespike.PixelInput, or FrameInput)"
        return text

    def _accuracy(self, predictions: Integers) -> float | None:
        """Return the share of correct predictions; None without labels."""
        if self.labels is None:
            return None
        labels = self.labels if self._tested else self.labels[self._measured]
        return float((predictions == labels).mean())


def _all_equal(scores: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return for each sample whether its outputs, at least two, are all equal."""
    flat = scores.reshape(len(scores), scores.shape[1], -1)
    if scores.shape[1] == 1:
        return np.zeros(len(scores), dtype=np.bool_)
    equal: npt.NDArray[np.bool_] = (flat == flat[:, :1]).all((1, 2))
    return equal


def _check_form(name: str, samples: Any) -> None:
    """Refuse what gives samples one by one or in batches, with their labels."""
    if isinstance(samples, (list, tuple)):
        if len(samples) and isinstance(samples[0], tuple):
            raise TypeError(
                f"{name} must be an array of samples, not pairs of a sample and its label: give "
                "the samples stacked, and labels="
            )
        return
    plain = isinstance(samples, str) or hasattr(samples, "shape") or hasattr(samples, "__array__")
    if not plain and (hasattr(samples, "__iter__") or hasattr(samples, "__getitem__")):
        raise TypeError(
            f"{name} must be an array of samples, not a {type(samples).__name__}: give what it "
            "gives as one array, such as torch.cat([x for x, _ in loader])"
        )


def _as_read(samples: Any, shape: tuple[int, ...], read: tuple[int, ...]) -> Any:
    """Return samples of the model's shape in that of the map that its first layer reads."""
    given = np.shape(samples) if shape != read and not isinstance(samples, (list, tuple)) else ()
    if given[len(given) - len(shape) :] != shape or len(given) > len(shape) + 2:
        return samples
    return samples.reshape(*given[: len(given) - len(shape)], *read)


def _steps_first(spikes: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return (steps, batch, neurons) of ``(batch, steps, *neurons)`` spikes."""
    return np.swapaxes(spikes.reshape(*spikes.shape[:2], -1), 0, 1)
