"""A module's own forward beside the layers that are read of it: the same spikes, or refused."""

import random
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import stablespike as ss
import torch
from refusals import refuses
from stablespike.importers.tracing.comparison import Layer, compare
from stablespike.importers.tracing.forward import Trace
from torch import nn

snn = pytest.importorskip("snntorch")
pytest.importorskip("spikingjelly")
from snntorch import spikegen  # noqa: E402
from spikingjelly.activation_based import functional, layer, neuron  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[4] / "benchmarks"))
import foreign  # noqa: E402

functions = nn.functional
INPUTS, HIDDEN, OUTPUTS = 12, 9, 4
PIXELS = {"input": ss.PixelInput((INPUTS,), 4), "input_scale": 1 / 16}
LIF = {"beta": 0.5, "threshold": 0.5}


def on_grid(module):
    torch.manual_seed(0)
    with torch.no_grad():
        for each in module.parameters():
            each.copy_(torch.randint(-8, 8, each.shape) / 8)
    return module


def chain():
    return on_grid(nn.Sequential(
        nn.Linear(INPUTS, HIDDEN), snn.Leaky(init_hidden=True, **LIF),
        nn.Linear(HIDDEN, OUTPUTS), snn.Leaky(init_hidden=True, output=True, **LIF),
    ))


def convolution():
    return on_grid(nn.Sequential(
        layer.Conv2d(1, 3, 3, padding=1), neuron.IFNode(v_threshold=0.5), layer.MaxPool2d(2),
        layer.Flatten(), layer.Linear(27, OUTPUTS), neuron.LIFNode(tau=2.0, v_threshold=0.5),
    ))


class Own(nn.Module):
    """Two layers; ``between`` has the currents of the first, ``behind`` its spikes, ``before`` the
    input."""

    def __init__(self, between=None, behind=None, before=None):
        super().__init__()
        self.first, self.second = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, OUTPUTS)
        self.one, self.two = (snn.Leaky(init_hidden=True, **LIF) for _ in range(2))
        self.between, self.behind, self.before = between, behind, before
        self.calls = 0
        on_grid(self)

    def forward(self, x):
        self.calls += 1
        x = self.first(self.before(x) if self.before else x)
        x = self.one(self.between(self, x) if self.between else x)
        return self.two(self.second(self.behind(x) if self.behind else x))


def imported(module, **options):
    return ss.from_snntorch(module, (INPUTS,), weight_bits=8, **options)


@pytest.mark.parametrize("part", range(4))
def test_random_modules_with_something_foreign_in_their_forward(part):
    rows = foreign.modules(18, seed=9000 + 100 * part)
    assert not [row for row in rows if row["result"] == "wrong"]
    assert not [row for row in rows if row["result"] == "refused" and not row["foreign"]]
    assert sum(row["result"] == "refused" for row in rows) > 6
    assert sum(row["result"] == "right" for row in rows) > 5


def test_what_was_verified_is_in_the_report():
    samples = np.random.default_rng(0).random((30, 9, INPUTS)) < 0.3
    network = imported(Own(), calibration=samples)
    assert network.fidelity.exact
    assert (
        "the module's own forward was run on 22 samples of up to 7 steps: every layer's input, "
        "spikes and states were equal"
    ) in network.fidelity.assumed


BATCH = "the module's own forward differs from its layers: at step 0 of sample 0, it gives neuron 0"


def set_membrane(own, value):
    own.one.mem = value


NAMED = {
    "relu": (lambda own, x: x.relu(), "(relu of what first gave)"),
    "numpy": (lambda own, x: torch.as_tensor(np.maximum(x.numpy(), 0)), "computed in between"),
    "noise": (lambda own, x: x + torch.randn_like(x), "random numbers in it (randn_like, add)"),
    "tiny": (lambda own, x: x + 1e-3, "(add of what first gave)"),
    "batch": (lambda own, x: x if len(x) < 3 else x - x.mean(0), BATCH),
    "large": (lambda own, x: x.clamp(max=5000), "(clamp of what first gave)"),
    "counter": (
        lambda own, x: x if own.calls < 5000 else 0 * x,
        "forward changes calls, which no reset sets back, and depends on it",
    ),
    "threshold": (
        lambda own, x: (own.one.threshold.fill_(0.75), x)[1],
        "it changes its threshold from 0.5 to 0.75",
    ),
    "membrane": (
        lambda own, x: (set_membrane(own, own.one.mem.clamp(min=0)), x)[1],
        "forward changes its mem between the steps",
    ),
    "start": (
        lambda own, x: (own.one.mem.shape == x.shape
                        or set_membrane(own, torch.full_like(x, 0.25)), x)[1],
        "forward gives it other states to start from",
    ),
    "back": (
        lambda own, x: (own.one.reset_mem(), x)[1], "its mem is back at the start in every step",
    ),
}


@pytest.mark.parametrize("kind", NAMED)
def test_what_forward_does_between_layers_is_named(kind):
    between, reason = NAMED[kind]
    with refuses(ss.NotExpressible, reason) as caught:
        imported(Own(between))
    assert caught.value.node == "one"


@pytest.mark.parametrize(
    ("behind", "reason"),
    [
        (lambda x: x.view(-1, 3, 3).transpose(1, 2).reshape(-1, 9),
         "what one gave in another order (view, transpose, reshape)"),
        (lambda x: torch.cat(x.chunk(3, 1)[::-1], 1), "in another order (chunk, cat)"),
        (lambda x: functions.dropout(x, 0.5), "random numbers in it (dropout)"),
        (lambda x: 0.5 * x, "(mul of what one gave)"),
        (lambda x: x * 0 if len(x) > 1 else x, "it gives neuron"),
    ],
)
def test_what_forward_does_with_spikes_is_named(behind, reason):
    with refuses(ss.NotExpressible, reason):
        imported(Own(behind=behind))


@pytest.mark.parametrize(
    "behind",
    [
        torch.relu, lambda x: x.clamp(0, 1), lambda x: (x > 0).to(x.dtype), torch.clone,
        lambda x: x.view(len(x), 3, -1).transpose(1, 2).mT.flatten(1), lambda x: x.float(),
        lambda x: torch.cat(x.chunk(3, 1), 1), lambda x: functions.dropout(x, 0.5, False),
        lambda x: torch.as_tensor(x.numpy()), lambda x: functions.pad(x, (0, 0)),
        lambda x: x.to("cuda").cuda() + torch.zeros(1, device="cuda"), lambda x: x.half().float(),
    ],
)
def test_what_changes_no_spike_is_no_difference(behind):
    plain = imported(Own())
    assert imported(Own(behind=behind)) == plain
    assert imported(Own(before=behind)) == plain


@pytest.mark.parametrize("broken", [lambda x: x.clamp(0, 0.5), lambda x: (x > 0.1).to(x.dtype)])
def test_what_changes_a_pixel_is_a_difference(broken):
    with refuses(ss.NotExpressible, "of what the sample gave"):
        imported(Own(before=broken), input=ss.PixelInput((INPUTS,), 4), input_scale=1 / 16, steps=4)
    assert imported(
        Own(before=lambda x: x.clamp(0, 1)), input=ss.PixelInput((INPUTS,), 4),
        input_scale=1 / 16, steps=4,
    ).fidelity.exact


class Called(nn.Module):
    """A forward of its own around a chain."""

    def __init__(self, forward, body=None):
        super().__init__()
        self.body, self.call = body or chain(), forward

    def forward(self, x):
        return self.call(self.body, x)


def looped(order=lambda x: x, over=torch.stack):
    return Called(lambda body, x: over([body(frame)[0] for frame in order(x)]))


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (lambda x: x.flip(0), "forward takes the steps in the order 5, 4, 3, 2, 1, 0: at step 0"),
        (lambda x: x[::2], "forward gives it 3 step(s) in 3 call(s) for the 6 of a sample"),
        (lambda x: x.repeat_interleave(2, 0), "in 12 call(s) for the 6 of a sample: each frame tw"),
        (lambda x: x[[1, 0, 2, 3, 4, 5]], "in the order 1, 0, 2, 3, 4, 5"),
    ],
)
def test_the_order_of_the_steps(order, reason):
    with refuses(ss.NotExpressible, "body.1 (Leaky): the module's own forward differs") as caught:
        imported(looped(order), sample=torch.zeros(6, 1, INPUTS))
    assert reason in str(caught.value)


def layer_by_layer(body, x):
    first = torch.stack([body[1](current) for current in body[0](x)])
    return torch.stack([body[3](current)[0] for current in body[2](first)])


@pytest.mark.parametrize(
    ("module", "sample"),
    [
        (looped(), None),  # found out
        (looped(), torch.zeros(5, 1, INPUTS)),
        (looped(lambda x: x.swapaxes(0, 1)), torch.zeros(1, 5, INPUTS)),
        (looped(lambda x: [x[t] for t in range(5)]), torch.zeros(5, 1, INPUTS)),
        (Called(layer_by_layer), torch.zeros(5, 1, INPUTS)),
        (Called(lambda body, x: body(x.unsqueeze(0))[0]), torch.zeros(INPUTS)),
        (Called(lambda body, x: body(x)[0] if len(x) == 1 else 1 / 0), None),
        (Called(lambda body, x: {"spikes": body(x)[0], "n": len(x)}), None),
    ],
)
def test_ways_to_take_the_steps(module, sample):
    assert imported(module, sample=sample) == imported(chain())


def test_a_sample_that_is_one_call_is_refused():
    with refuses(ss.NotExpressible, "1 (Leaky): ... 1 step(s) in 1 call(s) for the 5 of a sample"):
        imported(chain(), sample=torch.zeros(5, 1, INPUTS))
    with refuses(ValueError, "cannot be run on a batch of 10, nor of 1 (RuntimeError: late)"):
        calls = iter(range(1000))

        def late(body, x):
            if next(calls) > 1:
                raise RuntimeError("late")
            return body(x)

        imported(Called(late))


def test_functions_that_are_layers():
    class Functional(nn.Module):
        def __init__(self, pool):
            super().__init__()
            self.body, self.pool = convolution(), pool

        def forward(self, x):
            body = self.body
            x = functions.conv2d(x, body[0].weight, body[0].bias, padding=1)
            x = self.pool(body[1](x), 2).view(len(x), -1)
            return body[5](functions.linear(x, body[4].weight, body[4].bias))

    maximum = ss.from_spikingjelly(Functional(functions.max_pool2d), (1, 6, 6), weight_bits=8)
    assert maximum == ss.from_spikingjelly(convolution(), (1, 6, 6), weight_bits=8)
    mean = ss.from_spikingjelly(Functional(functions.avg_pool2d), (1, 6, 6), weight_bits=8)
    assert mean.layers[1].pool_before == ss.SumPool2d(2)
    assert mean.fidelity.exact


def test_a_flat_sample_is_viewed_as_a_map():
    module = Called(lambda body, x: body(x.view(-1, 1, 6, 6)), convolution())
    network = ss.from_spikingjelly(
        module, (36,), weight_bits=8, input=ss.SpikeInput((1, 6, 6))
    )
    assert network == ss.from_spikingjelly(convolution(), (1, 6, 6), weight_bits=8)


def repeated(steps, hidden=True):
    """Show an image in every step, as tutorials do."""
    def once(body, x):
        body[1].reset_mem(), body[3].reset_mem()
        return torch.stack([body(x)[0] for _ in range(steps)])

    def current_once(body, x):
        body[1].reset_mem(), body[3].reset_mem()
        current = body[0](x)
        return torch.stack([body[3](body[2](body[1](current)))[0] for _ in range(steps)])

    return Called(once if hidden else current_once)


@pytest.mark.parametrize("module", [repeated(5), repeated(5, False)])
def test_an_image_that_a_loop_repeats(module):
    plain = imported(chain(), steps=5, **PIXELS)
    for sample in (None, torch.zeros(1, INPUTS)):
        network = imported(module, sample=sample, **PIXELS)
        assert network == plain
        assert network.fidelity.steps == 5
    with refuses(ValueError, "steps must be 5, since forward repeats its input over 5 steps"):
        imported(module, steps=4, **PIXELS)
    with refuses(ss.NotExpressible, "over 5 steps (a repetition) ... input=PixelInput(...)"):
        imported(module)


def imported_maps(module, **options):
    return ss.from_spikingjelly(module, (1, 6, 6), weight_bits=8, **options)


@pytest.mark.parametrize(
    "repeat",
    [
        lambda x: x.unsqueeze(0).repeat(4, 1, 1, 1, 1), lambda x: x.expand(4, *x.shape),
        lambda x: torch.stack([x] * 4), lambda x: x[None].tile(4, 1, 1, 1, 1),
        lambda x: x.unsqueeze(0).repeat_interleave(4, 0),
    ],
)
def test_an_image_that_is_repeated_at_once(repeat):
    body = convolution()
    functional.set_step_mode(body, "m")
    module = Called(lambda body, x: body(repeat(x)).mean(0), body)
    pixels = {"input": ss.PixelInput((1, 6, 6), 4), "input_scale": 1 / 16}
    plain = imported_maps(convolution(), steps=4, **pixels)
    for sample in (None, torch.zeros(1, 1, 6, 6)):
        assert imported_maps(module, sample=sample, **pixels) == plain
        with refuses(ss.NotExpressible, "0 (Conv2d): forward repeats what it is called with"):
            imported_maps(module, sample=sample)
    behind = Called(lambda body, x: body[1:](repeat(body[0](x[None])[0])).mean(0), body)
    assert imported_maps(behind, **pixels) == plain


def test_rate_coding_in_forward_is_random():
    module = Called(lambda body, x: torch.stack([body(e)[0] for e in spikegen.rate(x, 5)]))
    with refuses(ss.NotExpressible, "random numbers in it (") as caught:
        imported(module, **PIXELS)
    assert "bernoulli" in caught.value.reason

    class Forced(nn.Dropout):
        def forward(self, x):
            return functions.dropout(x, self.p, training=True)

    module = chain()
    module.insert(2, Forced(0.5))
    with refuses(ss.NotExpressible, "2 (Forced): it draws random numbers in evaluation mode"):
        imported(module)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_types_of_numbers(dtype):
    plain = imported(chain())
    network = imported(chain().to(dtype))
    assert network == plain
    assert network.fidelity.exact
    assert imported(Called(lambda body, x: body(x.to(dtype))[0], chain().to(dtype))) == plain
    maps = convolution().to(dtype)
    assert imported_maps(maps) == imported_maps(convolution())
    functional.set_step_mode(maps, "m")
    assert imported_maps(maps) == imported_maps(convolution())


def test_a_module_without_values():
    for sample in (None, torch.zeros(1, INPUTS, device="meta")):
        with refuses(ValueError, "it is on the device 'meta' ... module.cpu()"):
            imported(chain().to("meta"), sample=sample)
    # Of a sample, only the shape matters.
    assert imported(chain(), sample=torch.zeros(1, INPUTS, device="meta")) == imported(chain())


def test_the_module_stays_as_it_is():
    module = chain().train()
    module(torch.rand(3, INPUTS)).__getitem__(0).sum().backward()
    module(torch.rand(3, INPUTS))  # its states are those of a graph, which no deepcopy takes
    state = {name: value.clone() for name, value in module.state_dict().items()}
    membrane, gradient = module[1].mem, module[0].weight.grad.clone()
    generators = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    assert imported(module).fidelity.exact
    assert torch.equal(generators[0], torch.get_rng_state())
    assert (generators[1] == np.random.get_state()[1]).all()
    assert generators[2] == random.getstate()
    assert module[1].mem is membrane
    assert torch.equal(module[0].weight.grad, gradient)
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert all(each.training for each in module.modules())
    assert all(each.requires_grad for each in module.parameters())
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in module.modules())


def test_a_module_that_cannot_be_copied():
    module = chain()
    module.lock = threading.Lock()
    with refuses(ValueError, "the module cannot be copied (TypeError: ... copy.deepcopy"):
        imported(module)


@pytest.mark.parametrize("mode", ["s", "m"])
def test_a_setting_of_a_neuron_that_forward_changes(mode):
    def lower(body, x):
        body[1].v_threshold = 0.25
        return body(x)

    module = Called(lower, convolution())
    functional.set_step_mode(module, mode)
    with refuses(ss.NotExpressible, "1 (IFNode): ... its v_threshold from 0.5 to 0.25"):
        imported_maps(module)


def test_hooks_are_part_of_a_module():
    module = chain()
    module[1].register_forward_pre_hook(lambda _, given: (given[0].relu(),))
    with refuses(ss.NotExpressible, "1 (Leaky): ... (relu of what 0 gave)"):
        imported(module)
    module = chain()
    module[1].register_forward_hook(lambda _, given, output: output.roll(1, 1))
    with refuses(ss.NotExpressible, "1 (Leaky): what was made of it differs from it: neuron"):
        imported(module)
    normed = chain()
    nn.utils.parametrizations.weight_norm(normed[0])
    assert imported(normed).fidelity.different == 0


def test_weights_off_the_grid_meet_thresholds_within_rounding():
    # Sums of tenths in another order are not the same number, and thresholds are met by them.
    torch.manual_seed(1)
    module = chain()
    with torch.no_grad():
        for linear in (module[0], module[2]):
            linear.weight.copy_(torch.randint(-3, 6, linear.weight.shape) / 10)
            linear.bias.zero_()
    for each in (module[1], module[3]):
        each.threshold = torch.tensor(0.3)

    whole = Called(layer_by_layer, module)
    for each, sample in ((module, None), (whole, torch.zeros(5, 1, INPUTS))):
        assert "were equal" in imported(each, sample=sample).fidelity.assumed[-1]


@pytest.mark.parametrize(
    ("tolerance", "own", "left"), [(1e-6, 1.0, [False, True]), (0.0, 1.0, None), (1e-6, 0.0, None)]
)
def test_a_threshold_that_is_met_within_rounding(tolerance, own, left):
    # The first sample's neuron fires in forward alone, since its input is larger by 1e-12.
    def trace(fired, current):
        currents, spikes = torch.tensor([[current], [0.5]]), torch.tensor([[fired], [False]])
        return Trace([currents], [spikes], [None], 1, (2, 1))

    def again(of):
        return [torch.tensor([[own > 0], [False]])]

    layers = [Layer("lif", "Leaky", tolerance, again)]
    theirs = [trace(True, torch.tensor(1.0, dtype=torch.float64) + 1e-12)]
    if left is None:
        with refuses(ss.NotExpressible, "of sample 0"):
            compare(layers, theirs, [trace(False, 1.0)])
    else:
        assert compare(layers, theirs, [trace(False, 1.0)]).tolist() == left
