"""Turns sinabs modules into networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ...network import Network
from ...support.errors import NotExpressible
from ..framework import Framework, imported
from ..operations import Operation, Pool
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
from ..tracing.copies import parts
from ..tracing.sequences import each_step
from .checks import checked_module, checked_shape
from .modules import convert_module

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["from_sinabs"]

_STEPS = 3
_RANDOM = ("it draws its spikes at random", "samples that are drawn beforehand")
_OTHERS = {
    "SpikingMaxPooling2dLayer": (
        "it passes the spikes of the neuron that has spiked most so far",
        "torch.nn.MaxPool2d, the OR of the spikes of a cell",
    ),
    "Merge": ("it adds the outputs of two layers", "layers in one chain"),
    "QuantizeLayer": ("it rounds what is between weights and neurons", "the model without it"),
    "NeuromorphicReLU": ("it is no layer of spikes", "from_model, which puts neurons in its place"),
    "Img2SpikeLayer": _RANDOM,
    "Sig2SpikeLayer": _RANDOM,
}
_REFUSED = {
    **_OTHERS,
    "ALIFRecurrent": ("its threshold rises with every spike", "LIFRecurrent"),
}


def from_sinabs(
    module: Any, sample_shape: Any, *, sample: Any = None, **options: Unpack[Options]
) -> Network:
    """Import a sinabs module.

    Parameters
    ----------
    module : torch.nn.Module
        Linear and convolutional layers, pools and sinabs neurons in one chain, or the ``Network``
        that ``sinabs.from_torch.from_model`` returns. It is read from copies, and stays as it is.
    sample_shape : tuple of int
        Shape of one sample, without batch and steps.
    sample : tensor or array_like, optional
        What ``forward`` takes, with a batch of 1; only its shape matters. By default
        ``(1, 3, *sample_shape)``: a batch and its steps. If a layer folds the steps into the
        batch, as ``IAFSqueeze`` does, ``(steps, *sample_shape)``.
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
        If sinabs is not installed.
    """
    layers, activation, network = (
        imported(f"sinabs.{each}", "sinabs") for each in ("layers", "activation", "network")
    )
    module, settings = checked_module(module), Settings.of(options)
    shape = checked_shape(sample_shape)
    if type(module) is network.Network:
        module = module.spiking_model
    if sample is None:
        sample = torch.zeros(*_leading(module, layers), *shape)
    lif, recurrent = partial(_lif, activation), partial(_recurrent, activation)
    framework = Framework(
        name="sinabs",
        neurons={
            layers.LIF: lif, layers.LIFSqueeze: lif, layers.IAF: lif, layers.IAFSqueeze: lif,
            layers.ExpLeak: lif, layers.ExpLeakSqueeze: lif,
            layers.LIFRecurrent: recurrent, layers.IAFRecurrent: recurrent,
            layers.ALIF: partial(_adaptive, activation),
        },
        base=(layers.StatefulLayer, *(getattr(layers, name) for name in _OTHERS)),
        silent=(layers.FlattenTime, layers.UnflattenTime),
        reset=_reset,
        nearest="IAF, LIF, ExpLeak, IAFRecurrent or LIFRecurrent, with spike_fn=SingleSpike",
        assumed="a spike where v_mem >= spike_threshold, reset in the same step, states 0 at the "
        "start of a sample",
        refused={getattr(layers, name): why for name, why in _REFUSED.items()},
        composed={layers.SumPool2d: _sum_pool},
        run=partial(_run, layers),
        step_axis=1,
        derives=True,
        unfolded=partial(_unfolded, layers),
        quiet=lambda child: child.spike_fn is None,
        prepare=partial(_one_sample, layers),
    )
    return convert_module(module, shape, sample, framework, settings)


def _leading(module: nn.Module, layers: Any) -> tuple[int, ...]:
    """Return the axes in front of a sample's in what a module takes: a batch of 1 and steps."""
    for child in parts(module):
        if isinstance(child, layers.SqueezeMixin):
            return (max(child.num_timesteps, _STEPS),)
    return (1, _STEPS)


def _reset(child: Any) -> None:
    # sinabs gives a neuron that is called with a batch of another size states that it draws from
    # the old ones, so the states are removed, not only set to 0.
    for name, _ in list(child.named_buffers(recurse=False)):
        child.register_buffer(name, torch.zeros(0))


def _run(layers: Any, child: Any, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    if isinstance(child, layers.SumPool2d):
        output = each_step(child, inputs)
        return output, output
    _reset(child)
    records, given = child.record_states, inputs.swapaxes(0, 1)
    child.record_states = True
    if isinstance(child, layers.SqueezeMixin):
        sizes = child.batch_size, child.num_timesteps
        child.batch_size, child.num_timesteps = given.shape[:2]
        output = child(given.flatten(0, 1)).unflatten(0, given.shape[:2])
        child.batch_size, child.num_timesteps = sizes
    else:
        output = child(given)
    membranes = child.recordings["v_mem"].swapaxes(0, 1)
    child.record_states, child.recordings = records, {}
    _reset(child)
    return output.swapaxes(0, 1), membranes


def _unfolded(layers: Any, child: Any, values: torch.Tensor) -> torch.Tensor:
    """Return (steps, batch, ...) of what a neuron takes or returns."""
    if isinstance(child, layers.SqueezeMixin):
        values = values.reshape(child.batch_size, child.num_timesteps, *values.shape[1:])
    return values.swapaxes(0, 1)


def _one_sample(layers: Any, module: nn.Module) -> None:
    """Let layers that fold the steps into the batch take one sample of any number of steps."""
    for child in parts(module):
        if isinstance(child, layers.SqueezeMixin):
            child.batch_size, child.num_timesteps = 1, -1
        elif isinstance(child, layers.UnflattenTime):
            child.batch_size = 1


def _sum_pool(name: str, child: Any, framework: Framework) -> list[Operation]:
    kind = "SumPool2d"
    if child.ceil_mode:
        raise NotExpressible(
            name, kind, "ceil_mode keeps odd edges", "ceil_mode=False, which drops them"
        )
    stride = child.kernel_size if child.stride is None else child.stride
    size, step = ((each, each) if isinstance(each, int) else tuple(each)
                  for each in (child.kernel_size, stride))
    return [Pool(name, kind, "sum", size, step, (0, 0))]


def _lif(activation: Any, name: str, neuron: Any) -> Cell:
    kind = type(neuron).__name__
    decay = _decay(name, neuron, "alpha_mem", neuron.alpha_mem_calculated)
    synapse = neuron.alpha_syn_calculated
    synapse = None if synapse is None else _decay(name, neuron, "alpha_syn", synapse)
    # The input is multiplied by the gain. Here the threshold is divided by it instead. A synaptic
    # current decays in the same step in which it gets its input.
    gain = tidy(1 - decay) if neuron.norm_input else np.ones(())
    if synapse is not None:
        gain = gain * synapse
    if not gain.all():
        decays = [described_decay(each) for each in (decay, synapse) if each is not None]
        raise ValueError(
            f"{name} ({kind}): its input is multiplied by 0, since its decays are "
            f"{' and '.join(decays)}"
        )
    cell = Cell(
        source=_described(kind, neuron, decay, synapse), decay=decay, threshold=None,
        synapse_decay=synapse,
    )
    if neuron.spike_fn is not None:
        cell = _spiking(activation, name, neuron, cell, gain)
    if neuron.min_v_mem is None:
        return cell
    low = one_value(name, kind, "min_v_mem", neuron.min_v_mem, "a layer has one range")
    if low > 0:
        raise NotExpressible(name, kind, f"min_v_mem={low:g} is above 0", "min_v_mem=None")
    return _clipped(cell, low, gain)


def _spiking(activation: Any, name: str, neuron: Any, cell: Cell, gain: Floats) -> Cell:
    kind = type(neuron).__name__
    # The spike_threshold of an ALIF is a state.
    values = getattr(neuron, "b0", neuron.spike_threshold)
    threshold = checked_threshold(name, kind, values)
    scaled = squeezed(tidy(threshold / gain))
    cell = replace(cell, threshold=scaled, compare="ge", reset_timing="same_step")
    reset = neuron.reset_fn
    if type(reset) is activation.MembraneSubtract:
        amount = reset.subtract_value
        if amount is not None and (finite(name, kind, "subtract_value", amount) != threshold).any():
            raise NotExpressible(
                name, kind, f"its reset subtracts {amount:g}, not the threshold",
                "MembraneSubtract()",
            )
        cell = replace(cell, reset="subtract")
    elif type(reset) is activation.MembraneReset:
        cell = _reset_to(name, kind, cell, float(reset.reset_value), gain)
    else:
        raise NotExpressible(
            name, kind, f"its reset_fn is {reset!r}", "MembraneSubtract() or MembraneReset()"
        )
    return _counted(activation, name, kind, neuron.spike_fn, cell)


def _reset_to(name: str, kind: str, cell: Cell, value: float, gain: Floats) -> Cell:
    """Return the cell with a reset to a value.

    sinabs 3.1 adds that value to the membranes of all neurons, in every step. So membranes are
    counted from it, and what decays of it is a bias.
    """
    finite(name, kind, "reset_value", value)
    if value and cell.synapse_decay is not None:
        raise NotExpressible(
            name, kind, f"reset_value={value:g} is added in every step, behind a synaptic current",
            "MembraneReset(0.0)",
        )
    start = one_value(
        name, kind, "reset_value over the gain", -value / gain, "a layer has one v_init"
    )
    return replace(
        cell, reset="zero", bias=tidy(cell.decay * value / gain), v_init=float(tidy(start))
    )


def _counted(activation: Any, name: str, kind: str, spike: Any, cell: Cell) -> Cell:
    """Return the cell, which is not exact if its neurons may spike several times in a step."""
    if spike is activation.SingleSpike:
        return cell
    limit: Any = None
    if isinstance(spike, activation.MaxSpike):
        limit = spike.max_num_spikes_per_bin
        if limit == 1:
            return cell
    elif spike is not activation.MultiSpike:
        raise NotExpressible(
            name, kind, f"its spike_fn is {getattr(spike, '__name__', spike)}", "SingleSpike"
        )
    shown = "MultiSpike" if limit is None else f"MaxSpike({limit})"
    return cell.of_several_spikes(
        f"spike_fn={shown} lets a neuron spike {'any number of' if limit is None else limit} times "
        "in a step",
        "spike_fn=SingleSpike",
    )


def _clipped(cell: Cell, low: float, gain: Floats) -> Cell:
    """Return the cell, which is not exact if membranes may reach the lower limit of sinabs."""
    stay = (1 - cell.decay) * (1 if cell.synapse_decay is None else 1 - cell.synapse_decay)
    return cell.unless(
        f"min_v_mem={low:g} keeps membranes from becoming lower", "min_v_mem=None",
        (np.asarray(low / gain * stay), np.asarray(np.inf)),
    )


def _recurrent(activation: Any, name: str, neuron: Any) -> Cell:
    kind = type(neuron).__name__
    cell = _lif(activation, name, neuron)
    linear = [each for each in _leaves(neuron.rec_connect) if not _reshapes(each)]
    if len(linear) != 1 or type(linear[0]) is not nn.Linear:
        kinds = ", ".join(type(each).__name__ for each in linear)
        raise NotExpressible(
            name, kind, f"its spikes come back through {kinds or 'no weights'}",
            "rec_connect=nn.Linear(n, n, bias=False)",
        )
    weight = finite(name, kind, "rec_connect.weight", linear[0].weight)
    bias = np.zeros(())
    if linear[0].bias is not None:
        bias = finite(name, kind, "rec_connect.bias", linear[0].bias)
    if bias.any():
        cell = cell.unless(
            "the bias of rec_connect is added in all steps but the first",
            "the bias in every step (bias=False needs no approximation)",
        )
    return replace(cell, recurrent=weight, recurrent_bias=bias)


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    """Iterate over a module, or over the children of a plain sequence of them."""
    yield from module if type(module) is nn.Sequential else [module]


def _reshapes(module: nn.Module) -> bool:
    return type(module) in (nn.Flatten, nn.Unflatten, nn.Identity)


def _adaptive(activation: Any, name: str, neuron: Any) -> Cell:
    kind = "ALIF"
    scale: Floats = finite(name, kind, "adapt_scale", neuron.adapt_scale)
    if scale.any() or neuron.alpha_syn_calculated is not None:
        reason = "its threshold rises with every spike" if scale.any() else "it has a tau_syn"
        raise NotExpressible(name, kind, reason, "LIF, or adapt_scale=0 without tau_syn")
    return _lif(activation, name, neuron)


def _decay(name: str, neuron: Any, parameter: str, values: Any) -> Decay:
    kind = type(neuron).__name__
    if neuron.spike_fn is None:  # its input is multiplied by what depends on its decays
        values = one_value(name, kind, parameter, values, "outputs that are compared have one gain")
    return checked_decay(name, kind, parameter, values)


def _described(kind: str, neuron: Any, decay: Decay, synapse: Decay | None) -> str:
    settings = [f"alpha_mem={described_decay(decay)}"]
    settings += [] if synapse is None else [f"alpha_syn={described_decay(synapse)}"]
    settings += [f"norm_input={bool(neuron.norm_input)}"]
    for each in (neuron.spike_fn, neuron.reset_fn):
        if each is not None:
            settings.append(getattr(each, "__name__", type(each).__name__))
    return f"sinabs {kind}({', '.join(settings)})"

