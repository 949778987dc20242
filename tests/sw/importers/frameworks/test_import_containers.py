"""SpikingJelly's recurrent containers: weights on the input and on the layer's own last spikes."""

import operator

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import INPUTS, OUTPUTS, differences, on_grid, source_spikes, spikes
from refusals import refuses

neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
from spikingjelly.activation_based import functional, layer  # noqa: E402

STEPS, HIDDEN = 4, 30
SAMPLES = spikes(7, 200, STEPS)


def rounded(module, seed=4):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            values = torch.randint(-8, 8, parameter.shape, generator=generator)
            parameter.copy_(values / 8)
    return module


def linear(inner, **settings):
    return rounded(layer.LinearRecurrentContainer(inner, INPUTS, INPUTS, **settings))


def ending(*layers, inputs=INPUTS):
    generator = torch.Generator().manual_seed(1)
    return torch.nn.Sequential(
        *layers, on_grid(inputs, OUTPUTS, generator), neuron.IFNode(v_threshold=0.5)
    )


def imported(module, **options):
    return ss.from_spikingjelly(module, (INPUTS,), steps=STEPS, **options)


def compared(module, index):
    """Count the spikes that differ in the container at ``index`` and the last neurons."""
    functional.reset_net(module)
    source = source_spikes(module, [module[index], module[-1]], SAMPLES)
    functional.reset_net(module)
    return differences(imported(module), SAMPLES, source)[0]


@pytest.mark.parametrize(
    ("inner", "settings"),
    [
        (lambda: neuron.IFNode(v_threshold=0.5), {}),
        (lambda: neuron.LIFNode(v_threshold=0.5, v_reset=None), {}),
        (lambda: neuron.LIFNode(v_threshold=0.5), {"bias": False}),
        (lambda: neuron.CUBALIFNode(v_decay=0.5), {}),
        (lambda: torch.nn.Sequential(torch.nn.Dropout(0.5), neuron.IFNode()), {}),
    ],
)
def test_linear_containers_are_exact(inner, settings):
    module = ending(linear(inner(), **settings)).eval()
    network = imported(module)
    first = network.layers[0]
    own = module[0].rc.weight.detach().numpy()
    assert first.recurrent.shape == (INPUTS, INPUTS)
    assert proportional(first.weight, own[:, :INPUTS])
    assert proportional(first.recurrent, own[:, INPUTS:])
    assert network.fidelity.exact
    assert network.fidelity.different == 0
    assert network.fidelity.layers[0].name == "0"
    assert "in a LinearRecurrentContainer" in network.fidelity.layers[0].source
    assert compared(module, 0) == 0


def proportional(ours, theirs):
    factor = np.abs(ours).max() / np.abs(theirs).max()
    return np.array_equal(ours, theirs * factor)


def test_weights_inside_are_folded():
    inner = torch.nn.Sequential(torch.nn.Linear(INPUTS, HIDDEN), neuron.LIFNode(v_threshold=0.5))
    container = layer.LinearRecurrentContainer(inner, INPUTS, HIDDEN)
    rounded(container)
    with torch.no_grad():  # a permutation, so that the product stays on the grid
        container.rc.weight.zero_()
        container.rc.bias.zero_()
        kept = torch.randperm(INPUTS + HIDDEN, generator=torch.Generator().manual_seed(0))[:INPUTS]
        container.rc.weight[torch.arange(INPUTS), kept] = 1
    module = ending(container, inputs=HIDDEN)
    network = imported(module)
    assert network.layers[0].recurrent.shape == (HIDDEN, HIDDEN)
    assert network.layers[0].recurrent.any()
    assert network.fidelity.exact
    assert compared(module, 0) == 0


@pytest.mark.parametrize(
    ("function", "factor"),
    [
        (torch.add, 1), (operator.add, 1), (lambda spikes, x: x + spikes, 1),
        (lambda spikes, x: x - spikes, -1), (lambda spikes, x: x - 0.5 * spikes, -0.5),
    ],
)
def test_element_wise_containers_are_exact(function, factor):
    container = layer.ElementWiseRecurrentContainer(neuron.IFNode(v_threshold=0.5), function)
    generator = torch.Generator().manual_seed(0)
    module = ending(on_grid(INPUTS, HIDDEN, generator, fraction=4), container, inputs=HIDDEN)
    network = imported(module)
    own = network.layers[0].recurrent
    assert (own == np.diag(np.diag(own))).all()
    assert (np.sign(np.diag(own)) == np.sign(factor)).all()
    assert network.fidelity.exact
    assert compared(module, 1) == 0


def test_weights_inside_an_element_wise_container():
    inner = torch.nn.Sequential(torch.nn.Linear(INPUTS, INPUTS), neuron.IFNode(v_threshold=0.5))
    module = ending(rounded(layer.ElementWiseRecurrentContainer(inner, torch.add)))
    network = imported(module)
    assert (network.layers[0].recurrent == network.layers[0].weight).all()
    assert compared(module, 0) == 0


def test_states_left_from_another_batch_do_not_matter():
    module = ending(linear(neuron.IFNode(v_threshold=0.5)))
    plain = imported(module)
    module(torch.from_numpy(SAMPLES[:, 0]).float())
    assert imported(module) == plain
    assert len(module[0].y) == len(SAMPLES)  # the module itself stays as it is


def test_several_steps_at_once_and_the_last_membrane():
    container = linear(neuron.IFNode(v_threshold=0.5, v_reset=None), step_mode="m")
    network = imported(torch.nn.Sequential(container), readout="membrane")
    assert container.step_mode == "m"
    with torch.no_grad():
        container(torch.from_numpy(SAMPLES.swapaxes(0, 1)).float())
    assert proportional(ss.Golden(network).run(SAMPLES).readout, container.sub_module.v.numpy())
    assert network.fidelity.same_prediction == 1


@pytest.mark.parametrize(
    ("container", "message"),
    [
        (lambda: layer.ElementWiseRecurrentContainer(neuron.IFNode(), torch.mul),
         "1 (ElementWiseRecurrentContainer): its element_wise_function ... torch.add"),
        (lambda: layer.ElementWiseRecurrentContainer(neuron.IFNode(), lambda y, x: x * (1 - y)),
         "its element_wise_function does something else"),
        (lambda: layer.ElementWiseRecurrentContainer(neuron.IFNode(), lambda y, x: y + x.relu()),
         "its element_wise_function does something else"),
        (lambda: layer.ElementWiseRecurrentContainer(neuron.IFNode(), lambda y, x: x + y.flip(-1)),
         "its element_wise_function does something else"),
        (lambda: layer.ElementWiseRecurrentContainer(neuron.QIFNode(), torch.add),
         "1.sub_module (QIFNode): its membrane grows by its square"),
        (lambda: linear(torch.nn.Sequential(torch.nn.ReLU(), neuron.IFNode())),
         "1.sub_module.0 (ReLU): it is in a recurrent container ... behind Linear layers"),
        (lambda: linear(torch.nn.Sequential(neuron.IFNode(), torch.nn.Linear(INPUTS, INPUTS))),
         "1 (LinearRecurrentContainer): it has something else in it than weights and then neurons"),
        (lambda: linear(neuron.NonSpikingIFNode(decode="last_mem")),
         "1 (LinearRecurrentContainer): it has something else in it"),
    ],
)
def test_other_containers_are_refused(container, message):
    generator = torch.Generator().manual_seed(0)
    module = ending(on_grid(INPUTS, INPUTS, generator), container())
    with refuses(ss.NotExpressible, message):
        imported(module)
