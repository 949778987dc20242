"""Layers of torch between neurons: the same spikes as torch's own, or refused by name."""

import itertools

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import source_spikes, spikes
from refusals import refuses
from stablespike.importers.semantics import Cell
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

snn = pytest.importorskip("snntorch")
LIF = {"beta": 0.5, "init_hidden": True}
STEPS = 4

pytestmark = pytest.mark.filterwarnings("ignore")


def grid(layer, seed=0, high=2, fraction=4):
    """Return a layer with parameters that are small integers over ``fraction``."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            drawn = torch.randint(-high, high + 1, parameter.shape, generator=generator)
            parameter.copy_(drawn / fraction)
    return layer


def samples(shape, batch=30):
    flat = spikes(3, batch, STEPS, 0.5, int(np.prod(shape)))
    return flat.reshape(batch, STEPS, *shape)


def import_exact(module, shape, **options):
    """Import a module, and check that every spike is that of the module itself."""
    module.eval()
    network = ss.from_snntorch(module, shape, steps=STEPS, **{"weight_bits": 8, **options})
    neurons = [child for child in module.modules() if isinstance(child, snn.Leaky)]
    for neuron in neurons:
        neuron.reset_mem()
    given = samples(shape)
    source = source_spikes(module, neurons, given)
    run = ss.Golden(network).run(given.reshape(30, STEPS, *network.input.shape), trace=True)
    for mine, theirs in zip(run.spikes, source, strict=True):
        assert 0.005 < theirs.mean() < 0.98
        assert (mine.reshape(30, STEPS, -1) == theirs.reshape(30, STEPS, -1)).all()
    assert network.fidelity.exact
    assert network.fidelity.different == 0
    return network


def chain(*layers, outputs=None):
    """Return the layers, neurons, and fully connected ones behind them."""
    behind = [] if outputs is None else [nn.Flatten(), grid(nn.Linear(outputs, 9), 9),
                                         snn.Leaky(**LIF, threshold=0.25, output=True)]
    return nn.Sequential(*layers, snn.Leaky(**LIF, threshold=0.5), *behind)


def shifting():
    norm = nn.BatchNorm2d(2, eps=0.0)
    norm.running_mean.fill_(0.5)
    return norm


MAP, ROW = (2, 6, 8), (2, 12)


@pytest.mark.parametrize(
    ("layers", "shape", "outputs", "kernel"),
    [
        ([nn.Conv1d(2, 4, 3)], ROW, 40, (1, 3)),
        ([nn.Conv1d(2, 4, 3, stride=2, padding=1, dilation=2)], ROW, 20, (1, 5)),
        ([nn.AvgPool1d(2), nn.Conv1d(2, 4, 2, padding="same")], ROW, 24, (1, 6)),
        ([nn.Conv1d(2, 4, 2), nn.AvgPool1d(2, stride=1)], ROW, 40, (1, 3)),
        ([nn.Conv2d(2, 4, 3, groups=2)], MAP, 96, (3, 3)),
        ([nn.Conv2d(2, 2, 3, groups=2, padding=1), nn.Conv2d(2, 5, 1)], MAP, 240, (3, 3)),
        ([nn.Conv2d(2, 4, 3, dilation=(2, 3))], MAP, 16, (5, 7)),
        ([nn.Conv2d(2, 4, 1, padding=1)], MAP, 320, (3, 3)),
        ([nn.Conv2d(2, 4, (2, 4), padding="same")], MAP, 192, (3, 5)),
        ([nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.AvgPool2d(2)], MAP, 48, (4, 4)),
        ([nn.Conv2d(2, 4, 3, padding=1), nn.AvgPool2d(3, 2)], MAP, 24, (5, 5)),
        ([nn.Conv2d(2, 4, 2), nn.AdaptiveAvgPool2d((5, 1))], MAP, None, None),
        ([nn.Conv2d(2, 4, 1, bias=False), nn.AvgPool2d(3, 1, padding=1)], MAP, 192, (3, 3)),
        ([nn.ZeroPad2d((1, 0, 2, 1)), nn.Conv2d(2, 4, 3)], MAP, 196, (4, 4)),
        ([nn.AvgPool2d((1, 2)), nn.Conv2d(2, 4, 2)], MAP, 60, (2, 4)),
        ([nn.AvgPool2d(2), nn.AvgPool2d(1), nn.Conv2d(2, 4, 2)], MAP, 24, (2, 2)),
    ],
)
def test_what_is_one_convolution(layers, shape, outputs, kernel):
    module = chain(*(grid(layer, i) for i, layer in enumerate(layers)), outputs=outputs)
    network = import_exact(module, shape)
    if kernel is not None:
        assert network.layers[0].kernel == kernel


@pytest.mark.parametrize(
    ("pool", "shape", "outputs", "size"),
    [
        (nn.AvgPool2d(2), MAP, 24, 2),
        (nn.AdaptiveAvgPool2d((3, 4)), MAP, 24, 2),
        (nn.AdaptiveAvgPool2d(1), (2, 6, 6), 2, 6),
        (nn.Sequential(nn.AvgPool2d(2), nn.AvgPool2d(3)), (2, 6, 6), 2, 6),
        (nn.AdaptiveAvgPool2d(1), MAP, 2, None),
        (nn.AdaptiveAvgPool2d((4, None)), MAP, 64, None),
        (nn.AvgPool2d((2, 4)), MAP, 12, None),
        (nn.AvgPool2d(2, 1, padding=1), MAP, 126, None),
        (nn.AvgPool2d(2, padding=1, count_include_pad=False), MAP, 40, None),
        (nn.AvgPool2d(4, ceil_mode=True), MAP, 8, None),
        (nn.AvgPool2d(2, divisor_override=8), MAP, 24, 2),
        (nn.AvgPool1d(3), ROW, 8, None),
        (nn.AvgPool1d(4), (24,), 6, None),
        (nn.AdaptiveAvgPool1d(5), ROW, 10, None),
    ],
)
def test_linear_pools_in_front_of_dense_weights(pool, shape, outputs, size):
    weights = grid(nn.Linear(outputs, 20), 1, high=1)
    network = import_exact(chain(pool, nn.Flatten(), weights), shape)
    found = network.layers[0].pool_before
    assert found == (None if size is None else ss.SumPool2d(size))


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([nn.Conv2d(2, 3, 3, padding=1), nn.Flatten(), nn.Linear(144, 20)], MAP),
        ([nn.Conv2d(2, 3, (6, 8))], MAP),
        ([nn.Conv1d(2, 3, 9)], ROW),
        ([nn.Conv2d(2, 3, 3), nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 2, 3)], MAP),
        ([nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d(1)], MAP),
        ([nn.Linear(24, 12), nn.AvgPool1d(2)], (24,)),
        ([shifting(), nn.Conv2d(2, 4, 3, padding=1)], MAP),
        ([nn.Flatten(), nn.Linear(96, 12), nn.Unflatten(1, (1, 12)), nn.Conv1d(1, 2, 3)], MAP),
    ],
)
def test_what_is_one_matrix(layers, shape):
    module = chain(*(grid(layer, i, 1, 1) for i, layer in enumerate(layers)))
    network = import_exact(module, shape)
    assert isinstance(network.layers[0], ss.Dense)


def test_thresholds_of_a_map_that_is_a_matrix():
    for shape in ((4, 1, 1), (4, 6, 8)):
        thresholds = (torch.arange(np.prod(shape)) % 4 / 4 + 0.5).reshape(shape)
        module = nn.Sequential(
            shifting(), grid(nn.Conv2d(2, 4, 3, padding=1)), snn.Leaky(**LIF, threshold=thresholds)
        )
        assert import_exact(module, MAP).layers[0].neuron.threshold.shape == (192,)


@pytest.mark.parametrize("sizes", [(1, 6, 8), (3, 4, 4), (4, 12)])
def test_a_flat_sample_unflattened_to_a_map(sizes):
    conv = nn.Conv2d if len(sizes) == 3 else nn.Conv1d
    module = chain(nn.Unflatten(1, sizes), grid(conv(sizes[0], 4, 3)))
    network = import_exact(module, (48,))
    read = sizes if len(sizes) == 3 else (4, 1, 12)
    assert network.input == ss.SpikeInput(read)
    given = samples((48,))
    flat = ss.from_snntorch(module, (48,), calibration=given)
    assert flat.layers == ss.from_snntorch(
        module, (48,), calibration=given.reshape(30, STEPS, *read)
    ).layers


def test_flatten_of_some_axes():
    module = chain(
        grid(nn.Conv2d(2, 4, 1)), snn.Leaky(**LIF), nn.Flatten(2), nn.Flatten(1, 2),
        grid(nn.Linear(192, 5), 1), outputs=5,
    )
    import_exact(module, MAP)


def test_a_row_stays_a_row_between_layers():
    """Values of (channels, length) maps stay by channel: norms, thresholds, and pools."""
    norm = nn.BatchNorm1d(4, eps=0.0, affine=False)
    norm.running_mean.copy_(torch.tensor([0.25, 0.5, 0, -0.25]))
    norm.running_var.copy_(torch.tensor([0.25, 1, 4, 0.25]))
    thresholds = (torch.arange(4) / 8 + 0.5).reshape(4, 1)
    module = nn.Sequential(
        grid(nn.Conv1d(2, 4, 3, padding=1)), norm, snn.Leaky(**LIF, threshold=thresholds),
        nn.AvgPool1d(2), grid(nn.Conv1d(4, 3, 3), 1), snn.Leaky(**LIF, threshold=0.5),
        nn.Flatten(), grid(nn.Linear(12, 9), 7), snn.Leaky(**LIF, threshold=0.25, output=True),
    )
    network = import_exact(module, ROW)
    assert network.input_shapes == ((2, 1, 12), (4, 1, 12), (3, 1, 4))
    assert network.layers[0].neuron.threshold.shape == (4,)
    assert network.layers[1].stride == (1, 2)


def test_neurons_without_weights_get_the_identity():
    module = nn.Sequential(snn.Leaky(**LIF), grid(nn.Linear(12, 5)), snn.Leaky(**LIF, output=True))
    network = import_exact(module, (12,))
    assert (network.layers[0].weight == np.eye(12) * network.layers[0].weight[0, 0]).all()
    module = chain(nn.AvgPool2d(2), snn.Leaky(**LIF, threshold=0.25), grid(nn.Conv2d(2, 3, 2)))
    network = import_exact(module, MAP)
    assert network.layers[0].pool_before == ss.SumPool2d(2)


class Halved(nn.Module):
    def forward(self, weight):
        return weight / 2


def parametrized(how):
    layer = grid(nn.Linear(24, 30), 1)
    if how == "weight_norm":
        return parametrizations.weight_norm(layer)
    if how == "spectral_norm":
        return parametrizations.spectral_norm(layer)
    if how == "orthogonal":
        return parametrizations.orthogonal(layer)
    if how == "register":
        parametrize.register_parametrization(layer, "weight", Halved())
    if how == "prune":
        prune.l1_unstructured(layer, "weight", 0.5)
    if how == "hook":
        return nn.utils.weight_norm(layer)
    return layer


@pytest.mark.parametrize(
    "how", ["weight_norm", "spectral_norm", "orthogonal", "register", "prune", "hook"]
)
def test_parametrized_weights_are_the_effective_ones(how):
    layer = parametrized(how)
    with torch.no_grad():  # a change that a hook applies in the next call alone
        for parameter in layer.parameters():
            parameter.mul_(2)
    module = chain(layer).eval()
    module(torch.zeros(1, 24))
    plain = nn.Linear(24, 30)
    with torch.no_grad():
        plain.weight.copy_(layer.weight)
        plain.bias.copy_(layer.bias)
    network, other = (ss.from_snntorch(each, (24,)) for each in (module, chain(plain)))
    assert network.layers == other.layers
    assert network.layers[0].weight.any()
    if how in ("register", "prune"):
        import_exact(module, (24,))


def norms():
    missing = nn.BatchNorm1d(4)
    missing.weight = missing.bias = None
    plain = nn.BatchNorm1d(4, affine=False)
    return nn.BatchNorm1d(4), plain, missing, snn.BatchNormTT1d(4, 3)[0]


@pytest.mark.parametrize("norm", norms())
def test_norms_without_bias_or_weight(norm):
    norm.eps = 0.0
    norm.running_mean.copy_(torch.tensor([0.25, 0.5, 0, -0.25]))
    norm.running_var.copy_(torch.tensor([0.25, 1, 4, 0.25]))
    if norm.weight is not None:
        norm.weight.data.fill_(2.0)
    import_exact(chain(grid(nn.Linear(8, 4), high=4), norm), (8,))


class Turns(nn.Module):
    """Norms that take turns, one for each step."""

    def __init__(self):
        super().__init__()
        self.linear, self.norms = nn.Linear(8, 4), snn.BatchNormTT1d(4, 3)
        self.lif = snn.Leaky(**LIF)

    def forward(self, steps):
        return torch.stack([
            self.lif(norm(self.linear(x))) for x, norm in zip(steps, self.norms, strict=True)
        ])


def test_norms_of_each_step():
    message = "norms.0 and norms.1 and norms.2 (BatchNorm1d): it is a norm of its own for each step"
    with refuses(ss.NotExpressible, message):
        ss.from_snntorch(Turns(), (8,), sample=torch.zeros(3, 1, 8))


@pytest.mark.parametrize("reset", ["zero", "none"])
@pytest.mark.parametrize("norm", ["before", "behind", "none"])
def test_max_pooling_in_front_of_neurons_without_memory(reset, norm):
    middle = nn.BatchNorm2d(3, eps=0.0).eval()
    middle.running_var.copy_(torch.tensor([0.25, 1, 4]))
    middle.bias.data.copy_(torch.tensor([0.25, -0.25, 0]))
    layers = {
        "before": [middle, nn.MaxPool2d(2)], "behind": [nn.MaxPool2d(2), middle],
        "none": [nn.AdaptiveMaxPool2d((3, 4))],
    }[norm]
    neurons = snn.Leaky(beta=0.0, init_hidden=True, reset_mechanism=reset, threshold=0.5)
    module = nn.Sequential(
        grid(nn.Conv2d(2, 3, 3, padding=1), high=3), *layers, neurons,
        nn.Flatten(), grid(nn.Linear(36, 5), 9), snn.Leaky(**LIF, threshold=0.5, output=True),
    ).eval()
    network = ss.from_snntorch(module, MAP, weight_bits=8, steps=STEPS)
    assert network.layers[0].pool_after == ss.MaxPool2d(2)
    assert network.fidelity.exact
    assert network.fidelity.different == 0
    given = samples(MAP)
    inner, last = source_spikes(module, [neurons, module[-1]], given)
    run = ss.Golden(network).run(given, trace=True)
    pooled = run.spikes[0].reshape(30, STEPS, 3, 3, 2, 4, 2).any((4, 6))
    assert 0.02 < inner.mean() < 0.98
    assert (pooled == inner).all()
    assert (run.spikes[1] == last).all()


def test_a_maximum_is_an_or_exactly_for_neurons_without_memory():
    """All pairs of currents over 3 steps, and all rules without a leak or with one of 0 or 1/2."""
    values = np.array([-1.0, 0.5, 1.0, 2.0])
    pairs = np.array(list(itertools.product(values, repeat=6))).reshape(-1, 3, 2).swapaxes(0, 1)
    rules = itertools.product(
        (0.0, 0.5, 1.0), ("subtract", "zero", "none"), ("same_step", "next_step"), ("ge", "gt"),
        (None, 0.0, 0.5),
    )
    told = set()
    for decay, reset, timing, compare, synapse in rules:
        cell = Cell("", decay, np.asarray(1.0), reset=reset, reset_timing=timing, compare=compare,
                    synapse_decay=synapse)
        either = cell.run(pairs)[0].any(2)
        largest = cell.run(pairs.max(2, keepdims=True))[0][:, :, 0]
        assert bool((either == largest).all()) == cell.memoryless, cell
        told.add(cell.memoryless)
    assert told == {True, False}


def tutorial(*between):
    return nn.Sequential(
        grid(nn.Conv2d(1, 4, 5), high=1), *between, nn.Flatten(), grid(nn.Linear(64, 5), 1),
        snn.Leaky(**LIF, output=True),
    )


def test_max_pooling_in_front_of_other_neurons():
    wrong, right = (
        tutorial(*layers) for layers in (
            (nn.MaxPool2d(2), snn.Leaky(**LIF)), (snn.Leaky(**LIF), nn.MaxPool2d(2)),
        )
    )
    shape = (1, 12, 12)
    with refuses(ss.NotExpressible, "1 (MaxPool2d): it takes the maximum of currents") as caught:
        ss.from_snntorch(wrong, shape)
    assert "swap the two lines, and train again" in caught.value.nearest
    network = ss.from_snntorch(wrong, shape, approximate=True, weight_bits=8)
    assert network.layers == ss.from_snntorch(right, shape, weight_bits=8).layers
    assert "1: it takes the maximum of currents" in network.fidelity.approximations[0]
    assert network.fidelity.layers[0].spikes.different > 0
    assert network.fidelity.layers[0].spikes.agreement > 0.8


def turned():
    norm = nn.BatchNorm2d(4, eps=0.0)
    norm.weight.data.fill_(-1.0)
    return norm


def drifted():
    norm = nn.BatchNorm1d(1296, eps=0.0)
    norm.running_mean.copy_(torch.arange(1296))
    return norm


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([nn.Conv2d(2, 4, 8)], (2, 20, 20),
         "0 (Conv2d): it would need kernels of 8 by 8, stride (1, 1); the limit is 7 by 7"),
        ([nn.Conv2d(2, 4, 3, dilation=4)], (2, 20, 20),
         "0 (Conv2d): it would need kernels of 9 by 9"),
        ([nn.Conv2d(2, 4, 5), nn.AvgPool2d(4)], (2, 30, 30),
         "1 (AvgPool2d): it and 0 (Conv2d) together ... 8 by 8 ... or the pool behind the neurons"),
        ([nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3, padding=1)], (2, 20, 20),
         "1 (Conv2d): its padding is of zeros, but its input was shifted by"),
        ([nn.Conv2d(2, 4, 3, bias=False), nn.Conv2d(4, 4, 3, padding=1)], (2, 20, 20),
         "1 (Conv2d): its padding of ((1, 1), (1, 1)) ... in front of it (0 (Conv2d)) goes on"),
        ([nn.Conv2d(2, 4, 3), nn.AvgPool2d(2, padding=1, count_include_pad=False)], (2, 20, 20),
         "1 (AvgPool2d): its cells on (4, 18, 18) are not all alike"),
        ([shifting(), nn.Conv2d(2, 4, 3, padding=1)], (2, 20, 20),
         "1 (Conv2d): its padding is of zeros, but its input was shifted by -0.5"),
        ([nn.Conv2d(2, 4, 3), nn.Flatten(), nn.BatchNorm1d(1296), drifted()], (2, 20, 20),
         "3 (BatchNorm1d): its offset differs within a channel"),
        ([nn.LPPool2d(2, 2)], MAP, "0 (LPPool2d): it takes the norm of power 2 of a cell"),
        ([nn.LayerNorm(8)], MAP, "0 (LayerNorm): what it multiplies by depends on the sample"),
        ([nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4)], MAP, "1 (GroupNorm): ... BatchNorm1d or"),
        ([nn.InstanceNorm2d(2)], MAP, "0 (InstanceNorm2d): what it multiplies by depends on the"),
        ([nn.ConstantPad2d(1, 0.5), nn.Conv2d(2, 4, 3)], MAP,
         "0 (ConstantPad2d): it pads with 0.5"),
        ([nn.Conv2d(2, 4, 3), nn.MaxPool2d(2, return_indices=False, dilation=2)], MAP,
         "1 (MaxPool2d): dilation=2"),
        ([nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1)], MAP,
         "1 (MaxPool2d): it takes the maximum of currents, in front of 2 (Conv2d)"),
        ([nn.Flatten(), nn.Linear(96, 96), nn.Unflatten(1, MAP), nn.MaxPool2d(2)], MAP,
         "3 (MaxPool2d): it takes the maximum of currents, in front of the neurons; the nearest"),
        ([nn.Conv2d(2, 4, 3), nn.MaxPool2d(3, 1)], MAP,
         "1 (MaxPool2d): it takes the maximum of currents, in front of the neurons; the nearest"),
        ([nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), turned()], MAP,
         "2 (BatchNorm2d): its factor of -1 turns the maximum of 1 (MaxPool2d) around"),
        ([nn.ConvTranspose1d(2, 4, 3)], ROW, "0 (ConvTranspose1d): no layer ... can: Conv1d"),
        ([nn.Linear(8, 4)], MAP, "0 (Linear): its weight must be (out, 96) ... Flatten in front"),
        ([nn.Conv1d(2, 4, 3), snn.Leaky(**LIF), nn.MaxPool1d(2)], ROW,
         "2 (MaxPool1d): it has cells of 1, stride 1, padding (0, 0) and cells of 2 ... a stride"),
    ],
)
def test_refused_layers(layers, shape, message):
    with refuses(ValueError, message):
        ss.from_snntorch(chain(*layers), shape)


def test_a_map_that_the_layer_before_does_not_emit():
    module = nn.Sequential(
        nn.Linear(8, 400), snn.Leaky(**LIF), nn.Unflatten(1, (1, 20, 20)), nn.Conv2d(1, 4, 3),
        snn.Leaky(**LIF),
    )
    with refuses(ss.NotExpressible, "3 (Conv2d): it reads a map of (1, 20, 20), but what is in "
                 "front of it gives (400,)"):
        ss.from_snntorch(module, (8,))


def test_half_precision_is_checked_with_its_own_tolerance():
    for dtype in (torch.float16, torch.float64):
        module = chain(nn.Linear(24, 30)).to(dtype)
        assert ss.from_snntorch(module, (24,)).layers[0].weight.any()
