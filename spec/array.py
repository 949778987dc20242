"""The array configuration: the parameters of a bitstream, and what it can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = ["LIMITS", "PRESETS", "ArrayConfig", "preset"]

LIMITS = {
    "cores": (1, 32),
    "lanes": (4, 64),
    "window": (1, 16),
    "neuron_steps": (1, 16),
    "weight_bits": (4, 8),
    "acc_bits": (8, 24),
    "state_bits": (8, 16),
    "fraction_bits": (0, 8),
    "weight_rows": (16, 1 << 20),
    "spike_rows": (4, 4096),
    "neuron_groups": (1, 1023),
    "state_groups": (1, 4096),
    "tasks": (1, 64),
    "row_queue": (4, 64),
    "receive_bytes": (512, 32768),
    "result_bytes": (512, 8192),
    "chain": (1, 16),
    "row_beats": (1, 8),
    "banks": (1, 4),
    "planes": (1, 8),
    "link_bytes": (1, 2),
}
"""Lowest and highest value of each number of an ``ArrayConfig``."""

_POWERS = (
    "row_queue", "lanes", "window", "neuron_steps", "receive_bytes", "result_bytes", "chain",
    "row_beats", "banks", "planes", "link_bytes",
)

_OPTIONS = ("state", "synaptic_current", "convolution", "recurrence", "wide_weights")


@dataclass(frozen=True)
class ArrayConfig:
    """An array of cores, fixed at elaboration. It has every limit that the compiler checks.

    Parameters
    ----------
    cores : int
        Number of cores P on the spike bus.
    lanes : int
        Output channels L that a core accumulates at once; also the spike words in a row of the
        spike memory and of the bus. A power of two.
    window : int
        Time steps T in a spike word. A power of two.
    neuron_steps : int
        Steps R that the neuron unit takes in one pass; divides ``window``.
    weight_bits : int
        Width of a weight, 4 or 8, signed.
    acc_bits : int
        Width of a lane's accumulators, in weight steps.
    state_bits : int
        Width V of the membrane, including ``fraction_bits``.
    fraction_bits : int
        Fraction bits F: thresholds and biases are in units of ``2**-F`` weight steps.
    weight_rows : int
        Rows of L weights that a core holds, at least L.
    spike_rows : int
        Rows of L spike words that a core holds; the input map is there twice.
    neuron_groups : int
        Groups of L neurons (output channels) that a core holds parameters for.
    state_groups : int
        Groups of L neurons that a core keeps the state of between windows. A convolution takes one
        for every position and group.
    tasks : int
        Entries of a core's task list.
    row_queue : int
        Rows with spikes that the scanner finds ahead of the lanes.
    receive_bytes, result_bytes : int
        Sizes of the link's buffers; powers of two.
    chain : int
        Lanes that empty through one another, in as many cycles, into a small memory that is
        drained afterwards; divides ``lanes``. With 1 every accumulator has a register behind it,
        and all are emptied in one cycle.
    row_beats : int
        Cycles that a row of spike words takes on the bus and into the spike memories; divides
        ``lanes``.
    banks : int
        Events that a core adds at once, each with a bank of weights and accumulators of its own:
        words of a row whose lanes differ modulo this. A power of two, at most half
        of ``lanes``. More than 1 need ``chain`` above 1, ``row_beats`` of 1 and no ``convolution``.
    planes : int
        Place values 1, 2, 4, ... by which the lanes can multiply a row of weights, so that the bits
        of a frame's values are read as spikes, window by window. A power of two; 1 for lanes that
        add weights as they are. More need an array without ``convolution`` and ``recurrence``.
    link_bytes : int
        Bytes of frames that the link takes and sends in a clock, 1 or 2. Two are for a wire that
        carries more bytes a second than the array has clocks.
    state : bool
        Keep membranes between windows. Without it a sample is one window.
    synaptic_current : bool
        A leaky synaptic current (CUBA) in front of the membrane.
    convolution : bool
        Receptive fields and max pools; a group's neurons enter the neuron unit while those of the
        group before leave it. A beat of a row must have at least 16 bits.
    recurrence : bool
        Layers that read their own spikes of the step before.
    wide_weights : bool
        Layers of 8-bit weights on lanes of 4 bits, two lanes for a neuron; needs ``convolution``.

    Raises
    ------
    TypeError, ValueError
        If a field has a value that is not allowed. The message names the field, the value and what
        is allowed.
    """

    cores: int = 1
    lanes: int = 16
    window: int = 4
    neuron_steps: int = 1
    weight_bits: int = 4
    acc_bits: int = 16
    state_bits: int = 16
    fraction_bits: int = 4
    weight_rows: int = 16384
    spike_rows: int = 512
    neuron_groups: int = 64
    state_groups: int = 64
    tasks: int = 32
    row_queue: int = 16
    receive_bytes: int = 1024
    result_bytes: int = 2048
    chain: int = 1
    row_beats: int = 1
    banks: int = 1
    planes: int = 1
    link_bytes: int = 1
    state: bool = True
    synaptic_current: bool = True
    convolution: bool = False
    recurrence: bool = False
    wide_weights: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name in _OPTIONS:
                self._check_option(field.name)
            else:
                self._check_number(field.name)
        self._check_widths()
        self._check_counts()

    def _check_option(self, name: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, not {value!r}")
        if value and name == "wide_weights" and not self.convolution:
            raise ValueError(f"{name} must be False where convolution is, not True")

    def _check_number(self, name: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{name} must be an integer, not {value!r}")
        low, high = LIMITS[name]
        power = "a power of two " if name in _POWERS else ""
        if not low <= value <= high or (power and value & (value - 1)):
            raise ValueError(f"{name} must be {power}from {low} to {high}, not {value}")

    def _check_widths(self) -> None:
        if self.weight_bits not in (4, 8):
            raise ValueError(f"weight_bits must be 4 or 8, not {self.weight_bits}")
        if self.wide_weights and self.weight_bits != 4:
            raise ValueError(f"wide_weights needs weight_bits of 4, not {self.weight_bits}")
        if self.acc_bits <= self.weight_bits:
            raise ValueError(
                f"acc_bits must be more than weight_bits ({self.weight_bits}), not {self.acc_bits}"
            )
        if self.planes > 1 and (self.convolution or self.recurrence):
            raise ValueError(
                f"planes must be 1 with convolution or recurrence, not {self.planes}"
            )
        if self.acc_bits < self.shifted_bits:
            raise ValueError(
                f"acc_bits must be at least weight_bits + planes - 1 ({self.shifted_bits}), "
                f"not {self.acc_bits}"
            )
        if self.fraction_bits > self.state_bits - 4:
            raise ValueError(
                f"fraction_bits must be at most state_bits - 4 ({self.state_bits - 4}), "
                f"not {self.fraction_bits}"
            )

    def _check_counts(self) -> None:
        for name, of in (("neuron_steps", "window"), ("chain", "lanes"), ("row_beats", "lanes")):
            if getattr(self, name) > getattr(self, of):
                raise ValueError(
                    f"{name} must be at most {of} ({getattr(self, of)}), not {getattr(self, name)}"
                )
        if self.banks > 1 and (self.convolution or self.chain == 1 or self.row_beats > 1):
            raise ValueError(
                "banks must be 1 with convolution, without chained lanes, or with rows in beats, "
                f"not {self.banks}"
            )
        if self.banks > self.lanes // 2:
            raise ValueError(
                f"banks must be at most {self.lanes // 2} for {self.lanes} lanes, not {self.banks}"
            )
        if self.weight_rows < self.lanes:
            raise ValueError(
                f"weight_rows must be at least lanes ({self.lanes}), not {self.weight_rows}"
            )
        # A beat carries a whole number of the 16-bit words in which rows are reported.
        if self.convolution and self.row_beats > 1 and self.row_bits // self.row_beats < 16:
            raise ValueError(
                f"row_beats must be at most {max(1, self.row_bits // 16)} for rows of "
                f"{self.row_bits} bits with convolution, not {self.row_beats}"
            )

    @property
    def slots(self) -> int:
        """Additions the array accepts in one clock: cores * lanes * banks * window."""
        return self.cores * self.lanes * self.banks * self.window

    @property
    def bank_rows(self) -> int:
        """Rows of weights in a bank: bank ``b`` has those that are ``b`` modulo ``banks``."""
        return -(-self.weight_rows // self.banks)

    @property
    def shifted_bits(self) -> int:
        """Bits of a weight times the largest place value of the lanes."""
        return self.weight_bits + self.planes - 1

    @property
    def row_bits(self) -> int:
        """Bits of a row of spike words."""
        return self.lanes * self.window

    @property
    def half_words(self) -> bool:
        """Whether input windows may be sent as half words."""
        return self.window >= 8

    @property
    def row_chunks(self) -> int:
        """16-bit words that carry a row of spike words in a report."""
        return -(-self.row_bits // 16)

    @property
    def pipelined(self) -> bool:
        """Whether the array has additional registers for a fast clock.

        A large array (one with chained lanes) has a register wherever a path would be long or would
        cross the device. A small array saves the cells and the cycle.
        """
        return self.chain > 1

    @property
    def passes(self) -> int:
        """Passes of the neuron unit over a group of a full window."""
        return self.window // self.neuron_steps

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, in order."""
        return asdict(self)


_LARGE: dict[str, Any] = {
    "window": 8,
    "neuron_steps": 4,
    "acc_bits": 12,
    "weight_rows": 2048,
    "tasks": 16,
    "chain": 8,
    "synaptic_current": False,
}

_BANKED: dict[str, Any] = {
    **{name: value for name, value in _LARGE.items() if name != "weight_rows"},
    "window": 4,
    "lanes": 32,
    "spike_rows": 128,
    "neuron_groups": 32,
    "state_groups": 32,
}

_CONVOLVING: dict[str, Any] = {
    **_LARGE,
    "lanes": 32,
    "row_beats": 4,
    "spike_rows": 256,
    "neuron_groups": 32,
    "convolution": True,
    "recurrence": True,
    "wide_weights": True,
}

_ICEBREAKER: dict[str, Any] = {
    "acc_bits": 12,
    "spike_rows": 256,
    "neuron_groups": 32,
    "state_groups": 32,
    "tasks": 16,
    "receive_bytes": 512,
    "result_bytes": 512,
    "synaptic_current": False,
}

PRESETS: dict[str, ArrayConfig] = {
    "icebreaker": ArrayConfig(**_ICEBREAKER, planes=4),
    "icebreaker-recurrent": ArrayConfig(**_ICEBREAKER, recurrence=True),
    "hx8k": ArrayConfig(
        acc_bits=12,
        state_bits=15,
        weight_rows=768,
        spike_rows=64,
        neuron_groups=16, state_groups=16,
        tasks=8,
        receive_bytes=512,
        result_bytes=512,
        synaptic_current=False,
    ),
    "gw1nr-9": ArrayConfig(
        lanes=8,
        acc_bits=12,
        weight_rows=4096,
        spike_rows=128,
        neuron_groups=32, state_groups=32,
        tasks=16,
        receive_bytes=512,
        result_bytes=512,
        synaptic_current=False,
    ),
    # The buffers of the link hold what the wire carries until the host has answered: 100 us on
    # Ethernet, at the rate of the array.
    "ecp5-25f": ArrayConfig(
        **_LARGE, lanes=64, row_beats=4, spike_rows=64, neuron_groups=16, state_groups=16,
        receive_bytes=4096, result_bytes=4096,
    ),
    "ecp5-45f": ArrayConfig(
        **_LARGE, cores=2, lanes=64, row_beats=4, spike_rows=64, neuron_groups=16, state_groups=16,
        receive_bytes=8192, result_bytes=4096,
    ),
    "ecp5-85f": ArrayConfig(
        **_LARGE, cores=8, lanes=32, row_beats=4, spike_rows=128, neuron_groups=32, state_groups=32,
        receive_bytes=8192, result_bytes=8192,
    ),
    "artix-35t": ArrayConfig(
        **_LARGE, lanes=64, row_beats=4, spike_rows=64, neuron_groups=16, state_groups=16
    ),
    "artix-100t": ArrayConfig(
        **{**_LARGE, "weight_rows": 14336}, lanes=64, row_beats=4, spike_rows=64, neuron_groups=32,
        state_groups=32,
    ),
    # For a single sample of few steps, as fast as can be: the events of a row enter in few cycles,
    # and the neurons of a group leave in few.
    "ecp5-25f-banks": ArrayConfig(
        **_BANKED, cores=2, banks=2, weight_rows=2048, receive_bytes=2048, result_bytes=2048,
    ),
    "ecp5-85f-banks": ArrayConfig(
        **_BANKED, cores=4, banks=4, weight_rows=4096, receive_bytes=8192, result_bytes=8192,
    ),
    "ecp5-25f-conv": ArrayConfig(**_CONVOLVING, cores=2, state_groups=64),
    "ecp5-45f-conv": ArrayConfig(
        **{**_CONVOLVING, "synaptic_current": True}, cores=3, state_groups=128
    ),
    "ecp5-85f-conv": ArrayConfig(
        **{**_CONVOLVING, "weight_rows": 2560, "spike_rows": 384}, cores=6, state_groups=64
    ),
    # Few lanes, since rows of a map have a word for every lane: maps of few channels waste less.
    "ecp5-85f-maps": ArrayConfig(
        **{**_CONVOLVING, "lanes": 16, "weight_rows": 6144, "spike_rows": 1024}, cores=4,
        state_groups=320,
    ),
}


def preset(name: str) -> ArrayConfig:
    """The configuration of that name.

    Parameters
    ----------
    name : str
        Name of a preset.

    Raises
    ------
    ValueError
        If there is no preset of that name; the message lists all of them.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise ValueError(
            f"array must be an ArrayConfig or one of {sorted(PRESETS)}, not {name!r}"
        ) from None
