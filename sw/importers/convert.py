"""A float network to a ``Network`` with its report: the step all importers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from ..errors import NotExpressible
from ..fidelity import Fidelity, LayerFidelity, compare_spikes
from ..network import READOUTS, Dense, Leak, Network, Neuron, PixelInput, SpikeInput
from ..quantize import (
    Quantized,
    closest_leak,
    exact_steps,
    leak_factor,
    quantize_layer,
    with_thresholds,
)
from ..samples import check_samples
from ..values import as_array, exact_choice, exact_int
from ..words import predict
from .graph import FloatLayer, FloatNetwork, Run
from .semantics import Cell, Floats

__all__ = ["Options", "Settings", "convert"]

_CHUNK = 64
_COMPARED = 256
_MATCHED = (0.2, 0.4, 0.6, 0.8, 1.0)
_RANDOM_SAMPLES, _RANDOM_RATE, _RANDOM_STEPS = 64, 0.3, 8


class Options(TypedDict, total=False):
    """What every importer takes beside the model; all by name.

    Parameters
    ----------
    weight_bits : 4 (the default) or 8.
    fraction_bits : F of the array, 4 by default.
    input : ``SpikeInput`` (the default, of the model's shape) or ``PixelInput``.
    input_scale : what the model is given for an input of 1, such as 1 / 15 for 4-bit pixels it
        knows as 0 to 1. 1 for spikes; must be given for pixels.
    scale : what one weight step is in the model's units: one number, or a list with None, a number
        or one number per neuron for each layer. None: chosen.
    calibration : samples, (batch, steps, *shape) spikes or (batch, *shape) pixels, on which
        rounding is chosen and the report is measured. None: random ones, for the report only.
    labels : (batch,) of the calibration samples, for accuracies.
    steps : steps of a sample; needed for pixels.
    time_axis : 0 if the calibration spikes are (steps, batch, ...).
    readout : "counts", "words" or "membrane"; by default counts, and the membrane of a last layer
        that never fires.
    approximate : take the nearest rule where the model's has no equal, and measure it.
    """

    weight_bits: int
    fraction_bits: int
    input: SpikeInput | PixelInput | None
    input_scale: float | None
    scale: Any
    calibration: npt.ArrayLike | None
    labels: npt.ArrayLike | None
    steps: int | None
    time_axis: int
    readout: str | None
    approximate: bool


@dataclass(frozen=True, eq=False)
class Settings:
    """``Options`` with their defaults, checked.

    ``layer_bits`` and ``emits`` are what a graph of this package says of its layers.
    """

    weight_bits: int = 4
    fraction_bits: int = 4
    input: SpikeInput | PixelInput | None = None
    input_scale: float | None = None
    scale: Any = None
    calibration: npt.ArrayLike | None = None
    labels: npt.ArrayLike | None = None
    steps: int | None = None
    time_axis: int = 1
    readout: str | None = None
    approximate: bool = False
    layer_bits: Sequence[int | None] = ()
    emits: Sequence[str] = ()

    def bits(self, index: int) -> int:
        """Weight width of a layer."""
        own = self.layer_bits[index] if self.layer_bits else None
        return self.weight_bits if own is None else own

    def __post_init__(self) -> None:
        if self.weight_bits not in (4, 8):
            raise ValueError(f"weight_bits must be 4 or 8, not {self.weight_bits!r}")
        exact_int("fraction_bits", self.fraction_bits, 0, 15)
        if not isinstance(self.approximate, bool):
            raise TypeError(f"approximate must be True or False, not {self.approximate!r}")
        if self.readout is not None:
            exact_choice("readout", self.readout, READOUTS)
        if not (self.input is None or isinstance(self.input, (SpikeInput, PixelInput))):
            raise TypeError(f"input must be a SpikeInput or a PixelInput, not {self.input!r}")
        if isinstance(self.input, PixelInput):
            if self.input_scale is None:
                raise ValueError(
                    "input_scale must be given for pixels: what the model is given for a pixel "
                    f"of 1, such as 1 / {(1 << self.input.bits) - 1} if it knows them as 0 to 1"
                )
            if self.steps is None:
                raise ValueError("steps must be given for pixels: the steps per sample")
        if self.input_scale is not None and not 0 < float(self.input_scale) < np.inf:
            raise ValueError(
                f"input_scale must be a positive finite number, not {self.input_scale!r}"
            )
        if self.labels is not None and self.calibration is None:
            raise ValueError("labels are those of the calibration samples: give calibration too")


def convert(network: FloatNetwork, settings: Settings) -> Network:
    """Quantize and measure.

    Returns
    -------
    A network whose ``fidelity`` is the report.

    Raises
    ------
    NotExpressible, TypeError, ValueError
        Naming the layer or the argument, and what to do.
    """
    approximations = _approximations(network, settings)
    readout = _readout(network, settings)
    source = _input(network, settings)
    factor = 1.0 if settings.input_scale is None else float(settings.input_scale)
    measured = _Samples(network, source, settings, factor)
    layers: list[Dense] = []
    reports: list[LayerFidelity] = []
    for index, layer in enumerate(network.layers):
        if index == 0:
            layer = replace(layer, weight=layer.weight * factor)
        scale = _scale(settings.scale, index, network.layers)
        try:
            quantized = _quantized(layer, index, settings, measured, layers, scale)
            quantized, matched = _matched(layer, index, quantized, settings, measured, layers)
        except ValueError as error:
            raise ValueError(f"{layer.name} ({layer.cell.source}): {error}") from None
        layers.append(_dense(layer, index, quantized, settings))
        reports.append(_layer_report(layer, index, quantized, matched, settings))
    result = Network(
        input=source, layers=tuple(layers), readout=readout,
        weight_bits=settings.weight_bits, fraction_bits=settings.fraction_bits,
    )
    fidelity = measured.report(result, tuple(reports), approximations)
    return replace(result, fidelity=fidelity)


def _approximations(network: FloatNetwork, settings: Settings) -> tuple[str, ...]:
    lines = []
    for layer in network.layers:
        if not layer.cell.inexact:
            continue
        if not settings.approximate:
            raise NotExpressible(
                layer.name, layer.cell.source, layer.cell.inexact,
                f"{layer.cell.nearest}, which approximate=True takes, measures and reports",
            )
        lines.append(f"{layer.name}: {layer.cell.inexact}; taken as {layer.cell.nearest}")
    last = network.layers[-1]
    if settings.readout == "membrane" and last.cell.membrane_differs:
        if not settings.approximate:
            raise NotExpressible(
                last.name, last.cell.source, last.cell.membrane_differs,
                "readout='counts', or approximate=True",
            )
        lines.append(f"{last.name}: {last.cell.membrane_differs}")
    return tuple(lines)


def _readout(network: FloatNetwork, settings: Settings) -> str:
    fires = network.layers[-1].cell.fires
    if settings.readout is None:
        return "counts" if fires else "membrane"
    if settings.readout != "membrane" and not fires:
        raise ValueError(
            f"readout must be 'membrane', not {settings.readout!r}: the last layer, "
            f"{network.layers[-1].name}, never fires"
        )
    return settings.readout


def _input(network: FloatNetwork, settings: Settings) -> SpikeInput | PixelInput:
    if settings.input is None:
        return SpikeInput(network.shape)
    if settings.input.size != prod(network.shape):
        raise ValueError(
            f"input must have the {prod(network.shape)} values of the model's {network.shape}, "
            f"not {settings.input.shape}"
        )
    return settings.input


class _Samples:
    """What is run to calibrate and to measure, and what the source does with it."""

    def __init__(
        self,
        network: FloatNetwork,
        source: SpikeInput | PixelInput,
        settings: Settings,
        factor: float,
    ) -> None:
        self.network, self.source = network, source
        self.given = settings.calibration is not None
        if self.given:
            samples: Any = settings.calibration
            self.text = "calibration samples"
        else:
            samples = self._random(source, settings.steps)
            self.text = f"random samples (rate {_RANDOM_RATE}, seed 0; no calibration given)"
            if isinstance(source, PixelInput):
                self.text = "random pixels (seed 0; no calibration given)"
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
        return array

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

    def inputs(self, layers: Sequence[Dense], settings: Settings) -> Floats:
        """What the next layer gets, (values, inputs), before its pooling."""
        if not layers:
            return self.flat.reshape(-1, self.source.size).astype(np.float64)
        spikes = self._last_spikes(layers, settings, len(self.flat))
        return spikes.reshape(-1, spikes.shape[-1]).astype(np.float64)

    def different(self, layers: Sequence[Dense], settings: Settings) -> int:
        """Spikes of the last of some layers that are not the source's, on the first samples."""
        spikes = self._last_spikes(layers, settings, _COMPARED)
        source = self.run.spikes[len(layers) - 1][:, :_COMPARED]
        return int((np.swapaxes(spikes, 0, 1) != source).sum())

    def _last_spikes(
        self, layers: Sequence[Dense], settings: Settings, count: int
    ) -> npt.NDArray[np.bool_]:
        from ..golden import Golden

        partial = Network(
            self.source, tuple(layers),
            weight_bits=settings.weight_bits, fraction_bits=settings.fraction_bits,
        )
        return Golden(partial).run(self._shaped()[:count], self.steps, trace=True).spikes[-1]

    def _shaped(self) -> npt.NDArray[np.int64]:
        return self.flat.reshape(*self.flat.shape[:-1], *self.source.shape)

    def report(
        self, network: Network, layers: tuple[LayerFidelity, ...], approximations: tuple[str, ...]
    ) -> Fidelity:
        from ..golden import Golden

        result = Golden(network).run(self._shaped(), self.steps, trace=True)
        measured = tuple(
            replace(report, spikes=compare_spikes(theirs, np.swapaxes(ours, 0, 1)))
            if layer.cell.fires
            else report
            for report, layer, theirs, ours in zip(
                layers, self.network.layers, self.run.spikes, result.spikes, strict=True
            )
        )
        if network.readout == "membrane":
            # Ties and scales: a membrane is compared with its own kind only.
            theirs = self.run.membrane.argmax(1)
        else:
            theirs = predict(self.run.spikes[-1].sum(0).astype(np.int64), "counts")
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


def _quantized(
    layer: FloatLayer,
    index: int,
    settings: Settings,
    measured: _Samples,
    before: Sequence[Dense],
    scale: Floats | None,
) -> Quantized:
    options: dict[str, Any] = {
        "weight_bits": settings.bits(index), "fraction_bits": settings.fraction_bits,
        "scale": scale,
    }
    cell = layer.cell
    plain = quantize_layer(layer.weight, layer.bias, cell.threshold, cell.v_init, **options)
    if plain.exact or scale is not None or not measured.given:
        return plain
    inputs = measured.inputs(before, settings)
    if layer.pool is not None:
        inputs = inputs @ layer.pooling(measured.source.shape)
    moments = inputs.T @ inputs / len(inputs)
    return quantize_layer(
        layer.weight, layer.bias, cell.threshold, cell.v_init, moments=moments, **options
    )


def _matched(
    layer: FloatLayer,
    index: int,
    quantized: Quantized,
    settings: Settings,
    measured: _Samples,
    before: Sequence[Dense],
) -> tuple[Quantized, float]:
    """Thresholds that make up for another leak, and their factor.

    A constant current drives a membrane with decay ``d`` to ``1 / (1 - d)`` of itself in many
    steps; in few, less depends on the leak. So the factor is between 1 and the ratio of the two.
    """
    threshold, decay = layer.cell.threshold, layer.cell.decay
    used = leak_factor(_leaks(layer)[0])
    if threshold is None or not measured.given or used == decay or 1 in (used, decay):
        return quantized, 1.0
    best, least = (quantized, 1.0), measured.different(
        (*before, _dense(layer, index, quantized, settings)), settings
    )
    for share in _MATCHED:
        factor = 1.0 + share * ((1.0 - decay) / (1.0 - used) - 1.0)
        other = with_thresholds(quantized, threshold * factor, settings.fraction_bits)
        different = measured.different(
            (*before, _dense(layer, index, other, settings)), settings
        )
        if different < least:
            best, least = (other, factor), different
    return best


def _scale(scale: Any, index: int, layers: Sequence[FloatLayer]) -> Floats | None:
    """The scale given for a layer."""
    if isinstance(scale, (list, tuple)):
        if len(scale) != len(layers):
            raise ValueError(
                f"scale must be one number or a list of {len(layers)}, one for each layer, "
                f"not of {len(scale)}"
            )
        scale = scale[index]
    if scale is None:
        return None
    array = as_array("scale", scale).astype(np.float64)
    layer = layers[index]
    if array.shape not in ((), (len(layer.weight),)) or (array.ndim and not layer.cell.fires):
        raise ValueError(
            f"scale of {layer.name} must be one number"
            + (f" or ({len(layer.weight)},)" if layer.cell.fires else " (it is read by membrane)")
            + f", not {array.shape}"
        )
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError(f"scale of {layer.name} must be positive and finite")
    return array


def _leaks(layer: FloatLayer) -> tuple[Leak, Leak | None]:
    """Shifts of the membrane, and of the synapse where there is one."""
    cell = layer.cell
    leak = closest_leak(cell.decay) if cell.leak is None else cell.leak
    if cell.synapse_decay is None:
        return leak, None
    return leak, cell.synapse_leak or closest_leak(cell.synapse_decay)


def _dense(layer: FloatLayer, index: int, quantized: Quantized, settings: Settings) -> Dense:
    cell = layer.cell
    leak, synapse_leak = _leaks(layer)
    neuron = Neuron(
        leak=leak,
        threshold=_plainest(quantized.threshold),
        reset=cell.reset,
        reset_timing=cell.reset_timing,
        compare=cell.compare,
        v_init=quantized.v_init,
        fires=cell.fires,
        synapse_leak=synapse_leak,
    )
    return Dense(
        quantized.weight, quantized.bias, neuron=neuron, pool_before=layer.pool,
        emit=settings.emits[index] if settings.emits else "spikes",
        weight_bits=settings.layer_bits[index] if settings.layer_bits else None,
    )


def _layer_report(
    layer: FloatLayer, index: int, quantized: Quantized, factor: float, settings: Settings
) -> LayerFidelity:
    cell = layer.cell
    leak, synapse_leak = _leaks(layer)
    column = quantized.scale[:, None] if quantized.scale.ndim else quantized.scale
    ratio = layer.weight / column
    size = float(np.sqrt((layer.weight**2).mean()))
    error = float(np.sqrt(((quantized.weight - ratio) ** 2 * column**2).mean()))
    used = leak_factor(leak)
    synapse_used = None if synapse_leak is None else leak_factor(synapse_leak)
    values = [quantized.bias, np.array([quantized.v_init])]
    values += [] if quantized.threshold is None else [quantized.threshold]
    exact = quantized.exact and used == cell.decay and synapse_used == cell.synapse_decay
    half = 1 << (settings.bits(index) - 1)
    steps: int | None = 0
    if exact:
        steps = exact_steps(leak, synapse_leak, np.concatenate(values), settings.fraction_bits)
    return LayerFidelity(
        name=layer.name,
        source=cell.source,
        neuron=_words(cell),
        decay_asked=cell.decay,
        decay_used=used,
        leak=leak,
        synapse_asked=cell.synapse_decay,
        synapse_used=synapse_used,
        synapse_leak=synapse_leak,
        threshold_factor=factor,
        scale_low=float(quantized.scale.min()),
        scale_high=float(quantized.scale.max()),
        weight_error=error / size if size else 0.0,
        clipped=int(((ratio > half - 0.5) | (ratio < -half - 0.5)).sum()),
        exact=exact,
        exact_steps=steps,
        spikes=None,
    )


def _plainest(threshold: npt.NDArray[np.int64] | None) -> Any:
    """One threshold where all are the same."""
    if threshold is None or (threshold != threshold[0]).any():
        return threshold
    return int(threshold[0])


def _words(cell: Cell) -> str:
    if not cell.fires:
        return "read by its membrane"
    timing = f", {cell.reset_timing}" if cell.reset == "subtract" else ""
    return f"{cell.compare}, reset {cell.reset}{timing}"
