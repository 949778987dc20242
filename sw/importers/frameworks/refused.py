"""Why the other neurons of the frameworks are refused, and the nearest that can be expressed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["SNNTORCH", "SPIKINGJELLY", "SPIKINGJELLY_RNN", "refused_types"]

Reasons = Mapping[str, tuple[str, str]]

_NOISE = "it adds noise to its input unless is_training=False, which eval() does not set"
_TERNARY = "its spikes are 1 and -1"
_BETWEEN = "from the second step on, it adds a convolution of its last spikes to its input"
_TABLE = "it sends the digits of its input's value, by a table, instead of integrating it"
_STEPS = "its weights are between steps, so that a spike depends on the inputs of other steps"

SNNTORCH: Reasons = {
    "Alpha": ("it has two synaptic currents, of opposite signs", "Synaptic"),
    "AssociativeLeaky": (
        "its state is a matrix, with weights that depend on the input", "Linear and RLeaky"
    ),
    "DeltaLeaky": ("it fires where its membrane changes by more than a threshold", "Leaky"),
    "LeakyParallel": (
        "its membrane is cut off below 0 in each step (it is a torch.nn.RNN with relu)",
        "LinearLeaky, or Linear and Leaky with reset_mechanism='none'",
    ),
    "SConv2dLSTM": ("it is a convolutional LSTM with gates", "Conv2d and Leaky"),
    "SLSTM": ("it is an LSTM with gates", "Linear and RLeaky or RSynaptic"),
}

SPIKINGJELLY_RNN: Reasons = {
    **{
        name: ("it has gates", "LinearRecurrentContainer around a LIFNode")
        for name in ("SpikingGRU", "SpikingGRUCell", "SpikingLSTM", "SpikingLSTMCell")
    },
    **{
        name: ("it fires at 0 and keeps no membrane", "LinearRecurrentContainer around an IFNode")
        for name in ("SpikingVanillaRNN", "SpikingVanillaRNNCell")
    },
}

SPIKINGJELLY: Reasons = {
    "ComplementaryLIFNode": ("a second state of it lowers its membrane after spikes", "LIFNode"),
    "DSRLIFNode": (
        "it fires at alpha times the threshold that it subtracts", "LIFNode with v_reset=None"
    ),
    "EIFNode": ("its membrane grows exponentially", "LIFNode"),
    "FewSpikeNode": (_TABLE, "IFNode"),
    "FlexSN": ("its rule is a function of the user's", "IFNode or LIFNode"),
    "GatedLIFNode": ("gates mix its leak and its resets, by step", "LIFNode"),
    "HGNode": (_TABLE, "IFNode"),
    "ILCCUBALIFNode": (_BETWEEN, "LinearRecurrentContainer around a CUBALIFNode"),
    "ILCIFNode": (_BETWEEN, "LinearRecurrentContainer around an IFNode"),
    "ILCLIFNode": (_BETWEEN, "LinearRecurrentContainer around a LIFNode"),
    "ILIFNode": ("it fires several spikes in one step", "LIFNode with v_reset=None"),
    "IzhikevichNode": ("its membrane grows by its square, and adapts", "LIFNode"),
    "KLIFNode": ("its membrane is cut off below 0 in each step, by a relu", "LIFNode"),
    "LIAFNode": ("it sends an activation of its membrane, not spikes", "LIFNode"),
    "MPBNLIFNode": ("it normalises its membrane in each step", "LIFNode, with BatchNorm in front"),
    "MaskedPSN": (_STEPS, "LIFNode"),
    "NoisyCUBALIFNode": (_NOISE, "CUBALIFNode"),
    "NoisyILCCUBALIFNode": (_NOISE, "LinearRecurrentContainer around a CUBALIFNode"),
    "NoisyNonSpikingIFNode": (_NOISE, "NonSpikingIFNode"),
    "OutlierAwareThresholdNode": (_TABLE, "IFNode"),
    "PSN": (_STEPS, "LIFNode"),
    "QIFNode": ("its membrane grows by its square", "LIFNode"),
    "RAFNode": ("its membrane oscillates, with a second state", "LIFNode"),
    "STBIFNode": (f"{_TERNARY}, and it counts them", "IFNode with v_reset=None"),
    "SlidingPSN": (_STEPS, "LIFNode"),
    "TernaryIFNode": (_TERNARY, "IFNode"),
    "TernaryLIFNode": (_TERNARY, "LIFNode"),
}


def refused_types(package: Any, reasons: Reasons) -> dict[type, tuple[str, str]]:
    """Return the reasons by type, for the types that this release of a package has."""
    return {getattr(package, name): why for name, why in reasons.items() if hasattr(package, name)}
