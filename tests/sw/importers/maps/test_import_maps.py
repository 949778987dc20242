"""Convolutions and pools of other frameworks: the same spikes as theirs, or refused by name."""

from itertools import pairwise

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import differences, source_spikes, spikes
from refusals import refuses

nir = pytest.importorskip("nir")
snn = pytest.importorskip("snntorch")
jelly = pytest.importorskip("spikingjelly.activation_based.neuron")
from spikingjelly.activation_based import functional  # noqa: E402
from spikingjelly.activation_based import layer as jelly_layer  # noqa: E402

STEPS, DT = 4, 1e-4
SHAPE = (2, 7, 8)
SAID = {"dt": DT, "reset": "zero", "reset_timing": "same_step"}
LIF = {"beta": 0.5, "init_hidden": True}


def samples(batch=60, seed=3, shape=SHAPE):
    return spikes(seed, batch, STEPS, 0.4, int(np.prod(shape))).reshape(batch, STEPS, *shape)


def on_grid(layer, seed, fraction=8):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randint(-8, 8, parameter.shape, generator=generator) / fraction)
    return layer


def same(network, module, neurons, given):
    """Check that every spike of a module is that of the golden model."""
    source = source_spikes(module, neurons, given)
    ours = ss.Golden(network).run(given, trace=True).spikes
    for mine, theirs in zip(ours, source, strict=True):
        assert mine.shape == theirs.shape
        assert 0.005 < mine.mean() < 0.98
        assert (mine == theirs).all()
    assert differences(network, given, source)[0] == 0


def thresholds(channels):
    return (torch.arange(channels) / 8 + 0.5).reshape(-1, 1, 1)


@pytest.mark.filterwarnings("ignore")
def test_snntorch_maps_are_exact():
    norm = torch.nn.BatchNorm2d(4, eps=0.0)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        norm.running_mean.copy_(torch.randint(-4, 5, (4,), generator=generator) / 8)
        norm.running_var.fill_(4.0)
        norm.weight.fill_(2.0)
        norm.bias.copy_(torch.randint(-4, 5, (4,), generator=generator) / 8)
    module = torch.nn.Sequential(
        on_grid(torch.nn.Conv2d(2, 4, (3, 5), padding=(1, 2), bias=False), 0), norm,
        snn.Leaky(**LIF, threshold=thresholds(4)), torch.nn.MaxPool2d(2), torch.nn.Dropout2d(),
        on_grid(torch.nn.Conv2d(4, 6, 2, stride=(1, 2), padding="valid"), 1), snn.Leaky(**LIF),
        torch.nn.Flatten(), on_grid(torch.nn.Linear(24, 5), 2), snn.Leaky(**LIF, output=True),
    )
    network = ss.from_snntorch(module, SHAPE, steps=STEPS)
    first, second, last = network.layers
    assert (first.kernel, first.padding, first.stride) == ((3, 5), (1, 2), (1, 1))
    assert (first.pool_after, first.pool_before) == (ss.MaxPool2d(2), None)
    assert (second.kernel, second.padding, second.stride) == ((2, 2), (0, 0), (1, 2))
    assert first.neuron.threshold.shape == (4,)
    assert last.inputs == 24
    assert network.fidelity.exact
    assert network.fidelity.different == 0
    module.eval()
    neurons = [child for child in module if isinstance(child, snn.Leaky)]
    for neuron in neurons:
        neuron.reset_mem()
    same(network, module, neurons, samples())


def test_spikingjelly_maps_are_exact():
    module = torch.nn.Sequential(
        jelly_layer.AvgPool2d(2), on_grid(jelly_layer.Conv2d(2, 4, 3, padding="same"), 2),
        jelly.IFNode(v_threshold=0.5, v_reset=None), jelly_layer.MaxPool2d((2, 2)),
        jelly_layer.Flatten(), on_grid(jelly_layer.Linear(8, 5), 1), jelly.IFNode(v_reset=None),
    )
    for mode in ("s", "m"):
        functional.set_step_mode(module, mode)
        network = ss.from_spikingjelly(module, SHAPE, steps=STEPS, weight_bits=8)
        first = network.layers[0]
        assert first.pool_before == ss.SumPool2d(2)
        assert (first.padding, first.pool_after) == ((1, 1), ss.MaxPool2d(2))
        assert network.fidelity.exact
        assert network.fidelity.different == 0
    functional.set_step_mode(module, "s")
    functional.reset_net(module)
    same(network, module, [module[2], module[6]], samples())


def containers(*layers):
    """Return layers of torch that are called with all steps at once."""
    return jelly_layer.SeqToANNContainer(*layers)


def many(*layers):
    module = torch.nn.Sequential(*layers)
    functional.set_step_mode(module, "m")
    return module


def norm(kind, axes, *arguments):
    """Return a norm of SpikingJelly whose factors are powers of two."""
    made = getattr(jelly_layer, f"{kind}{axes}d")(*arguments, 4, eps=0.0)
    made.running_var.copy_(torch.tensor([0.25, 1, 4, 1]))
    made.running_mean.copy_(torch.tensor([-1.0, -0.5, 0.5, -2.0]))
    return made


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (lambda: many(on_grid(jelly_layer.Conv1d(2, 4, 3), 0), norm("BatchNorm", 1),
                      jelly.IFNode(0.5), jelly_layer.AvgPool1d(2), jelly_layer.Flatten(),
                      on_grid(jelly_layer.Linear(20, 5), 1), jelly.IFNode(0.5)), (2, 12)),
        (lambda: many(on_grid(jelly_layer.Conv2d(2, 4, 3), 0), norm("BatchNorm", 2),
                      jelly_layer.AvgPool2d(2), jelly.IFNode(0.5),
                      jelly_layer.AdaptiveAvgPool2d(1), jelly_layer.Flatten(),
                      on_grid(jelly_layer.Linear(4, 5), 1), jelly.IFNode(0.5)), (2, 6, 10)),
        (lambda: many(containers(on_grid(torch.nn.Conv2d(2, 4, 3), 0), torch.nn.BatchNorm2d(4)),
                      jelly.IFNode(0.5), containers(torch.nn.Flatten(),
                                                    on_grid(torch.nn.Linear(120, 5), 1)),
                      jelly.IFNode(0.5)), SHAPE),
        (lambda: many(on_grid(jelly_layer.Conv2d(2, 4, 3), 0),
                      norm("ThresholdDependentBatchNorm", 2, 1.0, 0.5), jelly.IFNode(0.5)), SHAPE),
        (lambda: many(on_grid(jelly_layer.Linear(8, 4), 0),
                      norm("ThresholdDependentBatchNorm", 1, 1.0, 0.5), jelly.IFNode(0.5)), (8,)),
        (lambda: many(jelly_layer.WSConv2d(2, 4, 3), jelly.IFNode(0.5)), SHAPE),
        (lambda: many(jelly_layer.WSLinear(8, 4), jelly.IFNode(0.5)), (8,)),
    ],
)
def test_layers_of_spikingjelly(module, shape):
    made = module().eval()
    report = ss.from_spikingjelly(made, shape, steps=STEPS, weight_bits=8).fidelity
    assert all(0.005 < layer.spikes.rate < 0.98 for layer in report.layers)
    assert report.different == 0 if report.exact else report.layers[0].spikes.agreement > 0.98
    grids = not any("WS" in type(each).__name__ for each in made) and len(made) != 4
    assert report.exact == grids


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda: many(jelly_layer.Conv2d(2, 4, 3), jelly_layer.TemporalEffectiveBatchNorm2d(2, 4),
                      jelly.IFNode()), "1 (TemporalEffectiveBatchNorm2d): it has another scale"),
        (lambda: many(jelly_layer.Conv2d(2, 4, 3), jelly_layer.BatchNormThroughTime2d(2, 4),
                      jelly.IFNode()), "1 (BatchNormThroughTime2d): it is a norm of its own for"),
        (lambda: many(jelly_layer.Conv2d(2, 4, 3), jelly.IFNode(), jelly_layer.NeuNorm(4, 5, 6)),
         "2 (NeuNorm): it divides by a running mean"),
        (lambda: many(jelly_layer.DropConnectLinear(112, 4), jelly.IFNode()),
         "0 (DropConnectLinear): it draws random numbers after training too"),
        (lambda: many(jelly_layer.Conv2d(2, 4, 3), jelly_layer.GroupNorm(2, 4), jelly.IFNode()),
         "1 (GroupNorm): what it multiplies by depends on the sample"),
    ],
)
def test_refused_layers_of_spikingjelly(module, message):
    with refuses(ss.NotExpressible, message):
        ss.from_spikingjelly(module(), SHAPE)


def test_graphs_of_spikingjelly():
    from spikingjelly.activation_based import nir_exchange

    module = torch.nn.Sequential(
        on_grid(jelly_layer.Conv2d(2, 4, 3, padding=1), 2), jelly.IFNode(0.5, 0.0),
        jelly_layer.AvgPool2d(2), jelly_layer.Flatten(), on_grid(jelly_layer.Linear(48, 5), 2),
        jelly.IFNode(0.25, 0.0),
    )
    written = nir_exchange.export_to_nir(module, torch.rand(1, *SHAPE), dt=DT)
    network = ss.from_nir(written, **SAID, compare="ge", weight_bits=8)
    assert network.layers[0].padding == (1, 1)
    assert network.layers[1].pool_before == ss.SumPool2d(2)
    assert network.fidelity.exact
    functional.reset_net(module)
    same(network, module, [module[1], module[5]], samples())


def graph(*nodes, shape=SHAPE):
    every = {"input": nir.Input(np.array(shape))}
    every |= {f"{type(node).__name__.lower()}{i}": node for i, node in enumerate(nodes)}
    every["output"] = nir.Output(None)
    return nir.NIRGraph(every, list(pairwise(every)), type_check=False)


def lif(*shape, threshold=1.0):
    full = {"tau": 2 * DT, "r": 2.0, "v_leak": 0.0, "v_threshold": threshold}
    return nir.LIF(**{name: np.full(shape, value) for name, value in full.items()})


def conv(weight=None, stride=1, padding=0, dilation=1, groups=1, bias=None):
    if weight is None:
        weight = np.random.default_rng(0).integers(-8, 8, (4, 2, 3, 3)) / 8
    zeros = np.zeros(len(weight)) if bias is None else bias
    return nir.Conv2d(None, weight, stride, padding, dilation, groups, zeros)


def test_nir_maps_are_exact():
    rng = np.random.default_rng(0)
    pool = nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    rows = np.repeat([0.5, 1, 1, 2], 9 * 10).reshape(4, 9, 10)  # by channel, as NIR has them
    made = graph(
        conv(padding=(2, 2), bias=np.arange(4) / 8), lif(4, 9, 10, threshold=rows * 0.5), pool,
        conv(rng.integers(-8, 8, (3, 4, 3, 3)) / 8, padding="same"), lif(3, 4, 5, threshold=0.25),
        nir.Flatten({"input": np.array([3, 4, 5])}, 0, -1),
        nir.Linear(rng.integers(-8, 8, (5, 60)) / 8), lif(5),
    )
    given = samples()
    network = ss.from_nir(made, **SAID, calibration=given, weight_bits=8)
    assert network.layers[0].neuron.threshold.tolist() == [32, 64, 64, 128]
    assert network.layers[1].pool_before == ss.SumPool2d(2)
    assert network.fidelity.exact
    assert network.fidelity.different == 0
    assert [each.spikes.rate > 0.005 for each in network.fidelity.layers] == [True] * 3
    # Beside torch: the reference of a NIR import is the importer's own.
    first = made.nodes["conv2d0"]
    weight, bias = torch.from_numpy(first.weight), torch.from_numpy(first.bias)
    v, fired = torch.zeros(60, 4, 9, 10), []
    for image in torch.from_numpy(given).double().unbind(1):
        v = v / 2 + torch.nn.functional.conv2d(image, weight, bias, 1, 2)
        fired.append(v > torch.from_numpy(rows * 0.5))
        v[fired[-1]] = 0
    ours = ss.Golden(network).run(given, trace=True).spikes[0]
    assert (ours == torch.stack(fired, 1).numpy()).all()


def test_what_is_not_on_a_grid_is_calibrated():
    rng = np.random.default_rng(0)
    made = graph(
        conv(rng.normal(size=(6, 2, 3, 3)), padding=1), lif(6, 7, 8, threshold=1.5),
        conv(rng.normal(size=(4, 6, 3, 3))), lif(4, 5, 6, threshold=1.5),
    )
    plain = ss.from_nir(made, **SAID, steps=STEPS)
    report = ss.from_nir(made, **SAID, calibration=samples()).fidelity
    assert not report.exact
    for layer in report.layers:
        assert layer.spikes.agreement > 0.9
    assert report.different < 1.1 * plain.fidelity.different


@pytest.mark.filterwarnings("ignore:Lazy")
def test_pixels_and_a_membrane_of_a_map():
    made = graph(conv(), lif(4, 5, 6), conv(np.ones((2, 4, 3, 3)) / 8))
    network = ss.from_nir(
        made, **SAID, readout="membrane", input=ss.PixelInput(SHAPE, 4), input_scale=1 / 8, steps=3
    )
    assert network.outputs == 2 * 3 * 4
    assert network.layers[1].neuron.fires is False
    assert network.fidelity.same_prediction > 0.9
    module = net(torch.nn.Conv2d(2, 4, 3), snn.Leaky(**LIF))
    with refuses(ValueError, "input must have the shape (2, 7, 8) of the map 1 reads, not (112,)"):
        ss.from_snntorch(module, SHAPE, input=ss.SpikeInput((112,)))


def pool(size=2, stride=None, padding=0, mode="SumPool2d"):
    pair = [np.array([each, each]) for each in (size, stride or size, padding)]
    return getattr(nir, mode)(*pair)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([conv(groups=3, weight=np.ones((4, 1, 3, 3))), lif(4, 5, 6)],
         "conv2d0 (Conv2d): 4 outputs cannot be 3 groups"),
        ([conv(np.ones((4, 2, 8, 1))), lif(4, 5, 6)],
         "conv2d0 (Conv2d): kernels of 8 by 1 need a map of at least their size"),
        ([conv(stride=2, padding="same"), lif(4, 4, 4)],
         "conv2d0 (Conv2d): padding='same' is for strides of 1, not (2, 2)"),
        ([conv(np.ones((4, 3, 3, 3))), lif(4, 5, 6)],
         "conv2d0 (Conv2d): weight ... (out, 2, kh, kw) for an input of (2, 7, 8)"),
        ([nir.Conv2d(None, np.ones((4, 2, 3)), 1, 0, 1, 1, np.zeros(4)), lif(4, 5, 6)],
         "conv2d0 (Conv2d): weight ... (out, in, kh, kw) ... (4, 2, 3)"),
        ([nir.Conv2d(None, np.ones((4, 2)), 1, 0, 1, 1, np.zeros(4)), lif(4, 5, 6)],
         "conv2d0 (Conv2d): weight ... (out, in, kh, kw) ... (4, 2)"),
        ([conv(bias=np.zeros(3)), lif(4, 5, 6)], "bias ... (4,), one per output ... (3,)"),
        ([nir.Flatten({"input": np.array(SHAPE)}, 0, -1), conv(), lif(4, 5, 6)],
         "conv2d1 (Conv2d): Conv2d needs a (channels, height, width) map, not (112,)"),
        ([conv(), lif(4, 5, 6, threshold=np.arange(1.0, 121).reshape(4, 5, 6))],
         "lif1 (LIF): its threshold differs within a channel; the nearest that can: one threshold"),
        ([conv(), lif(4, threshold=np.arange(1.0, 5))],
         "lif1 (LIF): its threshold ... one value, or broadcast to the map (4, 5, 6), such as"),
    ],
)
def test_refused_graphs(nodes, message):
    with refuses(ValueError, message):
        ss.from_nir(graph(*nodes), **SAID)


def net(*layers):
    last = torch.nn.Flatten(), torch.nn.LazyLinear(3), snn.Leaky(**LIF)
    return torch.nn.Sequential(*layers, *last)


class Doubled(torch.nn.Conv2d):
    def forward(self, x):
        return 2 * super().forward(x)


ALONE = {**LIF, "beta": 0.0, "reset_mechanism": "zero"}
WHERE = "the nearest that can: maximum pooling of spikes, right behind the neurons of a convolution"


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda: net(torch.nn.MaxPool2d(2)),
         f"0 (MaxPool2d): there is no convolution it belongs to; {WHERE}"),
        (lambda: net(torch.nn.Conv2d(2, 4, 3), torch.nn.MaxPool2d(2), snn.Leaky(**LIF)),
         "1 (MaxPool2d): it takes the maximum of currents, in front of the neurons, which differs"),
        (lambda: net(torch.nn.Conv2d(2, 4, 3), torch.nn.MaxPool2d(2), snn.Leaky(**ALONE),
                     torch.nn.MaxPool2d(2)), "3 (MaxPool2d): there is no convolution it"),
        (lambda: net(torch.nn.Conv2d(2, 4, 3), snn.Leaky(**LIF), torch.nn.AvgPool2d(2),
                     torch.nn.MaxPool2d(2)), "3 (MaxPool2d): something else comes before it"),
        (lambda: net(torch.nn.Conv2d(2, 4, 3), snn.Leaky(**LIF), torch.nn.MaxPool2d(3, 1)),
         "2 (MaxPool2d): it has cells of 3, stride 1, padding (0, 0) and cells of 3"),
        (lambda: net(torch.nn.Conv2d(2, 4, 3, padding_mode="reflect"), snn.Leaky(**LIF)),
         "0 (Conv2d): padding_mode='reflect'; the nearest that can: padding_mode='zeros'"),
        (lambda: net(torch.nn.BatchNorm2d(2, track_running_stats=False),
                     torch.nn.Conv2d(2, 4, 3), snn.Leaky(**LIF)), "keeps no running statistics"),
        (lambda: net(Doubled(2, 4, 3), snn.Leaky(**LIF)),
         "0 (Doubled): it computes something else than its weights and biases say"),
        (lambda: net(torch.nn.Conv2d(2, 4, 3), snn.Leaky(**LIF, threshold=torch.arange(1.0, 7))),
         "1 (Leaky): its threshold differs within a channel"),
        (lambda: net(torch.nn.ConvTranspose2d(2, 4, 3), snn.Leaky(**LIF)),
         "0 (ConvTranspose2d): no layer of this array computes it; the nearest that can: Conv2d"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy")
def test_refused_modules(module, message):
    made = module()
    with refuses(ValueError, message):
        ss.from_snntorch(made, SHAPE)


@pytest.mark.filterwarnings("ignore:Lazy")
def test_two_max_pools_are_one():
    module = net(torch.nn.Conv2d(2, 4, 3, padding=1), snn.Leaky(**LIF), torch.nn.MaxPool2d(2),
                 torch.nn.MaxPool2d(3), torch.nn.MaxPool2d(1))
    assert ss.from_snntorch(module, SHAPE).layers[0].pool_after == ss.MaxPool2d(6)


def test_a_pool_larger_than_its_map():
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 5), snn.Leaky(**LIF), torch.nn.MaxPool2d(3), torch.nn.Flatten(),
        torch.nn.Linear(4, 3), snn.Leaky(**LIF),
    )
    network = ss.from_snntorch(module, SHAPE)
    assert network.input_shapes[1] == (4, 1, 1)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("weights", ["conv", "dense"])
def test_an_average_is_a_sum_with_its_divisor_in_the_scale(size, weights):
    """Ninths are on no grid, so the integers are those of a sum pool with 9 times the threshold."""
    rows, columns = 7 // size, 8 // size
    front, shape = [conv(padding=1)], (4, rows, columns)
    if weights == "dense":
        matrix = np.random.default_rng(0).integers(-8, 8, (4, 2 * rows * columns)) / 8
        flat = nir.Flatten({"input": np.array([2, rows, columns])}, 0, -1)
        front, shape = [flat, nir.Linear(matrix)], (4,)
    given, divisor = samples(), size**2
    average, total = (
        ss.from_nir(
            graph(pool(size, mode=mode), *front, lif(*shape, threshold=theta)),
            **SAID, calibration=given, scale=scale,
        )
        for mode, theta, scale in (
            ("AvgPool2d", 0.5, None), ("SumPool2d", 0.5 * divisor, [1 / 8]),
        )
    )
    assert average.layers == total.layers
    assert average.fidelity.exact
    assert average.fidelity.different == 0
    assert 0.005 < average.fidelity.layers[0].spikes.rate < 0.98
    assert average.fidelity.layers[0].scale_low == pytest.approx(1 / 8 / divisor)
    again = ss.from_nir(
        graph(pool(size, mode="AvgPool2d"), *front, lif(*shape, threshold=0.5)),
        **SAID, scale=1 / 8 / divisor,
    )
    assert again.layers == average.layers


def test_scales_before_a_convolution_go_into_its_weights():
    scale = nir.Scale(np.repeat([0.5, 2.0], 56).reshape(SHAPE))
    given = samples()
    node = conv()
    said = {**SAID, "weight_bits": 8}
    network = ss.from_nir(graph(scale, node, lif(4, 5, 6)), **said, calibration=given)
    merged = conv(node.weight * np.array([0.5, 2.0]).reshape(1, 2, 1, 1))
    assert network.layers == ss.from_nir(graph(merged, lif(4, 5, 6)), **said).layers
    assert network.fidelity.different == 0
