"""Cycles of the gateware's paths: the figures on which both it and the cycle estimate depend.

``hw`` builds delays, counters and lengths from these figures where it can, and states the others in
its docstrings; ``sw/timing`` adds them up. A test measures them on a simulated core. Arrays with
chained lanes have registers for a fast clock that small arrays lack; most differences between
arrays below come from these.
"""

from __future__ import annotations

from .array import ArrayConfig
from .task import task_layout

__all__ = [
    "ADDRESS_LATENCY", "EARLY", "MEMBRANE_READ", "OUTPUT_START", "PACKET_CHOSEN",
    "POSITION_CYCLES", "RANGES_AHEAD", "SWAP_STAGES", "TASK_READ", "WRITTEN_BACK",
    "beat_interval", "beat_to_flags", "drain_cycles", "found_to_issued", "groups_overlap",
    "input_stages", "late_sums", "membranes_ahead", "neuron_latency", "neuron_task_cycles",
    "pass_length", "row_to_flags", "scan_task_cycles", "sequential_pass", "settled_to_time",
    "step_stages", "sum_lag", "swap_to_start", "swap_wait",
]

TASK_READ = 3
"""Cycles between two tasks of one side of a core, besides one for each word of the task: one to
request the task, and two from the last word's address to ``loaded``."""

ADDRESS_LATENCY = 6
"""Cycles from the start of the address generator to its first scan range."""

POSITION_CYCLES = 2
"""Cycles the address generator spends on a position besides one for each kernel row."""

RANGES_AHEAD = 6
"""Positions that the address generator may be ahead of the scanner's finder: the stages of its
pipeline, each of which holds one when the finder is the slower one."""

SWAP_STAGES = 3
"""Registers of a pipelined array between the decision to swap a group and the lanes, which start to
move then."""

WRITTEN_BACK = 2
"""Cycles of a dense core's output for a group without reports and without a skeleton: one state for
the row of spikes, and one that finds no report to send."""

EARLY = 2
"""Cycles before its last neuron leaves from which a group that ``groups_overlap`` no longer keeps
the next one in the lanes. That one's first spike comes at least 5 cycles behind its swap, and the
row is on the bus in the cycle after the last neuron has left."""

OUTPUT_START = 2
"""Cycles with convolution from when a complete row is taken to its first beat at the bus."""

MEMBRANE_READ = 4
"""Cycles from the start of a dense core's output to its reading of the first membrane, if that is
all that it reports: one state for the row, one that chooses the packet, and two header words."""

PACKET_CHOSEN = 2
"""Cycles from when a core starts its reports until a packet's first word waits at the merger."""


def _several(config: ArrayConfig) -> int:
    return int(config.cores > 1)


def scan_task_cycles(config: ArrayConfig) -> int:
    """Cycles between two tasks of the scan side."""
    return TASK_READ + len(task_layout(config).scan)


def neuron_task_cycles(config: ArrayConfig) -> int:
    """Cycles between two tasks of the neuron side; with convolution, its scheduler takes one more
    cycle to see that the last group was sent."""
    return TASK_READ + config.convolution + len(task_layout(config).neuron)


def found_to_issued(config: ArrayConfig) -> int:
    """Cycles from when the finder reads a row of flags to the row's first event: flags, queue,
    output of the queue, issuer; with chained lanes a register behind the flags."""
    return 4 + config.pipelined


def swap_to_start(config: ArrayConfig) -> int:
    """Cycles from a swap to the drain's ``start``, which reads the first neuron a cycle later."""
    return 1 + SWAP_STAGES * config.pipelined


def step_stages(config: ArrayConfig) -> int:
    """Pipeline stages of a time step in the neuron unit: leak, integrate, fire, and two in front of
    them for a synaptic current."""
    return 5 if config.synaptic_current else 3


def input_stages(config: ArrayConfig) -> int:
    """Pipeline stages of the neuron unit in front of its first step."""
    return int(config.pipelined)


def neuron_latency(config: ArrayConfig) -> int:
    """Cycles from when a neuron enters the neuron unit to when it leaves: all stages but the last
    one, whose results leave without a register."""
    return input_stages(config) + step_stages(config) * config.neuron_steps - 1


def sum_lag(config: ArrayConfig) -> int:
    """Cycles from when the first step of a pass takes its sum to when the last one does."""
    return step_stages(config) * (config.neuron_steps - 1)


def sequential_pass(config: ArrayConfig, neurons: int) -> int:
    """Cycles of a pass over a group that another pass follows, without convolution: a neuron's
    state is written before it is read again."""
    return max(neurons, neuron_latency(config) + 2)


def drain_cycles(config: ArrayConfig, neurons: int, passes: int, *, aligned: bool) -> int:
    """Cycles from ``start`` to ``finished`` of a dense core's drain, for a group of so many
    neurons; if its row is ``aligned``, it moves on by the lanes without a neuron as well."""
    before = (passes - 1) * sequential_pass(config, neurons)
    row = 1 + config.pipelined  # with chained lanes, the row has a register in front of it
    return before + (config.lanes if aligned else neurons) + neuron_latency(config) + row


def membranes_ahead(config: ArrayConfig, neurons: int) -> int:
    """Cycles before a dense core's drain is ``finished`` in which the output of a group's membranes
    starts: behind the last neuron's entering, and in time for the first one's to be written."""
    return min(neuron_latency(config), neurons + 1) + 1 + config.pipelined


def groups_overlap(config: ArrayConfig) -> bool:
    """Whether a dense core takes the next group from the lanes while the one before leaves the
    neuron unit and is sent: the bus must take a row in the cycle in which it is there."""
    return (
        config.cores == config.row_beats == 1 and not config.pipelined and not config.convolution
    )


def pass_length(config: ArrayConfig) -> int:
    """Cycles of every pass with convolution: a neuron, and all of its group, has left the neuron
    unit before it is read again."""
    return max(config.lanes, neuron_latency(config) + 3)


def late_sums(config: ArrayConfig) -> int:
    """Cycles behind a group's last pass in which its sums are still taken, with convolution."""
    return max(0, config.lanes + sum_lag(config) - pass_length(config))


def swap_wait(config: ArrayConfig) -> int:
    """Cycles behind a group's start in which no group may be swapped, with convolution and chained
    lanes. Their memory holds two groups: the last sums of one must be taken before the first ones
    of the next but one arrive, ``SWAP_STAGES + 1`` cycles and a chain behind the swap."""
    return max(0, sum_lag(config) - config.chain - SWAP_STAGES - 1)


def beat_interval(config: ArrayConfig) -> int:
    """Cycles from a beat of a row on the bus to the same core's next one. Among several cores the
    bus chooses a core and then takes the beat."""
    return 1 + 2 * _several(config)


def row_to_flags(config: ArrayConfig) -> int:
    """Cycles from the last neuron's leaving a dense core to when the finder of a core may read the
    row's flags, for a row of one beat: output, spike memory, and the registers of the bus."""
    several = _several(config)
    bus = 3 if several else int(config.row_beats > 1)
    # With chained lanes the scanner sees a cycle later what has become available; of several cores
    # there is one more register at each that receives.
    return 2 + bus + config.pipelined * (1 + several)


def beat_to_flags(config: ArrayConfig) -> int:
    """Cycles from when the bus takes the last beat of a row to when the finder of a core may read
    its flags, with convolution."""
    return 2 + 2 * _several(config) + (config.row_beats > 1) + 2 * config.pipelined


def settled_to_time(config: ArrayConfig) -> int:
    """Cycles between two windows that are in neither: from when one is taken to when its first row
    is read, and from its last result to the time that END reports."""
    return 1 + config.convolution
