"""Models, as named on the command line: a NIR file, or a name in a Python file."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from ..network import FrameInput, Network, PixelInput, SpikeInput
from ..samples.binning import BINNING
from ..samples.fitting import FITTING
from ..support.errors import FileError, NotExpressible
from .asking import Missing
from .framework import FRAMEWORKS
from .settings import value_asks

__all__ = ["import_model", "load_module"]

MakeInput = Callable[[tuple[int, ...]], PixelInput | FrameInput]
"""A function of a shape that gives the input."""

_PYTHON = re.compile(r"(?P<file>.+\.py):(?P<name>\w+)")
_PINS = (
    "dt", "reset", "reset_timing", "cuba_current", "v_init", "compare", "integration", "writer",
)
_READING: dict[str, Any] = {"format": None, **FITTING}
_SAMPLES = ("calibration", "test", "labels", *BINNING)


def import_model(
    model: str, asked: Mapping[str, Any], read: Callable[[Path], tuple[Any, Any]]
) -> Network:
    """Import a model.

    Parameters
    ----------
    model : str
        Path of a NIR file; or ``file.py:name`` of a torch module, or of a function without
        arguments that returns one. The Python file is executed.
    asked : mapping
        Arguments of the importers by name, None for those not given. ``sample_shape`` and
        ``v_init`` are texts, ``calibration`` and ``test`` are paths, ``pixels`` and ``frames`` are
        the bits of a value, and ``input_zero`` is the value that stands for 0. Options of reading
        recordings may be among them.
    read : function
        Reads the samples and labels of a path, as those options say.

    Raises
    ------
    FileError, NotExpressible, TypeError, ValueError
        Naming what is missing or wrong.
    """
    values = {name: value for name, value in asked.items() if value is not None}
    pins = {name: values.pop(name) for name in _PINS if name in values}
    shape = values.pop("sample_shape", None)
    reading = {name: values.pop(name) for name in _READING if name in values}
    if not {"calibration", "test"} & values.keys():
        given = [name for name, usual in _READING.items() if reading.get(name, usual) != usual]
        if given:
            raise ValueError(
                f"{', '.join(given)} must not be given without recordings for calibration or test"
            )
    made = _made_input(values)
    if "calibration" in values:
        values["calibration"], values["labels"] = read(values["calibration"])
    if "test" in values:
        # The labels are those of the samples on which the report is measured.
        values["test"], values["labels"] = read(values["test"])
    found = _PYTHON.fullmatch(model)
    if found is None:
        return _nir(model, pins, shape, made, values)
    if pins:
        raise ValueError(f"{', '.join(pins)} must not be given: a torch module says it itself")
    if shape is None:
        raise Missing({
            "sample_shape": "sample_shape must be given for a torch module: sizes of one sample "
            "between commas, such as 1,28,28",
            **_value_asks(made, values),
        })
    sizes = _sizes(shape)
    if made is not None:
        values["input"] = made(sizes)
    module = load_module(found["file"], found["name"])
    name = _framework(module)
    importer = getattr(import_module(f".frameworks.{name}", __package__), f"from_{name}")
    network: Network = importer(module, sizes, **values)
    return network


def _nir(
    model: str,
    pins: dict[str, Any],
    shape: str | None,
    made: MakeInput | None,
    values: dict[str, Any],
) -> Network:
    from .nir.importer import from_nir

    if model.endswith(".py"):
        raise FileError(f"{model} is a Python file: say what in it is the model, {model}:NAME")
    if "v_init" in pins:
        pins["v_init"] = _number(pins["v_init"])
    if shape is not None:
        sizes = _sizes(shape)
        values["input"] = SpikeInput(sizes) if made is None else made(sizes)
        return from_nir(model, **pins, **values)
    asks = {}
    if made is not None:
        kind = made((1,)).kind
        asks = {
            "sample_shape": f"sample_shape must be given with {kind}: sizes between commas",
            **_value_asks(made, values),
        }
        # What else is missing does not depend on samples, which are not the spikes that the file's
        # own shape stands for.
        values = {name: each for name, each in values.items() if name not in _SAMPLES}
    try:
        network = from_nir(model, **pins, **values)
    except Missing as error:  # the file leaves open more than that
        others = dict(error.asks)
        if others.pop("input", None):
            asks.setdefault(
                "sample_shape", "sample_shape must be given: the file does not say it; sizes "
                "between commas",
            )
        raise Missing({**asks, **others}, error.hint) from None
    if asks:
        raise Missing(asks)
    return network


def _made_input(values: dict[str, Any]) -> MakeInput | None:
    """Take the options of an input of values out; return what makes it of a shape, None if the
    input is spikes."""
    pixels, frames, zero = (values.pop(key, None) for key in ("pixels", "frames", "input_zero"))
    if pixels is not None and frames is not None:
        raise ValueError(
            f"pixels={pixels} and frames={frames} must not both be given: pixels are the same in "
            "every step, frames are new in each"
        )
    if pixels is None and frames is None:
        if zero is not None:
            raise ValueError(
                f"input_zero={zero} must not be given without pixels or frames: spikes are 0 or 1"
            )
        return None
    kind, bits = (PixelInput, pixels) if frames is None else (FrameInput, frames)
    return partial(kind, bits=bits, zero=zero or 0)


def _value_asks(made: MakeInput | None, values: Mapping[str, Any]) -> dict[str, str]:
    """Return what must be given for pixels or frames besides; nothing for spikes."""
    if made is None:
        return {}
    return value_asks(made((1,)), values.get("input_scale"), values.get("steps"))


def load_module(file: str, name: str) -> Any:
    """Return the torch module of a name in a Python file, which is executed.

    Parameters
    ----------
    file : str
        Path of the Python file.
    name : str
        Name of a module, or of a function without arguments that returns one.

    Raises
    ------
    FileError
        If there is no such file or name, or it cannot be executed.
    """
    path = Path(file)
    if not path.is_file():
        raise FileError(f"{file} does not exist; expected a Python file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    # The file may import its neighbours, as when Python runs it.
    beside = str(path.parent.resolve())
    sys.path.insert(0, beside)
    try:
        spec.loader.exec_module(code)
        if not hasattr(code, name):
            raise FileError(f"{file} has no {name}")
        made = getattr(code, name)
        # A torch module is callable too, but it is already the result.
        return made if hasattr(made, "named_children") and not isinstance(made, type) else made()
    except FileError:
        raise
    except Exception as error:  # whatever the file raises
        raise FileError(f"{file}:{name} fails: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(beside)


def _framework(module: Any) -> str:
    """Return the framework whose neurons a module has."""
    if isinstance(module, Mapping):
        raise TypeError(
            "the model must be a torch.nn.Module, not a dictionary of its weights: make the "
            "module, and load them into it (module.load_state_dict(weights))"
        )
    if not hasattr(module, "named_modules"):
        raise TypeError(f"the model must be a torch.nn.Module, not {module!r}")
    # rockpool has a method ``modules`` of another kind.
    classes = {base for _, each in module.named_modules() for base in type(each).__mro__}
    homes = {base.__module__.partition(".")[0] for base in classes}
    found = [name for name in FRAMEWORKS if name in homes]
    if len(found) != 1:
        raise NotExpressible(
            type(module).__name__, "module",
            "it has neurons of two frameworks" if found else "it has no neurons known here",
            f"neurons of one of {', '.join(FRAMEWORKS.values())}",
        )
    return found[0]


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in text.strip("() ").split(",") if size.strip())
    except ValueError:
        raise ValueError(
            f"sample_shape must be sizes between commas, such as 1,28,28, not {text!r}"
        ) from None


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
