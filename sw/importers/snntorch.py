"""snnTorch modules to networks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..network import Network
from ..support.errors import NotExpressible, ToolError
from .convert import convert
from .graph import FloatNetwork, assemble
from .modules import as_operations, checked_module, checked_shape
from .semantics import (
    Cell,
    checked_decay,
    checked_threshold,
    finite,
    one_value,
    squeezed,
    tidy,
)
from .settings import Options, Settings

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["from_snntorch"]

_NEAREST = "Leaky, Synaptic, Lapicque, RLeaky or RSynaptic, as the documentation's table has them"
_RULES = {0: ("subtract", "_base_sub"), 1: ("zero", "_base_zero"), 2: ("none", "_base_int")}
_UNDELAYED = (
    "with reset_delay=False it subtracts in two parts, so a membrane still above the threshold "
    "after a spike is reset once more without one"
)
_SAME_STEP = "reset='subtract', reset_timing='same_step'"


def from_snntorch(
    module: Any, sample_shape: Any, *, sample: Any = None, **options: Unpack[Options]
) -> Network:
    """A network of an snnTorch module.

    Parameters
    ----------
    module : a ``torch.nn.Module`` of linear and convolutional layers, pools and snnTorch neurons in
        one chain. Its hidden states are reset.
    sample_shape : shape of one sample, without batch and steps.
    sample : what its forward takes, with a batch of 1, if that is not (1, *sample_shape): such as
        zeros of (steps, 1, *sample_shape) for a forward that loops over steps.
    **options : as ``stablespike.importers.Options`` lists them.

    Raises
    ------
    NotExpressible
        Naming layer, type, reason and the nearest that can be expressed.
    TypeError, ValueError
        If an argument or a value is wrong.
    """
    try:
        import snntorch
    except ImportError as error:
        raise ToolError("snntorch is not installed: pip install 'stablespike[import]'") from error
    settings = Settings(**options)
    shape = checked_shape(sample_shape)
    ops, reference = as_operations(
        checked_module(module), shape, sample,
        {
            snntorch.Leaky: _leaky, snntorch.Synaptic: _synaptic, snntorch.Lapicque: _lapicque,
            snntorch.RLeaky: _recurrent, snntorch.RSynaptic: _recurrent,
        },
        (snntorch.SpikingNeuron,), (), _reset, _NEAREST, settings.readout,
    )
    layers = assemble(ops, shape, settings.readout)
    name = f"snnTorch module {type(module).__name__}"
    assumed = ("a spike where mem > threshold, membranes 0 at the start of a sample",)
    return convert(FloatNetwork(name, shape, layers, assumed, reference), settings)


def _reset(child: Any) -> None:
    child.reset_mem()


def _leaky(name: str, neuron: Any) -> Cell:
    kind = type(neuron).__name__
    decay = _decay(name, kind, "beta", neuron.beta)
    return _cell(name, kind, neuron, decay, None, f"beta={decay:.6g}")


def _synaptic(name: str, neuron: Any) -> Cell:
    kind = type(neuron).__name__
    decay = _decay(name, kind, "beta", neuron.beta)
    synapse = _decay(name, kind, "alpha", neuron.alpha)
    return _cell(name, kind, neuron, decay, synapse, f"alpha={synapse:.6g}, beta={decay:.6g}")


def _recurrent(name: str, neuron: Any) -> Cell:
    kind, back = type(neuron).__name__, neuron.recurrent
    cell = (_synaptic if kind == "RSynaptic" else _leaky)(name, neuron)
    if hasattr(back, "V"):
        return replace(cell, recurrent=squeezed(finite(name, kind, "V", back.V)))
    if type(back) is not torch.nn.Linear:
        raise NotExpressible(
            name, kind, f"its spikes come back through a {type(back).__name__}",
            "linear_features, or all_to_all=False",
        )
    weight = finite(name, kind, "recurrent.weight", back.weight)
    bias = np.zeros(())
    if back.bias is not None:
        bias = finite(name, kind, "recurrent.bias", back.bias)
    return replace(cell, recurrent=weight, recurrent_bias=bias)


def _lapicque(name: str, neuron: Any) -> Cell:
    kind = "Lapicque"
    resistance, capacity, step = (
        one_value(name, kind, each, getattr(neuron, each), "a layer has one leak")
        for each in ("R", "C", "time_step")
    )
    decay = checked_decay(
        name, kind, "1 - time_step / (R C)", 1 - step / (resistance * capacity)
    )
    return _cell(
        name, kind, neuron, decay, None, f"R={resistance:.6g}, C={capacity:.6g}",
        gain=float(tidy(step / capacity)),
    )


def _decay(name: str, kind: str, parameter: str, values: Any) -> float:
    value = one_value(name, kind, parameter, values, "a layer has one leak")
    return checked_decay(name, kind, parameter, float(np.clip(value, 0, 1)))


def _cell(
    name: str,
    kind: str,
    neuron: Any,
    decay: float,
    synapse: float | None,
    described: str,
    gain: float = 1.0,
) -> Cell:
    reset = _checked_rule(name, kind, neuron)
    delayed = bool(getattr(neuron, "reset_delay", True))
    threshold = checked_threshold(name, kind, neuron.threshold)
    inexact = nearest = membrane = ""
    if reset == "subtract" and not delayed:
        inexact, nearest = _UNDELAYED, _SAME_STEP
    elif reset == "zero" and delayed:
        if kind != "Leaky":
            inexact = "its delayed reset to zero drops the whole next step, its input too"
            nearest = "reset='zero', which keeps that input (as reset_delay=False does)"
        else:
            membrane = "with reset_delay=True the last membrane is not yet reset where it spiked"
    timing = "next_step" if reset == "subtract" and delayed else "same_step"
    return Cell(
        source=f"snntorch.{kind}({described}, {reset}, reset_delay={delayed})",
        decay=decay,
        threshold=squeezed(tidy(threshold / gain)),
        reset=reset,
        reset_timing=timing,
        compare="gt",
        synapse_decay=synapse,
        inexact=inexact,
        nearest=nearest,
        membrane_differs=membrane,
    )


def _checked_rule(name: str, kind: str, neuron: Any) -> str:
    """The reset, with everything refused that changes the rule."""
    reset, function = _RULES[int(neuron.reset_mechanism_val)]
    if neuron.state_function.__name__ != function:
        raise NotExpressible(
            name, kind, f"its reset_mechanism was changed to {reset!r} after it was made, which "
            "snnTorch follows in part", "a neuron made with that reset_mechanism",
        )
    if neuron.inhibition:
        raise NotExpressible(
            name, kind, "inhibition=True lets one neuron of a layer spike", "inhibition=False"
        )
    if neuron.state_quant:
        raise NotExpressible(
            name, kind, "state_quant rounds its membrane in its own way", "state_quant=False"
        )
    graded = finite(name, kind, "graded_spikes_factor", neuron.graded_spikes_factor)
    if (graded != 1).any():
        raise NotExpressible(
            name, kind, f"graded_spikes_factor is {graded.reshape(-1)[0]:g}; a spike is 1",
            "1, with the factor in the weights behind",
        )
    with torch.no_grad():
        found = neuron.spike_grad(torch.tensor([-1.0, -0.25, 0.0, 0.25, 1.0])).tolist()
    if found != [0, 0, 0, 1, 1]:
        raise NotExpressible(
            name, kind, "its spike_grad is not the step of mem > threshold in the forward pass",
            "a surrogate that is, such as snntorch.surrogate.atan()",
        )
    return reset
