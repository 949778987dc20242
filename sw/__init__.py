"""StableSpike: spiking networks trained in PyTorch, bit for bit on a low-cost FPGA.

A ``Network`` of integer layers is compiled for an array, loaded on a device, and run there. Every
device returns the same integers. Each public name is imported when it is first used, so that
importing the package takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .device.device import Device
    from .device.open import open_device
    from .device.result import Result
    from .device.stream import Stream
    from .encoders import (
        DeltaEncoder,
        LatencyEncoder,
        PopulationEncoder,
        QuantizeEncoder,
        RateEncoder,
        ThermometerEncoder,
    )
    from .golden.counters import consistency
    from .golden.golden import Golden
    from .importers.frameworks.norse import from_norse
    from .importers.frameworks.rockpool import from_rockpool
    from .importers.frameworks.sinabs import from_sinabs
    from .importers.frameworks.snntorch import from_snntorch
    from .importers.frameworks.spikingjelly import from_spikingjelly
    from .importers.nir.export import to_nir
    from .importers.nir.importer import from_nir
    from .network import (
        Conv2d,
        Dense,
        FrameInput,
        Leak,
        MaxPool2d,
        Network,
        Neuron,
        PixelInput,
        SpikeInput,
        SumPool2d,
    )
    from .network.fidelity import Fidelity
    from .network.files import load, save
    from .program.compiler import compile
    from .program.files import load_program, save_program
    from .program.program import Program
    from .samples.events import bin_events
    from .samples.fitting import fit_events
    from .samples.recordings.reading import read_events
    from .spec.array import ArrayConfig
    from .support.arrays import preset
    from .support.errors import (
        DeviceError,
        DeviceMismatch,
        DeviceNotFound,
        DeviceTimeout,
        DoesNotFit,
        FidelityWarning,
        FileError,
        LinkError,
        NotExpressible,
        StableSpikeError,
        TimingError,
        ToolError,
    )

__all__ = [
    "ArrayConfig", "Conv2d", "DeltaEncoder", "Dense", "Device", "DeviceError", "DeviceMismatch",
    "DeviceNotFound", "DeviceTimeout", "DoesNotFit", "Fidelity", "FidelityWarning", "FileError",
    "FrameInput", "Golden", "LatencyEncoder", "Leak", "LinkError", "MaxPool2d", "Network", "Neuron",
    "NotExpressible", "PixelInput", "PopulationEncoder", "Program", "QuantizeEncoder",
    "RateEncoder", "Result", "SpikeInput", "StableSpikeError", "Stream", "SumPool2d",
    "ThermometerEncoder", "TimingError", "ToolError", "bin_events", "compile", "consistency",
    "fit_events", "from_nir", "from_norse", "from_rockpool", "from_sinabs", "from_snntorch",
    "from_spikingjelly", "load", "load_program", "open_device", "preset", "read_events", "save",
    "save_program", "to_nir",
]

_MODULES = {
    ".program.compiler": ("compile",),
    ".golden.counters": ("consistency",),
    ".device.device": ("Device",),
    ".device.open": ("open_device",),
    ".device.result": ("Result",),
    ".device.stream": ("Stream",),
    ".encoders": (
        "DeltaEncoder", "LatencyEncoder", "PopulationEncoder", "QuantizeEncoder", "RateEncoder",
        "ThermometerEncoder",
    ),
    ".support.errors": (
        "DeviceError", "DeviceMismatch", "DeviceNotFound", "DeviceTimeout", "DoesNotFit",
        "FidelityWarning", "FileError", "LinkError", "NotExpressible", "StableSpikeError",
        "TimingError", "ToolError",
    ),
    ".network.fidelity": ("Fidelity",),
    ".network.files": ("load", "save"),
    ".golden.golden": ("Golden",),
    ".importers.nir.export": ("to_nir",),
    ".importers.nir.importer": ("from_nir",),
    ".importers.frameworks.norse": ("from_norse",),
    ".importers.frameworks.rockpool": ("from_rockpool",),
    ".importers.frameworks.sinabs": ("from_sinabs",),
    ".importers.frameworks.snntorch": ("from_snntorch",),
    ".importers.frameworks.spikingjelly": ("from_spikingjelly",),
    ".network": (
        "Conv2d", "Dense", "FrameInput", "Leak", "MaxPool2d", "Network", "Neuron", "PixelInput",
        "SpikeInput", "SumPool2d",
    ),
    ".program.files": ("load_program", "save_program"),
    ".program.program": ("Program",),
    ".samples.events": ("bin_events",),
    ".samples.fitting": ("fit_events",),
    ".samples.recordings.reading": ("read_events",),
    ".spec.array": ("ArrayConfig",),
    ".support.arrays": ("preset",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
