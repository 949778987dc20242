"""Turns SpikingJelly modules into networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...network import Network
from ...support.errors import NotExpressible
from ..framework import Framework, imported
from ..semantics import Cell, checked_decay, checked_threshold, finite, squeezed, tidy
from ..settings import Options, Settings
from .modules import check_step, checked_module, checked_shape, convert_module

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
        layers are in step mode "m".
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
    base, layer, neuron = (
        imported(f"spikingjelly.activation_based.{each}") for each in ("base", "layer", "neuron")
    )
    settings = Settings(**options)
    shape = checked_shape(sample_shape)
    framework = Framework(
        name="SpikingJelly",
        neurons={
            neuron.IFNode: _if, neuron.LIFNode: _lif, neuron.ParametricLIFNode: _plif,
            neuron.CUBALIFNode: _cuba,
        },
        base=base.MemoryModule,
        silent=(layer.Dropout,),
        reset=lambda child: child.reset(),
        nearest="IFNode, LIFNode, ParametricLIFNode or CUBALIFNode",
        assumed="a spike where v >= v_threshold, reset in the same step",
    )
    return convert_module(checked_module(module), shape, sample, framework, settings)


def _if(name: str, neuron: Any) -> Cell:
    return _cell(name, "IFNode", neuron, 1.0, 1.0, "")


def _lif(name: str, neuron: Any) -> Cell:
    return _leaky(name, "LIFNode", neuron, 1.0 / float(neuron.tau))


def _plif(name: str, neuron: Any) -> Cell:
    # Its learned parameter is w, with 1 / tau = sigmoid(w).
    w = finite(name, "ParametricLIFNode", "w", neuron.w)
    return _leaky(name, "ParametricLIFNode", neuron, float(1 / (1 + np.exp(-w.reshape(-1)[0]))))


def _cuba(name: str, neuron: Any) -> Cell:
    kind = "CUBALIFNode"
    if neuron.v_reset:
        raise NotExpressible(
            name, kind, "its v_reset is not 0, but its leak is toward 0", "v_reset=0.0 or None"
        )
    decay, synapse = (
        checked_decay(name, kind, each, float(getattr(neuron, each)))
        for each in ("v_decay", "c_decay")
    )
    described = f"c_decay={synapse:.6g}, v_decay={decay:.6g}, "
    return _cell(name, kind, neuron, decay, 1.0, described, synapse)


def _leaky(name: str, kind: str, neuron: Any, share: float) -> Cell:
    decay = checked_decay(name, kind, "the decay 1 - 1 / tau", 1.0 - share)
    # With decay_input the step is v = v + (x - v) / tau, so the input is divided by tau too.
    gain = float(tidy(share)) if neuron.decay_input else 1.0
    described = f"tau={1 / share:.6g}, decay_input={bool(neuron.decay_input)}, "
    return _cell(name, kind, neuron, decay, gain, described)


def _cell(
    name: str,
    kind: str,
    neuron: Any,
    decay: float,
    gain: float,
    described: str,
    synapse: float | None = None,
) -> Cell:
    check_step(
        name, kind, "surrogate_function", neuron.surrogate_function, "v >= v_threshold",
        "one with spiking=True",
    )
    soft = neuron.v_reset is None
    # The leak of a neuron with a hard reset is toward v_reset, so the membrane is counted from it.
    origin = 0.0 if soft else float(finite(name, kind, "v_reset", neuron.v_reset))
    threshold = finite(name, kind, "v_threshold", neuron.v_threshold) - origin
    start = float(finite(name, kind, "v", neuron.v).reshape(-1)[0]) - origin
    reset = "subtract" if soft else "zero"
    rest = "" if soft else f", v_reset={origin:g}"
    return Cell(
        source=f"spikingjelly {kind}({described}{'soft' if soft else 'hard'} reset{rest})",
        decay=decay,
        threshold=squeezed(tidy(checked_threshold(name, kind, threshold) / gain)),
        reset=reset,
        reset_timing="same_step",
        compare="ge",
        v_init=start / gain,
        synapse_decay=synapse,
    )
