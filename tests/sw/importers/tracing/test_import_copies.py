"""Modules that torch has wrapped, compiled or made of others: what is read is a plain copy."""

from types import MethodType

import pytest
import stablespike as ss
import torch
from import_models import INPUTS
from refusals import refuses
from snntorch_models import imported, model

snn = pytest.importorskip("snntorch")


class Wrapper(torch.nn.Module):
    """Holds a module under a name, as wrappers do."""

    def __init__(self, module):
        super().__init__()
        self.inner = module

    def forward(self, x):
        return self.inner(x)


def plain():
    return model(snn.Leaky, beta=0.5)


def forward_compiled(module):
    module.forward = torch.compile(module.forward)
    return module


def bound_again(module):
    module.forward = MethodType(type(module).forward, module)
    return module


def graph_module(module):
    class Leaves(torch.fx.Tracer):
        def is_leaf_module(self, child, name):
            return isinstance(child, snn.SpikingNeuron) or super().is_leaf_module(child, name)

    return torch.fx.GraphModule(module, Leaves().trace(module))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda module: torch.compile(module, backend="eager"),
        lambda module: Wrapper(torch.compile(module, backend="eager")),
        forward_compiled, bound_again, graph_module, torch.nn.DataParallel,
        lambda module: Wrapper(graph_module(module)),
    ],
)
def test_wrapped_modules_are_the_modules_in_them(wrap):
    expected = imported(plain())
    module = wrap(plain())
    network = imported(module)
    assert network.fidelity.exact
    for ours, theirs in zip(network.layers, expected.layers, strict=True):
        assert (ours.weight == theirs.weight).all()
        assert ours.neuron == theirs.neuron


def test_nothing_is_compiled():
    calls = []

    def backend(graph, inputs):
        calls.append(graph)
        return graph.forward

    imported(torch.compile(plain(), backend=backend))
    imported(Wrapper(torch.compile(plain(), backend=backend)))
    assert not calls


def scripted():
    return torch.jit.trace(plain(), torch.zeros(1, INPUTS), check_trace=False)


def exported():
    linear = torch.nn.Sequential(torch.nn.Linear(INPUTS, 3))
    return torch.export.export(linear, (torch.zeros(1, INPUTS),)).module()


def replaced():
    module = plain()
    module.forward = lambda x: module[1](module[0](x))
    return module


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (scripted, "a graph made by torch.jit ... give the module that it was made from"),
        (lambda: Wrapper(scripted()), "a graph made by torch.jit"),
        (exported, "a graph made by torch.export ... give the module that it was made from"),
        (replaced, "its forward was replaced by the function replaced.<locals>.<lambda>"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_graphs_without_layers_are_refused(make, message):
    with refuses(ValueError, message):
        ss.from_snntorch(make(), (INPUTS,))


@pytest.mark.parametrize("norm", ["weight_norm", "spectral_norm"])
@pytest.mark.filterwarnings("ignore:.*weight_norm")
def test_weights_that_the_next_call_would_compute(norm):
    module = plain()
    getattr(torch.nn.utils, norm)(module[0])
    # As after load_state_dict: what the hook made of the old values is still there.
    with torch.no_grad():
        getattr(module[0], "weight_g" if norm == "weight_norm" else "weight_orig").mul_(2)
    network = imported(module, weight_bits=8)
    module.eval()(torch.zeros(1, INPUTS))
    weight = module[0].weight.detach().numpy()
    found = network.layers[0].weight
    scale = (weight * found).sum(1) / (found * found).sum(1)
    assert abs(weight / scale[:, None] - found).max() < 1
