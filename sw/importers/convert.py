"""Turns a network of real numbers into a ``Network`` with its report: the last step of all
importers."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ..mapping.constraints import violations
from ..network import Dense, Layer, Network, Neuron, PixelInput, SpikeInput
from ..network.fidelity import LayerFidelity
from ..network.neurons import Leak, Leaks
from ..network.quantize import (
    Quantized,
    RealLayer,
    exact_steps,
    quantize_layer,
    with_thresholds,
)
from ..support.errors import DoesNotFit, FidelityWarning, NotExpressible
from ..support.values import as_array
from .fitting import LayerLimits, array_fit, weight_error
from .graph import FloatNetwork
from .layers import FloatLayer, trained_step
from .leaks import factors, layer_leaks
from .measure import Samples
from .semantics import Cell, Decay, Floats
from .settings import Settings

__all__ = ["convert"]

# The positions between 1 and its limit at which the factor of _matched is tried.
_MATCHED = (0.2, 0.4, 0.6, 0.8, 1.0)


def convert(network: FloatNetwork, settings: Settings) -> Network:
    """Quantize a network and compare it with its source.

    Parameters
    ----------
    network : FloatNetwork
        The network.
    settings : Settings
        The importer's options.

    Returns
    -------
    Network
        Its ``fidelity`` is the report.

    Raises
    ------
    NotExpressible, TypeError, ValueError
        Naming the layer or the argument, and what to do.
    """
    settings.check_complete()
    approximations = _approximations(network, settings)
    readout = _readout(network, settings)
    source = _input(network, settings)
    factor = 1.0 if settings.input_scale is None else float(settings.input_scale)
    measured = Samples(network, source, settings, factor)
    layers: list[Layer] = []
    reports: list[LayerFidelity] = []
    for index, layer in enumerate(network.layers):
        if index == 0:
            step = None if layer.step is None else layer.step * factor
            layer = replace(layer, weight=layer.weight * factor, step=step)
        scale = _scale(settings.scale, index, network.layers)
        # The states of the layer are ``divisor`` times those of the model, and so is its scale.
        scale = None if scale is None else scale * layer.divisor
        try:
            quantized = _quantized(layer, index, settings, measured, layers, scale)
            quantized, matched = _matched(layer, index, quantized, settings, measured, layers)
        except ValueError as error:
            kind = DoesNotFit if isinstance(error, DoesNotFit) else ValueError
            raise kind(f"{layer.name} ({layer.cell.source}): {error}") from None
        layers.append(_integer(layer, index, quantized, settings))
        reports.append(_layer_report(layer, index, quantized, matched, settings))
    result = Network(
        input=source, layers=tuple(layers), readout=readout,
        weight_bits=settings.weight_bits, fraction_bits=settings.fraction_bits,
    )
    fidelity = measured.report(result, tuple(reports), approximations)
    if settings.array is not None:
        found = violations(result, settings.array, fidelity.steps)
        fidelity = replace(fidelity, misses=tuple(each.text for each in found))
    for line in fidelity.warnings:
        warnings.warn(line, FidelityWarning, stacklevel=_outside())
    return replace(result, fidelity=fidelity)


def _outside() -> int:
    """Return the ``stacklevel`` with which a warning of ``convert`` names the importer's caller."""
    level, frame = 1, inspect.currentframe()
    package = __name__.partition(".")[0]
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    return level - 1


def _approximations(network: FloatNetwork, settings: Settings) -> tuple[str, ...]:
    lines = []
    bits = settings.input.bits if isinstance(settings.input, PixelInput) else 1
    largest = ((1 << bits) - 1) * (settings.input_scale or 1.0)
    for index, layer in enumerate(network.layers):
        if layer.is_exact_for(1.0 if index else largest):
            continue
        if not settings.approximate:
            raise NotExpressible(
                layer.name, layer.cell.source, layer.cell.inexact,
                f"{layer.cell.nearest}, which approximate=True takes, measures and reports",
            )
        lines.append(f"{layer.name}: {layer.cell.inexact}; taken as {layer.cell.nearest}")
    for pool in (layer.inexact for layer in network.layers):
        if pool is None:
            continue
        if not settings.approximate:
            raise pool
        lines.append(f"{pool.node}: {pool.reason}; taken as that OR")
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
    first = network.layers[0]
    map_wanted = first.conv is not None or first.pool is not None
    if settings.input is None:
        return SpikeInput(first.shape if map_wanted else network.shape)
    if settings.input.size != prod(network.shape):
        raise ValueError(
            f"input must have the {prod(network.shape)} values of the model's {network.shape}, "
            f"not {settings.input.shape}"
        )
    if map_wanted and settings.input.shape != first.shape:
        raise ValueError(
            f"input must have the shape {first.shape} of the map {first.name} reads, not "
            f"{settings.input.shape}"
        )
    return settings.input


def _quantized(
    layer: FloatLayer,
    index: int,
    settings: Settings,
    measured: Samples,
    before: Sequence[Layer],
    scale: Floats | None,
) -> Quantized:
    """Return the layer's integers: rounded plainly if that is exact, else with the samples."""
    options: dict[str, Any] = {
        "weight_bits": settings.bits(index), "fraction_bits": settings.fraction_bits,
        "scale": scale, "limits": _limits(layer, index, settings),
    }
    real = RealLayer(layer.matrix, layer.bias, layer.cell.threshold, layer.cell.v_init)
    plain = quantize_layer(real, **options)
    if scale is not None:
        return plain
    kept = _as_trained(layer, real, options)
    if kept is not None and (kept.exact or not plain.exact):
        return kept
    if plain.exact or not measured.given:
        return plain
    moments = layer.moments(measured.inputs(before))
    return quantize_layer(real, moments=moments, **options)


def _as_trained(
    layer: FloatLayer, real: RealLayer, options: dict[str, Any]
) -> Quantized | None:
    """Return the integers with which a layer was trained, where it was and they fit."""
    step = trained_step(layer, options["weight_bits"])
    if step is None:
        return None
    try:
        return quantize_layer(real, **{**options, "scale": step})
    except ValueError:  # a bias or threshold is out of range at this scale
        return None


def _limits(layer: FloatLayer, index: int, settings: Settings) -> LayerLimits | None:
    """Return the array's limits for a layer; None without an array."""
    if settings.array is None:
        return None
    return LayerLimits(layer, settings.array, settings.bits(index))


def _matched(
    layer: FloatLayer,
    index: int,
    quantized: Quantized,
    settings: Settings,
    measured: Samples,
    before: Sequence[Layer],
) -> tuple[Quantized, float]:
    """Return the layer with thresholds that compensate for an inexact leak, and their factor.

    A constant current drives a membrane with decay ``d`` to ``1 / (1 - d)`` times the current in
    many steps; in few steps the leak matters less. So the best factor lies between 1 and the ratio
    of the two limits, and the one with the fewest different spikes is taken.
    """
    threshold, decay = layer.cell.threshold, np.asarray(layer.cell.decay)
    used = np.asarray(factors(_leaks(layer, settings)[0]))
    without = (used == decay) | (used == 1) | (decay == 1)
    ratio = np.where(without, 1.0, (1.0 - decay) / np.where(without, 1.0, 1.0 - used))
    if threshold is None or not measured.given or without.all():
        return quantized, 1.0
    plain = _integer(layer, index, quantized, settings)
    best, least = (quantized, 1.0), measured.different((*before, plain))
    for share in _MATCHED:
        factor = 1.0 + share * (ratio - 1.0)
        try:
            other = with_thresholds(
                quantized, threshold * factor, settings.fraction_bits, settings.state_bits
            )
        except ValueError:  # out of range: the other factors are still there
            continue
        different = measured.different((*before, _integer(layer, index, other, settings)))
        if different < least:
            furthest = factor.reshape(-1)[np.abs(factor - 1.0).argmax()]
            best, least = (other, float(furthest)), different
    return best


def _scale(scale: Any, index: int, layers: Sequence[FloatLayer]) -> Floats | None:
    """Return the scale that was given for a layer, or None."""
    if isinstance(scale, (list, tuple)):
        if len(scale) != len(layers):
            raise ValueError(
                f"scale must be one number or a list of {len(layers)}, one for each layer, "
                f"not of {len(scale)}"
            )
        scale = scale[index]
    if scale is None:
        return None
    array = as_array("scale", scale, "real numbers").astype(np.float64)
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


def _leaks(layer: FloatLayer, settings: Settings) -> tuple[Leaks, Leaks | None]:
    """Return the leaks of the membranes, and of the synaptic currents where there are some."""
    return layer_leaks(layer.cell, len(layer.weight), settings.leaks)


def _integer(layer: FloatLayer, index: int, quantized: Quantized, settings: Settings) -> Layer:
    cell = layer.cell
    leak, synapse_leak = _leaks(layer, settings)
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
    # The matrix has the recurrent weights after the others, because they share the neuron's scale.
    inputs = prod(layer.weight.shape[1:])
    weight = quantized.weight[:, :inputs].reshape(layer.weight.shape)
    shared: dict[str, Any] = {
        "neuron": neuron,
        "emit": settings.emits[index] if settings.emits else "spikes",
        "weight_bits": settings.layer_bits[index] if settings.layer_bits else None,
    }
    if layer.conv is not None:
        return replace(
            layer.conv, weight=weight, bias=quantized.bias, pool_after=layer.pool_after, **shared
        )
    recurrent = None if cell.recurrent is None else quantized.weight[:, inputs:]
    return Dense(
        weight, quantized.bias, pool_before=layer.pool, recurrent=recurrent, **shared
    )


def _layer_report(
    layer: FloatLayer, index: int, quantized: Quantized, factor: float, settings: Settings
) -> LayerFidelity:
    cell = layer.cell
    leak, synapse_leak = _leaks(layer, settings)
    column = quantized.scale[:, None] if quantized.scale.ndim else quantized.scale
    matrix = layer.matrix
    ratio = matrix / column
    used = factors(leak)
    synapse_used = None if synapse_leak is None else factors(synapse_leak)
    limits = _limits(layer, index, settings)
    exact = quantized.exact and np.array_equal(used, cell.decay)
    if synapse_used is not None and cell.synapse_decay is not None:
        exact = exact and np.array_equal(synapse_used, cell.synapse_decay)
    half = 1 << (settings.bits(index) - 1)  # a ratio beyond -half - 0.5 .. half - 0.5 was clipped
    steps: int | None = 0
    if exact:
        steps = _exact_steps(leak, synapse_leak, quantized, settings)
    return LayerFidelity(
        name=layer.name,
        source=cell.source,
        neuron=_described(cell),
        decay_asked=_listed(cell.decay),
        decay_used=_listed(used),
        leak=leak,
        synapse_asked=None if cell.synapse_decay is None else _listed(cell.synapse_decay),
        synapse_used=None if synapse_used is None else _listed(synapse_used),
        synapse_leak=synapse_leak,
        threshold_factor=factor,
        scale_low=float(quantized.scale.min()) / layer.divisor,
        scale_high=float(quantized.scale.max()) / layer.divisor,
        weight_error=weight_error(quantized, matrix),
        clipped=int(((ratio > half - 0.5) | (ratio < -half - 0.5)).sum()),
        nonzero=int(np.count_nonzero(quantized.weight)),
        zeroed=int(np.count_nonzero(matrix[quantized.weight == 0])),
        cut_off=int((matrix.any(1) & ~quantized.weight.any(1)).sum()),
        fit=None if limits is None else array_fit(layer, quantized, limits),
        exact=exact,
        exact_steps=steps,
        spikes=None,
    )


def _exact_steps(
    leak: Leaks, synapse_leak: Leaks | None, quantized: Quantized, settings: Settings
) -> int | None:
    """Return the steps in which no leak can round a state of the layer; None for any number."""
    kinds, kind = Neuron(leak=leak, synapse_leak=synapse_leak, fires=False).kinds(
        len(quantized.bias)
    )
    found = []
    for number, neuron in enumerate(kinds):
        values = [quantized.bias[kind == number], np.array([quantized.v_init])]
        if quantized.threshold is not None:
            values.append(quantized.threshold[kind == number])
        one, synapse = cast(Leak, neuron.leak), cast("Leak | None", neuron.synapse_leak)
        found.append(exact_steps(one, synapse, np.concatenate(values), settings.fraction_bits))
    return min((steps for steps in found if steps is not None), default=None)


def _listed(decay: Decay) -> float | tuple[float, ...]:
    """Return one decay, or one per neuron, for a report."""
    return tuple(decay.tolist()) if isinstance(decay, np.ndarray) else decay


def _plainest(threshold: npt.NDArray[np.int64] | None) -> Any:
    """Return a single number if all thresholds are the same."""
    if threshold is None or (threshold != threshold[0]).any():
        return threshold
    return int(threshold[0])


def _described(cell: Cell) -> str:
    """Return the settings of a layer's neurons, for reports."""
    if not cell.fires:
        return "read by its membrane"
    timing = f", {cell.reset_timing}" if cell.reset == "subtract" else ""
    return f"{cell.compare}, reset {cell.reset}{timing}"
