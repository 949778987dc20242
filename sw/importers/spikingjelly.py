"""SpikingJelly modules to networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..network import Network
from ..support.errors import NotExpressible, ToolError
from .convert import convert
from .graph import FloatNetwork, assemble
from .modules import as_operations, checked_module, checked_shape
from .semantics import Cell, checked_decay, checked_threshold, finite, squeezed, tidy
from .settings import Options, Settings

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["from_spikingjelly"]

_NEAREST = "IFNode, LIFNode, ParametricLIFNode or CUBALIFNode"


def from_spikingjelly(
    module: Any, sample_shape: Any, *, sample: Any = None, **options: Unpack[Options]
) -> Network:
    """A network of a SpikingJelly (``activation_based``) module.

    Parameters
    ----------
    module : a ``torch.nn.Module`` of linear and convolutional layers, pools and SpikingJelly
        neurons in one chain. Its memories are reset.
    sample_shape : shape of one sample, without batch and steps.
    sample : what its forward takes, with a batch of 1; None: zeros of (1, *sample_shape), or of
        (2, 1, *sample_shape) where its layers are in step mode "m".
    **options : as ``stablespike.importers.Options`` lists them.

    Raises
    ------
    NotExpressible
        Naming layer, type, reason and the nearest that can be expressed.
    TypeError, ValueError
        If an argument or a value is wrong.
    """
    try:
        from spikingjelly.activation_based import base, layer, neuron
    except ImportError as error:
        raise ToolError(
            "spikingjelly is not installed: pip install 'stablespike[import]'"
        ) from error
    settings = Settings(**options)
    shape = checked_shape(sample_shape)
    checked_module(module)
    many = any(getattr(child, "step_mode", "s") == "m" for child in module.modules())
    if sample is None and many:
        sample = torch.zeros(2, 1, *shape)
    ops, reference = as_operations(
        module, shape, sample,
        {
            neuron.IFNode: _if, neuron.LIFNode: _lif, neuron.ParametricLIFNode: _plif,
            neuron.CUBALIFNode: _cuba,
        },
        (base.MemoryModule,), (layer.Dropout,), _reset, _NEAREST, settings.readout,
    )
    layers = assemble(ops, shape, settings.readout)
    name = f"SpikingJelly module {type(module).__name__}"
    assumed = ("a spike where v >= v_threshold, reset in the same step",)
    return convert(FloatNetwork(name, shape, layers, assumed, reference), settings)


def _reset(child: Any) -> None:
    child.reset()


def _if(name: str, neuron: Any) -> Cell:
    return _cell(name, "IFNode", neuron, 1.0, 1.0, "")


def _lif(name: str, neuron: Any) -> Cell:
    return _leaky(name, "LIFNode", neuron, 1.0 / float(neuron.tau))


def _plif(name: str, neuron: Any) -> Cell:
    w = finite(name, "ParametricLIFNode", "w", neuron.w)
    return _leaky(name, "ParametricLIFNode", neuron, float(1 / (1 + np.exp(-w.reshape(-1)[0]))))


def _cuba(name: str, neuron: Any) -> Cell:
    kind = "CUBALIFNode"
    if neuron.v_reset:
        raise NotExpressible(
            name, kind, "its v_reset is not 0, where its leak is toward", "v_reset=0.0 or None"
        )
    decay, synapse = (
        checked_decay(name, kind, each, float(getattr(neuron, each)))
        for each in ("v_decay", "c_decay")
    )
    described = f"c_decay={synapse:.6g}, v_decay={decay:.6g}, "
    return _cell(name, kind, neuron, decay, 1.0, described, synapse)


def _leaky(name: str, kind: str, neuron: Any, share: float) -> Cell:
    decay = checked_decay(name, kind, "the decay 1 - 1 / tau", 1.0 - share)
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
    _check_surrogate(name, kind, neuron)
    soft = neuron.v_reset is None
    # The leak of a hard reset is toward v_reset, so that all is the same from there.
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


def _check_surrogate(name: str, kind: str, neuron: Any) -> None:
    with torch.no_grad():
        found = neuron.surrogate_function(torch.tensor([-1.0, -0.25, 0.0, 0.25, 1.0])).tolist()
    if found != [0, 0, 1, 1, 1]:
        raise NotExpressible(
            name, kind, "its surrogate_function is not the step of v >= v_threshold in the forward "
            "pass", "one with spiking=True",
        )
