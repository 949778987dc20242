"""Turns a network of real numbers into a ``Network`` with its report: the last step of all
importers."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ..mapping.constraints import Violation, violations
from ..mapping.frames import computed_network, frame_ways
from ..network import Input, Layer, Network, SpikeInput
from ..network.layer_fidelity import LayerFidelity
from ..spec.array import ArrayConfig
from ..support.errors import DoesNotFit, FidelityWarning, NotExpressible
from ..support.values import as_array
from .graph import FloatNetwork
from .integers import IntegerLayer
from .layers import FloatLayer
from .measure import Samples
from .semantics import Floats
from .settings import Settings

__all__ = ["convert"]


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
    factor = settings.factor
    measured = Samples(network, source, settings)
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
            integer, report = IntegerLayer(layer, settings, measured, tuple(layers)).made(scale)
        except ValueError as error:
            kind = DoesNotFit if isinstance(error, DoesNotFit) else ValueError
            raise kind(f"{layer.name} ({layer.cell.source}): {error}") from None
        layers.append(integer)
        reports.append(report)
    result = Network(
        input=source, layers=tuple(layers), readout=readout,
        weight_bits=settings.weight_bits, fraction_bits=settings.fraction_bits,
    )
    fidelity = measured.report(result, tuple(reports), approximations)
    if settings.array is not None:
        found = _violations(result, settings.array, fidelity.steps)
        fidelity = replace(fidelity, misses=tuple(each.text for each in found))
    for line in fidelity.warnings:
        warnings.warn(line, FidelityWarning, stacklevel=_outside())
    return replace(result, fidelity=fidelity)


def _violations(network: Network, array: ArrayConfig, steps: int) -> tuple[Violation, ...]:
    """Return why a network does not fit an array: in the way of giving it its input in which least
    is against it."""
    found = (
        tuple(violations(computed_network(network, way), array, steps))
        for way in frame_ways(network)
    )
    return min(found, key=len)


def _outside() -> int:
    """Return the ``stacklevel`` with which a warning of ``convert`` names the importer's caller."""
    level, frame = 1, inspect.currentframe()
    package = __name__.partition(".")[0]
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    return level - 1


def _approximations(network: FloatNetwork, settings: Settings) -> tuple[str, ...]:
    lines = []
    for index, layer in enumerate(network.layers):
        lowest, largest = (0.0, 1.0) if index else settings.received
        if layer.is_exact_for(largest, lowest):
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


def _input(network: FloatNetwork, settings: Settings) -> Input:
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
    zero = settings.input.zero
    if zero and first.conv is not None and any(first.conv.padding):
        raise NotExpressible(
            first.name, first.cell.source,
            f"its convolution pads the input with 0 ({first.conv.padding}), and with "
            f"input.zero={zero} a 0 of the array is {-zero} of the model",
            f"the convolution without padding, on samples that are padded with {zero}",
        )
    return settings.input


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
