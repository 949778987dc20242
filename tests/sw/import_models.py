"""Models of other frameworks with weights on a grid, and the spikes of their own neurons."""

import numpy as np
import stablespike as ss
import torch
from stablespike.golden.golden import Golden

INPUTS, HIDDEN, OUTPUTS = 24, 40, 20


def on_grid(inputs, outputs, generator, fraction=8, bias=True):
    """Return a Linear with 4-bit weights and biases in units of ``1 / fraction``."""
    layer = torch.nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():
        for parameter in layer.parameters():
            values = torch.randint(-8, 8, parameter.shape, generator=generator)
            parameter.copy_(values / fraction)
    return layer


def chain(first, second, seed, **grid):
    """Return a module: Linear, neurons, Linear, neurons."""
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.Sequential(
        on_grid(INPUTS, HIDDEN, generator, **grid), first,
        on_grid(HIDDEN, OUTPUTS, generator, **grid), second,
    )


def spikes(seed, batch, steps, rate=0.4, inputs=INPUTS):
    """Return (batch, steps, inputs) random spikes."""
    return (np.random.default_rng(seed).random((batch, steps, inputs)) < rate).astype(np.int64)


INPUT_SCALE = 1 / 8
FRAMES = [ss.FrameInput((INPUTS,), 4), ss.FrameInput((INPUTS,), 4, zero=8)]
"""Inputs of frames, of unsigned values and of signed ones; ``INPUT_SCALE`` rounds nothing."""


def frames(source, seed, batch, steps):
    """Return (batch, steps, *shape) random frames, and what a model receives for them."""
    shape = (batch, steps, *source.shape)
    made = np.random.default_rng(seed).integers(0, 1 << source.bits, shape)
    return made, (made - source.zero) * INPUT_SCALE


def source_spikes(step, neurons, samples):
    """Return (batch, steps, neurons) spikes of each neuron module, called step by step."""
    kept = {neuron: [] for neuron in neurons}

    def keep(module, arguments, output):
        kept[module].append((output[0] if isinstance(output, tuple) else output).detach())

    hooks = [neuron.register_forward_hook(keep) for neuron in neurons]
    with torch.no_grad():
        for t in range(samples.shape[1]):
            step(torch.from_numpy(samples[:, t]).float())
    for hook in hooks:
        hook.remove()
    return [torch.stack(kept[neuron], 1).numpy() > 0 for neuron in neurons]


def sequence_spikes(call, neurons, inputs, axis=1):
    """Return (batch, steps, neurons) spikes of neuron modules that take all steps in one call.

    ``axis`` is that of the steps in what the neurons give; a neuron that folds them into the batch
    has no such axis, and ``axis`` is None.
    """
    kept = {neuron: [] for neuron in neurons}
    batch, steps = inputs.shape[:2]

    def keep(module, arguments, output):
        kept[module].append((output[0] if isinstance(output, tuple) else output).detach())

    hooks = [neuron.register_forward_hook(keep) for neuron in neurons]
    values = torch.from_numpy(inputs).float()
    with torch.no_grad():
        call(values.flatten(0, 1) if axis is None else values.movedim(1, axis))
    for hook in hooks:
        hook.remove()
    found = []
    for (output,) in kept.values():
        shaped = output.unflatten(0, (batch, steps)) if axis is None else output.movedim(axis, 1)
        found.append(shaped.reshape(batch, steps, -1).numpy() > 0)
    return found


def our_spikes(network, samples):
    """Return the spikes of a network on the golden model, in the same shape."""
    return Golden(network).run(samples, trace=True).spikes


def differences(network, samples, source):
    """Count neuron-steps that differ, and all; every layer must spike, but not always."""
    ours = our_spikes(network, samples)
    for mine in ours:
        assert 0.005 < mine.mean() < 0.98
    return (
        sum(int((a != b).sum()) for a, b in zip(ours, source, strict=True)),
        sum(a.size for a in ours),
    )
