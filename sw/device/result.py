"""Results of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..golden.counters import COUNTER_DTYPE, consistency, totals
from ..samples.labels import checked_labels
from ..samples.words import margins, scores
from ..support.errors import ToolError
from ..support.summary import Summary
from ..support.values import exact_int

if TYPE_CHECKING:
    from pandas import DataFrame

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
_CLASSES = 10
"""The most classes that a summary counts."""


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


@dataclass(frozen=True, repr=False)
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
    clock_hz : int
        The clock of the device in Hz, for times; 0 if unknown, without hardware or where only the
        array is simulated.
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
    clock_hz: int = 0

    def __len__(self) -> int:
        return len(self.readout)

    def __repr__(self) -> str:
        return f"<Result of {len(self)} samples, {self.readout.shape[1]} outputs>"

    def __str__(self) -> str:
        return self._summary().text()

    def _repr_html_(self) -> str:
        return self._summary().html()

    def _summary(self) -> Summary:
        """Samples, predicted classes, and counters and times where there are any."""
        classes, counts = np.unique(self.prediction, return_counts=True)
        often = np.argsort(-counts, kind="stable")[:_CLASSES]
        shortest, longest = int(self.lengths.min()), self.steps
        facts = {
            "steps": str(longest) if shortest == longest else f"{shortest} to {longest}",
            "predicted": ", ".join(f"class {classes[i]}: {counts[i]:,}" for i in often)
            + (f" and {len(classes) - _CLASSES} classes more" if len(classes) > _CLASSES else ""),
        }
        if self.agreement is not None:
            facts["skeleton"] = f"predicts the same for {self.agreement.mean():.1%}"
        if self.measured("cycles"):
            cycles = float(self.counters["cycles"].mean())
            facts["cycles"] = f"{cycles:,.1f} per sample"
            if self.clock_hz:
                facts["time"] = (
                    f"{cycles / self.clock_hz * 1e6:,.1f} us per sample, "
                    f"{self.clock_hz / cycles:,.0f} samples a second on the array at "
                    f"{self.clock_hz / 1e6:g} MHz"
                )
        else:
            facts["cycles"] = "not measured: golden: and counters=False have none"
        if self.link_bytes.total:
            sent, received = self.link_bytes
            facts["link"] = f"{sent:,} bytes sent, {received:,} back"
        facts["trace"] = "of every layer" if self.trace else "none: run with trace=True"
        rows: tuple[tuple[str, ...], ...] = ()
        if self.measured("spikes"):
            rows = tuple(
                (
                    str(i), f"{self.spikes[:, i].mean():,.1f}", f"{self.stable[:, i].mean():,.1f}",
                    "of one step: none" if np.isnan(ratios).any() else f"{ratios.mean():.3f}",
                )
                for i, ratios in enumerate(self.consistency.T)
            )
        title = f"Result of {len(self):,} sample{'s'[:len(self) != 1]}"
        columns = ("layer", "spikes a sample", "stable", "consistency") if rows else ()
        return Summary(title, facts, columns, rows)

    def measured(self, name: str) -> bool:
        """Whether a counter of ``counters`` was measured for every sample."""
        return len(self) > 0 and bool((self.counters[name] != NO_HARDWARE).all())

    def accuracy(self, labels: npt.ArrayLike) -> float:
        """The share of the samples whose prediction is their label.

        Parameters
        ----------
        labels : (batch,) array_like of int
            The label of each sample, from 0 to the number of outputs - 1.

        Raises
        ------
        TypeError, ValueError
            If there is not one integer per sample, or one is no output.
        """
        return float((self.prediction == self._labels(labels)).mean())

    def to_frame(self, labels: npt.ArrayLike | None = None) -> DataFrame:
        """A table for pandas with a row per sample.

        Its columns are the prediction, the margin, the steps, the scores of the outputs, the
        counters, and per layer spikes, stable spikes and consistency. What was not measured has no
        column.

        Parameters
        ----------
        labels : (batch,) array_like of int, optional
            The label of each sample: two more columns, ``label`` and ``correct``.

        Raises
        ------
        ToolError
            If pandas is not installed.
        TypeError, ValueError
            For wrong labels, as in ``accuracy``.
        """
        table: dict[str, npt.NDArray[Any]] = {}
        if labels is not None:
            table["label"] = self._labels(labels)
            table["correct"] = self.prediction == table["label"]
        try:
            from pandas import DataFrame, RangeIndex
        except ImportError as error:
            raise ToolError(
                f"to_frame needs pandas ({error}): pip install 'stablespike[pandas]'"
            ) from error
        table |= {"prediction": self.prediction, "margin": self.margin, "steps": self.lengths}
        table |= {f"score_{i}": column for i, column in enumerate(self.scores.T)}
        for name in filter(self.measured, RESULT_DTYPE.names or ()):
            table[name] = self.counters[name]
        if self.measured("spikes"):
            for name in ("spikes", "stable", "consistency"):
                columns = getattr(self, name).T
                table |= {f"{name}_{i}": column for i, column in enumerate(columns)}
        if self.agreement is not None:
            table["agreement"] = self.agreement
        return DataFrame(table, index=RangeIndex(len(self), name="sample"))

    def raster(self, sample: int) -> tuple[Bools, ...]:
        """The spikes of a sample.

        Parameters
        ----------
        sample : int
            Its index in the batch.

        Returns
        -------
        tuple of array of bool
            Per layer (steps, neurons), the neurons in C order.

        Raises
        ------
        TypeError, ValueError
            If there is no such sample, or no trace.
        """
        sample = exact_int("sample", sample, 0, len(self) - 1)
        if not self.trace:
            raise ValueError(
                "trace is missing, which holds the spikes of the layers: run the samples with "
                "trace=True (stablespike run --trace)"
            )
        steps = int(self.lengths[sample])
        return tuple(layer[sample, :steps].reshape(steps, -1) for layer in self.trace)

    def _labels(self, labels: npt.ArrayLike) -> Integers:
        return checked_labels(labels, len(self), self.readout.shape[1])

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
        """Everything as named arrays, from which ``of`` makes the result again."""
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
            "clock_hz": np.array(self.clock_hz),
        }
        if self.readout_skeleton is not None and self.agreement is not None:
            named |= {"readout_skeleton": self.readout_skeleton, "agreement": self.agreement}
        for i, (trace, skeleton) in enumerate(zip(self.trace, self.skeleton, strict=True)):
            named |= {f"trace_{i}": trace, f"skeleton_{i}": skeleton}
        return named

    @classmethod
    def of(cls, named: Mapping[str, npt.NDArray[Any]]) -> Result:
        """The result of what ``arrays`` returned.

        Raises
        ------
        KeyError
            If an array is missing.
        TypeError, ValueError
            If one has another type or shape than it had.
        """
        batch = len(named["readout"])
        for name in ("prediction", "lengths", "consistency", "counters", "layer_counters"):
            if len(named[name]) != batch:
                raise ValueError(f"{name} must be of {batch} samples, not {len(named[name])}")
        for name in ("counters", "layer_counters"):
            if named[name].dtype != RESULT_DTYPE:
                raise TypeError(f"{name} must be of {RESULT_DTYPE}, not {named[name].dtype}")
        traced = sorted(
            (name for name in named if name.startswith("trace_")), key=lambda name: int(name[6:])
        )
        return cls(
            readout=named["readout"],
            prediction=named["prediction"],
            counters=named["counters"],
            layer_counters=named["layer_counters"],
            consistency=named["consistency"],
            lengths=named["lengths"],
            trace=tuple(named[name] for name in traced),
            skeleton=tuple(named[name.replace("trace", "skeleton")] for name in traced),
            readout_skeleton=named.get("readout_skeleton"),
            agreement=named.get("agreement"),
            link_bytes=LinkBytes(*map(int, named["link_bytes"])),
            clock_hz=int(named.get("clock_hz", np.array(0))),
        )

    def first(self, count: int) -> Result:
        """The results of the first samples; bytes of the link are those of all."""
        return replace(
            self,
            **{
                name: value[:count]
                for name in (
                    "readout", "prediction", "counters", "layer_counters", "consistency", "lengths",
                    "readout_skeleton", "agreement",
                )
                if (value := getattr(self, name)) is not None
            },
            trace=tuple(each[:count] for each in self.trace),
            skeleton=tuple(each[:count] for each in self.skeleton),
        )

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
            clock_hz=parts[0].clock_hz,
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
