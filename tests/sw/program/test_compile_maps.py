"""Convolutions and layers of 8-bit weights, compiled: what fits, how it is dealt, what is not."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import stablespike as ss
from stablespike.mapping.plan import make_plans
from stablespike.spec import PRESETS
from stablespike.support.errors import DoesNotFit
from stablespike.timing.estimate import typical_cycles

pytestmark = pytest.mark.usefixtures("dense_presets")

MAPS = ss.ArrayConfig(
    lanes=4, tasks=4, weight_rows=1 << 12, spike_rows=256, neuron_groups=16, state_groups=256,
    convolution=True,
)


def convolved(
    shape: tuple[int, int, int], channels: int, size: int = 3, **options: Any
) -> ss.Network:
    """One convolution, with a kernel of that size or of those sizes."""
    high, wide = size if isinstance(size, tuple) else (size, size)
    layer = ss.Conv2d(
        np.ones((channels, shape[0], high, wide)), neuron=ss.Neuron(threshold=1), **options
    )
    return ss.Network(ss.SpikeInput(shape), [layer])


@pytest.mark.parametrize(
    ("make", "changes", "steps", "message", "remedy"),
    [
        (
            lambda: convolved((1, 6, 6), 5), {"convolution": False}, 4,
            "layers[0] (Conv2d 1 -> 5, 3 x 3): the array has no convolution",
            {"convolution": True},
        ),
        (
            lambda: convolved((1, 6, 6), 5), {"convolution": False, "row_beats": 4}, 4,
            "the array has no convolution", {"row_beats": 1, "convolution": True},
        ),
        (
            lambda: convolved((1, 6, 6), 5), {"convolution": False, "weight_rows": 16}, 4,
            "weight rows: 18 needed, 16 there", {"weight_rows": 18, "convolution": True},
        ),
        (
            lambda: convolved((3, 6, 6), 9), {"weight_rows": 80}, 4,
            "weight rows: 81 needed, 80 there", {"weight_rows": 81},
        ),
        (
            lambda: convolved((4, 8, 8), 4), {"spike_rows": 127}, 4,
            "spike rows: 128 needed, 127 there", {"spike_rows": 128},
        ),
        (
            lambda: convolved((1, 8, 8), 8), {"state_groups": 71}, 5,
            "state groups: 72 needed, 71 there", {"state_groups": 72},
        ),
        (
            lambda: convolved((1, 8, 8), 65), {}, 4,
            "neuron groups: 17 needed, 16 there", {"neuron_groups": 17},
        ),
        (
            lambda: convolved((8, 1, 1), 4, 7, padding=3), {"spike_rows": 4}, 4,
            "layers[0] (Conv2d 8 -> 4, 7 x 7): words of a kernel row: 56 needed, 31 there",
            {"spike_rows": 14},
        ),
        (
            lambda: convolved((1, 160, 160), 4, 1),
            {"lanes": 16, "spike_rows": 4096, "state": False}, 4,
            "positions of a core: 25600 needed, 16384 there", {"cores": 2},
        ),
    ],
)
def test_a_convolution_that_does_not_fit(make, changes, steps, message, remedy) -> None:
    array = replace(MAPS, **changes)
    with pytest.raises(DoesNotFit, match=re.escape(message)) as raised:
        ss.compile(make(), array, steps)
    fields = ", ".join(f"{name}={value}" for name, value in remedy.items())
    assert re.search(rf" an ArrayConfig like this with {fields}(\)$|; device=)", raised.value.what)
    ss.compile(make(), replace(array, **remedy), steps)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: convolved((1, 1100, 1), 1, (3, 1)), "map height is at most 1023"),
        (
            lambda: convolved((1, 1, 1100), 1, (1, 3)), "positions across is at most 1023"
        ),
        (
            lambda: convolved((1, 30, 30), 1, 7, pool_before=ss.SumPool2d(10), padding=3),
            "kernel height with its sum pool is at most 63",
        ),
        (
            lambda: convolved((1, 9, 9), 1, stride=64),
            "vertical stride with its sum pool is at most 63",
        ),
        (
            lambda: convolved((1, 70, 70), 1, pool_after=ss.MaxPool2d(64)),
            "max pool size is at most 63",
        ),
    ],
)
def test_maps_no_array_holds(make, message) -> None:
    array = replace(MAPS, lanes=8, spike_rows=4096, state_groups=4096)
    with pytest.raises(DoesNotFit, match=rf"\d+ needed, \d+ there .*no array can: {message}"):
        ss.compile(make(), array, 4)


def test_presets_with_convolution_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "mapper", MAPS)
    with pytest.raises(DoesNotFit, match=r"no convolution \(the presets 'mapper' have it\)"):
        ss.compile(convolved((1, 6, 6), 5), "icebreaker", 4)
    with pytest.raises(DoesNotFit, match="it fits the preset 'mapper', or an ArrayConfig like"):
        ss.compile(convolved((1, 6, 6), 5), "icebreaker", 4)


def test_memories_decide_between_splits() -> None:
    network = convolved((1, 10, 6), 8)
    cores = replace(MAPS, cores=2)
    by_channels = ss.compile(network, replace(cores, weight_rows=16), 8)
    assert [s[:2] for s in by_channels.tiles[0]] == [(0, 1), (1, 1)]
    assert (by_channels.needed["weight_rows"], by_channels.needed["state_groups"]) == (9, 32)
    odd = convolved((1, 10, 6), 12)
    by_positions = ss.compile(odd, cores, 8)
    assert [s[2:] for s in by_positions.tiles[0]] == [(0, 16), (16, 16)]
    assert by_positions.needed["weight_rows"] == 27
    assert re.search(
        r"\(1 x 2: positions over 2 cores, 48 groups of neurons on the fullest; 2 x 1 would be 64, "
        r"about [\d,]+ cycles per sample\)",
        by_positions.report(),
    )
    tight = ss.compile(odd, replace(cores, weight_rows=18), 8)
    assert [s.groups for s in tight.tiles[0]] == [1, 2]
    assert "channels over 2 cores, 64 groups of neurons on the fullest; 1 x 2 would be 48, but" in (
        tight.report()
    )


def test_the_cycle_estimate_decides_between_equal_loads() -> None:
    network = convolved((1, 10, 8), 8)
    program = ss.compile(network, replace(MAPS, cores=2), 8)
    compared = [
        typical_cycles(replace(program, partitions=plan.partitions), 0.2)
        for plan in make_plans(network, program.config, 8, most=4)
    ]
    assert len(set(compared)) > 1
    assert typical_cycles(program, 0.2) == min(compared)


def test_the_best_that_fits_of_many_combinations() -> None:
    layers = [
        ss.Conv2d(np.ones((12, inputs, 3, 3)), padding=1, neuron=ss.Neuron(threshold=1))
        for inputs in (2, 12)
    ]
    network = ss.Network(ss.SpikeInput((2, 8, 8)), layers)
    array = replace(MAPS, cores=2, spike_rows=512, neuron_groups=16)
    free = ss.compile(network, array, 8)
    assert [[s.groups for s in tiles] for tiles in free.tiles] == [[3, 3], [3, 3]]
    whole = 3 * 9 * (2 + 12)
    assert free.needed["weight_rows"] == whole
    tight = ss.compile(network, replace(array, weight_rows=whole - 1), 8)
    assert sorted([s.groups for s in tiles] for tiles in tight.tiles) == [[1, 2], [3, 3]]


def test_membranes_without_room_are_given_up_in_samples_of_one_window() -> None:
    network, array = convolved((1, 8, 8), 8), replace(MAPS, state_groups=71)
    program = ss.compile(network, array, 4)
    assert (program.state_needed, program.needed["state_groups"]) == (72, 1)
    assert "no membranes are kept: 72 state groups would be needed" in program.report()
    kept = ss.compile(network, replace(array, state_groups=72), 4)
    assert (kept.state_needed, kept.needed["state_groups"]) == (0, 72)


def test_arrays_without_state_need_no_room_for_it() -> None:
    program = ss.compile(convolved((1, 8, 8), 8), replace(MAPS, state=False, state_groups=1), 4)
    assert (program.state_needed, program.needed["state_groups"]) == (0, 0)


def wide(weight: int, high: int) -> ss.Network:
    """Weights of 8 bits, all the same, behind ones of 4 bits."""
    layers = [
        ss.Dense(np.ones((16, 4)), neuron=ss.Neuron(threshold=1)),
        ss.Dense(np.full((5, 16), weight), neuron=ss.Neuron(threshold=1), weight_bits=8),
    ]
    return ss.Network(ss.PixelInput((4,), high), layers)


def test_weights_of_8_bits_on_lanes_of_4() -> None:
    array = replace(MAPS, wide_weights=True, acc_bits=8)
    program = ss.compile(wide(127, 1), array, 4)
    half = array.lanes // 2
    assert program.group_counts == [[-(-16 // array.lanes)], [-(-5 // half)]]
    network = wide(127, 1)
    layers = (*network.layers, ss.Dense(np.ones((18, 5)), neuron=ss.Neuron(threshold=1)),
              ss.Dense(np.full((2, 18), 127), neuron=ss.Neuron(threshold=1), weight_bits=8))
    message = (
        "the sums of neuron 0 reach 0 to 126 over the high halves of its weights and 0 to 270 over "
        "the low ones, accumulators of 8 bits hold -128 to 127 and 0 to 255"
    )
    with pytest.raises(DoesNotFit, match=re.escape(message)) as refused:
        ss.compile(replace(network, layers=layers), array, 4)
    assert "acc_bits=9" in str(refused.value)
    ss.compile(replace(network, layers=layers), replace(array, acc_bits=9), 4)
