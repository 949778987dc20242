"""What the last layer is read by: membranes of the last step, their sum over the steps, votes."""

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import HIDDEN, INPUTS, OUTPUTS, chain, on_grid, spikes
from refusals import refuses

snn = pytest.importorskip("snntorch")
neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
from spikingjelly.activation_based import functional, layer  # noqa: E402

STEPS = 4
SAMPLES = spikes(7, 200, STEPS)
FIRST = torch.from_numpy(SAMPLES.swapaxes(0, 1)).float()  # steps first


def spikingjelly_model(last, seed=1):
    module = chain(neuron.IFNode(step_mode="m"), last, seed)
    return module.eval()


def from_spikingjelly(module, **options):
    return ss.from_spikingjelly(module, (INPUTS,), steps=STEPS, **options)


def proportional(ours, theirs):
    """Whether integers are a multiple of real numbers, to the last bit of the grid."""
    factor = ours.flat[np.abs(theirs).argmax()] / theirs.flat[np.abs(theirs).argmax()]
    return factor > 0 and np.abs(ours - factor * theirs).max() < 1e-3


@pytest.mark.parametrize(
    ("last", "summed"),
    [
        (lambda: neuron.NonSpikingIFNode(decode="last_mem"), False),
        (lambda: neuron.NonSpikingLIFNode(decode="last_mem"), False),
        (lambda: neuron.NonSpikingLIFNode(tau=1.0, decode="last_mem"), False),
        (lambda: neuron.NonSpikingIFNode(decode="mean-mem"), True),
        (lambda: neuron.NonSpikingLIFNode(decode="mean-mem"), True),
    ],
)
@pytest.mark.parametrize("readout", [None, "membrane"])
def test_spikingjelly_neurons_that_never_fire(last, summed, readout):
    module = spikingjelly_model(last())
    network = from_spikingjelly(module, readout=readout)
    assert network.readout == "membrane"
    used = network.layers[-1].neuron
    assert not used.fires
    assert (used.synapse_leak is not None, used.leak == (None, None)) == (
        summed, summed or isinstance(module[3], neuron.NonSpikingIFNode)
    )
    assert network.fidelity.exact
    assert network.fidelity.same_prediction == 1
    functional.reset_net(module[1])
    with torch.no_grad():
        theirs = module(FIRST).numpy()
    program = ss.compile(network, "icebreaker", STEPS, device="golden:")
    with ss.open_device("golden:") as device:
        device.load(program)
        assert proportional(device.run(SAMPLES).readout, theirs)
    assert module[3].decode == last().decode


@pytest.mark.parametrize(
    ("over", "summed"),
    [
        (lambda steps: steps, False),
        (lambda steps: torch.stack(steps), False),
        (lambda steps: torch.stack(steps, -1), False),
        (lambda steps: steps[-1], False),
        (lambda steps: sum(steps), True),
        (lambda steps: torch.stack(steps).mean(0), True),
        (lambda steps: {"logits": torch.stack(steps).sum(0)}, True),
    ],
)
def test_a_list_of_membranes_is_read_as_the_module_returns_it(over, summed):
    inner = spikingjelly_model(neuron.NonSpikingLIFNode())
    network = from_spikingjelly(Over(inner, over))
    decode = "mean-mem" if summed else "last_mem"
    plain = from_spikingjelly(spikingjelly_model(neuron.NonSpikingLIFNode(decode=decode)))
    assert network == plain
    assert network.fidelity.same_prediction == 1


class Over(torch.nn.Module):
    def __init__(self, inner, over):
        super().__init__()
        self.inner, self.over = inner, over

    def forward(self, x):
        return self.over(self.inner(x))


@pytest.mark.parametrize(
    ("last", "over", "message"),
    [
        ("max-mem", lambda out: out, "3 (NonSpikingLIFNode): decode='max-mem' returns the largest"),
        ("max-abs-mem", lambda out: out, "(NonSpikingLIFNode): decode='max-abs-mem' returns the"),
        (None, lambda out: torch.stack(out).amax(0),
         "the model returns the maximum over the steps of its membrane ... mem[-1]"),
        (None, lambda out: torch.stack(out).amin(0), "the minimum over the steps of its"),
        (None, lambda out: out[0], "the model returns the first of its membrane"),
        (None, lambda out: torch.stack(out).abs().amax(0), "not its output ... its membrane"),
        ("mean-mem", lambda out: 2 * out, "not its output ... returning its membrane: the last"),
    ],
)
def test_other_readouts_of_membranes_are_refused(last, over, message):
    module = spikingjelly_model(neuron.NonSpikingLIFNode(decode=last))
    with refuses(ss.NotExpressible, message):
        from_spikingjelly(Over(module, over))


def test_neurons_that_never_fire_are_read_by_their_membrane_alone():
    module = spikingjelly_model(neuron.NonSpikingIFNode(decode="last_mem"))
    with refuses(ValueError, "readout must be 'membrane', not 'counts' ... 3, never fires"):
        from_spikingjelly(module, readout="counts")
    with refuses(ss.NotExpressible, "inner.3", "its membrane goes on to over"):
        from_spikingjelly(Chained(spikingjelly_model(neuron.NonSpikingIFNode())))


class Chained(torch.nn.Module):
    """Weights behind a list of membranes."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.over = inner, on_grid(OUTPUTS, 5, torch.Generator())

    def forward(self, x):
        return torch.stack([self.over(each) for each in self.inner(x)])


class Rates(torch.nn.Module):
    """As in snnTorch's tutorials; ``over`` makes a result of the recorded spikes and states."""

    def __init__(self, last, over):
        super().__init__()
        self.inner, self.over = chain(snn.Leaky(beta=0.5), last, 1), over

    def forward(self, x):
        fc1, lif1, fc2, lif2 = self.inner
        for each in (lif1, lif2):
            each.reset_mem()
        recorded = []
        for step in x:
            spk, *_ = lif1(fc1(step))
            recorded.append(lif2(fc2(spk)))
        return self.over([torch.stack(each) for each in zip(*recorded, strict=True)])


def from_snntorch(module, steps=STEPS, **options):
    sample = torch.zeros(steps, 1, INPUTS)
    return ss.from_snntorch(module, (INPUTS,), sample=sample, steps=STEPS, **options)


def leaky(**settings):
    return snn.Leaky(beta=0.5, reset_mechanism="none", **settings)


@pytest.mark.parametrize(
    ("last", "over", "summed"),
    [
        (leaky, lambda rec: rec[1][-1], False),
        (leaky, lambda rec: rec[1], False),
        (leaky, lambda rec: (rec[0], rec[1]), False),
        (leaky, lambda rec: rec[0], False),
        (leaky, lambda rec: rec[1].mean(0), True),
        (leaky, lambda rec: rec[1].sum(0), True),
        (leaky, lambda rec: (rec[0], rec[1].sum(0)), True),
        (lambda: snn.Lapicque(R=1, C=2, time_step=1, reset_mechanism="none"),
         lambda rec: rec[1].mean(0), True),
        (lambda: snn.Leaky(beta=0.5), lambda rec: rec[1][-1], False),
        (lambda: snn.Synaptic(alpha=0.5, beta=0.5), lambda rec: rec[2][-1], False),
    ],
)
def test_snntorch_membranes_over_the_steps(last, over, summed):
    module = Rates(last(), over)
    network = from_snntorch(module, readout="membrane")
    assert network.layers[-1].neuron.fires != summed
    assert network.fidelity.exact
    assert network.fidelity.same_prediction == 1
    with torch.no_grad():
        theirs = module(FIRST)
    theirs = theirs[-1] if isinstance(theirs, tuple) else theirs
    if theirs.ndim == 3 and not summed:
        theirs = Rates(last(), lambda rec: rec[-1][-1])(FIRST).detach()
    assert proportional(ss.Golden(network).run(SAMPLES).readout, theirs.numpy())


@pytest.mark.parametrize(
    ("last", "over", "message"),
    [
        (lambda: snn.Leaky(beta=0.5), lambda rec: rec[1].mean(0),
         "the sum of its membrane over the steps, which its spikes change ... readout='membrane'"),
        (lambda: snn.Synaptic(alpha=0.5, beta=0.5, reset_mechanism="none"),
         lambda rec: rec[2].mean(0), "over the steps, behind a synaptic current"),
        (leaky, lambda rec: rec[1].max(0).values, "the maximum over the steps of its membrane"),
        (leaky, lambda rec: rec[1].abs().mean(0), "is not its output"),
        (lambda: snn.Synaptic(alpha=0.5, beta=0.5), lambda rec: rec[1], "is not its output"),
    ],
)
def test_snntorch_membranes_that_no_neurons_have(last, over, message):
    with refuses(ss.NotExpressible, "inner.3", message):
        from_snntorch(Rates(last(), over), readout="membrane")


@pytest.mark.parametrize("over", [lambda rec: rec[1][-1], lambda rec: rec[1].mean(0)])
def test_membranes_are_asked_for(over):
    with refuses(ss.NotExpressible, "the model returns its state ... readout='membrane'"):
        from_snntorch(Rates(leaky(), over))


def test_one_step_does_not_tell_a_sum_from_the_last():
    with refuses(ValueError, "sample must have 2 steps or more, not 1"):
        from_snntorch(Rates(leaky(), lambda rec: rec[1].sum(0)), steps=1, readout="membrane")


@pytest.mark.parametrize(
    ("over", "message"),
    [
        (lambda rec: rec[0][-1], "it returns the last of its outputs"),
        (lambda rec: rec[0].amax(0), "it returns the maximum over the steps of its outputs"),
        (lambda rec: rec[0].sum(0).view(-1, 4, 5).mean(-1),
         "it returns the mean of groups of 5 outputs ... torch.nn.AvgPool1d(5) behind it"),
        (lambda rec: rec[0].view(STEPS, -1, 4, 5).sum(2),
         "groups of 4 outputs ... AvgPool1d(4) ... with the neurons of a group side by side"),
    ],
)
def test_what_is_made_of_the_spikes_is_named(over, message):
    with refuses(ss.NotExpressible, "inner.3 (Leaky): what the model returns is not", message):
        from_snntorch(Rates(snn.Leaky(beta=0.5), over))


@pytest.mark.parametrize("votes", [layer.VotingLayer, torch.nn.AvgPool1d, layer.AvgPool1d])
@pytest.mark.parametrize("over", [lambda out: out, lambda out: out.mean(0)])
def test_votes_are_counted(votes, over):
    neurons = neuron.IFNode(), neuron.IFNode(v_threshold=0.5)
    inner = torch.nn.Sequential(*chain(*neurons, 2), votes(5))
    if not isinstance(inner[4], layer.VotingLayer):
        single = over(torch.zeros(2, 1)).ndim == 2  # torch's own pool takes one step at a time
        module = inner if single else Looped(inner, over)
    else:
        functional.set_step_mode(inner, "m")
        module = Over(inner, over)
    sample = torch.zeros(2, 1, INPUTS) if module is not inner else None
    network = from_spikingjelly(module, sample=sample)
    assert (network.readout, network.layers[2].neuron.fires) == ("membrane", False)
    assert network.layers[2].weight.shape == (4, OUTPUTS)
    assert network.fidelity.exact
    functional.reset_net(inner)
    functional.set_step_mode(inner, "s")
    with torch.no_grad():
        theirs = sum(inner(step) for step in FIRST).numpy()
    assert theirs.std() > 0.1
    assert proportional(ss.Golden(network).run(SAMPLES).readout, theirs)
    assert network.fidelity.same_prediction == 1


class Looped(Over):
    def forward(self, x):
        return self.over(torch.stack([self.inner(step) for step in x]))


def test_votes_in_front_of_weights_are_folded_into_them():
    generator = torch.Generator().manual_seed(0)
    module = torch.nn.Sequential(
        on_grid(INPUTS, HIDDEN, generator), neuron.IFNode(), layer.VotingLayer(4),
        on_grid(HIDDEN // 4, OUTPUTS, generator), neuron.IFNode(v_threshold=0.5),
    )
    network = from_spikingjelly(module)
    assert len(network.layers) == 2
    assert network.layers[1].weight.shape == (OUTPUTS, HIDDEN)
    assert network.fidelity.exact
    assert network.fidelity.different == 0


@pytest.mark.parametrize(
    ("votes", "message"),
    [
        (layer.VotingLayer(21), "the module cannot be called ... Output size is too small"),
        (torch.nn.AvgPool1d(5, 2), "4 (AvgPool1d): nothing follows it"),
        (torch.nn.AvgPool1d(5, ceil_mode=True), "4 (AvgPool1d): nothing follows it"),
    ],
)
def test_other_votes_are_refused(votes, message):
    module = torch.nn.Sequential(*chain(neuron.IFNode(), neuron.IFNode(), 2), votes)
    with refuses(ValueError, message):
        from_spikingjelly(module)


def test_membranes_that_meet_the_end_of_their_range_are_told():
    module = torch.nn.Sequential(
        on_grid(INPUTS, OUTPUTS, torch.Generator().manual_seed(0), bias=False),
        neuron.NonSpikingIFNode(decode="mean-mem"),
    )
    steps = spikes(1, 30, 24, rate=0.9)

    def imported(**options):
        return ss.from_spikingjelly(module, (INPUTS,), calibration=steps, **options)

    report = imported().fidelity
    assert not report.exact
    [line] = report.approximations
    assert "membranes that are read meet the end of their range (state_bits 16)" in line
    assert line.startswith("1: ")
    assert 5 < float(line.partition("reach ")[2].partition(" ")[0]) < 16
    report = imported(fraction_bits=0).fidelity
    assert report.exact
    assert report.same_prediction == 1
