"""The report of one layer of an import: what was rounded, and how its spikes differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .leaks import Leak, Leaks

__all__ = [
    "ArrayFit", "Decays", "LayerFidelity", "SpikeFidelity", "compare_spikes", "layer_lines",
]

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
    """What it cost to fit a layer to an array, or a zero of the input to its biases.

    Attributes
    ----------
    factor : float
        The scale over the one without that, for the neuron that it changed most.
    changed : int
        Neurons (output channels) with a coarser scale.
    of : int
        Number of neurons (output channels).
    weight_error : float
        The layer's ``weight_error`` without it.
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
        What it cost to fit the layer to the array, or the input's zero to its biases; None if it
        cost nothing.
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

    def __post_init__(self) -> None:
        if (self.synapse_asked is None) != (self.synapse_used is None):
            raise ValueError(
                "synapse_asked and synapse_used must both be None, or neither of them"
            )
        for name in ("decay", "synapse"):
            asked, used = (getattr(self, f"{name}_{each}") for each in ("asked", "used"))
            sizes = {len(each) for each in (asked, used) if isinstance(each, tuple)}
            if len(sizes) > 1 or 0 in sizes:
                raise ValueError(
                    f"{name}_asked and {name}_used must have one value, or one per neuron, not "
                    f"{' and '.join(map(str, sorted(sizes)))}"
                )

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


def layer_lines(layer: LayerFidelity) -> list[str]:
    """Return the report of a layer, line by line."""
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
            f"  to fit, {fit.changed} of {fit.of} scales are coarser, by up to "
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
