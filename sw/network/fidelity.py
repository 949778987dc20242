"""How close an imported network is to its source: what was rounded, and what that did to spikes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..spec.array import ArrayConfig
from .neurons import Leak

__all__ = ["Fidelity", "LayerFidelity", "SpikeFidelity", "compare_spikes"]


@dataclass(frozen=True)
class SpikeFidelity:
    """Spikes of a layer beside the source's, each network on its own spikes throughout.

    Attributes
    ----------
    total : neuron-steps compared.
    different : those with a spike in one and none in the other.
    agreement : share that is equal, ``1 - different / total``.
    overlap : spikes in both over spikes in either; 1 if there are none.
    rate_source, rate : spikes per neuron and step.
    rate_error : mean over neurons of the distance of their rates.
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
    """One layer.

    Attributes
    ----------
    name, source : in the model.
    neuron : the settings used, in words.
    decay_asked, decay_used, leak : membrane that stays each step, and the shifts that do it.
    synapse_asked, synapse_used, synapse_leak : the same of the synaptic current, or None.
    threshold_factor : by which thresholds make up for another leak, chosen on the calibration
        samples.
    scale_low, scale_high : smallest and largest scale of the layer's neurons.
    weight_error : rounding of the weights, root mean square over that of the weights.
    clipped : weights that were out of range and became its end.
    exact : whether nothing was rounded: weights, thresholds, biases, leaks.
    exact_steps : with ``exact``, the steps of a sample for which no leak rounds a membrane either;
        None: any number.
    spikes : measured, None for neurons that never fire.
    """

    name: str
    source: str
    neuron: str
    decay_asked: float
    decay_used: float
    leak: Leak
    synapse_asked: float | None
    synapse_used: float | None
    synapse_leak: Leak | None
    threshold_factor: float
    scale_low: float
    scale_high: float
    weight_error: float
    clipped: int
    exact: bool
    exact_steps: int | None
    spikes: SpikeFidelity | None

    @property
    def decay_error(self) -> float:
        """``decay_used - decay_asked``."""
        return self.decay_used - self.decay_asked


@dataclass(frozen=True)
class Fidelity:
    """The report of an import.

    Attributes
    ----------
    source : the model, in words.
    assumed : the semantics it was read with.
    approximations : where the source's rule is another than the array's, allowed by
        ``approximate=True``.
    layers : a report each.
    samples : what it was measured on.
    count, steps : of the samples.
    readout : what predictions are made from.
    same_prediction : share of samples with the same prediction as the source.
    accuracy_source, accuracy : with labels, else None.
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
        """Whether nothing is rounded, no rule is another than the source's, and no spike differs
        in ``exact_steps``."""
        return self._rounds_nothing and (not self.different or self._beyond)

    @property
    def _rounds_nothing(self) -> bool:
        return not self.approximations and all(layer.exact for layer in self.layers)

    @property
    def _limit(self) -> int | None:
        """Steps for which no leak rounds a membrane; None: any number."""
        limits = [layer.exact_steps for layer in self.layers if layer.exact_steps is not None]
        return min(limits, default=None)

    @property
    def _beyond(self) -> bool:
        """Whether more steps were measured than that."""
        return self._limit is not None and self.steps > self._limit

    @property
    def exact_steps(self) -> int | None:
        """Steps of a sample for which ``exact`` holds; None: any number; 0 if it does not."""
        return self._limit if self.exact else 0

    @property
    def different(self) -> int:
        """Neuron-steps that differ, over all layers."""
        return sum(layer.spikes.different for layer in self.layers if layer.spikes is not None)

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        values = asdict(self)
        values |= {
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
        lines.append(
            f"  {what} {asked:.6g} asked, {used:.6g} used (shifts {shifts[0]}, {shifts[1]}), "
            f"error {used - asked:+.2g}"
        )
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


def compare_spikes(
    source: npt.NDArray[np.bool_], ours: npt.NDArray[np.bool_]
) -> SpikeFidelity:
    """Two (steps, batch, neurons) records of the same layer.

    Raises
    ------
    ValueError
        If their shapes differ.
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
