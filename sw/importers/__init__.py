"""Models of other frameworks as networks, and networks as NIR graphs.

The frameworks are imported by the functions that read them, not by this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .export import not_carried, to_nir
from .nir import from_nir
from .settings import Options

if TYPE_CHECKING:
    from .snntorch import from_snntorch
    from .spikingjelly import from_spikingjelly

__all__ = [
    "Options", "from_nir", "from_snntorch", "from_spikingjelly", "not_carried", "to_nir",
]

_HOMES = {"from_snntorch": ".snntorch", "from_spikingjelly": ".spikingjelly"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value
