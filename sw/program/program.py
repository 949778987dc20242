"""A program: a network mapped onto an array, as the memory contents and registers of its cores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from ..mapping.mapping import Mapping
from ..spec.link import Register, Space
from ..support.errors import DeviceMismatch
from ..timing.estimate import TYPICAL_ACTIVITY, typical_cycles
from .images import Image
from .report import report_text

__all__ = ["Program"]

_ACTIVITIES = (0.05, TYPICAL_ACTIVITY, 1.0)


@dataclass(frozen=True, repr=False)
class Program(Mapping):
    """The result of ``compile``, which a device loads.

    Attributes
    ----------
    network : Network
        The network that was compiled.
    config : ArrayConfig
        The array that it was compiled for.
    steps : int
        Steps of a sample.
    partitions : tuple of Partitioning
        Per layer, how it is partitioned over the cores.
    frames : str
        How frames are computed, one of ``mapping.frames.FRAMES``.
    device : str or None
        ``"golden:"`` if that is the only device it runs on; None for every device.
    images : tuple of dict
        Per core and memory, (rows, 16-bit chunks) from row 0; empty if the program is for the
        golden model only.
    registers : dict
        Values of the device's registers.
    needed : dict of str to int
        Per memory, by the name of the field of ``ArrayConfig`` that sizes it, the entries that the
        fullest core needs.
    state_needed : int
        0 if membranes are kept from one window to the next. Otherwise there is no room for them,
        and this is the number of state groups the fullest core would need: a sample is then one
        window, and its state cannot be carried.
    """

    images: tuple[dict[Space, Image], ...]
    registers: dict[Register, int]
    needed: dict[str, int]
    state_needed: int = 0

    def __repr__(self) -> str:
        config = self.config
        return (
            f"<Program of {self.network!r} on {config.cores} core(s) of {config.lanes} lanes, "
            f"{self.steps} steps>"
        )

    def __str__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.report())}</pre>"

    @property
    def half_words(self) -> bool:
        """Whether its input windows are sent as half words."""
        return bool(self.registers.get(Register.INPUT_HALF))

    def check_device(self, uri: str) -> None:
        """Refuse a device that this program is not for.

        Raises
        ------
        DeviceMismatch
            If the program was compiled for another device only.
        """
        if self.device is not None and uri != self.device:
            raise DeviceMismatch(
                f"the program was compiled for {self.device} only, not for {uri}: compile its "
                "network without device=, if the gateware runs all of its layers"
            )

    def writes(self) -> Iterator[tuple[int, Space, int, Image]]:
        """Everything to load, as (core, memory, first row, rows)."""
        for core, image in enumerate(self.images):
            for space, rows in image.items():
                yield core, space, 0, rows

    def report(self) -> str:
        """A text about the program: the memory needed and available, the tiles of the cores, and
        the cycles of a typical sample.

        A program for the golden model only takes no memory and no cycles, and the text says so.
        """
        return report_text(self, self.needed, self.state_needed, self.cycles())

    def cycles(self) -> dict[float, int]:
        """Estimated cycles of a sample, by the share of each layer's inputs that are active in a
        window; empty for a program for the golden model only."""
        if self.device is not None:
            return {}
        return {activity: typical_cycles(self, activity) for activity in _ACTIVITIES}
