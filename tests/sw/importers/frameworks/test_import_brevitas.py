"""Layers of brevitas: their integers and their scales, as they are."""

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import differences, source_spikes
from refusals import refuses

qnn = pytest.importorskip("brevitas.nn")
snn = pytest.importorskip("snntorch")
from brevitas.quant import (  # noqa: E402
    Int8ActPerTensorFloat,
    Int8BiasPerTensorFloatInternalScaling,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFixedPoint,
    Int32Bias,
    SignedBinaryWeightPerTensorConst,
)

pytestmark = pytest.mark.filterwarnings("ignore")
OWN_SCALE = {"bias_quant": Int8BiasPerTensorFloatInternalScaling}
PER_CHANNEL = {"weight_quant": Int8WeightPerChannelFloat}
BINARY = {"weight_quant": SignedBinaryWeightPerTensorConst}


def chain(*layers, threshold=0.5):
    torch.manual_seed(0)
    neurons = snn.Leaky(beta=0.5, init_hidden=True, threshold=threshold, output=True)
    return torch.nn.Sequential(*layers, neurons).eval()


def layer(kind, bits, **options):
    torch.manual_seed(1)
    sizes = {"Linear": (20, 10), "Conv2d": (2, 6, 3), "Conv1d": (2, 6, 3)}[kind]
    made = getattr(qnn, f"Quant{kind}")(*sizes, weight_bit_width=bits, **options).eval()
    shape = {"Linear": (20,), "Conv2d": (2, 6, 6), "Conv1d": (2, 12)}[kind]
    return made, shape


@pytest.mark.parametrize("kind", ["Linear", "Conv2d", "Conv1d"])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(
    "options",
    [{"bias": False}, {"bias": True}, {**OWN_SCALE, "bias": True}, {**PER_CHANNEL, "bias": True}],
)
def test_integers_and_scales_are_kept(kind, bits, options):
    made, shape = layer(kind, bits, **options)
    network = ss.from_snntorch(chain(made), shape, weight_bits=bits)
    weight = made.quant_weight()
    first, report = network.layers[0], network.fidelity.layers[0]
    integers = weight.int().numpy().reshape(first.weight.shape)
    assert (first.weight == integers).all()
    scale = weight.scale.detach().double().numpy()
    assert report.scale_low == pytest.approx(scale.min(), rel=1e-12)
    assert report.scale_high == pytest.approx(scale.max(), rel=1e-12)
    assert report.weight_error < 1e-9
    if options["bias"]:
        bias = made.quant_bias() if "bias_quant" in options else made.bias
        value = getattr(bias, "value", bias).detach().double().numpy()
        assert (first.bias == np.round(value * 16 / scale.reshape(-1))).all()
    assert network.fidelity.layers[0].spikes.agreement > 0.99


def test_steps_that_are_powers_of_two_are_exact():
    made, shape = layer("Linear", 4, bias=False, weight_quant=Int8WeightPerTensorFixedPoint)
    network = ss.from_snntorch(chain(made), shape, steps=4)
    assert (network.layers[0].weight == made.quant_weight().int().numpy()).all()
    assert network.fidelity.exact
    assert network.fidelity.different == 0


def test_integers_that_do_not_fit_are_rounded():
    made, shape = layer("Linear", 8, bias=False)
    network = ss.from_snntorch(chain(made), shape, weight_bits=4)
    assert network.fidelity.layers[0].weight_error > 0.01
    wide = ss.from_snntorch(chain(made), shape, weight_bits=8)
    assert wide.fidelity.layers[0].weight_error < 1e-9


@pytest.mark.parametrize("scale", [1.0, -0.5])
def test_integers_behind_a_norm_are_those_of_the_layer(scale):
    made, shape = layer("Conv2d", 4, bias=False)
    norm = torch.nn.BatchNorm2d(6, eps=0.0)
    norm.weight.data.copy_(torch.tensor([1, 0.3, 2, 1, 1, 0.7]) * scale)
    module = chain(made, norm, torch.nn.AvgPool2d(2))
    network = ss.from_snntorch(module, shape, weight_bits=8)
    network_alone = ss.from_snntorch(chain(made), shape, weight_bits=4)
    wanted = np.sign(scale) * network_alone.layers[0].weight
    assert (network.layers[0].weight[:, :, 0, 0] == wanted[:, :, 0, 0]).all()
    assert network.fidelity.layers[0].weight_error < 1e-6


def test_a_membrane_is_read_with_one_scale():
    made, shape = layer("Linear", 4, bias=False, **PER_CHANNEL)
    network = ss.from_snntorch(
        torch.nn.Sequential(made).eval(), shape, weight_bits=4, readout="membrane"
    )
    assert network.fidelity.layers[0].scale_low == network.fidelity.layers[0].scale_high
    binary, shape = layer("Linear", 1, bias=False, **BINARY)
    network = ss.from_snntorch(
        torch.nn.Sequential(binary).eval(), shape, weight_bits=4, readout="membrane"
    )
    assert (network.layers[0].weight == binary.quant_weight().int().numpy()).all()


def test_pixels_scale_the_steps():
    made, shape = layer("Linear", 4, bias=False)
    network = ss.from_snntorch(
        chain(made), shape, input=ss.PixelInput(shape, 4), input_scale=1 / 15, steps=3
    )
    assert (network.layers[0].weight == made.quant_weight().int().numpy()).all()


@pytest.mark.parametrize("source", [ss.FrameInput((20,), 4), ss.FrameInput((20,), 4, zero=8)])
def test_frames_are_exact(source):
    made, shape = layer("Linear", 4, bias=False, weight_quant=Int8WeightPerTensorFixedPoint)
    module = chain(made)
    network = ss.from_snntorch(module, shape, input=source, input_scale=1 / 8, steps=4)
    assert (network.layers[0].weight == made.quant_weight().int().numpy()).all()
    assert network.fidelity.exact
    assert network.fidelity.different == 0
    samples = np.random.default_rng(0).integers(0, 16, (200, 4, 20))
    module[-1].reset_mem()
    found = source_spikes(module, [module[-1]], (samples - source.zero) / 8)
    assert differences(network, samples, found) == (0, 200 * 4 * 10)


def test_weights_that_are_not_rounded():
    made, shape = layer("Linear", 4, bias=True, weight_quant=None)
    plain = torch.nn.Linear(20, 10)
    plain.load_state_dict({"weight": made.weight.data, "bias": made.bias.data})
    networks = [ss.from_snntorch(chain(each), shape) for each in (made, plain)]
    assert networks[0].layers == networks[1].layers


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda: [layer("Linear", 4, bias=False, input_quant=Int8ActPerTensorFloat)[0]],
         "0 (QuantLinear): its input_quant rounds its input ... input_quant=None"),
        (lambda: [layer("Linear", 4, bias=False, output_quant=Int8ActPerTensorFloat)[0]],
         "0 (QuantLinear): its output_quant rounds its output"),
        (lambda: [layer("Linear", 4, bias=False, return_quant_tensor=True)[0]],
         "0 (QuantLinear): it hands on a tensor of brevitas ... return_quant_tensor=False"),
        (lambda: [qnn.QuantIdentity(), torch.nn.Linear(20, 10)],
         "0 (QuantIdentity): it rounds activations ... input=PixelInput(shape, bits)"),
        (lambda: [torch.nn.Linear(20, 10), qnn.QuantReLU()], "1 (QuantReLU): it rounds activation"),
        (lambda: [layer("Linear", 4, bias=True, bias_quant=Int32Bias)[0]],
         "0 (QuantLinear): its bias_quant takes its scale from a rounded input"),
    ],
)
def test_refused_layers(layers, message):
    with refuses(ss.NotExpressible, message):
        ss.from_snntorch(chain(*layers()), (20,))
