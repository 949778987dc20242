"""Encoders: from a raw signal to the spikes, pixels or frames that a network takes.

A network holds its encoder. Every decision is a comparison of float64 numbers, or is made in
integers: the same signal gives the same spikes on every machine. This package may import
``support`` and ``spec``.
"""

from .delta import DeltaEncoder
from .encoder import Encoder
from .latency import LatencyEncoder
from .population import PopulationEncoder
from .quantize import QuantizeEncoder
from .rate import RateEncoder
from .thermometer import ThermometerEncoder

__all__ = [
    "DeltaEncoder", "Encoder", "LatencyEncoder", "PopulationEncoder", "QuantizeEncoder",
    "RateEncoder", "ThermometerEncoder",
]
