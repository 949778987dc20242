"""Reports of imports for tests."""

from dataclasses import replace

import numpy as np
import stablespike as ss
from stablespike.network.fidelity import Fidelity
from stablespike.network.layer_fidelity import LayerFidelity, compare_spikes


def spikes(active=(), always=(), neurons=3):
    """Return (4, 2, neurons) spikes of neurons that fire once, or in every step."""
    made = np.zeros((4, 2, neurons), bool)
    made[0, 0, list(active)] = True
    made[:, :, list(always)] = True
    return made


def report(**changes):
    """Return the report of a network of one layer, which fires."""
    layer = LayerFidelity(
        name="one", source="IF", neuron="ge", decay_asked=1.0, decay_used=1.0, leak=ss.Leak(),
        synapse_asked=None, synapse_used=None, synapse_leak=None, threshold_factor=1.0,
        scale_low=0.5, scale_high=0.5, weight_error=0.0, clipped=0, nonzero=4, zeroed=0, cut_off=0,
        fit=None, exact=True, exact_steps=None,
        spikes=compare_spikes(spikes([0, 1]), spikes([0, 1])),
    )
    values = {
        name: changes.pop(name) for name in [*changes] if name in LayerFidelity.__annotations__
    }
    whole = {
        "source": "a model", "assumed": ("gt",), "approximations": (), "input": "spikes",
        "layers": (replace(layer, **values),), "array": None, "misses": (), "state_bits": 16,
        "samples": "2 samples", "count": 2, "steps": 4, "readout": "counts",
        "same_prediction": 1.0, "undecided": 0, "predicted_source": 2, "predicted": 2,
        "accuracy_source": None, "accuracy": None,
    }
    return Fidelity(**(whole | changes))
