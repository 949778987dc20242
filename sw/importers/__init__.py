"""Importers of models from other frameworks, and the export to NIR.

A model becomes a chain of operations: in ``frameworks`` for torch modules, which ``tracing`` calls
and compares with that chain, and in ``nir`` for NIR. The chain becomes layers of real numbers
(``graph``, with ``folding`` and ``maps``), and these become integers, with a report (``convert``).
This package may import ``golden``, ``mapping``, ``samples``, ``network``, ``support`` and ``spec``.
A framework is imported only by the function that reads its models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .nir.export import not_carried, to_nir
from .nir.importer import from_nir
from .settings import Options

if TYPE_CHECKING:
    from .frameworks.norse import from_norse
    from .frameworks.rockpool import from_rockpool
    from .frameworks.sinabs import from_sinabs
    from .frameworks.snntorch import from_snntorch
    from .frameworks.spikingjelly import from_spikingjelly

__all__ = [
    "Options", "from_nir", "from_norse", "from_rockpool", "from_sinabs", "from_snntorch",
    "from_spikingjelly", "not_carried", "to_nir",
]

_FRAMEWORKS = ("norse", "rockpool", "sinabs", "snntorch", "spikingjelly")
_HOMES = {f"from_{name}": f".frameworks.{name}" for name in _FRAMEWORKS}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value
