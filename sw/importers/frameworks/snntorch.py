"""Turns snnTorch modules into networks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...network import Network
from ...support.errors import NotExpressible
from ..framework import Framework, imported
from ..operations import Neurons, Operation
from ..semantics import (
    Cell,
    Decay,
    checked_decay,
    checked_threshold,
    described_decay,
    finite,
    one_value,
    squeezed,
    tidy,
)
from ..settings import Options, Settings
from .checks import check_step, checked_module, checked_shape
from .layers import operations
from .modules import convert_module
from .refused import SNNTORCH, refused_types

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["from_snntorch"]

# By reset_mechanism_val: the reset, and the function snnTorch 1.0 binds for it when it makes a
# neuron. A reset_mechanism that is set later changes only part of the neuron's rule.
_RULES = {0: ("subtract", "_base_sub"), 1: ("zero", "_base_zero"), 2: ("none", "_base_int")}
_UNDELAYED = (
    "with reset_delay=False it subtracts in two parts, so a membrane still above the threshold "
    "after a spike is reset once more without one"
)
_SAME_STEP = "reset='subtract', reset_timing='same_step'"


def from_snntorch(
    module: Any, sample_shape: Any, *, sample: Any = None, **options: Unpack[Options]
) -> Network:
    """Import an snnTorch module.

    Parameters
    ----------
    module : torch.nn.Module
        Linear and convolutional layers, pools and snnTorch neurons in one chain. It is read
        from copies, and stays as it is.
    sample_shape : tuple of int
        Shape of one sample, without batch and steps.
    sample : tensor or array_like, optional
        What ``forward`` takes, with a batch of 1; only its shape matters. By default
        ``(1, *sample_shape)`` is tried, then ``(3, 1, *sample_shape)``, then with the batch first
        ``(1, 3, *sample_shape)``.
    **options
        See ``stablespike.importers.Options``.

    Returns
    -------
    Network
        Its ``fidelity`` is the report of the import.

    Raises
    ------
    NotExpressible
        Naming the layer, its type, the reason and the nearest rule that can be expressed.
    TypeError, ValueError
        If an argument or a value of the module is wrong.
    ToolError
        If snnTorch is not installed.
    """
    snntorch = imported("snntorch")
    module, settings = checked_module(module), Settings.of(options)
    shape = checked_shape(sample_shape)
    framework = Framework(
        name="snnTorch",
        neurons={
            snntorch.Leaky: _leaky, snntorch.Synaptic: _synaptic, snntorch.Lapicque: _lapicque,
            snntorch.RLeaky: _recurrent, snntorch.RSynaptic: _recurrent,
            snntorch.StateLeaky: _state_leaky,
        },
        composed={snntorch.LinearLeaky: _linear_leaky},
        base=(snntorch.SpikingNeuron, snntorch.LeakyParallel),
        refused=refused_types(snntorch, SNNTORCH),
        silent=(),
        whole=(snntorch.StateLeaky, snntorch.LinearLeaky),
        quiet=lambda child: isinstance(child, snntorch.StateLeaky) and not child.output,
        flat=(snntorch.LinearLeaky,),
        reset=_reset,
        nearest=(
            "Leaky, Synaptic, Lapicque, RLeaky, RSynaptic, StateLeaky or LinearLeaky, as the "
            "documentation's table has them"
        ),
        assumed="a spike where mem > threshold, membranes 0 at the start of a sample",
    )
    return convert_module(module, shape, sample, framework, settings)


def _reset(child: Any) -> None:
    # Neurons that take all steps in one call start from 0 in each.
    if hasattr(child, "reset_mem"):
        child.reset_mem()


def _leaky(name: str, neuron: Any) -> Cell:
    kind = type(neuron).__name__
    decay = _decay(name, kind, "beta", neuron.beta)
    return _cell(name, kind, neuron, decay, None, f"beta={described_decay(decay)}")


def _synaptic(name: str, neuron: Any) -> Cell:
    kind = type(neuron).__name__
    decay = _decay(name, kind, "beta", neuron.beta)
    synapse = _decay(name, kind, "alpha", neuron.alpha)
    described = f"alpha={described_decay(synapse)}, beta={described_decay(decay)}"
    return _cell(name, kind, neuron, decay, synapse, described)


def _recurrent(name: str, neuron: Any) -> Cell:
    kind, back = type(neuron).__name__, neuron.recurrent
    cell = (_synaptic if kind == "RSynaptic" else _leaky)(name, neuron)
    # With all_to_all=False, every neuron has a weight V on itself, in place of a layer.
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


def _state_leaky(name: str, neuron: Any) -> Cell:
    kind = type(neuron).__name__
    if neuron.kernel_truncation_steps is not None:
        raise NotExpressible(
            name, kind, "kernel_truncation_steps lets a membrane forget the steps before the last "
            f"{neuron.kernel_truncation_steps}", "kernel_truncation_steps=None",
        )
    # Its membrane keeps exp(-1 / tau) of itself per step, not its beta, which is 1 - 1 / tau.
    tau = squeezed(finite(name, kind, "tau", neuron.tau))
    decay = checked_decay(name, kind, "exp(-1 / tau)", np.exp(-1 / tau))
    _check_output(name, kind, neuron)
    source = f"snntorch.{kind}(tau={described_decay(tau)})"
    if not neuron.output:
        return Cell(source=f"{source}, its membrane", decay=decay, threshold=None)
    threshold = squeezed(tidy(checked_threshold(name, kind, neuron.threshold)))
    return Cell(source=source, decay=decay, threshold=threshold, reset="none", compare="gt")


def _linear_leaky(name: str, neuron: Any, framework: Framework) -> list[Operation]:
    weights = operations(f"{name}.linear", neuron.linear, framework)
    return [*weights, Neurons(name, type(neuron).__name__, _state_leaky(name, neuron))]


def _lapicque(name: str, neuron: Any) -> Cell:
    kind = "Lapicque"
    resistance = finite(name, kind, "R", neuron.R)
    # The input is multiplied by a value of these two.
    capacity, step = (
        one_value(name, kind, each, getattr(neuron, each), "the array does not multiply")
        for each in ("C", "time_step")
    )
    # It multiplies its input by time_step / C. Here its threshold is divided by that instead.
    decay = checked_decay(
        name, kind, "1 - time_step / (R C)", 1 - step / (resistance * capacity)
    )
    return _cell(
        name, kind, neuron, decay, None, f"R={described_decay(squeezed(resistance))}, "
        f"C={capacity:.6g}",
        gain=float(tidy(step / capacity)),
    )


def _decay(name: str, kind: str, parameter: str, values: Any) -> Decay:
    # snnTorch 1.0 clamps its decays to 0 .. 1 in every step.
    clamped = np.clip(finite(name, kind, parameter, values), 0, 1)
    return checked_decay(name, kind, parameter, clamped)


def _cell(
    name: str,
    kind: str,
    neuron: Any,
    decay: Decay,
    synapse: Decay | None,
    described: str,
    gain: float = 1.0,
) -> Cell:
    reset = _checked_rule(name, kind, neuron)
    # With reset_delay, or without that setting, the reset happens in the step after the spike.
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
    """Return the reset, and refuse every setting that would change the rule."""
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
    _check_output(name, kind, neuron)
    return reset


def _check_output(name: str, kind: str, neuron: Any) -> None:
    """Refuse what changes membranes or spikes behind the rule."""
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
    check_step(
        name, kind, "spike_grad", neuron.spike_grad, "mem > threshold",
        "a surrogate that is, such as snntorch.surrogate.atan()",
    )
