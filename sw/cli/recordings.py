"""The options of verbs that take recordings of events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import whole_numbers

if TYPE_CHECKING:
    from ..samples.files import SampleFile

__all__ = ["Recordings"]


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """How recordings are read, made to fit the network, and binned into steps."""

    format: Annotated[
        str | None,
        typer.Option(help="Events: format of the file, where its content does not tell."),
    ] = None
    bin_time: Annotated[
        float | None, typer.Option(help="Events: length of a step in units of t.")
    ] = None
    bin_count: Annotated[
        int | None, typer.Option(help="Events: number of steps that a recording is divided into.")
    ] = None
    start: Annotated[
        str | None,
        typer.Option(
            help="Events: where the first step begins, a time or 'first' (the first event)."
        ),
    ] = None
    late: Annotated[str, typer.Option(help="Events after the last step: refuse or drop.")] = (
        "refuse"
    )
    excess: Annotated[
        str,
        typer.Option(help="Events: a count above what a frame's bits hold: refuse or saturate."),
    ] = "refuse"
    crop: Annotated[
        str | None, typer.Option(help="Events: part of the sensor, X0,Y0,WIDTH,HEIGHT.")
    ] = None
    downscale: Annotated[
        int, typer.Option(min=1, help="Events: side of the squares of pixels that become one.")
    ] = 1
    merge_polarities: Annotated[
        bool, typer.Option("--merge-polarities", help="Events: make every polarity 0.")
    ] = False

    def binning(self) -> dict[str, Any]:
        """The keywords of ``bin_events``."""
        names = ("bin_time", "bin_count", "late", "excess")
        return {name: getattr(self, name) for name in names} | {"start": _start(self.start)}

    def fitting(self) -> dict[str, Any]:
        """The keywords of ``fit_events``."""
        return {
            "crop": whole_numbers("crop", self.crop, "X0,Y0,WIDTH,HEIGHT"),
            "downscale": self.downscale, "merge_polarities": self.merge_polarities,
        }

    def read(self, path: Path) -> tuple[Any, Any]:
        """The samples of a file and their labels; events of a larger sensor made to fit."""
        return self.read_file(path).pair(path)

    def read_file(self, path: Path) -> SampleFile:
        """A file of samples; events of a larger sensor made to fit."""
        from ..samples.events import is_recordings
        from ..samples.files import read_sample_file
        from ..samples.fitting import FITTING, fit_events

        file = read_sample_file(path, self.format)
        fit = self.fitting()
        if fit != FITTING:
            if not is_recordings(file.values):
                raise ValueError(
                    f"crop, downscale and merge_polarities are for events; {path} has none"
                )
            file = replace(file, values=[fit_events(each, **fit) for each in file.values])
        return file


def _start(text: str | None) -> float | str | None:
    """The start of the first step; anything that is no number goes on as it is, to be named."""
    try:
        return None if text is None else int(text)
    except ValueError:
        pass
    try:
        return float(text or "")
    except ValueError:
        return text
