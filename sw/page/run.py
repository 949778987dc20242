"""A run with all that its page shows, and its file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..device.result import Result
from ..network import Network
from ..program.files import load_program
from ..program.program import Program
from ..samples.arrays import read_npz
from ..samples.labels import checked_labels
from ..support.errors import FileError

__all__ = ["SHOWN", "BoardFacts", "Run", "load_run", "run_arrays"]

SHOWN = 6
"""The most samples whose spikes are shown."""

_SAMPLES, _PROGRAM, _LABELS, _DEVICE = "shown_samples", "program", "labels", "device"


@dataclass(frozen=True)
class BoardFacts:
    """A board, for times.

    Attributes
    ----------
    name : str
        Its name.
    device : str
        Part number of its FPGA.
    clock_hz : int
        Clock of the array.
    link : str
        Kind of its link.
    link_bytes_per_second : float
        What the link carries at most in one direction.
    build : dict of str to str
        Figures of a build by their names; empty if it was not built here.
    own : bool
        Whether the array is the board's own, for which its clock was chosen.
    """

    name: str
    device: str
    clock_hz: int
    link: str
    link_bytes_per_second: float
    build: dict[str, str] = field(default_factory=dict)
    own: bool = True


@dataclass(frozen=True)
class Run:
    """A run of samples on a device.

    Attributes
    ----------
    program : Program
        The program that ran.
    result : Result
        The result of all samples.
    device : str
        The address of the device.
    traced : Result or None
        The result of the first samples with their trace, at most ``SHOWN``; None without a trace.
    samples : array or None
        Those samples as the network's input takes them, each from a fresh state; None if unknown.
    labels : (batch,) array of int64 or None
        The label of each sample.
    board : BoardFacts or None
        The board whose clock and link are meant; None if none carries the array.
    """

    program: Program
    result: Result
    device: str
    traced: Result | None = None
    samples: npt.NDArray[Any] | None = None
    labels: npt.NDArray[np.int64] | None = None
    board: BoardFacts | None = None

    @property
    def network(self) -> Network:
        """The network, as it takes ``samples``: pixels that change are frames."""
        network = self.program.network
        changing = (
            self.samples is not None
            and self.samples.ndim == len(network.input.shape) + 2
        )
        return network.with_changing_pixels if changing else network


def run_arrays(
    result: Result,
    program: Path,
    device: str,
    samples: npt.NDArray[Any] | None = None,
    labels: npt.NDArray[np.int64] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a run's file: those of the result, and what its page needs besides.

    Parameters
    ----------
    result : Result
        The result.
    program : Path
        The file of the program.
    device : str
        The address of the device.
    samples : array or None
        (batch, ...) the samples as the network's input takes them, each from a fresh state. The
        first are kept, if there is a trace.
    labels : (batch,) array of int64 or None
        The labels.
    """
    arrays = {
        **result.arrays(),
        _PROGRAM: np.frombuffer(program.read_bytes(), dtype=np.uint8),
        _DEVICE: np.array(device),
    }
    if samples is not None and result.trace:
        arrays[_SAMPLES] = samples[:SHOWN]
    if labels is not None:
        arrays[_LABELS] = labels
    return arrays


def load_run(path: Path, program: Path | None = None) -> Run:
    """Read what ``stablespike run`` wrote.

    Parameters
    ----------
    path : Path
        The file.
    program : Path or None
        The file of the program, for results of an older version, which do not have it.

    Raises
    ------
    FileError
        If it is no such file, or is damaged.
    """
    arrays = read_npz(path)
    if program is not None:
        compiled = load_program(program)
    elif _PROGRAM in arrays:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "program"
            file.write_bytes(arrays[_PROGRAM].tobytes())
            compiled = load_program(file)
    else:
        raise FileError(
            f"{path} has no program in it: it is no result of 'stablespike run', or of an older "
            "version; name its program with --program"
        )
    try:
        result = Result.of(arrays)
        labels, outputs = arrays.get(_LABELS), compiled.network.outputs
        if result.scores.shape[1] != outputs:
            raise ValueError(f"it has {result.scores.shape[1]} outputs, the program {outputs}")
        return Run(
            compiled, result, str(arrays.get(_DEVICE, "an unknown device")),
            result.first(SHOWN) if result.trace else None, arrays.get(_SAMPLES),
            None if labels is None else checked_labels(labels, len(result), outputs),
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise FileError(
            f"{path} is no result of 'stablespike run' ({type(error).__name__}: {error})"
        ) from error
