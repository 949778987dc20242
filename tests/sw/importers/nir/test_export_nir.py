"""Networks exported as NIR graphs and read back."""

import json

import h5py
import numpy as np
import pytest
import stablespike as ss
from import_models import INPUTS
from nir_models import SAID
from random_networks import random_network
from refusals import refuses
from stablespike.importers import not_carried

nir = pytest.importorskip("nir")


def network(layers, readout="counts", source=None):
    return ss.Network(source or ss.SpikeInput((INPUTS,)), layers, readout=readout)


def dense(outputs, inputs, seed=0, weight=None, **settings):
    rng = np.random.default_rng(seed)
    settings = {"leak": (1, None), "threshold": rng.integers(20, 300, outputs), **settings}
    extra = {key: settings.pop(key) for key in ("pool_before", "emit", "weight_bits", "recurrent")
             if key in settings}
    if extra.get("recurrent"):
        extra["recurrent"] = rng.integers(-8, 8, (outputs, outputs))
    return ss.Dense(
        rng.integers(-8, 8, (outputs, inputs)), rng.integers(-99, 99, outputs),
        neuron=ss.Neuron(**settings), **extra,
    )


def conv(outputs, inputs, seed=0, kernel=(3, 3), **settings):
    rng = np.random.default_rng(seed)
    settings = {"leak": (1, None), "threshold": rng.integers(20, 300, outputs), **settings}
    extra = {key: settings.pop(key) for key in ("pool_before", "pool_after", "stride", "padding")
             if key in settings}
    return ss.Conv2d(
        rng.integers(-8, 8, (outputs, inputs, *kernel)), rng.integers(-99, 99, outputs),
        neuron=ss.Neuron(**settings), **extra,
    )


@pytest.mark.parametrize(
    "ours",
    [
        network([dense(12, INPUTS), dense(5, 12, 1, leak=(2, 3), compare="gt", reset="zero")]),
        network([dense(12, INPUTS, leak=(None, None), reset_timing="next_step")]),
        network([dense(12, INPUTS, leak=(0, None), reset="none", v_init=-70)]),
        network([dense(12, INPUTS, leak=(2, 2), synapse_leak=(1, 1), threshold=9)]),
        network([dense(12, INPUTS, leak=ss.Leak(1, 4, add=True))]),
        network([dense(12, INPUTS, leak=ss.Leak(0, 3, add=True),
                       synapse_leak=ss.Leak(2, 6, add=True), threshold=9)]),
        network([dense(12, INPUTS), dense(5, 12, fires=False, threshold=None)], "membrane"),
        network([dense(12, INPUTS, synapse_leak=(None, None)),
                 dense(5, 12, fires=False, threshold=None, synapse_leak=(2, 3))], "membrane"),
        network([dense(12, INPUTS, leak=(None, None), synapse_leak=(1, None)),
                 dense(5, 12, leak=(None, None), synapse_leak=(None, None))]),
        network([dense(5, INPUTS, leak=(None, None), fires=False, threshold=None)], "membrane"),
        network([dense(12, INPUTS, emit="both"), dense(5, 12, weight_bits=8)], "words"),
        network([dense(9, 8, pool_before=ss.SumPool2d(2))], source=ss.SpikeInput((2, 5, 4))),
        network([dense(9, 16)], source=ss.PixelInput((1, 4, 4), bits=8)),
        network([dense(9, 16)], source=ss.PixelInput((16,), bits=4, zero=7)),
        network([dense(9, 16), dense(5, 9, recurrent=True)],
                source=ss.FrameInput((1, 4, 4), bits=5)),
        network([conv(4, 2, pool_before=ss.SumPool2d(2), kernel=(2, 2)), dense(5, 4)],
                source=ss.FrameInput((2, 5, 4), bits=3, zero=4)),
        network([conv(4, 2, stride=(2, 1), padding=(2, 1)), conv(3, 4, 1, compare="gt", padding=0),
                 dense(9, 12)], source=ss.SpikeInput((2, 5, 4))),
        network([conv(4, 2, pool_before=ss.SumPool2d(2), padding=1, synapse_leak=(1, 1)),
                 dense(5, 16, emit="both"), dense(5, 5, recurrent=True)], "words",
                source=ss.PixelInput((2, 5, 4), bits=4)),
        network([dense(12, INPUTS, recurrent=True),
                 dense(5, 12, fires=False, threshold=None)], "membrane"),
    ],
)
def test_our_export_read_back(ours, tmp_path):
    file = tmp_path / "net.nir"
    written = ss.to_nir(ours, file, dt=1e-3)
    assert ss.from_nir(file) == ours
    assert ss.from_nir(written, dt=1e-3) == ours
    assert nir.read(file).nodes.keys() == written.nodes.keys()


@pytest.mark.parametrize("more", [{}, {"synapse_leak": (1, None)}, {"leak": (None, None)}])
def test_every_release_of_nir_reads_our_files(more, tmp_path):
    ours = network([dense(12, INPUTS, **more),
                    dense(5, 12, fires=False, threshold=None, synapse_leak=(1, None))], "membrane")
    ss.to_nir(ours, tmp_path / "net.nir")
    # Nodes and parameters of nir 1.0.4, which has neither CubaLI nor v_reset.
    known = {
        "Affine": {"weight", "bias"}, "CubaLIF": {"tau_syn", "tau_mem", "r", "v_leak",
                                                  "v_threshold", "w_in"},
        "I": {"r"}, "IF": {"r", "v_threshold"}, "LI": {"tau", "r", "v_leak"},
        "LIF": {"tau", "r", "v_leak", "v_threshold"}, "Input": {"shape"}, "Output": {"shape"},
    }
    with h5py.File(tmp_path / "net.nir") as file:
        for name, node in file["node/nodes"].items():
            assert set(node) - {"type", "metadata"} == known[node["type"][()].decode()], name
    assert nir.read(tmp_path / "net.nir").nodes["layer0"].v_reset.shape == (12,)


def test_spikes_come_back_where_the_current_is():
    beside = {"leak": (None, None), "synapse_leak": (1, None)}
    ours = network([dense(12, INPUTS, recurrent=True, **beside), dense(5, 12, recurrent=True),
                    dense(5, 5, recurrent=True, leak=(1, None), synapse_leak=(1, None))])
    made = ss.to_nir(ours)
    assert {b for a, b in made.edges if a.endswith("_back")} == {"current0", "layer1", "layer2"}
    assert ss.from_nir(made) == ours


def test_random_networks_there_and_back():
    there, reasons = 0, []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        ours = random_network(rng, width=(1, 12), weight_bits=int(rng.choice([4, 8])))
        try:
            written = ss.to_nir(ours)
        except ss.NotExpressible as error:
            reasons.append(error.reason)
            continue
        fires = [layer.neuron.fires for layer in ours.layers]
        if not all(fires[:-1]) or (not fires[-1] and ours.readout != "membrane"):
            with refuses(ValueError, "layers emit spikes" if not all(fires[:-1]) else "readout"):
                ss.from_nir(written)
            continue
        back = ss.from_nir(written)
        there += 1
        assert (back.input, back.readout, back.weight_bits) == (
            ours.input, ours.readout, ours.weight_bits
        )
        for mine, other in zip(back.layers, ours.layers, strict=True):
            assert (mine.weight == other.weight).all()
            assert (mine.bias == other.bias).all()
            # A threshold that is never compared is not carried.
            assert not other.neuron.fires or (mine.threshold == other.threshold).all()
            assert (mine.emit, mine.pool_before) == (other.emit, other.pool_before)
            for name in ("leak", "synapse_leak", "reset", "reset_timing", "compare", "v_init"):
                assert getattr(mine.neuron, name) == getattr(other.neuron, name), (seed, name)
    assert there > 30
    for reason in ("skeleton", "inverts the sign"):
        assert sum(reason in each for each in reasons) > 3
    assert len(reasons) < 250


def test_our_export_in_plain_nir_has_the_same_spikes():
    ours = network([dense(30, INPUTS, compare="gt", reset="zero"),
                    dense(10, 30, 1, compare="gt", reset="zero")])
    written = ss.to_nir(ours)
    for node in (written, *written.nodes.values()):
        node.metadata = {}
    with refuses(ValueError, "dt, reset must be given: dt: layer0 (LIF) is described in"):
        ss.from_nir(written)
    network_ = ss.from_nir(written, **SAID)
    for mine, other in zip(network_.layers, ours.layers, strict=True):
        assert (mine.weight == other.weight).all()
        assert (mine.threshold == other.threshold).all()
    assert network_.fidelity.assumed == (
        "forward Euler with dt = 0.0001", "a spike where v > v_threshold; reset zero",
    )


def test_what_nir_does_not_carry(tmp_path):
    ours = network([dense(12, INPUTS, v_init=3, emit="both"), dense(5, 12, recurrent=True)],
                   source=ss.PixelInput((INPUTS,), 4))
    lines = "\n".join(not_carried(ours))
    for part in ("readout", "rounding of the leak", "subtract, same_step", "equal to the threshold",
                 "v_init", "pixels of 4 bits", "skeleton", "widths", "one step later"):
        assert part in lines
    frames = not_carried(network([dense(12, INPUTS)], source=ss.FrameInput((INPUTS,), 4, zero=8)))
    for line in ("that the input is frames of 4 bits, new in every step",
                 "that an input of 8 stands for 0: it is to be subtracted"):
        assert line in frames
        assert line not in lines
    with refuses(ss.NotExpressible, "NIR has no node for emit='skeleton'"):
        ss.to_nir(network([dense(12, INPUTS, emit="skeleton"), dense(5, 12)]))
    maps = ss.SpikeInput((1, 5, 5))
    with refuses(ss.NotExpressible, "NIR has no node for the OR of spikes in a pool"):
        ss.to_nir(network([conv(2, 1, pool_after=ss.MaxPool2d(2))], source=maps))
    with refuses(ss.NotExpressible, "takes a kernel to be as wide as it is high"):
        ss.to_nir(network([conv(2, 1, kernel=(3, 2))], source=maps))
    with refuses(TypeError, "network ... Network ... 'net'"):
        ss.to_nir("net")
    with refuses(ValueError, "dt ... positive finite number ... 0"):
        ss.to_nir(ours, dt=0)
    with refuses(ss.FileError, "cannot be written"):
        ss.to_nir(ours, tmp_path / "no" / "net.nir")


def test_a_graph_of_ours_contradicted():
    written = ss.to_nir(network([dense(12, INPUTS)]))
    with refuses(ValueError, "dt ... 0.0001, as the graph says ... 0.1"):
        ss.from_nir(written, dt=0.1)
    with refuses(ValueError, "reset of layer0 ... 'subtract', as the graph says ... 'zero'"):
        ss.from_nir(written, reset="zero")
    with refuses(ValueError, "fraction_bits ... 4, as the graph says ... 2"):
        ss.from_nir(written, fraction_bits=2)
    with refuses(ValueError, "input ... SpikeInput ... as the graph says ... FrameInput"):
        ss.from_nir(written, input=ss.FrameInput((INPUTS,), 4))
    for text in ("{", "3", "{}", '{"input": 3}'):
        written.metadata["stablespike"] = text
        if text != "{}":
            with refuses(ss.FileError, "its 'stablespike' metadata is damaged"):
                ss.from_nir(written)


def edited(node, **changes):
    """Return a graph of ours with changed metadata, of the graph or of a node."""
    made = ss.to_nir(network([dense(12, INPUTS, synapse_leak=(2, None)), dense(5, 12)]))
    place = made.metadata if node is None else made.nodes[node].metadata
    kept = json.loads(place["stablespike"])
    place["stablespike"] = json.dumps({**kept, **changes})
    return made


def with_other_tau():
    made = edited("layer1")
    made.nodes["layer1"].tau = made.nodes["layer1"].tau * 2
    return made


LAYER, NODE = {"emit": "spikes", "weight_bits": None}, "layer1 (LIF): its 'stablespike' metadata "


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: edited("layer1", leak=[1]), NODE + "is damaged (leak must be two shifts"),
        (lambda: edited("layer1", leak=3), NODE + "is damaged (leak must be two shifts"),
        (lambda: edited("layer1", leak=[1, 4, "plus"]),
         NODE + "is damaged (leak must be two shifts"),
        (lambda: edited("layer1", leak=[4, 1, "add"]), NODE + "is damaged (leak: add=True"),
        (lambda: edited("layer1", leak=[1, 4, "add"]),
         NODE + "says leak Leak(1, 4, add=True), a decay of 0.5625, but its time constant says "),
        (lambda: edited("layer1", leak=["a", "b"]), NODE + "is damaged (leak"),
        (lambda: edited("layer1", leak=[99, None]), NODE + "is damaged (leak"),
        (lambda: edited("layer1", reset="soft"), NODE + "is damaged (reset ... one of"),
        (lambda: edited("layer1", leak=[2, None]),
         NODE + "says leak (2, None), a decay of 0.75, but its time constant says 0.5"),
        (lambda: edited("layer1", synapse_leak=[2, None]),
         NODE + "says synapse_leak (2, None), a decay of 0.75, but its time constant has none"),
        (lambda: edited("layer0", synapse_leak=[1, None]),
         "layer0 (CubaLIF): its 'stablespike' metadata says synapse_leak (1, None), a decay of 0."),
        (with_other_tau, NODE + "says leak (1, None), a decay of 0.5, but its time constant says "),
        (lambda: edited(None, layers=[]),
         "a NIR graph: its 'stablespike' metadata is of 0 layers, not of the 2 it has"),
        (lambda: edited(None, layers=[LAYER] * 3), "is of 3 layers, not of the 2 it has"),
        (lambda: edited(None, layers=[{**LAYER, "emit": "all"}] * 2),
         "a NIR graph: its 'stablespike' metadata is damaged (ValueError(\"emit ... one of"),
        (lambda: edited(None, input={"kind": "sound", "shape": [INPUTS]}),
         "a NIR graph: its 'stablespike' metadata is damaged (ValueError(\"kind ... one of"),
    ],
)
def test_metadata_of_ours_changed_by_hand(made, message):
    assert ss.from_nir(edited("layer0")).layers[0].neuron.synapse_leak == (2, None)
    with refuses(ss.FileError, message):
        ss.from_nir(made())
