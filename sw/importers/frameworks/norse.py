"""Turns Norse modules into networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...network import Network
from ...support.errors import NotExpressible
from ..framework import Framework, imported
from ..operations import Affine, Conv, Neurons, Operation
from ..semantics import (
    Cell,
    Floats,
    checked_decay,
    checked_threshold,
    described_decay,
    finite,
    one_value,
    shared,
    squeezed,
    tidy,
)
from ..settings import Options, Settings
from ..tracing.copies import parts
from .checks import check_step, checked_module, checked_shape
from .modules import convert_module

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["from_norse"]

_OVER_STEPS = ("SNN", "SNNRecurrent")
_NEAREST = "LIFCell, LIFBoxCell, IAFCell, LIFRecurrentCell, LICell, LIBoxCell, or LIF, IAF, LI"


def from_norse(
    module: Any, sample_shape: Any, *, sample: Any = None, **options: Unpack[Options]
) -> Network:
    """Import a Norse module.

    Parameters
    ----------
    module : torch.nn.Module
        Linear and convolutional layers, pools and Norse neurons in one chain, such as a
        ``SequentialState``. It is read from copies, and stays as it is.
    sample_shape : tuple of int
        Shape of one sample, without batch and steps.
    sample : tensor or array_like, optional
        What ``forward`` takes, with a batch of 1; only its shape matters. By default
        ``(1, *sample_shape)``, or ``(3, 1, *sample_shape)`` where neurons take all steps in one
        call, as ``LIF`` does and ``LIFCell`` does not.
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
        If Norse is not installed.
    """
    norse = imported("norse.torch", "norse")
    snn = imported("norse.torch.module.snn", "norse")
    state = imported("norse.torch.utils.state", "norse")
    module, settings = checked_module(module), Settings.of(options)
    shape = checked_shape(sample_shape)
    over_steps = tuple(getattr(snn, name) for name in _OVER_STEPS)
    for name, child in module.named_modules():
        if isinstance(child, norse.RecurrentSequential):
            raise NotExpressible(
                name, type(child).__name__, "its output comes back to its input one step later",
                "SequentialState, with LIFRecurrentCell for recurrent neurons",
            )
    if sample is None and any(isinstance(child, over_steps) for child in parts(module)):
        # Several steps are used, so that a layer that mixes steps is noticed.
        sample = torch.zeros(3, 1, *shape)
    framework = Framework(
        name="Norse",
        neurons=_neurons(norse),
        base=_bases(norse, snn),
        silent=(),
        reset=lambda child: None,  # its states are arguments
        nearest=_NEAREST,
        assumed="a spike where v > v_th, reset in the same step, membranes v_leak at the start of "
        "a sample (v_reset for IAF)",
        composed={
            norse.LIFRecurrentCell: _weighted, norse.LIFRecurrent: _weighted,
            norse.LILinearCell: _weighted, norse.LConv2d: _convolution,
        },
        run=partial(_run, over_steps),
        quiet=lambda child: not hasattr(child.p, "v_th"),
        unfolded=lambda child, values: values if isinstance(child, over_steps) else values[None],
        takes_state=state._is_module_stateful,
    )
    return convert_module(module, shape, sample, framework, settings)


def _neurons(norse: Any) -> dict[type, Callable[[str, Any], Cell]]:
    step = imported("norse.torch.functional.threshold", "norse").threshold
    reset = imported("norse.torch.functional.reset", "norse")
    resets = {reset.reset_value: "zero", reset.reset_subtract: "subtract"}
    lif, recurrent = partial(_lif, step), partial(_recurrent, step)
    return {
        norse.LIFCell: lif, norse.LIF: lif,
        norse.LIFRecurrentCell: recurrent, norse.LIFRecurrent: recurrent,
        norse.LIFBoxCell: partial(_box, step, resets),
        norse.IAFCell: partial(_iaf, step), norse.IAF: partial(_iaf, step),
        norse.LICell: _li, norse.LI: _li, norse.LILinearCell: _li, norse.LIBoxCell: _li,
    }


def _bases(norse: Any, snn: Any) -> tuple[type, ...]:
    """Return the classes of all neurons; some have none in common with others."""
    found = [snn.SNN, snn.SNNCell, snn.SNNRecurrent, snn.SNNRecurrentCell]
    for name in (
        "LILinearCell", "CobaLIFCell", "LIFCorrelation", "LIFMCRecurrentCell",
        "LIFMCRefracRecurrentCell", "RegularizationCell",
    ):
        found.append(getattr(norse, name))
    return tuple(found)


def _run(
    over_steps: tuple[Any, ...], child: Any, inputs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    if isinstance(child, torch.nn.Conv3d):
        output = child(inputs)
        return output, output
    if isinstance(child, over_steps):
        records, child.record_states = child.record_states, True
        output, states = child(inputs)
        child.record_states = records
        return output, states.v
    state: Any = None
    outputs, membranes = [], []
    for each in inputs:
        output, state = child(each, state)
        outputs.append(output)
        membranes.append(state.v)
    return torch.stack(outputs), torch.stack(membranes)


def _weighted(name: str, child: Any, framework: Framework) -> list[Operation]:
    """Return the weights and neurons of a module that has both."""
    kind = type(child).__name__
    weight = finite(name, kind, "input_weights", child.input_weights)
    cell = framework.neurons[type(child)](name, child)
    return [Affine(name, kind, weight, np.zeros(len(weight))), Neurons(name, kind, cell)]


def _convolution(name: str, child: Any, framework: Framework) -> list[Operation]:
    """Return an LConv2d, whose kernels have a last axis of 1 for the steps."""
    kind = "LConv2d"
    weight = finite(name, kind, "weight", child.weight)[..., 0]
    stride, padding, dilation = (
        each[:2] for each in (child.stride, child.padding, child.dilation)
    )
    return [
        Conv(name, kind, weight, np.zeros(len(weight)), stride, padding, dilation, child.groups)
    ]


def _lif(step: Any, name: str, neuron: Any) -> Cell:
    kind, p = type(neuron).__name__, neuron.p
    share = _share(name, kind, neuron, "tau_mem_inv")
    synapse = 1 - _share(name, kind, neuron, "tau_syn_inv")
    cell = _spiking(step, name, neuron, share, "zero")
    described = f"dt={neuron.dt:g}, tau_mem_inv={_shown(p.tau_mem_inv)}, "
    return replace(
        cell,
        source=f"norse {kind}({described}tau_syn_inv={_shown(p.tau_syn_inv)})",
        synapse_decay=checked_decay(name, kind, "1 - dt tau_syn_inv", synapse),
    )


def _recurrent(step: Any, name: str, neuron: Any) -> Cell:
    kind = type(neuron).__name__
    weight = finite(name, kind, "recurrent_weights", neuron.recurrent_weights)
    return replace(_lif(step, name, neuron), recurrent=weight)


def _box(step: Any, resets: dict[Any, str], name: str, neuron: Any) -> Cell:
    kind, p = type(neuron).__name__, neuron.p
    reset = resets.get(p.reset_method)
    if reset is None:
        raise NotExpressible(
            name, kind,
            f"its reset_method is {getattr(p.reset_method, '__name__', p.reset_method)}",
            "reset_value or reset_subtract",
        )
    cell = _spiking(step, name, neuron, _share(name, kind, neuron, "tau_mem_inv"), reset)
    described = f"dt={neuron.dt:g}, tau_mem_inv={_shown(p.tau_mem_inv)}"
    return replace(cell, source=f"norse {kind}({described}, {reset})")


def _iaf(step: Any, name: str, neuron: Any) -> Cell:
    kind, p = type(neuron).__name__, neuron.p
    _check_method(step, name, kind, p)
    origin = one_value(name, kind, "v_reset", p.v_reset, "a layer has one reset")
    threshold = checked_threshold(name, kind, finite(name, kind, "v_th", p.v_th) - origin)
    return Cell(
        source=f"norse {kind}(v_reset={origin:g})", decay=1.0, threshold=squeezed(tidy(threshold)),
        reset="zero", reset_timing="same_step", compare="gt",
    )


def _li(name: str, neuron: Any) -> Cell:
    kind, p = type(neuron).__name__, neuron.p
    one_value(name, kind, "tau_mem_inv", p.tau_mem_inv, "outputs that are compared have one gain")
    share = _share(name, kind, neuron, "tau_mem_inv")
    one_value(name, kind, "v_leak", p.v_leak, "outputs are compared from one rest")
    synapse = None
    if hasattr(p, "tau_syn_inv"):
        synapse = checked_decay(
            name, kind, "1 - dt tau_syn_inv", 1 - _share(name, kind, neuron, "tau_syn_inv")
        )
    # The membrane is counted from v_leak, where it starts and to which it leaks.
    return Cell(
        source=f"norse {kind}(dt={neuron.dt:g}, tau_mem_inv={_shown(p.tau_mem_inv)})",
        decay=checked_decay(name, kind, "1 - dt tau_mem_inv", 1 - share), threshold=None,
        synapse_decay=synapse,
    )


def _spiking(step: Any, name: str, neuron: Any, share: Floats, reset: str) -> Cell:
    """Return the rule without its synaptic current: ``v = v + share (v_leak - v + i)``."""
    kind, p = type(neuron).__name__, neuron.p
    _check_method(step, name, kind, p)
    rest, value = (
        one_value(name, kind, each, getattr(p, each), f"a layer has one {each}")
        for each in ("v_leak", "v_reset")
    )
    # Membranes are counted from the value that a reset to 0 sets. Where a reset subtracts v_th,
    # that is only the threshold if they are counted from 0.
    origin = value if reset == "zero" else 0.0
    threshold = checked_threshold(name, kind, finite(name, kind, "v_th", p.v_th) - origin)
    start = one_value(
        name, kind, "v_leak over dt tau_mem_inv", (rest - origin) / share, "a layer has one v_init"
    )
    return Cell(
        source=f"norse {kind}",
        decay=checked_decay(name, kind, "1 - dt tau_mem_inv", 1 - share),
        threshold=squeezed(tidy(threshold / share)),
        bias=np.asarray(tidy(rest - origin)),
        reset=reset,
        reset_timing="same_step",
        compare="gt",
        v_init=float(tidy(start)),
    )


def _share(name: str, kind: str, neuron: Any, parameter: str) -> Floats:
    """Return the share of a state that is replaced in a step, ``dt`` times an inverse time."""
    inverse = finite(name, kind, parameter, getattr(neuron.p, parameter))
    share = tidy(shared(neuron.dt * inverse))
    bad = share[(share <= 0) | (share > 1)]
    if parameter == "tau_mem_inv" and bad.size:
        raise ValueError(
            f"{name} ({kind}): dt tau_mem_inv must be above 0, and at most 1, not {bad[0]:.6g}"
        )
    return share


def _check_method(step: Any, name: str, kind: str, p: Any) -> None:
    check_step(
        name, kind, f"method={p.method!r}", lambda x: step(x, p.method, p.alpha), "v > v_th",
        "method='super'",
    )


def _shown(values: Any) -> str:
    return described_decay(squeezed(torch.as_tensor(values).double().numpy()))
