"""Turns rockpool modules into networks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ...network import Network
from ...support.errors import NotExpressible
from ..framework import Framework, imported
from ..operations import Affine, Neurons, Operation
from ..semantics import (
    Cell,
    Decay,
    Floats,
    checked_decay,
    checked_threshold,
    described_decay,
    finite,
    one_value,
    squeezed,
    tidy,
)
from ..settings import Options, Settings
from .checks import checked_module, checked_shape
from .modules import convert_module

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["from_rockpool"]


def from_rockpool(
    module: Any, sample_shape: Any, *, sample: Any = None, **options: Unpack[Options]
) -> Network:
    """Import a rockpool module with the torch backend.

    Parameters
    ----------
    module : torch.nn.Module
        Linear layers and rockpool neurons in one chain, such as a ``Sequential`` of
        ``LinearTorch`` and ``LIFTorch``. It is read from copies, and stays as it is.
    sample_shape : tuple of int
        Shape of one sample, without batch and steps, such as ``(784,)``.
    sample : tensor or array_like, optional
        What ``forward`` takes, with a batch of 1; only its shape matters. By default
        ``(1, 3, *sample_shape)``: a batch and its steps.
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
        If rockpool is not installed.
    """
    modules = imported("rockpool.nn.modules", "rockpool")
    module, settings = checked_module(module), Settings.of(options)
    shape = checked_shape(sample_shape)
    if sample is None:
        sample = torch.zeros(1, 3, *shape)
    framework = Framework(
        name="rockpool",
        neurons={
            modules.LIFTorch: _lif, modules.LIFBitshiftTorch: _lif,
            modules.LIFNeuronTorch: _lif_neuron, modules.ExpSynTorch: _synapse,
        },
        base=tuple(
            getattr(modules, name)
            for name in (
                "LIFTorch", "LIFBitshiftTorch", "LIFNeuronTorch", "ExpSynTorch", "aLIFTorch",
                "RateTorch", "LowPass", "UpDownTorch",
            )
        ),
        silent=(modules.UnitDropout, modules.TimeStepDropout),
        reset=lambda child: child.reset_state(),
        nearest="LIFTorch, LIFNeuronTorch or LIFBitshiftTorch, with max_spikes_per_dt=1.0; "
        "ExpSynTorch as the last layer",
        assumed="a spike where vmem >= threshold, reset in the same step, states 0 at the start "
        "of a sample",
        composed={
            modules.LinearTorch: _linear, modules.LIFTorch: _with_synapses,
            modules.LIFBitshiftTorch: _with_synapses,
        },
        run=_run,
        step_axis=1,
        derives=True,
        unmoved=(
            modules.LIFTorch, modules.LIFBitshiftTorch, modules.LIFNeuronTorch, modules.ExpSynTorch,
        ),
        quiet=lambda child: isinstance(child, modules.ExpSynTorch),
        unfolded=lambda child, values: values.swapaxes(0, 1),
        output=_output,
    )
    return convert_module(module, shape, sample, framework, settings)


def _output(returned: Any) -> Any:
    """Return the output of (output, states, recordings): recordings have that of every layer."""
    if isinstance(returned, tuple):
        return tuple(each for each in returned if not isinstance(each, dict))
    return returned


def _run(child: Any, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    given = inputs.swapaxes(0, 1)
    if not hasattr(child, "reset_state") or not child.state():
        output = nn.Module.__call__(child, given).swapaxes(0, 1)
        return output, output
    child.reset_state()
    output, _, record = child.evolve(given, record=True)
    child.reset_state()
    # The state that rockpool keeps is that of the first sample alone.
    return output.swapaxes(0, 1), record.get("vmem", output).swapaxes(0, 1)


def _linear(name: str, child: Any, framework: Framework) -> list[Operation]:
    kind = "LinearTorch"
    weight = finite(name, kind, "weight", child.weight).T
    bias: Floats = np.zeros(len(weight))
    if child.bias is not None:
        bias = bias + finite(name, kind, "bias", child.bias)
    return [Affine(name, kind, weight, bias)]


def _with_synapses(name: str, child: Any, framework: Framework) -> list[Operation]:
    """Return the neurons, with weights that add up the synapses of each."""
    kind = type(child).__name__
    cell = framework.neurons[type(child)](name, child)
    neurons: list[Operation] = [Neurons(name, kind, cell, child.size_out)]
    if child.n_synapses == 1:
        return neurons
    weight = np.repeat(np.eye(child.size_out), child.n_synapses, axis=1)
    return [Affine(name, kind, weight, np.zeros(child.size_out)), *neurons]


def _lif(name: str, neuron: Any) -> Cell:
    kind = type(neuron).__name__
    decay = checked_decay(name, kind, "alpha", neuron.alpha)
    synapse = _synapse_decay(name, kind, neuron)
    if not np.all(synapse):
        raise ValueError(f"{name} ({kind}): its input is multiplied by beta, which is 0")
    bias = finite(name, kind, "bias", neuron.bias)
    if bias.any():
        raise NotExpressible(
            name, kind, f"its bias is {bias[bias != 0][0]:g}; it is added to the membrane, beside "
            "the synaptic current, and a bias of this array goes through that current",
            "a bias of 0, or LIFNeuronTorch, which has no synaptic current",
        )
    # A synaptic current decays in the same step in which it gets its input.
    described = f"{_alpha(decay)}, beta={described_decay(synapse)}"
    cell = _spiking(name, neuron, decay, synapse, described)
    cell = replace(cell, synapse_decay=synapse)
    if neuron._has_rec:
        weight = finite(name, kind, "w_rec", neuron.w_rec)
        weight = weight.reshape(neuron.size_out, neuron.size_out, neuron.n_synapses).sum(2).T
        cell = replace(cell, recurrent=weight)
    return _counted(name, neuron, cell)


def _lif_neuron(name: str, neuron: Any) -> Cell:
    kind = "LIFNeuronTorch"
    decay = _kept(name, kind, neuron, "tau_mem", neuron.tau_mem)
    bias = squeezed(finite(name, kind, "bias", neuron.bias))
    cell = replace(_spiking(name, neuron, decay, 1.0, _alpha(decay)), bias=bias)
    return _counted(name, neuron, cell)


def _synapse(name: str, neuron: Any) -> Cell:
    kind = "ExpSynTorch"
    _check_noise(name, kind, neuron)
    # It multiplies its input by what it keeps.
    time = one_value(name, kind, "tau", neuron.tau, "outputs that are compared have one gain")
    decay = _kept(name, kind, neuron, "tau", time)
    source = f"rockpool {kind}(beta={described_decay(decay)})"
    return Cell(source=source, decay=decay, threshold=None)


def _kept(name: str, kind: str, neuron: Any, parameter: str, values: Any) -> Decay:
    """Return the decay of a time constant, as rockpool computes it, in float32."""
    times = torch.tensor(finite(name, kind, parameter, values), dtype=torch.float32)
    return checked_decay(name, kind, f"exp(-dt / {parameter})", torch.exp(-neuron.dt / times))


def _synapse_decay(name: str, kind: str, neuron: Any) -> Decay:
    """Return the decay of the synaptic current of each neuron, whose synapses are added up."""
    values = finite(name, kind, "beta", neuron.beta)
    if values.ndim == 2:
        if np.ptp(values, axis=1).any():
            raise NotExpressible(
                name, kind, "beta differs between the synapses of a neuron",
                "one tau_syn for all of them",
            )
        values = values[:, 0]
    return checked_decay(name, kind, "beta", values)


def _alpha(decay: Decay) -> str:
    return f"alpha={described_decay(decay)}"


def _spiking(name: str, neuron: Any, decay: Decay, gain: Decay, described: str) -> Cell:
    kind = type(neuron).__name__
    _check_noise(name, kind, neuron)
    threshold = checked_threshold(name, kind, neuron.threshold)
    return Cell(
        source=f"rockpool {kind}({described}, max_spikes_per_dt={_most(neuron):g})", decay=decay,
        threshold=squeezed(tidy(threshold / gain)), reset="subtract", reset_timing="same_step",
        compare="ge",
    )


def _check_noise(name: str, kind: str, neuron: Any) -> None:
    noise = finite(name, kind, "noise_std", neuron.noise_std)
    if noise.any():
        raise NotExpressible(
            name, kind, f"noise_std={float(noise.reshape(-1)[0]):g} adds random numbers",
            "noise_std=0.0",
        )


def _counted(name: str, neuron: Any, cell: Cell) -> Cell:
    """Return the cell, which is not exact if its neurons may spike several times in a step."""
    kind, most = type(neuron).__name__, _most(neuron)
    values = torch.tensor([-1.0, -0.25, 0.0, 0.25, 1.0, 1.25, 2.0, 2.5])
    one = torch.tensor(1.0)
    with torch.no_grad():
        found = neuron.spike_generation_fn(values, one, torch.tensor(0.5), one).tolist()
    if found != [0, 0, 0, 0, 1, 1, 1, 1]:
        raise NotExpressible(
            name, kind, "its spike_generation_fn is not the step of vmem >= threshold in the "
            "forward pass", "StepPWL or PeriodicExponential",
        )
    if most == 1:
        return cell
    if most < 1:
        raise ValueError(f"{name} ({kind}): max_spikes_per_dt must be at least 1, not {most:g}")
    return cell.of_several_spikes(
        f"max_spikes_per_dt={most:g} lets a neuron spike several times in a step",
        "max_spikes_per_dt=1.0",
    )


def _most(neuron: Any) -> float:
    return float(torch.as_tensor(neuron.max_spikes_per_dt))
