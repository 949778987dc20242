"""NIR graphs that are given frames, or values counted from a zero."""

import numpy as np
import pytest
import stablespike as ss
from import_models import FRAMES, INPUT_SCALE, INPUTS, frames, our_spikes
from nir_models import SAID, STEPS, affine, graph, lif, nir, values
from refusals import refuses


def fired(layer, given):
    """Return (batch, steps, neurons) spikes of a layer by NIR's equations."""
    membrane, found = np.zeros((len(given), len(layer.bias))), []
    for step in np.swapaxes(given, 0, 1):
        membrane = membrane / 2 + step @ layer.weight.T + layer.bias
        found.append(membrane > 1)
        membrane[found[-1]] = 0
    return np.stack(found, 1)


@pytest.mark.parametrize("source", FRAMES)
def test_frames_are_exact(source):
    layers = affine(40, INPUTS), affine(20, 40, 1)
    made = graph(layers[0], lif(40), layers[1], lif(20))
    network = ss.from_nir(made, **SAID, input=source, input_scale=INPUT_SCALE)
    assert network.input == source
    assert network.fidelity.exact
    assert network.fidelity.different == 0
    samples, given = frames(source, 1, 100, STEPS)
    for layer, ours in zip(layers, our_spikes(network, samples), strict=True):
        given = fired(layer, given)
        assert 0.01 < ours.mean() < 0.9
        assert (ours == given).all()


@pytest.mark.parametrize("source", FRAMES)
def test_a_scale_of_the_graph(source):
    """The graph itself scales the integers; those of a zero it does not know."""
    layer = affine(40, INPUTS)
    within = graph(nir.Scale(values(INPUTS, INPUT_SCALE)), layer, lif(40))
    outside = graph(layer, lif(40))
    network = ss.from_nir(within, **SAID, input=source, input_scale=1.0)
    assert network == ss.from_nir(outside, **SAID, input=source, input_scale=INPUT_SCALE)


def test_a_padded_convolution():
    made = graph(
        nir.Conv2d((4, 4), np.ones((2, 1, 3, 3)), 1, 1, 1, 1, np.zeros(2)),
        lif((2, 4, 4)), shape=(1, 4, 4),
    )
    source = ss.FrameInput((1, 4, 4), 4, zero=8)
    with refuses(ss.NotExpressible, "its convolution pads the input with 0", "padded with 8"):
        ss.from_nir(made, **SAID, input=source, input_scale=INPUT_SCALE)
