"""The network that a user writes or imports, with its layers, neurons, inputs and pools.

The rest of the package imports the model from here. Beside it are ``files`` (networks on disk),
``quantize`` (real numbers to integers) and ``fidelity`` (the report of an import). This package may
import ``encoders``, ``support`` and ``spec``.
"""

from .convolution import Conv2d
from .dense import Dense
from .inputs import FrameInput, Input, PixelInput, SpikeInput
from .leaks import Leak, Shifts
from .network import READOUTS, Layer, Network
from .neurons import COMPARES, RESET_TIMINGS, RESETS, Neuron
from .pooling import MaxPool2d, SumPool2d
from .weights import EMITS, WEIGHT_BITS

__all__ = [
    "COMPARES", "EMITS", "READOUTS", "RESETS", "RESET_TIMINGS", "WEIGHT_BITS",
    "Conv2d", "Dense", "FrameInput", "Input", "Layer", "Leak", "MaxPool2d", "Network", "Neuron",
    "PixelInput", "Shifts", "SpikeInput", "SumPool2d",
]
