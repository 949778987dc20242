"""A program: a network mapped onto an array, as the memory contents and registers of its cores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.maps import group_size
from ..mapping.partitions import Share, Split, splits
from ..network import Conv2d, Network
from ..network.files import PathLike, decode_network, encode_network, read, write
from ..spec import ArrayConfig
from ..spec.link import Register, Space
from ..support.errors import DeviceMismatch, FileError

__all__ = ["TYPICAL", "Program", "Share", "load_program", "save_program"]

_FORMAT = "stablespike program"
_VERSION = 2
_NAMES_WIDE = 40
TYPICAL = 0.2
"""Share of the inputs of a layer that are active in a window, where ways to map it are compared."""
_ACTIVITIES = (0.05, TYPICAL, 1.0)

Image = npt.NDArray[np.uint16]


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
    state_needed : state groups the fullest core would need to keep membranes beyond a window, if it
        has fewer and does without: a sample is one window then, and none carries its state on. Else
        0.
    device : "golden:" if that is the only device it runs on; it has no images then. None: any.
    """

    network: Network
    config: ArrayConfig
    steps: int
    groups: tuple[tuple[Share, ...], ...]
    images: tuple[dict[Space, Image], ...] = field(repr=False)
    registers: dict[Register, int] = field(repr=False)
    needed: dict[str, int] = field(repr=False)
    state_needed: int = 0
    device: str | None = None

    @property
    def window(self) -> int:
        """Steps computed together: those of a word of the array, or 1 with a recurrent layer."""
        return self.network.window(self.config.window)

    @property
    def half_words(self) -> bool:
        """Whether the words of its inputs travel as half of the array's window."""
        return bool(self.registers.get(Register.INPUT_HALF))

    @property
    def windows(self) -> int:
        """Windows of a sample."""
        return -(-self.steps // self.window)

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

    def check_device(self, uri: str) -> None:
        """Refuse a device this program is not for.

        Raises
        ------
        DeviceMismatch
            If it was compiled for another one alone.
        """
        if self.device is not None and uri != self.device:
            raise DeviceMismatch(
                f"the program was compiled for {self.device} only, not for {uri}: compile its "
                "network without device=, if the gateware runs all of its layers"
            )

    def writes(self) -> Iterator[tuple[int, Space, int, Image]]:
        """(core, memory, first row, rows) of everything to load."""
        for core, image in enumerate(self.images):
            for space, rows in image.items():
                yield core, space, 0, rows

    def report(self) -> str:
        """Memory needed and there, shares of the cores, and the cycles of an average sample.

        A program for the golden model only takes no memory and no cycles: it says so.
        """
        config, network = self.config, self.network
        lines = [
            (
                f"{len(network.layers)} layers on {config.cores} core(s) of {config.lanes} lanes, "
                f"window {self.window}: {self.steps} steps in {self.windows} window(s)"
            ),
        ]
        if self.needed:
            lines += ["", f"{'memory of a core':<18}{'needed':>10}{'there':>10}"]
            lines += [
                f"{name.replace('_', ' '):<18}{count:>10}{getattr(config, name):>10}"
                for name, count in self.needed.items()
            ]
        if self.state_needed:
            lines.append(f"no membranes are kept: {self.state_needed} state groups would be needed")
        lines += ["", f"{'layer':<{_NAMES_WIDE}}groups per core"]
        lines += [
            f"{network.layer_name(i):<{_NAMES_WIDE}}{' '.join(str(s.groups) for s in shares)}"
            f"{self._cut(i)}"
            for i, shares in enumerate(self.groups)
        ]
        lines.append("")
        if self.device is not None:
            lines.append(f"for the device {self.device} only: no memory is laid out, no cycles")
            return "\n".join(lines)
        lines += [
            f"about {cycles:,} cycles per sample with {activity:.0%} of the inputs of every layer "
            "active in a window"
            for activity, cycles in self.cycles().items()
        ]
        return "\n".join(lines)

    def _cut(self, index: int) -> str:
        """How a convolution was dealt to several cores, and why so."""
        layer, shape = self.network.layers[index], self.network.input_shapes[index]
        if not isinstance(layer, Conv2d) or self.config.cores == 1:
            return ""
        size = group_size(self.network, self.config, index)
        options = splits(layer, shape, self.config.cores, size)
        mine = next(each for each in options if each.shares == self.groups[index])
        text = f"{mine}: {_dealt(mine)}, {mine.load} groups of neurons on the fullest"
        other = next((each for each in options if each is not mine), None)
        if other is not None:
            text += f"; {other} would be {other.load}"
            if other.load < mine.load:
                text += ", but does not fit"
            elif self.device is None:
                text += f", about {self._dealt_otherwise(index, other):,} cycles per sample"
        return f"  ({text})"

    def _dealt_otherwise(self, index: int, split: Split) -> int:
        """Cycles of a typical sample with a layer dealt in another way."""
        from ..timing.estimate import typical_cycles

        groups = (*self.groups[:index], split.shares, *self.groups[index + 1 :])
        return typical_cycles(replace(self, groups=groups), TYPICAL)

    def cycles(self) -> dict[float, int]:
        """Estimated cycles of a sample, by the share of inputs active; none for golden only."""
        from ..timing.estimate import typical_cycles

        if self.device is not None:
            return {}
        return {activity: typical_cycles(self, activity) for activity in _ACTIVITIES}


def _dealt(split: Split) -> str:
    ways = (("channels", split.channels), ("positions", split.parts))
    parts = [f"{what} over {count} cores" for what, count in ways if count > 1]
    return " by ".join(parts) or "on one core"


def save_program(program: Program, path: PathLike) -> None:
    """Write a program: its network, its array and its steps, from which it is compiled again.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    header, tensors = encode_network(program.network)
    header = {"network": header, "array": program.config.as_dict(), "steps": program.steps}
    if program.device is not None:
        header["device"] = program.device
    write(path, _FORMAT, _VERSION, header, tensors)


def load_program(path: PathLike) -> Program:
    """Read what ``save_program`` wrote.

    Raises
    ------
    FileError
        If there is no such file, or it is foreign, truncated, damaged or of a newer version.
    """
    from .compiler import compile

    header, tensors = read(path, _FORMAT, _VERSION)
    try:
        network = decode_network(header["network"], tensors)
        array, device = _array(header["array"]), header.get("device")
        return compile(network, array=array, steps=header["steps"], device=device)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is no valid program: {error}; compile the network again") from None


def _array(values: dict[str, Any]) -> ArrayConfig:
    return ArrayConfig(**values)
