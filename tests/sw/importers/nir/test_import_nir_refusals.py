"""NIR graphs and files that are refused, by the name of the node or the argument."""

import numpy as np
import pytest
import stablespike as ss
from import_models import INPUTS
from nir_models import CUBA, DT, SAID, affine, graph, lif, two_layers, values, weights
from refusals import refuses

nir = pytest.importorskip("nir")


def branching():
    made = two_layers()
    made.nodes["other"] = nir.Linear(weights(4, 30))
    made.edges += [("lif1", "other"), ("other", "output")]
    return made


def dangling():
    made = two_layers()
    made.edges.append(("lif1", "nobody"))
    return made


def recurrent():
    made = two_layers()
    made.nodes |= {"back": nir.Linear(weights(30, 30)), "more": nir.Linear(weights(30, 30))}
    made.edges += [("lif1", "back"), ("back", "more"), ("more", "lif1")]
    return made


def two_inputs():
    made = two_layers()
    made.nodes["second"] = nir.Input(np.array([3]))
    made.edges.append(("second", "affine0"))
    return made


def with_nan():
    made = two_layers()
    made.nodes["affine0"].weight[2, 5] = np.nan
    return made


def short_bias():
    made = two_layers()
    made.nodes["affine0"].bias = np.zeros(7)
    return made


def uneven():
    made = two_layers()
    made.nodes["lif1"].tau = values(29, 2 * DT)
    return made


def two_ends():
    inner = nir.NIRGraph(
        {"a": nir.Input(np.array([3])), "b": nir.Input(np.array([3])),
         "w": nir.Linear(weights(3, 3)), "c": nir.Output(np.array([3]))},
        [("a", "w"), ("b", "w"), ("w", "c")], type_check=False,
    )
    return graph(inner, lif(3), shape=(3,))


def joined():
    made = two_layers()
    made.nodes["other"] = nir.Linear(weights(30, 30))
    made.edges += [("lif1", "other")]
    made.nodes["end"] = nir.Output(np.array([30]))
    made.edges += [("other", "end")]
    return made


def pools(**settings):
    window = {name: np.array([2, 2]) for name in ("kernel_size", "stride")}
    node = nir.SumPool2d(**{**window, "padding": np.zeros(2, int), **settings})
    return graph(node, nir.Linear(weights(4, 9)), lif(4), shape=(1, 6, 6))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (branching, "lif1 (LIF): the graph branches: it feeds linear2, other"),
        (dangling, "names 'nobody', which does not exist"),
        (recurrent, "lif1 (LIF): it is recurrent, through lif1, back, more; the nearest that"),
        (two_inputs, "the graph (NIRGraph): its inputs are input, second"),
        (with_nan, "affine0 (Affine): weight ... finite ... nan (at [2, 5])"),
        (short_bias, "affine0 (Affine): bias ... (30,), one per output ... (7,)"),
        (two_ends, "nirgraph0 (NIRGraph): it has 2 inputs and 1 outputs"),
        (joined, "the graph (NIRGraph): its outputs are output, end"),
        (lambda: pools(kernel_size=np.array([2, 2, 2])),
         "sumpool2d0 (SumPool2d): kernel_size must be one or two integers from 1 to 1024, not"),
        (lambda: graph(nir.Affine(np.ones((2, 3, INPUTS)), np.zeros(3)), lif(3)),
         "affine0 (Affine): weight ... (out, in) ... (2, 3, 24)"),
        (lambda: graph(nir.Flatten({"input": None}, 2, -1), affine(3, INPUTS), lif(3)),
         "flatten0 (Flatten): (24,) has no axes 2 to -1"),
        (lambda: graph(affine(3, INPUTS), lif(3), shape=(0,)), "input (Input) has the shape (0,)"),
        (lambda: graph(nir.Linear(np.full((3, INPUTS), "a")), lif(3)),
         "linear0 (Linear) weight ... real numbers ... of <U1"),
        (lambda: graph(nir.Linear(np.zeros((3, INPUTS), complex)), lif(3)),
         "linear0 (Linear) weight ... real numbers ... of complex128"),
        (lambda: graph(nir.Linear(np.zeros((0, INPUTS))), lif(1)),
         "linear0 (Linear): its weight is empty, (0, 24)"),
        (lambda: graph(affine(1, INPUTS),
                       nir.CubaLIF(**{**CUBA, "w_in": np.ones(1), "tau_syn": np.array([DT / 2])})),
         "cubalif1 (CubaLIF): tau_syn = 5e-05 ... at least dt = 0.0001"),
        (lambda: graph(affine(1, INPUTS),
                       nir.CubaLIF(**{**CUBA, "w_in": np.ones(1), "v_leak": np.array([0.5])})),
         "v_init ... given for cubalif1"),
        (lambda: pools(kernel_size=np.array([9, 9]), stride=np.array([9, 9])),
         "sumpool2d0 (SumPool2d): needs a map of at least its size (9, 9), but its input has 6"),
        (lambda: graph(affine(30, 23), lif(30)), "its weight ... (out, 24) for an input of"),
        (lambda: graph(affine(30, INPUTS), lif(29, tau=2 * DT, v_threshold=np.arange(1.0, 30))),
         "lif1 (LIF): its parameters are of 29 neurons, but its weights have 30 outputs"),
        (lambda: graph(affine(3, INPUTS), nir.IF(r=values(4, 1), v_threshold=values(4, 1))),
         "if1 (IF): its parameters are of 4 neurons, but its weights have 3 outputs"),
        (uneven, "lif1 (LIF): its parameters are of different shapes: (30,) of r, (29,) of tau"),
        (lambda: graph(affine(30, INPUTS), lif(30), output=(7,)),
         "output (Output) has the shape (7,), but 30 neurons feed it"),
        (lambda: graph(affine(30, INPUTS), lif(30, tau=np.linspace(DT / 2, 3 * DT, 30))),
         "lif1 (LIF): tau = 5e-05 must be at least dt = 0.0001"),
        (lambda: graph(affine(30, INPUTS), lif(30, r=-1)), "lif1 (LIF): r ... positive"),
        (lambda: graph(affine(30, INPUTS), lif(30, v_threshold=0)), "thresholds above the resting"),
        (lambda: graph(affine(1, INPUTS), nir.CubaLIF(**CUBA)), "w_in ... positive ... 0"),
        (lambda: graph(affine(30, INPUTS)), "affine0 (Affine): nothing follows it"),
        (lambda: graph(affine(30, INPUTS), lif(30), nir.Scale(values(30, 2))),
         "scale2 (Scale): it changes the last spikes"),
        (lambda: graph(nir.Delay(values(INPUTS, 1)), affine(3, INPUTS), lif(3)),
         "delay0 (Delay): no layer of this array computes it; the nearest that can: Affine"),
        (lambda: graph(affine(3, INPUTS), nir.LI(values(3, 1), values(3, 1), values(3, 0)),
                       affine(3, 3), lif(3)), "its membrane goes on to affine2 (Affine)"),
        (lambda: graph(nir.Scale(values(3, 1)), affine(3, INPUTS), lif(3)),
         "scale0 (Scale): its factor ... one value or 24"),
        (lambda: graph(affine(3, INPUTS), lif(3), shape=(2, INPUTS // 4)),
         "affine0 (Affine): its weight ... (out, 12) for an input of (2, 6)"),
    ],
)
def test_refused_graphs(made, message):
    with refuses(ValueError, message):
        ss.from_nir(made(), **SAID, cuba_current="new")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "dt, reset must be given: dt: lif1 (LIF) is described in ... reset for lif1"),
        ({"reset": "zero"}, "dt must be given: lif1 (LIF) is described in continuous time"),
        ({"reset": "subtract"}, "dt, reset_timing must be given: ... reset_timing for lif1 (LIF)"),
        ({"input": ss.PixelInput((INPUTS,), 4)},
         "input_scale, steps, dt, reset must be given: ... 1 / 15 ... the steps per sample; dt"),
        ({"dt": 1.0, "input": ss.PixelInput((INPUTS,), 4)}, "input_scale, steps, reset must be"),
        ({"dt": 1.0, "input": ss.FrameInput((INPUTS,), 4)}, "input_scale, reset must be given"),
        ({"dt": -1.0}, "dt ... positive finite number ... -1.0"),
        ({"dt": "small"}, "dt ... positive finite number ... 'small'"),
        ({"dt": 1.0, "reset": "zero"}, "lif1 (LIF): tau = 0.0002 ... at least dt = 1"),
        ({"dt": DT}, "reset ... given for lif1 (LIF): 'zero' (to v_reset"),
        ({"dt": DT, "reset": "hard"}, "reset ... 'subtract', 'zero', 'none', not"),
        ({"dt": DT, "reset": "subtract"}, "reset_timing ... given for lif1 (LIF)"),
        ({"dt": DT, "reset": "subtract", "reset_timing": "soon"}, "reset_timing ... one of"),
        ({**SAID, "compare": ">"}, "compare ... 'ge', 'gt' ... '>'"),
        ({**SAID, "input": ss.SpikeInput((5,))}, "weight ... (out, 5) for an input of (5,)"),
    ],
)
def test_what_is_not_pinned_is_asked_for(said, message):
    with refuses(ValueError, message):
        ss.from_nir(two_layers(), **said)


def test_files_that_are_no_nir(tmp_path):
    missing, text, other = (tmp_path / name for name in ("no.nir", "text.nir", "other.nir"))
    with refuses(ss.FileError, "no.nir does not exist; expected a NIR file"):
        ss.from_nir(missing)
    with refuses(ss.FileError, "is a directory; expected a NIR file"):
        ss.from_nir(tmp_path)
    text.write_text("no graph\n" * 100)
    with refuses(ss.FileError, "text.nir is not a NIR file, or one of another version"):
        ss.from_nir(text)
    import h5py

    with h5py.File(other, "w") as file:
        file["weights"] = np.zeros(3)
    with refuses(ss.FileError, "other.nir is not a NIR file"):
        ss.from_nir(other)
    nir.write(other, lif(3))
    with refuses(ss.FileError, "it holds a LIF, not a NIRGraph"):
        ss.from_nir(other)
    nir.write(text, two_layers())
    whole = text.read_bytes()
    text.write_bytes(whole[: len(whole) // 2])
    with refuses(ss.FileError, "text.nir is not a NIR file"):
        ss.from_nir(text)
    with refuses(TypeError, "source ... path of a NIR file or a nir.NIRGraph ... 3"):
        ss.from_nir(3)
