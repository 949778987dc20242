"""Runs samples on a model and on the network made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..network import Dense, Layer, Network, Neuron, PixelInput, SpikeInput
from ..network.fidelity import Fidelity, LayerFidelity, compare_spikes
from ..samples.samples import check_samples
from ..samples.words import predict
from ..support.values import as_array, exact_integers
from .graph import FloatNetwork, Run
from .semantics import Floats
from .settings import Settings

__all__ = ["Samples"]

_CHUNK = 64  # samples the source runs at once, which bounds its memory
_COMPARED = 256  # samples for choosing thresholds; more take time and change little
_RANDOM_SAMPLES, _RANDOM_RATE, _RANDOM_STEPS = 64, 0.3, 8


class Samples:
    """The samples on which a network is calibrated and compared with its source.

    Parameters
    ----------
    network : FloatNetwork
        The source.
    source : SpikeInput or PixelInput
        Input of the imported network.
    settings : Settings
        The importer's options, with samples and labels.
    factor : float
        What the source receives for an input of 1.

    Attributes
    ----------
    given : bool
        Whether the caller gave the samples. Random ones serve the report only.
    flat : (batch, steps, inputs) or (batch, inputs) int64
        Spikes or pixels.
    run : Run
        The run of the source on them.

    Raises
    ------
    TypeError, ValueError
        If calibration samples or labels do not fit the input.
    """

    def __init__(
        self,
        network: FloatNetwork,
        source: SpikeInput | PixelInput,
        settings: Settings,
        factor: float,
    ) -> None:
        self.network, self.source, self.settings = network, source, settings
        self.given = settings.calibration is not None
        if self.given:
            samples: Any = _as_read(settings.calibration, network.shape, source.shape)
            self.text = "calibration samples"
        else:
            samples = self._random(source, settings.steps)
            self.text = f"random samples (rate {_RANDOM_RATE}, seed 0; no calibration given)"
            if isinstance(source, PixelInput):
                self.text = "random pixels (seed 0; no calibration given)"
        first = samples[0] if isinstance(samples, (list, tuple)) and len(samples) else samples
        if getattr(getattr(first, "dtype", None), "names", None):
            raise ValueError(
                "calibration must be spikes or pixels, not event arrays: bin them with "
                "stablespike.bin_events first"
            )
        # The checks of samples need a network; any network with this input will do.
        stand_in = Network(
            source, (Dense(np.zeros((1, source.size)), neuron=Neuron(fires=False)),),
            readout="membrane",
        )
        axis = settings.time_axis if self.given else 1
        try:
            flat, self.steps = check_samples(stand_in, samples, settings.steps, axis)
        except (TypeError, ValueError) as error:
            raise type(error)(f"calibration: {error}") from None
        if not len(flat):
            raise ValueError("calibration must hold at least 1 sample, not 0")
        self.flat = flat.astype(np.int64)
        self.labels = self._checked_labels(settings.labels)
        self.run = self._source_run(factor)

    @staticmethod
    def _random(source: SpikeInput | PixelInput, steps: int | None) -> npt.NDArray[np.int64]:
        generator = np.random.default_rng(0)
        if isinstance(source, PixelInput):
            return generator.integers(0, 1 << source.bits, (_RANDOM_SAMPLES, *source.shape))
        shape = (_RANDOM_SAMPLES, _RANDOM_STEPS if steps is None else steps, *source.shape)
        return (generator.random(shape) < _RANDOM_RATE).astype(np.int64)

    def _checked_labels(self, labels: npt.ArrayLike | None) -> npt.NDArray[Any] | None:
        if labels is None:
            return None
        array = as_array("labels", labels)
        if array.shape != (len(self.flat),) or array.dtype.kind not in "iu":
            raise ValueError(
                f"labels must be ({len(self.flat)},) integers, one per calibration sample, not "
                f"{array.shape} of {array.dtype}"
            )
        outputs = prod(self.network.layers[-1].output_shape)
        return exact_integers("labels", array, 0, outputs - 1)

    def _source_run(self, factor: float) -> Run:
        runs = []
        for at in range(0, len(self.flat), _CHUNK):
            part = self.flat[at : at + _CHUNK].astype(np.float64) * factor
            if self.source.kind == "pixels":
                part = np.broadcast_to(part, (self.steps, *part.shape))
            else:
                part = np.swapaxes(part, 0, 1)
            runs.append(self.network.run(part.reshape(*part.shape[:2], *self.network.shape)))
        spikes = [
            np.concatenate([run.spikes[i] for run in runs], axis=1)
            for i in range(len(self.network.layers))
        ]
        return Run(spikes, np.concatenate([run.membrane for run in runs]))

    def inputs(self, layers: Sequence[Layer]) -> Floats:
        """Return (values, inputs) of the layer after ``layers``, before its pooling."""
        if not layers:
            return self.flat.reshape(-1, self.source.size).astype(np.float64)
        spikes = self._last_spikes(layers, len(self.flat))
        spikes = self.network.layers[len(layers) - 1].output(spikes)
        return spikes.reshape(-1, spikes.shape[-1]).astype(np.float64)

    def different(self, layers: Sequence[Layer]) -> int:
        """Count the spikes of the last of ``layers`` that differ from the source's.

        The first samples are enough for that.
        """
        layer = self.network.layers[len(layers) - 1]
        spikes = layer.as_in_model(self._last_spikes(layers, _COMPARED))
        source = self.run.spikes[len(layers) - 1][:, :_COMPARED]
        return int((np.swapaxes(spikes, 0, 1) != source).sum())

    def _last_spikes(self, layers: Sequence[Layer], count: int) -> npt.NDArray[np.bool_]:
        """Return (count, steps, neurons) spikes of the last of ``layers`` on the first samples."""
        from ..golden.golden import Golden  # loads torch, which importing this package must not

        partial = Network(
            self.source, tuple(layers),
            weight_bits=self.settings.weight_bits, fraction_bits=self.settings.fraction_bits,
        )
        spikes = Golden(partial).run(self._shaped()[:count], self.steps, trace=True).spikes[-1]
        return spikes.reshape(*spikes.shape[:2], -1)

    def _shaped(self) -> npt.NDArray[np.int64]:
        return self.flat.reshape(*self.flat.shape[:-1], *self.source.shape)

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
        from ..golden.golden import Golden  # as above

        result = Golden(network).run(self._shaped(), self.steps, trace=True)
        measured = tuple(
            replace(report, spikes=compare_spikes(theirs, layer.as_in_model(_steps_first(ours))))
            if layer.cell.fires
            else report
            for report, layer, theirs, ours in zip(
                layers, self.network.layers, self.run.spikes, result.spikes, strict=True
            )
        )
        if network.readout == "membrane":
            # The membranes of the two networks differ in scale, so each prediction uses only its
            # own network.
            theirs = self.run.membrane.argmax(1)
        else:
            last = self.network.layers[-1]
            emitted = self.run.spikes[-1]
            emitted = emitted if last.pools_currents else last.output(emitted)
            theirs = predict(emitted.sum(0).astype(np.int64), "counts")
        labels = self.labels
        return Fidelity(
            source=self.network.source,
            assumed=self.network.assumed,
            approximations=approximations,
            layers=measured,
            samples=f"{len(self.flat)} {self.text}, {self.steps} steps",
            count=len(self.flat),
            steps=self.steps,
            readout=network.readout,
            same_prediction=float((theirs == result.prediction).mean()),
            accuracy_source=None if labels is None else float((theirs == labels).mean()),
            accuracy=None if labels is None else float((result.prediction == labels).mean()),
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
