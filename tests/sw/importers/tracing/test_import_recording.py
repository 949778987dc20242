"""The order in which a module calls its layers, and what it computes between and behind them."""

import pytest
import stablespike as ss
import torch
from import_models import INPUTS, OUTPUTS, on_grid
from refusals import refuses
from snntorch_models import LIF, STEPS, imported, model

snn = pytest.importorskip("snntorch")


class Looped(torch.nn.Module):
    """A module with its states in variables and a loop over steps, as in snnTorch's tutorials."""

    def __init__(self, extra=None):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.fc2 = on_grid(30, OUTPUTS, generator)  # not in the order of the calls
        self.fc1 = on_grid(INPUTS, 30, generator)
        self.lif1, self.lif2 = snn.Leaky(beta=0.5), snn.Leaky(beta=0.5)
        self.extra, self.over = extra, torch.stack

    def forward(self, x):
        mem1, mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        record = []
        for step in x:
            current = self.fc1(step.flatten(1))
            spk1, mem1 = self.lif1(current, mem1)
            if self.extra == "add":
                spk1 = spk1 + current
            if self.extra == "relu":
                spk1 = torch.relu(spk1 - 0.5)
            if self.extra == "order":
                spk1 = spk1.flip(1)
            spk2, mem2 = self.lif2(self.fc2(mem1 if self.extra == "membrane" else spk1), mem2)
            if self.extra == "branch":
                self.lif2(self.fc2(spk1))
                self.branch(spk1)
            record.append(spk2)
        return self.over(record)


def test_the_order_of_the_calls_is_recorded():
    module = Looped()
    sample = torch.zeros(STEPS, 1, 2, INPUTS // 2)
    network = ss.from_snntorch(module, (2, INPUTS // 2), sample=sample, steps=STEPS)
    assert [layer.inputs for layer in network.layers] == [INPUTS, 30]
    assert [report.name for report in network.fidelity.layers] == ["lif1", "lif2"]
    assert network.input == ss.SpikeInput((2, INPUTS // 2))
    assert network.fidelity.different == 0
    assert module.training
    with refuses(ValueError, "give sample=, what its forward takes"):
        ss.from_snntorch(model(snn.Leaky, beta=0.5), (INPUTS + 1,))


@pytest.mark.parametrize(
    ("extra", "name", "reason"),
    [
        ("add", "fc2", "something was computed in between"),
        ("relu", "fc2", "something was computed in between"),
        ("order", "fc2", "in another order"),
        ("membrane", "fc2", "output 1 (a state) of lif1, not its spikes"),
        ("branch", "lif1", "the model branches: it feeds fc2 and branch"),
    ],
)
def test_what_is_computed_between_layers_is_refused(extra, name, reason):
    module = Looped(extra)
    module.branch = on_grid(30, 5, torch.Generator().manual_seed(2))
    with refuses(ss.NotExpressible, reason) as caught:
        ss.from_snntorch(module, (INPUTS,), sample=torch.zeros(2, 1, INPUTS))
    assert caught.value.node == name


class Ended(torch.nn.Module):
    """Two layers; ``end`` makes what it returns of both outputs and the last membrane."""

    def __init__(self, end):
        super().__init__()
        self.inner = model(snn.Leaky, beta=0.5, reset_mechanism="none")
        self.end = end

    def forward(self, x):
        first = self.inner[1](self.inner[0](x))
        return self.end(first, *self.inner[3](self.inner[2](first)))


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda first, spk, mem: spk, None),
        (lambda first, spk, mem: [mem, {"out": (spk.squeeze(0), 3)}], None),
        (lambda first, spk, mem: (first, spk), None),
        (lambda first, spk, mem: spk.double(), None),
        (lambda first, spk, mem: 1 - spk, "it returns rsub of what inner.3 gave"),
        (lambda first, spk, mem: spk.neg_(), "it returns neg of what inner.3 gave"),
        (lambda first, spk, mem: spk.flip(1),
         "it returns a part of what inner.3 gave, or another order (flip)"),
        (lambda first, spk, mem: spk[:, :5], "it returns a part of what inner.3 gave"),
        (lambda first, spk, mem: spk.softmax(1), "it returns softmax of what inner.3 gave"),
        (lambda first, spk, mem: spk.argmax(1), "it returns argmax of what inner.3 gave"),
        (lambda first, spk, mem: first, "it returns what inner.1 gave"),
        (lambda first, spk, mem: None, "what the model returns is not its output"),
        (lambda first, spk, mem: mem, "the model returns its state, not its spikes"),
    ],
)
def test_what_the_model_returns_is_its_last_output(end, reason):
    if reason is None:
        assert imported(Ended(end)) == imported(Ended(end).inner)
        return
    with refuses(ss.NotExpressible, reason) as caught:
        imported(Ended(end))
    assert (caught.value.node, caught.value.kind) == ("inner.3", "Leaky")
    assert caught.value.nearest.startswith(
        "readout='membrane'" if "state" in reason else "returning its output, or the stack, sum"
    )


def test_a_module_may_return_its_membrane_where_that_is_read():
    module = Ended(lambda first, spk, mem: mem)
    ours = imported(module, readout="membrane")
    assert ours == imported(module.inner, readout="membrane")
    with refuses(ss.NotExpressible, "what the model returns is not its output"):
        imported(Ended(lambda first, spk, mem: 2 * mem), readout="membrane")


@pytest.mark.parametrize(
    ("over", "accepted"),
    [
        (torch.stack, True),
        (lambda steps: torch.stack(steps, -1), True),
        (sum, True),
        (lambda steps: torch.stack(steps).mean(0), True),
        (lambda steps: steps[-1], False),
        (lambda steps: torch.stack(steps[1:]), False),
        (lambda steps: torch.stack(steps).amax(0), False),
    ],
)
def test_outputs_over_steps_are_stacked_or_summed(over, accepted):
    module = Looped()
    module.over = over
    sample = torch.zeros(STEPS, 1, INPUTS)
    if accepted:
        assert ss.from_snntorch(module, (INPUTS,), sample=sample).fidelity.different == 0
        return
    with refuses(ss.NotExpressible, "lif2 (Leaky): what the model returns is not its output"):
        ss.from_snntorch(module, (INPUTS,), sample=sample)


def test_shared_layers_are_refused():
    neuron = snn.Leaky(beta=0.5, init_hidden=True)
    square = on_grid(INPUTS, INPUTS, torch.Generator().manual_seed(0))
    module = torch.nn.Sequential(square, neuron, square, neuron)
    with refuses(ss.NotExpressible, "it is shared between places, or recurrent") as caught:
        imported(module)
    assert caught.value.node == "0"


class Silent(torch.nn.Module):
    """Calls no layer, one without an input, or one that does not return a tensor."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.layer = type("Layer", (torch.nn.Module,), {"forward": lambda _, x=None: how})()
        self.lif = snn.Leaky(**LIF)

    def forward(self, x):
        if self.how is None:
            return x
        return self.layer() if self.how == "nothing" else self.layer(x)


class Doubled(torch.nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def behind(layer):
    return torch.nn.Sequential(layer, torch.nn.Flatten(), torch.nn.Linear(9, 2), snn.Leaky(**LIF))


@pytest.mark.parametrize(
    ("module", "shape", "sample", "message"),
    [
        (lambda: Silent(None), (6,), None, "the module calls no layers"),
        (lambda: Silent("nothing"), (6,), None, "layer (Layer): it is called without a tensor"),
        (lambda: Silent("text"), (6,), None, "layer (Layer): it returns a str"),
        (lambda: torch.nn.Sequential(Doubled(6, 3), snn.Leaky(**LIF)), (6,), None,
         "0 (Doubled): it computes something else than its weights and biases say"),
        (lambda: behind(torch.nn.LPPool2d(2, 2)), (1, 6, 6), None,
         "0 (LPPool2d): it takes the norm of power 2"),
        (lambda: torch.nn.Sequential(
            torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4, track_running_stats=False),
            snn.Leaky(**LIF)), (6,), None, "it keeps no running statistics"),
        (Looped, (INPUTS,), torch.zeros(4, 1, 5), "sample must end with the axes of sample_shape"),
        (Looped, (INPUTS,), torch.zeros(4, 3, INPUTS), "sample ... (steps, 1, *sample_shape)"),
        (Looped, (INPUTS,), torch.zeros(4, INPUTS), "sample ... batch of 1 ... of 4"),
    ],
)
def test_other_modules_that_are_refused(module, shape, sample, message):
    with refuses(ValueError, message):
        ss.from_snntorch(module(), shape, sample=sample)
