"""The report of an import: what was rounded, and how the spikes differ from those of the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ..support.records import from_plain
from .neurons import Leak, Leaks, leaks_of

__all__ = ["ArrayFit", "Fidelity", "LayerFidelity", "SpikeFidelity", "compare_spikes"]

Decays = float | tuple[float, ...]
"""The decay of all neurons of a layer, or one per neuron."""


@dataclass(frozen=True)
class SpikeFidelity:
    """How the spikes of a layer compare with those of the source.

    Each of the two networks runs on its own spikes from the first layer on.

    Attributes
    ----------
    total : int
        Neuron-steps compared: neurons times steps times samples.
    different : int
        Neuron-steps with a spike in one network and none in the other.
    agreement : float
        Share of neuron-steps that are equal, ``1 - different / total``. Silence agrees with
        silence, so it says little where few neurons fire.
    overlap : float or None
        Spikes in both networks over spikes in at least one; None if neither has any.
    rate_source : float
        Spikes per neuron and step of the source.
    rate : float
        Spikes per neuron and step of the imported network.
    rate_error : float
        Absolute difference of a neuron's rate from the source's, mean over the neurons.
    neurons : int
        Number of neurons.
    active_source : int
        Neurons of the source that fired at least once.
    active : int
        Neurons of the imported network that fired at least once.
    always_source : int
        Neurons of the source that fired in every step of every sample.
    always : int
        Neurons of the imported network that fired in every step of every sample.
    """

    total: int
    different: int
    agreement: float
    overlap: float | None
    rate_source: float
    rate: float
    rate_error: float
    neurons: int
    active_source: int
    active: int
    always_source: int
    always: int

    @property
    def silent(self) -> bool:
        """Whether no neuron fired, in the source or here."""
        return not (self.active_source or self.active)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the comparison say little: silence, saturation, a single neuron that fires."""
        found = []
        if self.silent:
            found.append("it never fired, in the source or here")
        elif not self.active:
            found.append("it never fired here, but did in the source")
        elif not self.active_source:
            found.append("it never fired in the source, but did here")
        for text, source, ours in (
            (
                "all of its neurons fired in every step (saturated)",
                self.always_source == self.neurons, self.always == self.neurons,
            ),
            (
                f"all of its spikes are of one of its {self.neurons} neurons",
                self.active_source == 1 < self.neurons, self.active == 1 < self.neurons,
            ),
        ):
            if source or ours:
                where = "in the source and here" if source and ours else (
                    "in the source, but not here" if source else "here, but not in the source"
                )
                found.append(f"{text} {where}")
        return tuple(found)


@dataclass(frozen=True)
class ArrayFit:
    """What it cost to fit a layer to an array.

    Attributes
    ----------
    factor : float
        The scale over the one without the array, for the neuron that it changed most.
    changed : int
        Neurons (output channels) with a coarser scale.
    of : int
        Number of neurons (output channels).
    weight_error : float
        The layer's ``weight_error`` without the array.
    reason : str
        What did not fit.
    """

    factor: float
    changed: int
    of: int
    weight_error: float
    reason: str


@dataclass(frozen=True)
class LayerFidelity:
    """How one layer was imported.

    A decay is the share of a state that stays from one step to the next, 0 to 1.

    Attributes
    ----------
    name : str
        Name in the source model.
    source : str
        The source's neuron, in the words of its framework.
    neuron : str
        The settings of ``Neuron`` that were chosen.
    decay_asked : float or tuple of float
        Decay of the membrane in the source; one per neuron (output channel) if they differ.
    decay_used : float or tuple of float
        Decay of the membrane that the shifts give.
    leak : Leak or tuple of Leak
        The shifts.
    synapse_asked : float, tuple of float or None
        Decay of the synaptic current in the source; None without one.
    synapse_used : float, tuple of float or None
        Decay of the synaptic current that the shifts give.
    synapse_leak : Leak, tuple of Leak or None
        The shifts of the synaptic current.
    threshold_factor : float
        Factor on the thresholds that compensates for a decay other than the source's, chosen on the
        calibration samples; 1 for none. If neurons have different leaks, the one furthest from 1.
    scale_low : float
        Smallest scale of a neuron: the size of one weight step in the source's units.
    scale_high : float
        Largest scale of a neuron.
    weight_error : float
        Root mean square of the weights' rounding errors, divided by that of the weights.
    clipped : int
        Number of weights out of range, which were set to the end of the range.
    nonzero : int
        Number of weights that are not 0.
    zeroed : int
        Number of weights that are 0, but not in the source.
    cut_off : int
        Neurons (output channels) that have no weight other than 0, but had one in the source.
    fit : ArrayFit or None
        What it cost to fit the layer to the array; None if it cost nothing.
    exact : bool
        Whether weights, thresholds, biases and leaks are those of the source without rounding.
    exact_steps : int or None
        With ``exact``, the steps of a sample in which no leak can round a membrane either; None
        for any number.
    spikes : SpikeFidelity or None
        Measured on the samples; None for neurons that never fire.
    """

    name: str
    source: str
    neuron: str
    decay_asked: Decays
    decay_used: Decays
    leak: Leaks
    synapse_asked: Decays | None
    synapse_used: Decays | None
    synapse_leak: Leaks | None
    threshold_factor: float
    scale_low: float
    scale_high: float
    weight_error: float
    clipped: int
    nonzero: int
    zeroed: int
    cut_off: int
    fit: ArrayFit | None
    exact: bool
    exact_steps: int | None
    spikes: SpikeFidelity | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the layer useless, or its comparison say little; one sentence each."""
        spikes = () if self.spikes is None else self.spikes.warnings
        return (*self.lost_weights, *(f"layer {self.name}: {each}" for each in spikes))

    @property
    def lost_weights(self) -> tuple[str, ...]:
        """A sentence about neurons that no input reaches any more, if there are any."""
        if not self.nonzero and not self.zeroed:
            return (f"layer {self.name}: all of its weights are 0 in the source",)
        if not self.nonzero:
            text = (
                f"all of its {self.zeroed} weights were rounded to 0 at a scale of "
                f"{self.scale_high:.4g}: they are too small beside its thresholds and biases; "
                "check dt, input_scale and the units of the thresholds, or give fewer "
                "fraction_bits, which allows a smaller scale"
            )
        elif self.cut_off:
            text = (
                f"all weights of {self.cut_off} of its neurons were rounded to 0; more "
                "weight_bits or a smaller scale keep some"
            )
        else:
            return ()
        return (f"layer {self.name}: {text}",)

    @property
    def decay_error(self) -> float:
        """``decay_used - decay_asked``, of the neuron with the largest error."""
        return _largest_error(self.decay_asked, self.decay_used)


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
            **dict.fromkeys((Decays, Decays | None), _decays),
            **dict.fromkeys((Leaks, Leaks | None), _leaks),
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
            lines += _layer_lines(layer)
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


def _decays(value: Any) -> Decays | None:
    """Return the decays that ``_plain`` made lists of."""
    if value is None or not isinstance(value, (list, tuple)):
        kind = float | None
        one: float | None = from_plain(kind, value, "a decay", {})
        return one
    several: tuple[float, ...] = from_plain(tuple[float, ...], value, "decays", {})
    return several


def _leaks(value: Any) -> Leaks | None:
    """Return the leaks that ``_plain`` made lists of."""
    return None if value is None else leaks_of("leak", value)


def _layer_lines(layer: LayerFidelity) -> list[str]:
    lines = [f"layer {layer.name}: {layer.source} -> {layer.neuron}"]
    pairs = [("leak", layer.decay_asked, layer.decay_used, layer.leak)]
    if layer.synapse_asked is not None and layer.synapse_used is not None:
        pairs.append(
            ("synapse", layer.synapse_asked, layer.synapse_used, layer.synapse_leak or Leak())
        )
    for what, asked, used, shifts in pairs:
        lines.append(_leak_line(what, asked, used, shifts))
    if layer.threshold_factor != 1:
        lines.append(f"  thresholds times {layer.threshold_factor:.4f}, for the leak")
    many = layer.scale_low != layer.scale_high
    scale = f"{layer.scale_low:.4g} to {layer.scale_high:.4g}" if many else f"{layer.scale_low:.4g}"
    rounding = "exact" if layer.weight_error == 0 else f"{layer.weight_error:.2%} rounding"
    clipped = f", {layer.clipped} clipped" if layer.clipped else ""
    lines.append(f"  scale {scale}, weights {rounding}{clipped}")
    fit = layer.fit
    if fit is not None:
        lines.append(
            f"  for the array, {fit.changed} of {fit.of} scales are coarser, by up to "
            f"{fit.factor:.4g} times ({fit.reason}); rounding without it {fit.weight_error:.2%}"
        )
    return lines + ([] if layer.spikes is None else _spike_lines(layer.spikes))


def _spike_lines(spikes: SpikeFidelity) -> list[str]:
    if spikes.overlap is None:
        return [f"  spikes: none in {spikes.total} neuron-steps, in the source or here"]
    lines = [(
        f"  spikes: {spikes.agreement:.3%} of {spikes.total} neuron-steps agree, overlap "
        f"{spikes.overlap:.2%}, rate {spikes.rate:.4f} (source {spikes.rate_source:.4f}), "
        f"rate error {spikes.rate_error:.4f}"
    )]
    silent, silent_source = spikes.neurons - spikes.active, spikes.neurons - spikes.active_source
    if silent or silent_source or spikes.always or spikes.always_source:
        lines.append(
            f"  of {spikes.neurons} neurons {silent} never fire (source {silent_source}), "
            f"{spikes.always} in every step (source {spikes.always_source})"
        )
    return lines


def _leak_line(what: str, asked: Decays, used: Decays, shifts: Any) -> str:
    error = f"error {_largest_error(asked, used):+.2g}"
    if np.ndim(asked) == np.ndim(used) == 0:
        (first, second), added = shifts, "+" if Leak.of(shifts).add else ""
        return (
            f"  {what} {asked:.6g} asked, {used:.6g} used (shifts {first}, {added}{second}), "
            f"{error}"
        )
    (low, high), (low_used, high_used) = ((np.min(each), np.max(each)) for each in (asked, used))
    count, wanted = (len(np.unique(each)) for each in (used, asked))
    return (
        f"  {what} {low:.6g} to {high:.6g} asked ({wanted} different), {low_used:.6g} to "
        f"{high_used:.6g} used ({count} different), largest {error}"
    )


def _largest_error(asked: Decays, used: Decays) -> float:
    errors = np.atleast_1d(np.asarray(used) - np.asarray(asked))
    return float(errors[np.abs(errors).argmax()])


def compare_spikes(
    source: npt.NDArray[np.bool_], ours: npt.NDArray[np.bool_]
) -> SpikeFidelity:
    """Compare two records of the spikes of one layer.

    Parameters
    ----------
    source : (steps, batch, neurons) bool
        Spikes of the source.
    ours : (steps, batch, neurons) bool
        Spikes of the imported network.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if source.shape != ours.shape:
        raise ValueError(f"ours must be {source.shape} as the source's, not {ours.shape}")
    different = int((source != ours).sum())
    either, both = int((source | ours).sum()), int((source & ours).sum())
    rates_source, rates = source.mean((0, 1)), ours.mean((0, 1))
    any_source, any_ours = source.any((0, 1)), ours.any((0, 1))
    all_source, all_ours = source.all((0, 1)), ours.all((0, 1))
    return SpikeFidelity(
        total=source.size,
        different=different,
        agreement=1 - different / source.size,
        overlap=both / either if either else None,
        rate_source=float(rates_source.mean()),
        rate=float(rates.mean()),
        rate_error=float(np.abs(rates - rates_source).mean()),
        neurons=source.shape[2],
        active_source=int(any_source.sum()),
        active=int(any_ours.sum()),
        always_source=int(all_source.sum()),
        always=int(all_ours.sum()),
    )
