"""Results of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..golden.counters import COUNTER_DTYPE, consistency, totals
from ..samples.words import margins, scores

__all__ = [
    "NO_HARDWARE", "RESULT_DTYPE", "Decision", "LinkBytes", "Result", "counter_table",
    "with_totals",
]

HARDWARE_FIELDS = ("cycles", "wait", "drain")
RESULT_DTYPE = np.dtype([
    *((name, np.int64) for name in COUNTER_DTYPE.names or ()),
    *((name, np.int64) for name in HARDWARE_FIELDS),
])
"""``COUNTER_DTYPE``, which is the same on every device, and the counters that only hardware has.
``cycles``: clock cycles. ``wait`` and ``drain``: cycles, summed over cores, in which the lanes
waited for rows or other cores, and for the drain."""

NO_HARDWARE = -1
"""The value of a counter that was not measured, without hardware or with ``counters=False``."""

Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class LinkBytes(NamedTuple):
    """Bytes on the wire as the host sees them, with framing and repairs.

    Attributes
    ----------
    sent : int
        Bytes from the host to the device.
    received : int
        Bytes from the device to the host.
    """

    sent: int = 0
    received: int = 0

    @property
    def total(self) -> int:
        """Bytes in both directions."""
        return self.sent + self.received

    def __sub__(self, other: LinkBytes) -> LinkBytes:
        return LinkBytes(self.sent - other.sent, self.received - other.received)


_NO_BYTES = LinkBytes()


class Decision(NamedTuple):
    """The decision of a stream so far: of all that was sent since it last started afresh.

    Attributes
    ----------
    prediction : int
        The index of the output with the highest score, the lowest index on a tie.
    margin : int
        By how much its score leads the second highest; of a single output its score.
    scores : array of int64
        (outputs,) spikes since the start, or membranes after the last step.
    steps : int
        The steps since the start.
    """

    prediction: int
    margin: int
    scores: Integers
    steps: int


@dataclass(frozen=True)
class Result:
    """The results of a batch. All integers but cycles and stalls are the same on every device.

    Attributes
    ----------
    readout : array of int64
        (batch, outputs) counts, or membranes after the last step of each sample; or (batch,
        outputs, windows) words, which are 0 behind the last window of a shorter sample.
    prediction : array of int64
        (batch,) the index of the highest output, the lowest index on a tie.
    counters : array of RESULT_DTYPE
        (batch,) over all layers. ``cycles`` are those in which the array was busy, from the end of
        the sample before to the end of this one.
    layer_counters : array of RESULT_DTYPE
        (batch, layers). The ``cycles`` of a layer are those from the end of the layer before to its
        own end, summed over windows. With ``emit="both"``, those of the last layer include its run
        on the skeleton; its other counters do not.
    consistency : array of float64
        (batch, layers); NaN without counters.
    lengths : array of int64
        (batch,) the steps of each sample.
    trace : tuple of array of bool
        Per layer ``(batch, steps, *neurons)`` spikes, before emission, False behind the last step
        of a shorter sample; empty unless run with ``trace=True``.
    skeleton : tuple of array of bool
        Per layer the stable spikes, of the same shape.
    readout_skeleton : array of int64 or None
        The readout of the last layer's run on the skeleton; None unless a layer has
        ``emit="both"``.
    agreement : array of bool or None
        (batch,) whether that run predicts the same; None unless a layer has ``emit="both"``.
    link_bytes : LinkBytes
        The bytes that this batch took on the link. Bytes of batches that are under way together
        count for the one that is complete first.
    decision : Decision or None
        In a stream, the decision since it last started afresh.
    """

    readout: Integers
    prediction: Integers
    counters: npt.NDArray[Any]
    layer_counters: npt.NDArray[Any]
    consistency: npt.NDArray[np.float64]
    lengths: Integers
    trace: tuple[Bools, ...] = ()
    skeleton: tuple[Bools, ...] = ()
    readout_skeleton: Integers | None = None
    agreement: Bools | None = None
    link_bytes: LinkBytes = _NO_BYTES
    decision: Decision | None = None

    def __len__(self) -> int:
        return len(self.readout)

    @property
    def steps(self) -> int:
        """The steps of the longest sample."""
        return int(self.lengths.max())

    @property
    def scores(self) -> Integers:
        """(batch, outputs) what ``prediction`` compares: counts, spikes in words, or membranes."""
        return scores(self.readout, "words" if self.readout.ndim == 3 else "")

    @property
    def margin(self) -> Integers:
        """(batch,) by how much the highest score leads the second highest, 0 on a tie; of a single
        output its score."""
        return margins(self.scores)

    @property
    def spikes(self) -> Integers:
        """(batch, layers) spikes."""
        return np.ascontiguousarray(self.layer_counters["spikes"])

    @property
    def stable(self) -> Integers:
        """(batch, layers) stable spikes."""
        return np.ascontiguousarray(self.layer_counters["stable"])

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything as named arrays, as ``stablespike run -o`` writes it."""
        named: dict[str, npt.NDArray[Any]] = {
            "readout": self.readout,
            "prediction": self.prediction,
            "margin": self.margin,
            "lengths": self.lengths,
            "consistency": self.consistency,
            "spikes": self.spikes,
            "stable": self.stable,
            "counters": self.counters,
            "layer_counters": self.layer_counters,
            "link_bytes": np.array(self.link_bytes, dtype=np.int64),
        }
        if self.readout_skeleton is not None and self.agreement is not None:
            named |= {"readout_skeleton": self.readout_skeleton, "agreement": self.agreement}
        for i, (trace, skeleton) in enumerate(zip(self.trace, self.skeleton, strict=True)):
            named |= {f"trace_{i}": trace, f"skeleton_{i}": skeleton}
        return named

    @classmethod
    def joined(cls, parts: list[Result]) -> Result:
        """The results of consecutive samples as one result."""

        def join(name: str) -> npt.NDArray[Any]:
            return np.concatenate([getattr(part, name) for part in parts])

        def join_words(name: str) -> npt.NDArray[Any]:
            words = [getattr(part, name) for part in parts]
            return _joined(words, 2) if words[0].ndim == 3 else np.concatenate(words)

        def join_layers(name: str) -> tuple[Bools, ...]:
            layers = zip(*(getattr(part, name) for part in parts), strict=True)
            return tuple(_joined(each, 1) for each in layers)

        both = parts[0].readout_skeleton is not None
        return cls(
            readout=join_words("readout"),
            prediction=join("prediction"),
            counters=join("counters"),
            layer_counters=join("layer_counters"),
            consistency=join("consistency"),
            lengths=join("lengths"),
            trace=join_layers("trace"),
            skeleton=join_layers("skeleton"),
            readout_skeleton=join_words("readout_skeleton") if both else None,
            agreement=join("agreement") if both else None,
            link_bytes=LinkBytes(
                sum(part.link_bytes.sent for part in parts),
                sum(part.link_bytes.received for part in parts),
            ),
        )


def _joined(arrays: Sequence[npt.NDArray[Any]], axis: int) -> npt.NDArray[Any]:
    """Arrays one behind the other; along ``axis`` the shorter ones get zeros at their ends."""
    longest = max(array.shape[axis] for array in arrays)
    behind = [[(0, 0)] * array.ndim for array in arrays]
    for widths, array in zip(behind, arrays, strict=True):
        widths[axis] = (0, longest - array.shape[axis])
    return np.concatenate([
        np.pad(array, widths) if any(map(any, widths)) else array
        for widths, array in zip(behind, arrays, strict=True)
    ])


def counter_table(batch: int, layers: int) -> npt.NDArray[Any]:
    """(batch, layers) counters of ``RESULT_DTYPE``, none of them measured yet."""
    table = np.zeros((batch, layers), dtype=RESULT_DTYPE)
    for name in RESULT_DTYPE.names or ():
        table[name] = NO_HARDWARE
    return table


def with_totals(
    layer_counters: npt.NDArray[Any], lengths: Integers, fresh: Bools
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """The sums over layers, and the consistency, of a table of layer counters.

    Parameters
    ----------
    layer_counters : array of RESULT_DTYPE
        (batch, layers).
    lengths : array of int64
        (batch,) the steps of each sample.
    fresh : array of bool
        (batch,) whether the state of a sample was fresh.

    Returns
    -------
    counters : array of RESULT_DTYPE
        (batch,).
    consistency : array of float64
        (batch, layers); NaN without counters.
    """
    counters = totals(layer_counters)
    for name in RESULT_DTYPE.names or ():
        if (layer_counters[name] == NO_HARDWARE).any():
            counters[name] = NO_HARDWARE
    spikes, stable = layer_counters["spikes"], layer_counters["stable"]
    if (spikes == NO_HARDWARE).any():
        return counters, np.full(spikes.shape, np.nan)  # without counters
    # A sample that continues has one more pair of steps: its first step and the one before it.
    return counters, consistency(spikes, stable, lengths[:, None], carried=~fresh[:, None])
