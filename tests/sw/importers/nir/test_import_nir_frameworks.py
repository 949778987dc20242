"""NIR graphs that other frameworks write: the same spikes as their own neurons."""

import numpy as np
import pytest
import stablespike as ss
import torch
from import_models import INPUTS, OUTPUTS, chain, differences, on_grid, source_spikes
from nir_models import DT, SAID, SAMPLES, STEPS
from refusals import refuses

nir = pytest.importorskip("nir")


@pytest.mark.filterwarnings("ignore")
def test_graphs_of_snntorch(tmp_path):
    snn = pytest.importorskip("snntorch")
    from snntorch.export_nir import export_to_nir

    def all_of(size, value):
        return torch.full((size,), value)

    common = {"init_hidden": True, "reset_mechanism": "zero", "reset_delay": False}
    module = chain(
        snn.Leaky(beta=all_of(40, 0.5), threshold=all_of(40, 1.0), **common),
        snn.Synaptic(all_of(20, 0.5), all_of(20, 0.5), all_of(20, 1.5), output=True, **common), 0,
    )
    written = export_to_nir(module, torch.rand(1, INPUTS), ignore_dims=[0])
    nir.write(tmp_path / "net.nir", written)
    with refuses(ValueError, "cuba_current ... given for 3 (CubaLIF): 'new' if"):
        ss.from_nir(tmp_path / "net.nir", **SAID)
    with refuses(ss.NotExpressible, "cuba_current='last' delays the current by one step"):
        ss.from_nir(tmp_path / "net.nir", **SAID, cuba_current="last")
    ours = ss.from_nir(tmp_path / "net.nir", **SAID, cuba_current="new")
    assert ours.fidelity.exact
    assert ours.fidelity.exact_steps >= STEPS
    for neuron in (module[1], module[3]):
        neuron.reset_mem()
    source = source_spikes(module, [module[1], module[3]], SAMPLES)
    assert ss.from_nir(tmp_path / "net.nir", writer="snntorch", reset="zero") == ours
    assert differences(ours, SAMPLES, source)[0] == 0


@pytest.mark.filterwarnings("ignore")
def test_graphs_of_snntorch_with_vectors_of_decays():
    snn = pytest.importorskip("snntorch")
    from snntorch.export_nir import export_to_nir

    def some_of(size, *grid):
        values = np.random.default_rng(size).choice(grid, size)
        return torch.tensor(values, dtype=torch.float32)

    common = {"init_hidden": True, "reset_mechanism": "zero", "reset_delay": False}
    beta, alpha = some_of(40, 0.0, 0.5, 0.75), some_of(20, 0.0, 0.5)
    module = chain(
        snn.Leaky(beta=beta, threshold=torch.ones(40), **common),
        snn.Synaptic(alpha, some_of(20, 0.5, 0.75), torch.full((20,), 1.5), output=True, **common),
        0,
    )
    written = export_to_nir(module, torch.rand(1, INPUTS), ignore_dims=[0])
    ours = ss.from_nir(written, **SAID, cuba_current="new", fraction_bits=7)
    decays = [layer.neuron.leak for layer in ours.layers]
    assert [len(set(each)) for each in decays] == [3, 2]
    assert len(set(ours.layers[1].neuron.synapse_leak)) == 2
    assert ours.fidelity.exact
    assert ours.fidelity.exact_steps >= STEPS
    for neuron in (module[1], module[3]):
        neuron.reset_mem()
    source = source_spikes(module, [module[1], module[3]], SAMPLES)
    assert differences(ours, SAMPLES, source)[0] == 0


@pytest.mark.parametrize("hard", [True, False])
def test_graphs_of_spikingjelly(hard):
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    from spikingjelly.activation_based import functional, nir_exchange

    module = chain(
        neuron.LIFNode(v_threshold=0.5, v_reset=-0.5 if hard else 0.0),
        neuron.IFNode(v_reset=0.0), 0, fraction=8,
    )
    written = nir_exchange.export_to_nir(module, torch.rand(1, INPUTS), dt=DT)
    said = {**SAID, "v_init": "v_reset"} if hard else SAID
    if hard:
        with refuses(ValueError, "v_init ... given for _1 (LIF): its v_leak or v_reset is not"):
            ss.from_nir(written, **SAID)
    with refuses(ValueError, "looks like a file of SpikingJelly 2.0.0", "writer='spikingjelly'"):
        ss.from_nir(written, **said)
    ours = ss.from_nir(written, **said, compare="gt")
    assert ours.fidelity.exact
    functional.reset_net(module)
    source = source_spikes(module, [module[1], module[3]], SAMPLES)
    # NIR fires above the threshold, SpikingJelly at it: where a membrane meets it they differ.
    different, compared = differences(ours, SAMPLES, source)
    assert 0 < different < 0.1 * compared
    ours = ss.from_nir(written, **said, compare="ge")
    assert ours.fidelity.exact
    assert "a spike where v >= v_threshold; reset zero" in ours.fidelity.assumed
    assert ss.from_nir(written, writer="spikingjelly") == ours
    assert differences(ours, SAMPLES, source)[0] == 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rest", [0.0, 0.25])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_graphs_of_norse(reset, rest):
    norse = pytest.importorskip("norse.torch")
    from norse.torch.functional.reset import reset_subtract, reset_value
    from norse.torch.utils.export_nir import to_nir as norse_to_nir

    generator = torch.Generator().manual_seed(0)
    method = {"zero": reset_value, "subtract": reset_subtract}[reset]
    box = norse.LIFBoxParameters(
        tau_mem_inv=torch.tensor(500.0), v_th=torch.tensor(0.5), reset_method=method,
        v_leak=torch.tensor(rest),
    )
    layers = [
        on_grid(INPUTS, 40, generator), norse.LIFBoxCell(box),
        on_grid(40, OUTPUTS, generator), norse.LIFBoxCell(box),
    ]
    module = norse.SequentialState(*layers)
    written = norse_to_nir(module, torch.rand(1, INPUTS))
    with refuses(ValueError, "tau = 2e-06 ... at least dt = 0.001"):
        ss.from_nir(written, dt=1e-3, reset="zero", v_init="v_leak")
    # Norse 1.1 writes dt / tau_mem_inv where 1 / tau_mem_inv is meant, so a step is dt squared.
    said = {"v_init": "v_leak"} if rest else {}
    ours = ss.from_nir(written, dt=1e-6, reset=reset, reset_timing="same_step", **said)
    assert ours.fidelity.exact
    state, kept = None, [[], []]
    with torch.no_grad():
        for t in range(STEPS):
            x, new = torch.from_numpy(SAMPLES[:, t]).float(), []
            for i, (linear, cell) in enumerate((layers[:2], layers[2:])):
                x, s = cell(linear(x), None if state is None else state[i])
                kept[i].append(x)
                new.append(s)
            state = new
    source = [torch.stack(each, 1).numpy() > 0 for each in kept]
    assert ss.from_nir(written, writer="norse", reset=reset).layers == ours.layers
    assert differences(ours, SAMPLES, source)[0] == 0


@pytest.mark.filterwarnings("ignore")
def test_a_cuba_graph_of_norse_needs_its_gain():
    norse = pytest.importorskip("norse.torch")
    from norse.torch.utils.export_nir import to_nir as norse_to_nir

    linear = on_grid(INPUTS, 40, torch.Generator().manual_seed(0))
    parameters = norse.LIFParameters(
        tau_mem_inv=torch.tensor(500.0), tau_syn_inv=torch.tensor(500.0), v_th=torch.tensor(0.5)
    )
    cell = norse.LIFCell(parameters)
    written = norse_to_nir(norse.SequentialState(linear, cell), torch.rand(1, INPUTS))
    said = {"dt": 1e-6, "reset": "zero", "cuba_current": "new"}
    state, kept = None, []
    with torch.no_grad():
        for t in range(STEPS):
            spike, state = cell(linear(torch.from_numpy(SAMPLES[:, t]).float()), state)
            kept.append(spike)
    source = [torch.stack(kept, 1).numpy() > 0]
    # Norse adds spikes to the current as they are; its graph says w_in = 1, which a step scales.
    with refuses(ValueError, "looks like a file of Norse 1.1.0", "writer='norse'"):
        ss.from_nir(written, **said)
    plain = ss.from_nir(written, **said, writer="plain")
    assert differences(plain, SAMPLES, source)[0] > 0
    assert differences(ss.from_nir(written, writer="norse"), SAMPLES, source)[0] == 0
    written.nodes["1"].w_in = np.array(2.0)
    ours = ss.from_nir(written, **said)
    assert ours.fidelity.exact
    assert differences(ours, SAMPLES, source)[0] == 0
