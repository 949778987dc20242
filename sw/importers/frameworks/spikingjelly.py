"""Turns SpikingJelly modules into networks."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...network import Network
from ...support.errors import NotExpressible
from ..framework import Framework, imported
from ..operations import Neurons, Operation, Scaling, Votes
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
from .checks import check_step, checked_module, checked_shape
from .modules import convert_module
from .recurrent import element_wise_recurrent, innermost, linear_recurrent
from .refused import SPIKINGJELLY, SPIKINGJELLY_RNN, refused_types

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["from_spikingjelly"]


def from_spikingjelly(
    module: Any, sample_shape: Any, *, sample: Any = None, **options: Unpack[Options]
) -> Network:
    """Import a SpikingJelly module (``spikingjelly.activation_based``).

    Parameters
    ----------
    module : torch.nn.Module
        Linear and convolutional layers, pools and SpikingJelly neurons in one chain. It is read
        from copies, and stays as it is.
    sample_shape : tuple of int
        Shape of one sample, without batch and steps.
    sample : tensor or array_like, optional
        What ``forward`` takes, with a batch of 1; only its shape matters. By default
        ``(1, *sample_shape)`` is tried, then ``(3, 1, *sample_shape)``; the other way round where
        layers are in step mode "m". The last is ``(1, 3, *sample_shape)``, the batch first.
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
        If SpikingJelly is not installed.
    """
    base, layer, neuron, rnn = (
        imported(f"spikingjelly.activation_based.{each}")
        for each in ("base", "layer", "neuron", "rnn")
    )
    module, settings = checked_module(module), Settings.of(options)
    shape = checked_shape(sample_shape)
    framework = Framework(
        name="SpikingJelly",
        neurons={
            neuron.IFNode: _if, neuron.SimpleIFNode: _if, neuron.HalfThresholdIFNode: _if,
            neuron.ActivationAwareIFNode: _activation_aware,
            neuron.LIFNode: _lif, neuron.SimpleLIFNode: _lif,
            neuron.OTTTLIFNode: _online, neuron.SLTTLIFNode: _online,
            neuron.ParametricLIFNode: _plif, neuron.CUBALIFNode: _cuba,
            neuron.NonSpikingIFNode: _non_spiking, neuron.NonSpikingLIFNode: _non_spiking,
        },
        composed={
            neuron.DSRIFNode: _dsr,
            layer.LinearRecurrentContainer: linear_recurrent,
            layer.ElementWiseRecurrentContainer: element_wise_recurrent,
            layer.VotingLayer: _votes,
            **{kind: _voltage for kind in _scalers()},
        },
        base=(base.MemoryModule, *_modules(neuron), *_modules(rnn)),
        refused=refused_types(neuron, SPIKINGJELLY) | refused_types(rnn, SPIKINGJELLY_RNN),
        silent=(layer.Dropout,),
        whole=(neuron.DSRIFNode, neuron.NonSpikingBaseNode),
        flat=(layer.LinearRecurrentContainer,),
        reset=_reset,
        quiet=lambda child: isinstance(child, neuron.NonSpikingBaseNode),
        state=_membrane,
        nearest="the neurons of the documentation's table, such as IFNode, LIFNode or CUBALIFNode",
        assumed="a spike where v >= v_threshold, reset in the same step",
    )
    return convert_module(module, shape, sample, framework, settings)


def _scalers() -> list[type]:
    """Return the classes with which ann2snn scales voltages, if that was loaded: it takes long."""
    package = sys.modules.get("spikingjelly.activation_based.ann2snn.modules")
    kinds = (getattr(package, name, None) for name in ("VoltageScaler", "ChannelVoltageScaler"))
    return [kind for kind in kinds if kind is not None]


def _modules(package: Any) -> tuple[type, ...]:
    """Return the classes of neurons of a package, some of which share no base."""
    return tuple(
        each for each in vars(package).values()
        if isinstance(each, type) and issubclass(each, torch.nn.Module)
    )


def _reset(child: Any) -> None:
    # A container resets its own memory only, and what never fires has none.
    for each in child.modules():
        if hasattr(each, "reset"):
            each.reset()


def _membrane(child: Any) -> torch.Tensor:
    value: torch.Tensor = innermost(child).v
    return value


def _if(name: str, neuron: Any) -> Cell:
    return _cell(name, type(neuron).__name__, neuron, 1.0, 1.0, "")


def _activation_aware(name: str, neuron: Any) -> Cell:
    # It fires where v + v_offset >= v_threshold, and is reset as others are.
    kind = type(neuron).__name__
    threshold, offset = (
        _by_channel(name, kind, finite(name, kind, each, getattr(neuron, each)), neuron.channel_dim)
        for each in ("v_threshold", "v_offset")
    )
    cell = _cell(name, kind, neuron, 1.0, 1.0, "", threshold=threshold)
    if cell.reset == "zero":
        start = finite(name, kind, "v_reset", neuron.v_reset)
        reached = checked_threshold(name, kind, threshold - offset - start)
        return replace(cell, threshold=squeezed(tidy(reached)))
    # Without leak and with a soft reset, a membrane that starts at the offset is always that much
    # higher.
    begin = one_value(name, kind, "v_offset", offset, "a layer starts from one membrane")
    return replace(cell, v_init=cell.v_init + begin)


def _by_channel(name: str, kind: str, values: Floats, axis: int) -> Floats:
    """Return values along an axis so that they broadcast as they are used."""
    if not values.ndim:
        return values
    if axis >= 0:
        raise NotExpressible(
            name, kind, f"channel_dim={axis} does not say whether its input is flat or a map",
            "channel_dim=-1 for a flat input, -3 for a map",
        )
    return values.reshape(-1, *[1] * (-1 - axis))


def _lif(name: str, neuron: Any) -> Cell:
    return _leaky(name, type(neuron).__name__, neuron, 1.0 / float(neuron.tau))


def _online(name: str, neuron: Any) -> Cell:
    # In evaluation mode these are LIF neurons that ignore their surrogate.
    kind = type(neuron).__name__
    return _leaky(name, kind, neuron, 1.0 / float(neuron.tau), checked=False)


def _plif(name: str, neuron: Any) -> Cell:
    # Its learned parameter is w, with 1 / tau = sigmoid(w).
    kind = type(neuron).__name__
    w = squeezed(finite(name, kind, "w", neuron.w))
    return _leaky(name, kind, neuron, 1 / (1 + np.exp(-w)))


def _non_spiking(name: str, neuron: Any) -> Cell:
    kind, decode = type(neuron).__name__, neuron.decode
    if decode in ("max-mem", "max-abs-mem"):
        raise NotExpressible(
            name, kind, f"decode={decode!r} returns the largest of its membranes over the steps",
            "decode='last_mem' or 'mean-mem'",
        )
    # The input is divided by tau too, which is a matter of the membrane's scale alone.
    tau = float(getattr(neuron, "tau", np.inf))
    decay = checked_decay(name, kind, "the decay 1 - 1 / tau", 1.0 - 1.0 / tau)
    described = f"tau={tau:g}, " if np.isfinite(tau) else ""
    source = f"spikingjelly {kind}({described}decode={decode!r})"
    cell = Cell(source=source, decay=decay, threshold=None)
    return cell.over_steps(name, kind) if decode == "mean-mem" else cell


def _dsr(name: str, neuron: Any, framework: Framework) -> list[Operation]:
    # It fires at alpha times what it subtracts. Without leak, that is a membrane that starts at
    # the rest of it. Its spikes are as large as its threshold.
    kind = type(neuron).__name__
    size = max(
        one_value(name, kind, "v_threshold", neuron.v_threshold, "a spike has one size"),
        float(neuron.v_threshold_lower_bound),
    )
    cell = Cell(
        source=f"spikingjelly {kind}(alpha={neuron.alpha:g}, soft reset)", decay=1.0,
        threshold=np.asarray(tidy(size)), v_init=float(tidy((1 - neuron.alpha) * size)),
    )
    spikes = Neurons(name, kind, cell)
    return [spikes, Scaling(name, kind, np.asarray(size), np.zeros(()))]


def _votes(name: str, voting: Any, framework: Framework) -> list[Operation]:
    return [Votes(name, type(voting).__name__, int(voting.voting_size))]


def _voltage(name: str, scaler: Any, framework: Framework) -> list[Operation]:
    kind, scale = type(scaler).__name__, finite(name, type(scaler).__name__, "scale", scaler.scale)
    axis = getattr(scaler, "channel_dim", 1)
    if scale.ndim and axis != 1:
        raise NotExpressible(name, kind, f"channel_dim is {axis}", "channel_dim=1")
    return [Scaling(name, kind, scale, np.zeros(()))]


def _cuba(name: str, neuron: Any) -> Cell:
    kind = type(neuron).__name__
    if neuron.v_reset:
        raise NotExpressible(
            name, kind, "its v_reset is not 0, but its leak is toward 0", "v_reset=0.0 or None"
        )
    decay, synapse = (
        checked_decay(name, kind, each, getattr(neuron, each))
        for each in ("v_decay", "c_decay")
    )
    described = f"c_decay={described_decay(synapse)}, v_decay={described_decay(decay)}, "
    return _cell(name, kind, neuron, decay, 1.0, described, synapse=synapse)


def _leaky(name: str, kind: str, neuron: Any, share: Decay, checked: bool = True) -> Cell:
    decay = checked_decay(name, kind, "the decay 1 - 1 / tau", 1.0 - share)
    # With decay_input the step is v = v + (x - v) / tau, so the input is divided by tau too.
    gain = tidy(share) if neuron.decay_input else np.ones(())
    described = f"tau={described_decay(1 / share)}, decay_input={bool(neuron.decay_input)}, "
    return _cell(name, kind, neuron, decay, gain, described, checked=checked)


def _cell(
    name: str,
    kind: str,
    neuron: Any,
    decay: Decay,
    gain: Decay,
    described: str,
    **rest: Any,
) -> Cell:
    """Return the rule of neurons with ``v``, ``v_threshold`` and ``v_reset``.

    ``rest`` may have ``synapse``, the decay of a synaptic current; ``threshold``, in place of
    ``v_threshold``; and ``checked``, False if the surrogate does not matter.
    """
    if rest.get("checked", True):
        check_step(
            name, kind, "surrogate_function", neuron.surrogate_function, "v >= v_threshold",
            "one with spiking=True",
        )
    soft = neuron.v_reset is None
    # The leak of a neuron with a hard reset is toward v_reset, so the membrane is counted from it.
    origin = 0.0 if soft else float(finite(name, kind, "v_reset", neuron.v_reset))
    threshold = rest.get("threshold", neuron.v_threshold)
    threshold = finite(name, kind, "v_threshold", threshold) - origin
    start = one_value(name, kind, "v", neuron.v, "a layer starts from one membrane") - origin
    reset = "subtract" if soft else "zero"
    bound = "" if soft else f", v_reset={origin:g}"
    return Cell(
        source=f"spikingjelly {kind}({described}{'soft' if soft else 'hard'} reset{bound})",
        decay=decay,
        threshold=squeezed(tidy(checked_threshold(name, kind, threshold) / gain)),
        reset=reset,
        reset_timing="same_step",
        compare="ge",
        v_init=one_value(
            name, kind, "v over the share of the input", start / gain, "a layer has one v_init"
        ),
        synapse_decay=rest.get("synapse"),
    )
