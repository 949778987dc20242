"""The options of verbs that take recordings of events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

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

    def read(self, path: Path) -> tuple[Any, Any]:
        """The samples of a file and their labels; events of a larger sensor made to fit."""
        from ..samples.events import is_recordings
        from ..samples.files import read_samples
        from ..samples.fitting import FITTING, fit_events

        values, labels = read_samples(path, self.format)
        fit: dict[str, Any] = {
            "crop": _crop(self.crop), "downscale": self.downscale,
            "merge_polarities": self.merge_polarities,
        }
        if fit != FITTING:
            if not is_recordings(values):
                raise ValueError(
                    f"crop, downscale and merge_polarities are for events; {path} has none"
                )
            values = [fit_events(each, **fit) for each in values]
        return values, labels


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


def _crop(text: str | None) -> tuple[int, ...] | None:
    """The four numbers of a part of the sensor."""
    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise ValueError(f"crop must be X0,Y0,WIDTH,HEIGHT, not {text!r}") from None
