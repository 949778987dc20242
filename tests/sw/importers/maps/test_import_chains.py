"""Random chains of torch's layers: one layer of weights gives what torch gives."""

import random

import numpy as np
import pytest
import torch
from stablespike.importers.frameworks.torch_layers import torch_operation
from stablespike.importers.graph import assemble
from stablespike.importers.operations import Neurons
from stablespike.importers.semantics import Cell
from stablespike.support.errors import NotExpressible
from torch import nn

SHAPES = [(2, 7, 8), (1, 6, 6), (3, 5, 9), (2, 12), (3, 9), (24,)]
CHAINS, BATCH = 250, 4

pytestmark = pytest.mark.filterwarnings("ignore")


def on_map(channels, shape, draw):
    """Return a random layer for a map of two axes."""
    pair = draw.randint(0, 3), draw.randint(0, 2)
    same = draw.random() < 0.2
    kernel = draw.randint(1, 4), draw.randint(1, 4)
    cell = draw.choice([1, 2, 3, (1, 2), (3, 2)])
    return draw.choice([
        nn.Conv2d(channels, draw.randint(1, 4), kernel, 1 if same else draw.choice([1, 2, (2, 3)]),
                  "same" if same else pair, draw.choice([1, 1, 2, (1, 3)])),
        nn.Conv2d(channels, 2 * channels, kernel, groups=channels, bias=False),
        nn.AvgPool2d(cell, draw.choice([None, 1, (2, 1)]), 0, draw.random() < 0.3),
        nn.AvgPool2d(2, draw.choice([1, 2]), 1, count_include_pad=draw.random() < 0.5,
                     divisor_override=draw.choice([None, 3])),
        nn.AdaptiveAvgPool2d(draw.choice([1, 2, (2, 1), (None, 1), 3, shape])),
        nn.ZeroPad2d([draw.randint(0, 2) for _ in range(4)]),
        nn.BatchNorm2d(channels, eps=0.0), nn.Flatten(), nn.Flatten(2), nn.Flatten(1, 2),
    ])


def on_row(channels, draw):
    """Return a random layer for a map of one axis."""
    return draw.choice([
        nn.Conv1d(channels, draw.randint(1, 4), draw.randint(1, 4), draw.choice([1, 2]),
                  draw.randint(0, 3), draw.choice([1, 2])),
        nn.AvgPool1d(draw.randint(1, 3), draw.choice([None, 1, 2]), 0, draw.random() < 0.3),
        nn.AdaptiveAvgPool1d(draw.randint(1, 4)), nn.BatchNorm1d(channels, eps=0.0), nn.Flatten(),
        nn.Unflatten(1, (1, channels)),
    ])


def on_values(size, draw):
    """Return a random layer for flat values."""
    rows = draw.choice([each for each in range(1, size + 1) if size % each == 0])
    return draw.choice([
        nn.Linear(size, draw.randint(1, 6)), nn.BatchNorm1d(size, eps=0.0),
        nn.Unflatten(1, (1, rows, size // rows)), nn.Unflatten(1, (rows, size // rows)),
    ])


def drawn(seed):
    """Return the shape of a sample, and layers that it can pass."""
    draw = random.Random(seed)
    shape = first = draw.choice(SHAPES)
    layers = []
    for _ in range(draw.randint(1, 5)):
        if len(shape) == 3:
            layer = on_map(shape[0], shape[1:], draw)
        else:
            layer = on_row(shape[0], draw) if len(shape) == 2 else on_values(shape[0], draw)
        layer = layer.double().eval()
        for parameter in layer.parameters():
            parameter.data = torch.from_numpy(integers(seed, parameter.shape, -4, 5)) / 4
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            means = torch.from_numpy(integers(seed, layer.running_mean.shape, -4, 5)) / 4
            layer.running_mean.copy_(means)
            layer.running_var.fill_(4.0)
        try:
            after = layer(torch.zeros(1, *shape, dtype=torch.float64)).shape[1:]
        except (RuntimeError, ValueError):
            break  # the map is too small
        if 0 in after:
            break
        layers.append(layer)
        shape = tuple(after)
    return first, layers


def integers(seed, shape, low, high):
    return np.random.default_rng(seed).integers(low, high, tuple(shape)).astype(float)


def test_random_chains():
    found = {"convolution": 0, "matrix": 0, "refused": 0}
    for seed in range(CHAINS):
        shape, layers = drawn(seed)
        if not layers:
            continue
        ops = [torch_operation(str(i), layer) for i, layer in enumerate(layers)]
        cell = Cell("", 1.0, np.asarray(1.0))
        try:
            (layer,) = assemble([*ops, Neurons("n", "IF", cell)], shape, None)
        except NotExpressible:
            found["refused"] += 1
            continue
        inputs = integers(seed, (BATCH, *shape), 0, 3)
        with torch.no_grad():
            wanted = nn.Sequential(*layers)(torch.from_numpy(inputs)).numpy().reshape(BATCH, -1)
        ours = layer.current(inputs.reshape(BATCH, *layer.shape)) / layer.divisor
        assert np.allclose(ours, wanted, atol=1e-9), (seed, layers)
        found["matrix" if layer.conv is None else "convolution"] += 1
    assert found["convolution"] > CHAINS / 4
    assert found["matrix"] > CHAINS / 4
    assert found["refused"] < CHAINS / 20
