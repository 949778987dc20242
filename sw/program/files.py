"""Program files: they hold the network, the array and the steps, from which a program is compiled
again."""

from __future__ import annotations

from ..network.files import PathLike, decode_network, encode_network, read, write
from ..spec import ArrayConfig
from ..support.errors import DoesNotFit, FileError
from .compiler import compile
from .program import Program

__all__ = ["load_program", "save_program"]

_FORMAT = "stablespike program"
_VERSION = 5


def save_program(program: Program, path: PathLike) -> None:
    """Write a program: its network, its array and its steps, from which it is compiled again.

    Parameters
    ----------
    program : Program
        The program.
    path : str or path-like
        The file, conventionally ``.safetensors``.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    # Memory contents are left out: they belong to one version of the gateware, and are quickly
    # computed again.
    header, tensors = encode_network(program.network)
    header = {"network": header, "array": program.config.as_dict(), "steps": program.steps}
    if program.device is not None:
        header["device"] = program.device
    write(path, _FORMAT, _VERSION, header, tensors)


def load_program(path: PathLike) -> Program:
    """Read what ``save_program`` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.

    Raises
    ------
    FileError
        If there is no such file, or it is of another kind, truncated, damaged or of a newer
        version.
    """
    header, tensors = read(path, _FORMAT, _VERSION)
    try:
        network = decode_network(header["network"], tensors)
        array, device = ArrayConfig(**header["array"]), header.get("device")
        return compile(network, array=array, steps=header["steps"], device=device)
    except KeyError as error:
        raise FileError(
            f"{path} is no valid program: it lacks {error.args[0]!r}; compile the network again"
        ) from None
    except DoesNotFit as error:
        raise FileError(
            f"{path} is no valid program: {error.what}; compile the network again"
        ) from None
    # A damaged shape may make a map that is larger than any memory.
    except (AttributeError, TypeError, ValueError, MemoryError) as error:
        raise FileError(f"{path} is no valid program: {error}; compile the network again") from None
