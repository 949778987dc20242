"""What a recipe has to know of data of one's own."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..encoders import Encoder
from ..encoders.files import encode_encoder
from ..samples.recordings.reading import FORMATS
from ..signals import MelBands
from ..support.immutable import checked_shape, put
from ..support.values import exact_choice, exact_int, positive

__all__ = ["INPUTS", "OwnData"]

INPUTS = ("pixels", "spikes", "frames")
_LARGEST = (1 << 31) - 1


@dataclass(frozen=True)
class OwnData:
    """How data of one's own become the samples of a recipe.

    Parameters
    ----------
    input : {"pixels", "spikes", "frames"}
        The input of the network: ``PixelInput``, ``SpikeInput`` or ``FrameInput``.
    shape : tuple of int, optional
        Shape of the network's input. By default that of the arrays; of recordings with ``crop``,
        that of the part of the sensor. Other recordings need it.
    zero : int
        The pixel or value that stands for 0, as in ``FrameInput``.
    test_share : float
        The share of each class that is tested, where the data name no test samples.
    split_seed : int
        Seed of the split, and of the order of the training samples, at whose end are the held-out
        ones.
    format : str, optional
        Recordings: format of the files, as for ``read_events``. Their content tells by default.
    bin_time : float, optional
        Recordings: length of a step, as for ``bin_events``. By default each recording is divided
        into the recipe's ``steps`` of equal length.
    start : float, "first" or None
        Recordings: where the first step begins, as for ``bin_events``.
    late : {"refuse", "drop"}
        Recordings: events after the last step, as for ``bin_events``.
    excess : {"refuse", "saturate"}
        Recordings as frames, which are counts of events: counts above ``2**pixel_bits - 1``, as for
        ``bin_events``.
    crop : (x0, y0, width, height), optional
        Recordings: part of the sensor, as for ``fit_events``.
    downscale : int
        Recordings: side of the squares of pixels that become one, as for ``fit_events``.
    merge_polarities : bool
        Recordings: make every polarity 0, as for ``fit_events``.
    bands : stablespike.signals.MelBands, optional
        The data are WAV files of words, of which these frames are made.
    encoder : Encoder, optional
        The data are raw signals, ``(n, steps, *shape)``, or ``(n, *shape)`` for a static encoder,
        which it turns into the input. The network gets it, and takes raw signals.

    Raises
    ------
    TypeError, ValueError
        Naming the field, the value and what is allowed.
    """

    input: str
    shape: tuple[int, ...] | None = None
    zero: int = 0
    test_share: float = 0.2
    split_seed: int = 0
    format: str | None = None
    bin_time: float | None = None
    start: float | str | None = None
    late: str = "refuse"
    excess: str = "refuse"
    crop: tuple[int, int, int, int] | None = None
    downscale: int = 1
    merge_polarities: bool = False
    bands: MelBands | None = None
    encoder: Encoder | None = None

    def __post_init__(self) -> None:
        exact_choice("input", self.input, INPUTS)
        if self.shape is not None:
            put(self, shape=checked_shape("shape", self.shape))
        exact_int("zero", self.zero, 0, 255)
        if self.zero and self.input == "spikes":
            raise ValueError(f"zero must be 0 for spikes, not {self.zero}")
        share = self.test_share
        if isinstance(share, bool) or not isinstance(share, (int, float)):
            raise TypeError(f"test_share must be a number, not {share!r}")
        if not (math.isfinite(share) and 0 < share < 1):
            raise ValueError(f"test_share must be more than 0 and less than 1, not {share!r}")
        exact_int("split_seed", self.split_seed, 0, _LARGEST)
        if self.bin_time is not None:
            positive("bin_time", self.bin_time)
        exact_choice("late", self.late, ("refuse", "drop"))
        exact_choice("excess", self.excess, ("refuse", "saturate"))
        if self.format is not None:
            exact_choice("format", self.format, tuple(FORMATS))
        exact_int("downscale", self.downscale, 1, _LARGEST)
        if self.bands is not None and not isinstance(self.bands, MelBands):
            raise TypeError(f"bands must be a MelBands, not {self.bands!r}")
        if self.bands is not None and self.input != "frames":
            raise ValueError(f"input must be 'frames' with bands, not {self.input!r}")
        if self.encoder is None:
            return
        if not isinstance(self.encoder, Encoder):
            raise TypeError(
                f"encoder must be an encoder, such as a DeltaEncoder, not {self.encoder!r}"
            )
        if self.input not in self.encoder.inputs:
            raise ValueError(
                f"input must be {' or '.join(map(repr, self.encoder.inputs))} for a "
                f"{type(self.encoder).__name__}, not {self.input!r}"
            )
        if self.bands is not None:
            raise ValueError("encoder must be None with bands, which make frames of WAV files")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, as values that JSON can hold."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["bands"] = None if self.bands is None else asdict(self.bands)
        if self.encoder is not None:
            arrays: dict[str, Any] = {}
            entry = encode_encoder(self.encoder, arrays)
            values["encoder"] = {
                name: arrays[value["tensor"]].tolist() if isinstance(value, dict) else value
                for name, value in entry.items()
            }
        return values

    @property
    def fitting(self) -> dict[str, Any]:
        """The keywords of ``fit_events``."""
        return {
            "crop": self.crop, "downscale": self.downscale,
            "merge_polarities": self.merge_polarities,
        }

    @property
    def recording_shape(self) -> tuple[int, ...] | None:
        """Shape of the input for recordings, if it is known."""
        if self.shape is not None or self.crop is None:
            return self.shape
        _, _, width, height = self.crop
        polarities = 1 if self.merge_polarities else 2
        return polarities, height // self.downscale, width // self.downscale
