"""Networks, dense layers, neurons and inputs: what they take, and what they say of themselves."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest
import stablespike as ss
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from refusals import refuses
from stablespike.network import Neuron

NEURON = ss.Neuron(threshold=5)
POOL = ss.SumPool2d(2)


def dense(outputs, inputs, **settings):
    return ss.Dense(np.ones((outputs, inputs)), neuron=NEURON, **settings)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"threshold": None}, ValueError, "threshold ... given (1 to 32767"),
        ({"threshold": 0}, ValueError, "threshold ... 1 to 32767 ... 0"),
        ({"threshold": 32768}, ValueError, "threshold ... 1 to 32767"),
        ({"threshold": 2.5}, ValueError, "whole numbers from 1 to 32767, not 2.5"),
        ({"threshold": [1, -4]}, ValueError, "not -4 (at [1])"),
        ({"threshold": "high"}, TypeError, "threshold ... integers ... of <U4"),
        ({"threshold": [[1]]}, ValueError, "must be one integer or (out,) integers, one per"),
        ({"threshold": [[1], [2, 3]]}, ValueError, "threshold ... array ... a ragged list"),
        ({"leak": None}, TypeError, "leak ... two shifts (a, c), each 0 to 15 or None"),
        ({"leak": (1,)}, TypeError, "leak ... two shifts (a, c)"),
        ({"leak": (16, None)}, ValueError, "leak[0] ... 0 to 15 ... 16"),
        ({"leak": (1, -1)}, ValueError, "leak[1] ... 0 to 15 ... -1"),
        ({"leak": (0.5, 1)}, TypeError, "leak[0] ... 0 to 15 ... 0.5"),
        ({"leak": (True, 1)}, TypeError, "leak[0] ... 0 to 15 ... True"),
        ({"synapse_leak": 3}, TypeError, "synapse_leak ... two shifts"),
        ({"synapse_leak": (99, 1)}, ValueError, "synapse_leak[0] ... 0 to 15 ... 99"),
        ({"leak": (1, 4, "sub")}, TypeError, "leak ... two shifts (a, c) ... (1, 4, 'sub')"),
        ({"leak": (1, 4, True)}, TypeError, "leak ... two shifts (a, c) ... (1, 4, True)"),
        ({"leak": (4, 1, "add")}, ValueError, "leak: add=True ... c > a, not (4, 1)"),
        ({"synapse_leak": (4, None, "add")}, ValueError, "synapse_leak: add=True ... (4, None)"),
        ({"reset": "hard"}, ValueError, "reset ... 'subtract', 'zero', 'none' ... 'h"),
        ({"reset_timing": 1}, ValueError, "reset_timing ... 'same_step', 'next_step'"),
        ({"compare": ">="}, ValueError, "compare ... 'ge', 'gt' ... '>='"),
        ({"v_init": 1 << 15}, ValueError, "v_init ... -32768 to 32767 ... 32768"),
        ({"v_init": 0.0}, TypeError, "v_init ... -32768 to 32767 ... 0.0"),
        ({"fires": 1}, TypeError, "fires ... True or False ... 1"),
    ],
)
def test_neuron_refuses(settings, error, message):
    with refuses(error, message):
        ss.Neuron(**{"threshold": 5, **settings})


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"weight": np.ones(3)}, ValueError, "weight ... (out, in) ... (3,)"),
        ({"weight": np.ones((0, 3))}, ValueError, "weight must have at least one output and input"),
        ({"weight": [[0.5]]}, ValueError, "weight ... -128 to 127 ... 0.5"),
        ({"weight": [[128]]}, ValueError, "weight ... -128 to 127 ... 128"),
        ({"weight": [[np.nan]]}, ValueError, "not nan (at [0, 0])"),
        ({"weight": [[1j]]}, TypeError, "weight ... integers ... of complex128"),
        ({"bias": [1]}, ValueError, "bias ... (2,), one per output ... (1,)"),
        ({"bias": 1}, ValueError, "bias ... (2,), one per output ... ()"),
        ({"bias": [0, 40000]}, ValueError, "from -32768 to 32767, not 40000 (at [1])"),
        ({"neuron": None}, TypeError, "neuron ... Neuron ... None"),
        (
            {"neuron": ss.Neuron(threshold=[1, 2, 3])},
            ValueError,
            "threshold ... one integer or (2,) integers, one per output ... (3,)",
        ),
        ({"pool_before": 2}, TypeError, "pool_before ... SumPool2d or None ... 2"),
        ({"emit": "all"}, ValueError, "emit ... 'spikes', 'skeleton', 'both'"),
        ({"weight_bits": 6}, ValueError, "weight_bits ... 4 or 8 ... 6"),
        ({"weight_bits": True}, ValueError, "weight_bits ... 4 or 8 ... True"),
        (
            {"weight": [[1, 8, 1], [1, 1, 1]], "weight_bits": 4},
            ValueError,
            "from -8 to 7 (4-bit weights), not 8 (at [0, 1]); quantize to 4 bits, or set wei",
        ),
    ],
)
def test_dense_refuses(settings, error, message):
    with refuses(error, message):
        ss.Dense(**{"weight": np.ones((2, 3)), "neuron": NEURON, **settings})


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"input": (3,)}, TypeError, "input ... SpikeInput ... FrameInput, not (3,)"),
        ({"layers": []}, TypeError, "layers ... at least one layer ... []"),
        ({"layers": dense(2, 3)}, TypeError, "layers ... at least one layer"),
        ({"layers": [None]}, TypeError, "layers[0] ... Dense or a Conv2d ... None"),
        ({"readout": "spikes"}, ValueError, "readout ... 'counts', 'words', 'membrane'"),
        ({"weight_bits": 5}, ValueError, "weight_bits ... 4 or 8 ... 5"),
        ({"fraction_bits": 9}, ValueError, "fraction_bits ... 0 to 8 ... 9"),
        ({"fraction_bits": 4.0}, TypeError, "fraction_bits ... 0 to 8"),
        (
            {"layers": [dense(2, 3), dense(2, 3)]},
            ValueError,
            "layers[1]: weight ... (out, 2) for an input of (2,) ... (2, 3)",
        ),
        (
            {"layers": [dense(2, 3), ss.Dense([[9, 0]], neuron=NEURON)]},
            ValueError,
            "layers[1].weight ... -8 to 7 (4-bit weights) ... 9 (at [0, 0])",
        ),
        (
            {"layers": [dense(2, 3, emit="both")]},
            ValueError,
            "layers[0].emit ... 'spikes' or 'skeleton': 'both' is for the layer before the",
        ),
        (
            {"layers": [dense(2, 3, emit="both"), dense(2, 2), dense(1, 2)]},
            ValueError,
            "layers[0].emit ... 'spikes' or 'skeleton'",
        ),
        (
            {"layers": [dense(2, 3, pool_before=POOL)]},
            ValueError,
            "layers[0]: SumPool2d needs a (channels, height, width) map, not (3,)",
        ),
        (
            {"input": ss.SpikeInput((1, 1, 9)), "layers": [dense(2, 4, pool_before=POOL)]},
            ValueError,
            "layers[0]: SumPool2d(2) needs a map of at least its size, not (1, 1, 9)",
        ),
        (
            {"input": ss.SpikeInput((1, 2, 5)), "layers": [dense(2, 3, pool_before=POOL)]},
            ValueError,
            "must be (out, 2) for an input of (1, 2, 5) (after SumPool2d(size=2)), not (2, 3)",
        ),
    ],
)
def test_network_refuses(settings, error, message):
    with refuses(error, message):
        ss.Network(**{"input": ss.SpikeInput((3,)), "layers": [dense(2, 3)], **settings})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ss.SpikeInput(3), TypeError, "shape ... tuple of at least one size ... 3"),
        (lambda: ss.SpikeInput(()), TypeError, "shape ... tuple of at least one size"),
        (lambda: ss.SpikeInput((3, 0)), ValueError, "shape[1] ... 1 to"),
        (lambda: ss.PixelInput((3.5,)), TypeError, "shape[0] ... 1 to"),
        (lambda: ss.PixelInput((3,), 17), ValueError, "bits ... 1 to 16 ... 17"),
        (lambda: ss.PixelInput((3,), None), TypeError, "bits ... 1 to 16"),
        (lambda: ss.SumPool2d(0), ValueError, "size ... 1 to"),
        (lambda: ss.SumPool2d((2, 2)), TypeError, "size ... 1 to"),
    ],
)
def test_inputs_and_pools_refuse(make, error, message):
    with refuses(error, message):
        make()


def test_arrays_become_read_only_copies():
    weight, bias = np.ones((2, 3), dtype=np.float32), [1, -2]
    layer = ss.Dense(weight, bias, neuron=ss.Neuron(threshold=np.array([3, 4], dtype=np.uint8)))
    weight[0, 0] = 7
    assert layer.weight[0, 0] == 1
    for array in (layer.weight, layer.bias, layer.threshold, layer.neuron.threshold):
        assert array.dtype == np.int64
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        layer.emit = "skeleton"


@pytest.mark.parametrize(
    "weight",
    [[[1, 0]], [[True, False]], np.array([[1.0, 0.0]]), torch.tensor([[1.0, 0.0]]),
     torch.nn.Parameter(torch.tensor([[1.0, 0.0]])), np.array([[1, 0]], dtype=np.uint64)],
)
def test_any_dtype_of_whole_numbers(weight):
    assert ss.Dense(weight, neuron=NEURON).weight.tolist() == [[1, 0]]


def test_defaults():
    layer = ss.Dense([[1, 2], [3, 4]], neuron=ss.Neuron(fires=False))
    assert layer.bias.tolist() == [0, 0]
    assert layer.threshold.tolist() == [1, 1]
    assert (layer.emit, layer.pool_before, layer.weight_bits) == ("spikes", None, None)
    assert ss.Neuron(threshold=np.int32(3)).threshold == 3
    assert ss.Neuron(threshold=3, leak=[1, None]).leak == (1, None)


def test_a_leak_is_a_pair_unless_its_second_term_is_added():
    plain, added = ss.Leak(1, 4), ss.Leak(1, 4, add=True)
    assert plain == (1, 4)
    assert hash(plain) == hash((1, 4))
    assert added == ss.Leak(1, 4, add=True)
    assert len({added, plain, (1, 4), ss.Leak(1, 4, add=True)}) == 2
    for other in (plain, (1, 4), ss.Leak(1, 5, add=True), (1, 4, "add"), None):
        assert added != other
        assert other != added
    assert repr((plain, added)) == "((1, 4), Leak(1, 4, add=True))"
    assert (plain.add, plain.terms, plain.factor) == (False, ((-1, 1), (-1, 4)), 0.4375)
    assert (added.add, added.terms, added.factor) == (True, ((-1, 1), (1, 4)), 0.5625)
    assert ss.Leak(None, 4).terms == ((-1, 4),)


@pytest.mark.parametrize(
    "leak", [ss.Leak(), ss.Leak(3), ss.Leak(None, 3), ss.Leak(1, 4), ss.Leak(1, 4, add=True)]
)
def test_a_leak_is_read_back(leak):
    for again in (
        copy.copy(leak), copy.deepcopy(leak), pickle.loads(pickle.dumps(leak)), ss.Leak.of(leak),
        ss.Leak.of(leak.plain), ss.Leak.of(json.loads(json.dumps(leak.plain))),
        ss.Neuron(leak=leak.plain, threshold=1).leak,
        dataclasses.replace(ss.Neuron(leak=leak, threshold=1), threshold=2).leak,
    ):
        assert again == leak
        assert again.add is leak.add


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((4, 4, True), ValueError, "add=True ... two shifts (a, c) with c > a, not (4, 4)"),
        ((4, 3, True), ValueError, "c > a, not (4, 3)"),
        ((4, None, True), ValueError, "c > a, not (4, None)"),
        ((None, 4, True), ValueError, "c > a, not (None, 4)"),
        ((1, 16, True), ValueError, "c ... 0 to 15 ... 16"),
        ((1, 4, 1), TypeError, "add ... True or False ... 1"),
        ((1, 2.0, True), TypeError, "c ... 2.0"),
    ],
)
def test_leak_refuses(arguments, error, message):
    a, c, add = arguments
    with refuses(error, message):
        ss.Leak(a, c, add=add)


def test_neurons_differ_if_only_one_adds():
    added = ss.Neuron(leak=ss.Leak(1, 4, add=True), threshold=1)
    assert added != ss.Neuron(leak=(1, 4), threshold=1)
    assert added == ss.Neuron(leak=(1, 4, "add"), threshold=1)


def test_shapes_and_names():
    net = ss.Network(
        ss.PixelInput((2, 5, 5)),
        [
            dense(3, 8, pool_before=ss.SumPool2d(2), emit="skeleton"),
            dense(6, 3, emit="both", weight_bits=8),
            dense(4, 6),
        ],
    )
    assert net.input_shapes == ((2, 5, 5), (3,), (6,))
    assert net.input_sizes == (50, 3, 6)
    assert net.neuron_shapes == ((3,), (6,), (4,))
    assert (net.outputs, net.both, net.input.size) == (4, True, 50)
    assert [net.layer_weight_bits(i) for i in range(3)] == [4, 8, 4]
    assert net.layer_name(0) == "layers[0] (Dense 8 -> 3)"
    assert net.folded_weight(1) is net.layers[1].weight
    assert isinstance(net.layers, tuple)


@given(
    st.integers(1, 3), st.integers(1, 7), st.integers(1, 7), st.integers(1, 3), st.integers(0, 99)
)
def test_folding_is_pooling(channels, height, width, size, seed):
    assume(min(height, width) >= size)
    rng = np.random.default_rng(seed)
    shape = (channels, height, width)
    image = torch.tensor(rng.integers(0, 16, shape), dtype=torch.float64)
    pooled = torch.nn.functional.avg_pool2d(image, size, divisor_override=1).reshape(-1).numpy()
    weight = rng.integers(-8, 8, (3, pooled.size))
    layer = ss.Dense(weight, neuron=NEURON, pool_before=ss.SumPool2d(size))
    folded = layer.folded_weight(shape)
    assert folded.shape == (3, image.numel())
    assert (folded @ image.reshape(-1).numpy() == weight @ pooled).all()
    assert not folded.flags.writeable


def test_equality():
    def make(**changes):
        settings = {"weight": [[1, 2]], "neuron": Neuron(threshold=[4]), **changes}
        return ss.Network(ss.SpikeInput((2,)), [ss.Dense(**settings)])

    assert make() == make()
    assert make() != make(weight=[[1, 3]])
    assert make() != make(neuron=Neuron(threshold=4))
    assert make() != make(bias=[1])
    assert make() != 3
    assert dataclasses.replace(make(), readout="words") != make()
    assert dataclasses.replace(make().layers[0], bias=[1]) == make(bias=[1]).layers[0]


def test_errors_of_this_package_are_the_builtin_ones_too():
    assert issubclass(ss.DoesNotFit, (ss.StableSpikeError, ValueError))
    assert issubclass(ss.FileError, ValueError)
    for error in (ss.DeviceNotFound, ss.DeviceTimeout, ss.DeviceMismatch, ss.LinkError):
        assert issubclass(error, ss.DeviceError)
    for error in (ss.DeviceError, ss.ToolError):
        assert issubclass(error, ss.StableSpikeError)
        assert issubclass(error, RuntimeError)


@pytest.mark.parametrize("bits", [4.0, np.float32(8), np.array([4]), [4], "4", True, np.True_, 5])
def test_weight_bits_are_an_integer(bits):
    message = f"weight_bits ... 4 or 8 ... {bits!r}"
    with refuses(ValueError, message):
        ss.Network(ss.SpikeInput((2,)), [dense(1, 2)], "counts", bits, 4)
    with refuses(ValueError, message):
        dense(1, 2, weight_bits=bits)


def test_weight_bits_of_numpy():
    assert dense(1, 2, weight_bits=np.uint8(8)).weight_bits == 8


def test_print_is_a_summary_with_neurons_in_words():
    rng = np.random.default_rng(0)
    network = ss.Network(
        ss.PixelInput((2, 6, 6), 4),
        [
            ss.Conv2d(
                rng.integers(-8, 8, (3, 2, 3, 3)), neuron=ss.Neuron(
                    leak=ss.Leak(1, 4, add=True), threshold=[16, 40, 24], reset="zero",
                    reset_timing="next_step", compare="gt", v_init=8,
                ),
                pool_after=ss.MaxPool2d(2),
            ),
            ss.Dense(
                rng.integers(-8, 8, (4, 12)), neuron=ss.Neuron(fires=False, synapse_leak=(2, None)),
                weight_bits=8,
            ),
        ],
        readout="membrane",
    )
    text = str(network)
    for line in (
        "Network of 2 layers, 52 neurons",
        "pixels of 4 bits, 2 x 6 x 6",
        "membrane of 4 outputs",
        "109 weights and biases",
        "Conv2d 2 -> 3, 3 x 3  2 x 6 x 6 -> 3 x 2 x 2  54 of 4 bits",
        "v becomes v - v/2 + v/16 each step; starts at 0.5; fires above 1 to 2.5",
        "a spike sets v to 0 in the next step; OR pool of 2 behind",
        "48 of 8 bits",
        "synaptic current, i becomes i - i/4 each step; v has no leak; never fires",
    ):
        assert line in text
    assert len(text.splitlines()) < 15
    assert repr(network) == (
        "<Network of pixels 2 x 6 x 6: Conv2d 2 -> 3, 3 x 3, Dense 12 -> 4>"
    )
    assert repr(network.layers[1]) == "<Dense 12 -> 4>"
    html = network._repr_html_()
    assert "2 x 6 x 6 -&gt; 3 x 2 x 2" in html
    assert html.count("<table>") == 2
