"""NIR graphs for tests, with weights on the grid."""

from itertools import pairwise

import numpy as np
import pytest
from import_models import INPUTS, spikes

nir = pytest.importorskip("nir")

STEPS, DT = 4, 1e-4
SAMPLES = spikes(11, 270, STEPS)
SAID = {"dt": DT, "reset": "zero", "reset_timing": "same_step"}


def values(size, value):
    return np.full(size, float(value))


def lif(size, **settings):
    given = {"tau": 2 * DT, "r": 2, "v_leak": 0, "v_threshold": 1, **settings}
    return nir.LIF(**{name: np.asarray(v) if np.ndim(v) else values(size, v)
                      for name, v in given.items()})


def weights(outputs, inputs, seed=0):
    return np.random.default_rng(seed).integers(-8, 8, (outputs, inputs)) / 8


def affine(outputs, inputs, seed=0):
    bias = np.random.default_rng(seed + 1).integers(-8, 8, outputs) / 8
    return nir.Affine(weights(outputs, inputs, seed), bias)


def graph(*nodes, shape=(INPUTS,), output=None):
    every = {"input": nir.Input(np.array(shape))}
    every |= {f"{type(node).__name__.lower()}{i}": node for i, node in enumerate(nodes)}
    every["output"] = nir.Output(None if output is None else np.array(output))
    names = list(every)
    return nir.NIRGraph(every, list(pairwise(names)), type_check=False)


def two_layers(**settings):
    return graph(
        affine(30, INPUTS), lif(30, **settings), nir.Linear(weights(10, 30)), lif(10, **settings),
        output=(10,),
    )


CUBA = {"w_in": np.array([0.0]), "tau_syn": np.array([2 * DT]), "tau_mem": np.array([2 * DT]),
         "r": np.array([2.0]), "v_leak": np.array([0.0]), "v_threshold": np.array([1.0])}
