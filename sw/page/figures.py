"""The figures of a run: times, limits, and where the cycles went."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..golden.counters import source_words
from ..mapping.frames import bit_lines
from ..timing.estimate import estimate
from ..timing.utilization import neuron_bound, utilization
from .run import Run

__all__ = ["Times", "estimated", "membranes", "shares", "times"]

_NAMES = {
    "wait": "waiting for rows of spikes, or for other cores",
    "drain": "waiting for the neuron unit to take a group",
    "swap": "a group leaving the lanes",
    "rest": "between tasks",
}


@dataclass(frozen=True)
class Times:
    """Times of a sample.

    Attributes
    ----------
    cycles : float
        Cycles of a sample on average.
    clock_hz : int
        The clock; 0 if unknown.
    source : str
        Whose clock it is.
    limits : dict of str to float
        Cycles that a sample takes at least, by what limits it. A link counts only where its rate is
        known.
    """

    cycles: float
    clock_hz: int
    source: str
    limits: dict[str, float]

    @property
    def binding(self) -> str:
        """The limit that binds."""
        return max(self.limits, key=lambda name: self.limits[name])

    @property
    def per_sample(self) -> float:
        """Cycles from one sample to the next: the array's, or the link's if it takes more."""
        return max(self.cycles, self.limits[self.binding])

    @property
    def array_share(self) -> float:
        """How much of the array's own limit was reached, from 0 to 1: 1 if no cycle was lost."""
        own = max(value for name, value in self.limits.items() if name != "link")
        return own / self.cycles

    @property
    def busy(self) -> float:
        """The share of the time in which the array is busy, from 0 to 1: less than 1 if the link
        takes more time than the array."""
        return self.cycles / self.per_sample


def times(run: Run) -> Times | None:
    """The times of a run; None without cycles."""
    result, program = run.result, run.program
    if not result.measured("cycles"):
        return None
    cycles = float(result.counters["cycles"].mean())
    lanes, neurons = result.layer_counters["lower_bound"], neuron_bound(program)
    limits = {
        "lanes": float(lanes.sum(axis=1).mean()),
        "neuron units": float(neurons.sum()),
        "array": float(np.maximum(lanes, neurons).sum(axis=1).mean()),
    }
    # Layer by layer, the slower of the two binds: it is named after what takes more in the sum.
    limits["lanes" if limits["lanes"] >= limits["neuron units"] else "neuron units"] = limits.pop(
        "array"
    )
    clock, source, board = result.clock_hz, f"the device {run.device}", run.board
    if board is not None:
        if not clock:
            clock, source = board.clock_hz, f"the board {board.name}"
        most = max(result.link_bytes) / len(result)
        if most:
            limits["link"] = most / board.link_bytes_per_second * clock
    return Times(cycles, clock, source, limits)


def shares(run: Run) -> dict[str, float]:
    """Where the cycles of the cores went: shares by what happened in them."""
    result = run.result
    found = utilization(run.program, result.counters, result.layer_counters)
    lost = {text: found[f"lost_{name}"] for name, text in _NAMES.items()}
    return {"the lanes adding weights": max(0.0, 1 - sum(lost.values())), **lost}


def estimated(run: Run) -> npt.NDArray[np.int64] | None:
    """Estimated cycles of the traced samples; None if the samples are not known, or shorter."""
    traced, program = run.traced, run.program
    if traced is None or run.samples is None or program.device is not None:
        return None
    if (traced.lengths != program.steps).any():
        return None
    network = program.computed
    if run.network is not program.network:
        network = network.with_changing_pixels
    planes = program.planes
    words = source_words(
        network, bit_lines(run.samples, planes) if planes else run.samples, traced.trace,
        traced.skeleton, program.config.window,
    )
    return estimate(program, words)


def membranes(run: Run) -> npt.NDArray[np.int64] | None:
    """(batch, steps, neurons) membranes of the last layer of the traced samples after each step.

    The golden model computes them from the samples: a device does not send them. None if the
    samples are not known, or PyTorch is not installed.
    """
    if run.samples is None or run.traced is None:
        return None
    try:
        from ..golden.golden import Golden
    except ImportError:
        return None
    network, config = replace(run.network, encoder=None), run.program.config
    golden, state, after = Golden(network, config.state_bits, config.window), None, []
    constant = network.input.kind == "pixels"
    for step in range(run.traced.steps):
        part: Any = run.samples if constant else run.samples[:, step : step + 1]
        state = golden.run(part, 1, state=state).state
        after.append(state[len(network.layers) - 1].v)
    return np.stack(after, axis=1)
