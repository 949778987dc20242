"""Norse modules: the same spikes as their own neurons, or refused by name."""

import pytest
import stablespike as ss
import torch
from import_models import (
    FRAMES,
    HIDDEN,
    INPUT_SCALE,
    INPUTS,
    OUTPUTS,
    chain,
    differences,
    frames,
    sequence_spikes,
    spikes,
)
from refusals import refuses

norse = pytest.importorskip("norse.torch")
from norse.torch.functional.reset import reset_subtract  # noqa: E402

STEPS = 4
SAMPLES = spikes(7, 270, STEPS)


def tensors(**values):
    return {name: torch.tensor(value) for name, value in values.items()}


HALF = tensors(tau_mem_inv=500.0, v_th=0.5)  # dt is 1 ms by default
SYNAPSE = tensors(tau_syn_inv=500.0)
CUBA = norse.LIFParameters(**HALF, **SYNAPSE)
BODY = norse.LIFParameters(
    **SYNAPSE, **tensors(tau_mem_inv=500.0, v_th=-64.5, v_leak=-65.0, v_reset=-65.0)
)
RESTS = tensors(v_leak=0.25, v_reset=-0.25)


def box(**settings):
    return norse.LIFBoxCell(norse.LIFBoxParameters(**{**HALF, **settings}))


def iaf(kind, **settings):
    return kind(norse.IAFParameters(**{"v_th": torch.tensor(0.5), **settings}))


def imported(module, **options):
    return ss.from_norse(module, (INPUTS,), **{"steps": STEPS, **options})


def model(make, seed=0, bias=True):
    return norse.SequentialState(*chain(make(), make(), seed, bias=bias))


def started(module, samples=SAMPLES):
    """Return the spikes of the neurons of a SequentialState, all steps at once or one by one."""
    neurons = [each for each in module if hasattr(each, "p")]
    kinds = (norse.LIF, norse.IAF, norse.LIFRecurrent)
    if isinstance(neurons[0], kinds):
        return sequence_spikes(module, neurons, samples, 0)
    kept = [[] for _ in neurons]
    hooks = [
        each.register_forward_hook(lambda _, given, output, at=at: kept[at].append(output[0]))
        for at, each in enumerate(neurons)
    ]
    state = None
    with torch.no_grad():
        for t in range(samples.shape[1]):
            _, state = module(torch.from_numpy(samples[:, t]).float(), state)
    for hook in hooks:
        hook.remove()
    return [torch.stack(each, 1).numpy() > 0 for each in kept]


DIALECTS = {
    "LIFCell": (lambda: norse.LIFCell(CUBA), "zero"),
    "LIFCell, in mV": (lambda: norse.LIFCell(BODY), "zero"),
    "LIFCell, dt": (lambda: norse.LIFCell(CUBA._replace(**tensors(
        tau_mem_inv=250.0, tau_syn_inv=250.0)), dt=0.002), "zero"),
    "LIFCell, tanh": (lambda: norse.LIFCell(CUBA._replace(method="tanh")), "zero"),
    "LIF": (lambda: norse.LIF(CUBA), "zero"),
    "LIF, records": (lambda: norse.LIF(CUBA, record_states=True), "zero"),
    "LIFBoxCell": (box, "zero"),
    "LIFBoxCell, subtract": (lambda: box(reset_method=reset_subtract), "subtract"),
    "LIFBoxCell, rests": (lambda: box(**RESTS), "zero"),
    "LIFBoxCell, rests, subtract": (lambda: box(**RESTS, reset_method=reset_subtract), "subtract"),
    "IAFCell": (lambda: iaf(norse.IAFCell), "zero"),
    "IAFCell, v_reset": (lambda: iaf(norse.IAFCell, v_reset=torch.tensor(-0.25)), "zero"),
    "IAF": (lambda: iaf(norse.IAF), "zero"),
}


@pytest.mark.parametrize("source", FRAMES)
@pytest.mark.parametrize("name", ["LIFCell", "LIF", "LIFBoxCell, subtract", "IAFCell"])
def test_frames_are_exact(source, name):
    module = model(DIALECTS[name][0])
    network = ss.from_norse(module, (INPUTS,), input=source, input_scale=INPUT_SCALE)
    assert network.input == source
    assert network.fidelity.exact
    samples, values = frames(source, 3, 100, STEPS)
    assert differences(network, samples, started(module, values)) == (0, 100 * STEPS * 60)


@pytest.mark.parametrize(("make", "reset"), DIALECTS.values(), ids=DIALECTS)
def test_dialects_are_exact(make, reset):
    total = 0
    for seed in range(2):
        module = model(make, seed, seed % 2 == 0)
        network = imported(module)
        used = network.layers[0].neuron
        assert (used.reset, used.reset_timing, used.compare) == (reset, "same_step", "gt")
        assert network.fidelity.exact
        assert network.fidelity.different == 0
        different, compared = differences(network, SAMPLES, started(module))
        assert different == 0
        total += compared
    assert total > 100_000


@pytest.mark.parametrize("make", [
    lambda mem: box(tau_mem_inv=mem), lambda mem: norse.LIFCell(CUBA._replace(tau_mem_inv=mem)),
    lambda mem: norse.LIF(CUBA._replace(tau_syn_inv=mem)),
], ids=["LIFBoxCell", "LIFCell", "LIF, synapse"])
def test_one_leak_per_neuron_is_exact(make):
    inverse = torch.where(torch.arange(HIDDEN) % 2 == 0, 500.0, 1000.0)  # keep 1/2, or nothing
    module = norse.SequentialState(*chain(make(inverse), make(torch.tensor(500.0)), 0))
    network = imported(module)
    assert len(network.layers[0].neuron.kinds(HIDDEN)[0]) == 2
    assert network.fidelity.exact
    assert differences(network, SAMPLES, started(module))[0] == 0


@pytest.mark.parametrize("kind", [norse.LIFRecurrentCell, norse.LIFRecurrent])
def test_recurrent_layers_are_exact(kind):
    generator = torch.Generator().manual_seed(0)

    def weights(*shape):
        return torch.randint(-8, 8, shape, generator=generator) / 8

    def layer(inputs, outputs):
        return kind(inputs, outputs, CUBA, input_weights=weights(outputs, inputs),
                    recurrent_weights=weights(outputs, outputs))

    module = norse.SequentialState(layer(INPUTS, HIDDEN), layer(HIDDEN, OUTPUTS))
    network = imported(module)
    assert network.fidelity.exact
    assert differences(network, SAMPLES, started(module))[0] == 0


@pytest.mark.parametrize("readout", [
    norse.LICell(norse.LIParameters(**SYNAPSE, **tensors(tau_mem_inv=500.0, v_leak=0.0))),
    norse.LIBoxCell(norse.LIBoxParameters(**tensors(tau_mem_inv=500.0, v_leak=0.25))),
])
def test_the_last_layer_may_be_a_leak(readout):
    network = imported(norse.SequentialState(*chain(box(), readout, 0)), calibration=SAMPLES)
    assert (network.readout, network.fidelity.exact) == ("membrane", True)
    assert network.fidelity.same_prediction == 1.0


def test_layers_over_steps():
    module = norse.SequentialState(
        norse.LConv2d(2, 4, 3), norse.LIF(CUBA), norse.Lift(torch.nn.AvgPool2d(2)),
        torch.nn.Flatten(2), torch.nn.Linear(36, 5), norse.LIF(CUBA),
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for each in module.parameters():
            each.copy_(torch.randint(-8, 8, each.shape, generator=generator) / 8)
    network = ss.from_norse(module, (2, 8, 8), steps=STEPS)
    assert (network.fidelity.exact, network.fidelity.different) == (True, 0)
    samples = spikes(3, 20, STEPS, inputs=128).reshape(20, STEPS, 2, 8, 8)
    source = started(module, samples)
    source[0] = source[0].reshape(20, STEPS, 4, 6, 6)
    assert differences(network, samples, source)[0] == 0


def test_forward_may_loop_over_the_steps():
    class Net(torch.nn.Module):
        def __init__(self, weighted):
            super().__init__()
            self.first, self.cell = torch.nn.Linear(INPUTS, HIDDEN), norse.LIFCell(CUBA)
            self.last = norse.LILinearCell(HIDDEN, OUTPUTS)

        def forward(self, x):
            state = output = None
            for each in x:
                spiked, state = self.cell(self.first(each), state)
                volts, output = self.last(spiked, output)
            return volts

    module = Net(True)
    network = imported(module, sample=torch.zeros(3, 1, INPUTS), weight_bits=8, readout="membrane")
    assert [layer.name for layer in network.fidelity.layers] == ["cell", "last"]
    assert network.layers[1].weight.shape == (OUTPUTS, HIDDEN)


@pytest.mark.parametrize("change", [
    lambda inner, x: inner(x.flip(0))[0],
    lambda inner, x: inner(2 * x)[0],
    lambda inner, x: inner(x.repeat_interleave(2, 0))[0],
    lambda inner, x: inner(x.transpose(0, 1))[0].transpose(0, 1),
    lambda inner, x: inner(x)[0].cumsum(0),
    # A second call begins with new states.
    lambda inner, x: torch.cat([inner(x[:2])[0], inner(x[2:])[0]]),
])
def test_what_is_foreign_in_forward_is_refused(change):
    class Foreign(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model(lambda: norse.LIF(CUBA))

        def forward(self, x):
            return change(self.inner, x)

    with refuses(ValueError, "("):
        imported(Foreign())


def test_a_forward_of_one_step_keeps_its_states():
    class Forgetful(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model(lambda: norse.LIFCell(CUBA))

        def forward(self, x):
            return self.inner(x)[0]

    class Passed(Forgetful):
        def forward(self, x, state=None):
            return self.inner(x, state)

    assert imported(Passed()) == imported(Passed().inner)
    with refuses(ss.NotExpressible, "1 (LIFCell): the module's own forward differs"):
        imported(Forgetful())


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: norse.LIFCell(CUBA._replace(v_leak=torch.tensor(0.25))),
         ["1 (LIFCell): a leak toward a rest other than the reset", "the same rest and reset"]),
        (lambda: box(reset_method=lambda z, v, reset, threshold: v),
         ["1 (LIFBoxCell): its reset_method is <lambda>", "reset_value or reset_subtract"]),
        (lambda: norse.LIFCell(CUBA._replace(tau_mem_inv=torch.tensor(2000.0))),
         ["1 (LIFCell): dt tau_mem_inv must be above 0, and at most 1, not 2"]),
        (lambda: norse.LIFCell(CUBA._replace(tau_syn_inv=torch.tensor(2000.0))),
         ["1 (LIFCell): 1 - dt tau_syn_inv must be from 0 to 1 per step, not -1"]),
        (lambda: norse.LIFCell(CUBA._replace(v_th=torch.tensor(-0.5))),
         ["1 (LIFCell): thresholds above the resting membrane must be positive"]),
        (lambda: norse.LICell(norse.LIParameters(
            tau_mem_inv=torch.linspace(400, 500, HIDDEN), **SYNAPSE)),
         ["1 (LICell): tau_mem_inv differs between neurons", "have one gain"]),
        (lambda: box(tau_mem_inv=torch.linspace(400, 500, HIDDEN), v_leak=torch.tensor(0.25)),
         ["1 (LIFBoxCell): v_leak over dt tau_mem_inv differs", "a layer has one v_init"]),
        (lambda: norse.LIFExCell(), ["1 (LIFExCell): no neuron of this array computes its rule"]),
        (lambda: norse.LIFRefracCell(), ["1 (LIFRefracCell): no neuron of this array"]),
        (lambda: norse.LSNNCell(), ["1 (LSNNCell): no neuron of this array computes its rule"]),
    ],
)
def test_refused_neurons(make, parts):
    with refuses(ValueError, *parts):
        imported(norse.SequentialState(*chain(make(), make(), 0)[:2]))


def test_feedback_around_several_layers_is_refused():
    module = norse.RecurrentSequential(torch.nn.Linear(INPUTS, INPUTS), norse.LIFCell(CUBA))
    with refuses(ss.NotExpressible, "RecurrentSequential): its output comes back to its input",
                 "SequentialState"):
        imported(module)
