"""A program: a network mapped onto an array, as the memory contents and registers of its cores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .files import PathLike, network_from_parts, network_parts, read, write
from .network import Network
from .spec import ArrayConfig
from .spec.link import Register, Space

__all__ = ["Program", "Share", "load_program", "save_program"]

_FORMAT = "stablespike program"
_VERSION = 1

Image = npt.NDArray[np.uint16]


class Share(NamedTuple):
    """What one core computes of a layer: ``groups`` groups of L outputs from group ``first`` on."""

    first: int
    groups: int


@dataclass(frozen=True)
class Program:
    """What ``compile`` makes of a network, and a device loads.

    Attributes
    ----------
    network, config, steps : compiled, for which array, for samples of how many steps.
    groups : per layer, per core, its share.
    images : per core and memory, (rows, 16-bit chunks) from row 0.
    registers : of the device.
    needed : per memory, the entries the fullest core needs.
    """

    network: Network
    config: ArrayConfig
    steps: int
    groups: tuple[tuple[Share, ...], ...]
    images: tuple[dict[Space, Image], ...] = field(repr=False)
    registers: dict[Register, int] = field(repr=False)
    needed: dict[str, int] = field(repr=False)

    @property
    def windows(self) -> int:
        """Windows of a sample."""
        return -(-self.steps // self.config.window)

    @property
    def group_counts(self) -> list[list[int]]:
        """Per layer, per core, its number of groups."""
        return [[share.groups for share in shares] for shares in self.groups]

    @property
    def layer_tags(self) -> dict[int, tuple[int, str]]:
        """What the layer field of a report stands for: layer, and which run of it."""
        tags = {i: (i, "spikes") for i in range(len(self.network.layers))}
        if self.network.both:
            tags[len(tags)] = (len(tags) - 1, "skeleton")
        return tags

    def writes(self) -> Iterator[tuple[int, Space, int, Image]]:
        """(core, memory, first row, rows) of everything to load."""
        for core, image in enumerate(self.images):
            for space, rows in image.items():
                yield core, space, 0, rows

    def report(self) -> str:
        """Memory needed and there, shares of the cores, and the cycles of an average sample."""
        from .estimate import typical_cycles

        config, network = self.config, self.network
        lines = [
            (
                f"{len(network.layers)} layers on {config.cores} core(s) of {config.lanes} lanes, "
                f"window {config.window}: {self.steps} steps in {self.windows} window(s)"
            ),
            "",
            f"{'memory of a core':<18}{'needed':>10}{'there':>10}",
        ]
        lines += [
            f"{name.replace('_', ' '):<18}{count:>10}{getattr(config, name):>10}"
            for name, count in self.needed.items()
        ]
        lines += ["", f"{'layer':<34}groups per core"]
        lines += [
            f"{network.layer_name(i):<34}{' '.join(str(share.groups) for share in shares)}"
            for i, shares in enumerate(self.groups)
        ]
        lines.append("")
        lines += [
            f"about {typical_cycles(self, activity):,} cycles per sample with "
            f"{activity:.0%} of the inputs of every layer active in a window"
            for activity in (0.05, 0.2, 1.0)
        ]
        return "\n".join(lines)


def save_program(program: Program, path: PathLike) -> None:
    """Write a program: its network, its array and its steps, from which it is compiled again.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    header, tensors = network_parts(program.network)
    header = {"network": header, "array": program.config.as_dict(), "steps": program.steps}
    write(path, _FORMAT, _VERSION, header, tensors)


def load_program(path: PathLike) -> Program:
    """Read what ``save_program`` wrote.

    Raises
    ------
    FileError
        If there is no such file, or it is foreign, truncated, damaged or of a newer version.
    """
    from .compiler import compile
    from .errors import FileError

    header, tensors = read(path, _FORMAT, _VERSION)
    try:
        network = network_from_parts(header["network"], tensors)
        return compile(network, array=_array(header["array"]), steps=header["steps"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is no valid program: {error}; compile the network again") from None


def _array(values: dict[str, Any]) -> ArrayConfig:
    return ArrayConfig(**values)
