"""What importers of modules are given: what is no module, another framework's, or cannot be called.

Each message names what is wrong, and a next step that works.
"""

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import INPUTS, OUTPUTS, on_grid
from refusals import refuses
from snntorch_models import LIF, imported, model

snn = pytest.importorskip("snntorch")
neuron = pytest.importorskip("spikingjelly.activation_based.neuron")


class Looped(torch.nn.Module):
    """Takes (steps, batch, ...) in a loop, and returns something of what its layer gave."""

    def __init__(self, over=torch.stack, check=None, axis=0):
        super().__init__()
        self.fc = on_grid(INPUTS, OUTPUTS, torch.Generator().manual_seed(1))
        self.lif = snn.Leaky(beta=0.5)
        self.over, self.check, self.axis = over, check, axis

    def forward(self, x):
        if self.check is not None:
            assert self.check(x)
        mem, spikes = self.lif.reset_mem(), []
        for step in x.unbind(self.axis):
            spike, mem = self.lif(self.fc(step), mem)
            spikes.append(spike)
        return self.over(spikes)


class Named(Looped):
    def forward(self, x, steps, labels=None):
        return super().forward(x[:steps])


class Kept(torch.nn.Module):
    """Sets its states back in every call, each of which is one step."""

    def __init__(self):
        super().__init__()
        self.fc = on_grid(INPUTS, OUTPUTS, torch.Generator().manual_seed(1))
        self.lif = snn.Leaky(beta=0.5)

    def forward(self, x):
        return self.lif(self.fc(x), self.lif.init_leaky())


class Once(Looped):
    """Takes no sample alone after it was given a batch."""

    batch = 1

    def forward(self, x):
        if x.shape[1] < self.batch:
            raise RuntimeError("alone")
        self.batch = x.shape[1]
        return super().forward(x)


def plain():
    return model(snn.Leaky, beta=0.5)


@pytest.mark.parametrize(
    ("module", "error", "message"),
    [
        (Looped, TypeError, "not the class Looped: make one of it, Looped(...)"),
        ([torch.nn.Linear(6, 3)], TypeError, "not a list ... torch.nn.Sequential(*layers)"),
        ((plain(),), TypeError, "not a tuple ... torch.nn.Sequential(*layers)"),
        (torch.optim.SGD(plain().parameters()), TypeError, "torch.nn.Module, not a SGD"),
        (None, TypeError, "torch.nn.Module, not None"),
        (torch.nn.ModuleList(plain()), ValueError, "no forward: put its layers into a torch.nn.Se"),
        (torch.nn.Module(), ValueError, "it has no forward"),
        (torch.nn.Sequential(), ValueError, "Sequential (Sequential): there is no layer in it"),
        (torch.nn.Sequential(torch.nn.Flatten()), ValueError, "no layers of weights or neurons"),
        (torch.nn.Identity(), ValueError, "no layers of weights or neurons"),
        (torch.nn.Sequential(torch.nn.Linear(INPUTS, 3), torch.nn.ReLU()), ValueError,
         "1 (ReLU): it is an activation function ... spiking neurons in its place"),
        (torch.nn.Sequential(torch.nn.Linear(INPUTS, 3), torch.nn.Softmax(-1)), ValueError,
         "1 (Softmax) ... the model without it"),
        (Named(), ValueError, "forward needs steps besides x"),
        (torch.nn.Sequential(torch.nn.Linear(INPUTS, 3), snn.Leaky(beta=0.5),
                             torch.nn.Linear(3, 3)), ValueError,
         "init_hidden=True, and output=True in the last only"),
        (Looped(check=lambda x: x.shape[-1] == 3), ValueError,
         "(AssertionError: assert False ... ); check sample_shape"),
        (Once(), ValueError, "cannot be run a second time on other inputs (RuntimeError: alone)"),
        (Kept(), ValueError, "mem is back at the start in every step ... init_hidden=True"),
    ],
)
def test_what_is_no_model_is_told(module, error, message):
    with refuses(error, message):
        ss.from_snntorch(module, (INPUTS,))


@pytest.mark.parametrize(
    ("importer", "layers", "message"),
    [
        (ss.from_snntorch, [neuron.LIFNode()], "0 (LIFNode) ... SpikingJelly ... from_spiking"),
        (ss.from_snntorch, [torch.nn.Linear(INPUTS, 3), neuron.IFNode()], "from_spikingjelly"),
        (ss.from_spikingjelly, [torch.nn.Linear(INPUTS, 3), snn.Leaky(**LIF)],
         "1 (Leaky): it is a module of snnTorch ... from_snntorch"),
    ],
)
def test_neurons_of_another_framework(importer, layers, message):
    with refuses(ss.NotExpressible, message):
        importer(torch.nn.Sequential(*layers), (INPUTS,))


def test_layers_without_a_name_are_named_by_their_type():
    rnn = pytest.importorskip("spikingjelly.activation_based.rnn")
    with refuses(ss.NotExpressible, "SpikingLSTM (SpikingLSTM): it has gates"):
        ss.from_spikingjelly(rnn.SpikingLSTM(6, 3, 1), (6,))


@pytest.mark.parametrize(
    ("over", "message"),
    [
        (lambda s: torch.stack(s).sum(0).softmax(-1), "it returns sum, softmax of what lif gave"),
        (lambda s: torch.stack(s).sum(0).argmax(-1), "it returns sum, argmax of what lif gave"),
        (lambda s: torch.stack(s)[..., :3], "it returns a part of what lif gave, or another order"),
        (lambda s: torch.stack(s).numpy(), "it returns no tensor (but ndarray)"),
        (lambda s: None, "it returns no tensor (but NoneType)"),
        # That these are steps shows in the second call that is tried, and so does the reason.
        (lambda s: s[-1], "it returns the last of its outputs"),
    ],
)
def test_what_a_model_returns_is_named(over, message):
    with refuses(ss.NotExpressible, "lif (Leaky): what the model returns", message):
        ss.from_snntorch(Looped(over), (INPUTS,))


@pytest.mark.parametrize(
    "check", [lambda x: ((x == 0) | (x == 1)).all(), lambda x: x.min() >= 0 and x.max() <= 1]
)
def test_a_forward_that_takes_legal_values_only(check):
    network = ss.from_snntorch(Looped(check=check), (INPUTS,))
    expected = ss.from_snntorch(Looped(), (INPUTS,))
    assert network.fidelity.exact
    assert (network.layers[0].weight == expected.layers[0].weight).all()
    with refuses(ss.NotExpressible, "flip"):
        ss.from_snntorch(Flipped(check=check), (INPUTS,))


class Flipped(Looped):
    def forward(self, x):
        assert self.check(x)
        self.check = None
        return super().forward(x.flip(-1))


def test_the_batch_may_come_first():
    network = ss.from_snntorch(Looped(lambda s: torch.stack(s, 1), axis=1), (INPUTS,))
    assert network.fidelity.exact
    assert len(network.layers) == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bits": 4}, TypeError, "there is no option 'bits'; the options are array, weight_bits"),
        ({"sample": (torch.zeros(3, 1, INPUTS), 1)}, TypeError, "sample ... not a tuple"),
        ({"sample": "x"}, TypeError, "sample must be a tensor or an array"),
        ({"calibration": [(torch.zeros(4, INPUTS), 1)]}, TypeError, "calibration ... labels="),
        ({"calibration": torch.utils.data.DataLoader(np.zeros((8, 4, INPUTS)))}, TypeError,
         "calibration must be an array of samples, not a DataLoader ... torch.cat"),
        ({"test": iter([np.zeros((8, 4, INPUTS))])}, TypeError, "test must be an array of samples"),
    ],
)
def test_wrong_options(options, error, message):
    with refuses(error, message):
        imported(plain(), **options)


def test_a_module_in_place_of_the_shape():
    with refuses(TypeError, "module must be a torch.nn.Module, not (24,)"):
        ss.from_snntorch((INPUTS,), plain())
    with refuses(TypeError, "sample_shape must be ... not a Sequential"):
        ss.from_snntorch(plain(), plain())


def test_hooks_are_named():
    module = plain()
    module[0].register_forward_hook(lambda layer, given, output: output * 2)
    with refuses(ss.NotExpressible, "0 (Linear) ... torch.nn.Linear without hooks on it"):
        imported(module)
