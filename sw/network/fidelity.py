"""The report of an import: what was rounded, and how the spikes differ from those of the source."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ..spec.array import ArrayConfig
from .neurons import Leak, Leaks, Shifts, plain_leaks

__all__ = ["Fidelity", "LayerFidelity", "SpikeFidelity", "compare_spikes"]

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
        Share of neuron-steps that are equal, ``1 - different / total``.
    overlap : float
        Spikes in both networks over spikes in at least one; 1 if there are no spikes.
    rate_source : float
        Spikes per neuron and step of the source.
    rate : float
        Spikes per neuron and step of the imported network.
    rate_error : float
        Absolute difference of a neuron's rate from the source's, mean over the neurons.
    """

    total: int
    different: int
    agreement: float
    overlap: float
    rate_source: float
    rate: float
    rate_error: float


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
    leak: Shifts | Leaks
    synapse_asked: Decays | None
    synapse_used: Decays | None
    synapse_leak: Shifts | Leaks | None
    threshold_factor: float
    scale_low: float
    scale_high: float
    weight_error: float
    clipped: int
    exact: bool
    exact_steps: int | None
    spikes: SpikeFidelity | None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a dictionary that JSON can hold."""
        # asdict would copy leaks, which are not plain tuples.
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {
            "leak": plain_leaks(self.leak),
            "synapse_leak": plain_leaks(self.synapse_leak),
            "spikes": None if self.spikes is None else asdict(self.spikes),
        }

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
    layers : tuple of LayerFidelity
        One report per layer.
    samples : str
        The samples on which the networks were compared.
    count : int
        Number of samples.
    steps : int
        Steps of a sample.
    readout : str
        The readout from which predictions are made.
    same_prediction : float
        Share of samples with the same prediction as the source.
    accuracy_source : float or None
        Share of correct predictions of the source; None without labels.
    accuracy : float or None
        Share of correct predictions of the imported network; None without labels.
    """

    source: str
    assumed: tuple[str, ...]
    approximations: tuple[str, ...]
    layers: tuple[LayerFidelity, ...]
    samples: str
    count: int
    steps: int
    readout: str
    same_prediction: float
    accuracy_source: float | None
    accuracy: float | None

    @property
    def exact(self) -> bool:
        """Whether the network is the source itself, in samples of up to ``exact_steps`` steps.

        Nothing is rounded, every rule is the source's, and no spike differs.
        """
        # Beyond the limit, a leak may round: differences there say nothing about earlier steps.
        return self._rounds_nothing and (not self.different or self._beyond)

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
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {
            "layers": tuple(layer.as_dict() for layer in self.layers),
            "exact": self.exact, "exact_steps": self.exact_steps, "different": self.different,
        }
        return values

    def __str__(self) -> str:
        lines = [self.source]
        lines += [f"  assumed: {line}" for line in self.assumed]
        lines += [f"  approximate: {line}" for line in self.approximations]
        for layer in self.layers:
            lines += _layer_lines(layer)
        lines.append(f"measured on {self.samples}")
        lines.append(
            f"  same prediction ({self.readout}) in {self.same_prediction:.2%} of {self.count}"
        )
        if self.accuracy is not None and self.accuracy_source is not None:
            lines.append(f"  accuracy {self.accuracy:.2%}, source {self.accuracy_source:.2%}")
        lines.append(f"  {self._verdict()}")
        return "\n".join(lines)

    def _verdict(self) -> str:
        different = f"{self.different} spikes differ"
        if not self._rounds_nothing:
            return f"not exact: {different}"
        if not self.exact:
            return (
                f"rounds nothing, but {different}: membranes meet the end of their range "
                f"(state_bits {ArrayConfig.state_bits})"
            )
        if self._limit is None:
            return f"exact for any number of steps: {different}"
        over = f"; over {self.steps}, {different}" if self._beyond else f": {different}"
        return f"exact for up to {self._limit} steps{over}"


def _layer_lines(layer: LayerFidelity) -> list[str]:
    lines = [f"layer {layer.name}: {layer.source} -> {layer.neuron}"]
    pairs = [("leak", layer.decay_asked, layer.decay_used, layer.leak)]
    if layer.synapse_asked is not None and layer.synapse_used is not None:
        pairs.append(
            ("synapse", layer.synapse_asked, layer.synapse_used, layer.synapse_leak or (None, None))
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
    spikes = layer.spikes
    if spikes is not None:
        lines.append(
            f"  spikes: {spikes.agreement:.3%} of {spikes.total} neuron-steps agree, overlap "
            f"{spikes.overlap:.2%}, rate {spikes.rate:.4f} (source {spikes.rate_source:.4f}), "
            f"rate error {spikes.rate_error:.4f}"
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
    return SpikeFidelity(
        total=source.size,
        different=different,
        agreement=1 - different / source.size,
        overlap=both / either if either else 1.0,
        rate_source=float(rates_source.mean()),
        rate=float(rates.mean()),
        rate_error=float(np.abs(rates - rates_source).mean()),
    )
