"""Encoders in files: the part of a network's header and of its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from .delta import DeltaEncoder
from .encoder import Encoder
from .latency import LatencyEncoder
from .population import PopulationEncoder
from .quantize import QuantizeEncoder
from .rate import RateEncoder
from .thermometer import ThermometerEncoder

__all__ = ["KINDS", "decode_encoder", "encode_encoder"]

KINDS: dict[str, type[Encoder]] = {
    each.kind: each
    for each in (
        DeltaEncoder, LatencyEncoder, PopulationEncoder, QuantizeEncoder, RateEncoder,
        ThermometerEncoder,
    )
}
_KIND, _TENSOR = "kind", "tensor"

Tensors = dict[str, npt.NDArray[Any]]


def encode_encoder(encoder: Encoder, tensors: Tensors) -> dict[str, Any]:
    """An encoder's entry in the header; its arrays are added to ``tensors``."""
    entry: dict[str, Any] = {_KIND: encoder.kind}
    for field in fields(encoder):  # type: ignore[arg-type]
        value = getattr(encoder, field.name)
        if isinstance(value, np.ndarray):
            name = f"encoder.{field.name}"
            tensors[name], value = value, {_TENSOR: name}
        entry[field.name] = value
    return entry


def decode_encoder(entry: Mapping[str, Any], tensors: Tensors) -> Encoder:
    """The encoder of an entry. Every check of its constructor applies.

    Raises
    ------
    KeyError
        Naming what is missing.
    TypeError, ValueError
        If a value is not allowed.
    """
    settings = dict(entry)
    kind = settings.pop(_KIND, None)
    if kind is None:
        raise KeyError(f"encoder.{_KIND}")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"encoder: unknown kind {kind!r}")
    for field in fields(KINDS[kind]):  # type: ignore[arg-type]
        if field.name not in settings:  # the default need not be what was saved
            raise KeyError(f"encoder.{field.name}")
    for name, value in settings.items():
        if isinstance(value, dict):
            settings[name] = tensors[value[_TENSOR]]
    try:
        return KINDS[kind](**settings)
    except (TypeError, ValueError) as error:
        raise ValueError(f"encoder: {error}") from error
