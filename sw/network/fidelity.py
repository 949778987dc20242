"""The report of an import: what was rounded, and how the spikes differ from those of the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..support.records import from_plain
from .layer_fidelity import Decays, LayerFidelity, layer_lines
from .leaks import Leak, Leaks, leaks_of

__all__ = ["Fidelity"]


@dataclass(frozen=True)
class Fidelity:
    """The report of an import; ``print`` shows it.

    Attributes
    ----------
    source : str
        The model.
    assumed : tuple of str
        The semantics with which the model was read.
    approximations : tuple of str
        Where the source's rule differs from the array's, as ``approximate=True`` allows.
    input : str
        The input of the imported network.
    layers : tuple of LayerFidelity
        One report per layer.
    array : str or None
        The array that the network was fitted to; None without one.
    misses : tuple of str
        What of that array is too small for the network, though its widths fit.
    state_bits : int
        Width of the membranes with which the network was measured.
    samples : str
        The samples on which the networks were compared, and whether the rounding was chosen on
        them.
    count : int
        Number of samples.
    steps : int
        Steps of a sample.
    readout : str
        The readout from which predictions are made.
    same_prediction : float or None
        Share of samples with the same prediction as the source; None if all are undecided.
    undecided : int
        Samples for which all outputs are equal in both networks, as in silence. Their predictions
        are output 0 for want of a better one.
    predicted_source : int
        Number of outputs that the source predicts for at least one sample.
    predicted : int
        Number of outputs that the imported network predicts for at least one sample.
    accuracy_source : float or None
        Share of correct predictions of the source; None without labels.
    accuracy : float or None
        Share of correct predictions of the imported network; None without labels.
    """

    source: str
    assumed: tuple[str, ...]
    approximations: tuple[str, ...]
    input: str
    layers: tuple[LayerFidelity, ...]
    array: str | None
    misses: tuple[str, ...]
    state_bits: int
    samples: str
    count: int
    steps: int
    readout: str
    same_prediction: float | None
    undecided: int
    predicted_source: int
    predicted: int
    accuracy_source: float | None
    accuracy: float | None

    @property
    def silent(self) -> bool:
        """Whether no neuron of any layer fired, in the source or here: then nothing was
        compared."""
        measured = [layer.spikes for layer in self.layers if layer.spikes is not None]
        return bool(measured) and all(spikes.silent for spikes in measured)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the network useless, or the comparison say little; one sentence each.

        They are the first lines of the report.
        """
        found = []
        if self.silent:  # one sentence for all layers
            found.append(
                "no neuron of any layer ever fired on these samples, in the source or here, so "
                "nothing was compared: check the scale of inputs and thresholds, or give "
                "calibration= or test= samples on which they fire"
            )
        for layer in self.layers:
            found += layer.lost_weights if self.silent else layer.warnings
        if not found and self.same_prediction is None:
            found.append(
                f"the outputs are all equal in all of {self.count} samples, in the source and "
                "here, so no prediction was compared: give calibration= or test= samples on which "
                "they differ"
            )
        found += [f"too large for the array {self.array}: {miss}" for miss in self.misses]
        return tuple(found)

    @property
    def exact(self) -> bool:
        """Whether the network is the source itself, in samples of up to ``exact_steps`` steps.

        Nothing is rounded, every rule is the source's, and no spike differs. It is False if nothing
        fired, since no difference could show then.
        """
        # Beyond the limit, a leak may round: differences there say nothing about earlier steps.
        return (
            self._rounds_nothing and not self.silent and (not self.different or self._beyond)
        )

    @property
    def _rounds_nothing(self) -> bool:
        return not self.approximations and all(layer.exact for layer in self.layers)

    @property
    def _limit(self) -> int | None:
        """Steps in which no leak can round a membrane; None for any number."""
        limits = [layer.exact_steps for layer in self.layers if layer.exact_steps is not None]
        return min(limits, default=None)

    @property
    def _beyond(self) -> bool:
        """Whether the samples have more steps than ``_limit``."""
        return self._limit is not None and self.steps > self._limit

    @property
    def exact_steps(self) -> int | None:
        """Steps of a sample up to which ``exact`` holds; None for any number, 0 if it does not."""
        return self._limit if self.exact else 0

    @property
    def different(self) -> int:
        """Number of neuron-steps that differ, over all layers."""
        return sum(layer.spikes.different for layer in self.layers if layer.spikes is not None)

    def as_dict(self) -> dict[str, Any]:
        """Return the whole report as a dictionary that JSON can hold."""
        derived = {
            "warnings": list(self.warnings), "silent": self.silent, "exact": self.exact,
            "exact_steps": self.exact_steps, "different": self.different,
        }
        return {**derived, **_plain(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Fidelity:
        """Return the report that ``as_dict`` made the dictionary of.

        Raises
        ------
        KeyError
            Naming what is missing.
        TypeError, ValueError
            Naming the first value that is none of a report.
        """
        special = {
            Decays: _decays, Decays | None: lambda value: None if value is None else _decays(value),
            Leaks: lambda value: leaks_of("leak", value),
            Leaks | None: lambda value: None if value is None else leaks_of("leak", value),
        }
        report: Fidelity = from_plain(cls, values, "fidelity", special)
        return report

    def __str__(self) -> str:
        lines = [f"warning: {line}" for line in self.warnings]
        lines.append(self.source)
        lines += [f"  assumed: {line}" for line in self.assumed]
        lines += [f"  approximate: {line}" for line in self.approximations]
        lines.append(f"  input: {self.input}")
        for layer in self.layers:
            lines += layer_lines(layer)
        if self.array is not None:
            lines.append(f"fitted to the array {self.array}, membranes of {self.state_bits} bits")
        lines.append(f"measured on {self.samples}")
        lines.append(f"  same prediction ({self.readout}) {self._predictions()}")
        if self.accuracy is not None and self.accuracy_source is not None:
            lines.append(f"  accuracy {self.accuracy:.2%}, source {self.accuracy_source:.2%}")
        lines.append(f"  {self._verdict()}")
        return "\n".join(lines)

    def _predictions(self) -> str:
        equal = "outputs are all equal in both networks, which counts as output 0"
        if self.same_prediction is None:
            return f"not compared: in all of {self.count} samples the {equal}"
        text = f"in {self.same_prediction:.2%} of {self.count}"
        if self.undecided:
            text += f"; in {self.undecided} of them the {equal}"
        elif 1 in (self.predicted_source, self.predicted) and self.count > 1:
            text += f"; different ones are {self.predicted} (source {self.predicted_source})"
        return text

    def _verdict(self) -> str:
        different = f"{self.different} spikes differ"
        if self.silent:
            rounded = "nothing was rounded" if self._rounds_nothing else "not exact"
            return f"{rounded}; no neuron ever fired on these samples, so nothing was compared"
        if not self._rounds_nothing:
            return f"not exact: {different}"
        if not self.exact:
            return (
                f"rounds nothing, but {different}: membranes meet the end of their range "
                f"(state_bits {self.state_bits})"
            )
        if self._limit is None:
            return f"exact for any number of steps: {different}"
        over = f"; over {self.steps}, {different}" if self._beyond else f": {different}"
        return f"exact for up to {self._limit} steps{over}"


def _plain(value: Any) -> Any:
    """Return a report, or a value in one, as JSON can hold it."""
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in (value.plain if isinstance(value, Leak) else value)]
    return value


def _decays(value: Any) -> Decays:
    """Return the decays that ``_plain`` made lists of."""
    several = isinstance(value, (list, tuple))
    kind: Any = tuple[float, ...] if several else float
    decays: Decays = from_plain(kind, value, "decays" if several else "a decay", {})
    return decays
