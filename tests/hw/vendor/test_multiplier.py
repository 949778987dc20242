"""Multipliers of an iCE40UP5K that hold registers: what is in them, and that there are enough."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from amaranth.back import rtlil
from stablespike.boards.flow import elaborate
from stablespike.boards.registry import BOARDS
from stablespike.hw.vendor.multiplier import EnableRegister
from stablespike.spec import preset

UP5K = SimpleNamespace(device="iCE40UP5K")
ICEBREAKER = preset("icebreaker")
CONVOLVING = {"convolution": True, "recurrence": True, "planes": 1}
ARRAYS = {
    "icebreaker": ICEBREAKER,
    "icebreaker-recurrent": preset("icebreaker-recurrent"),
    "T1": replace(ICEBREAKER, window=1),
    "T1, convolution, wide weights": replace(ICEBREAKER, window=1, wide_weights=True, **CONVOLVING),
    # Its counters are the widest.
    "T8, convolution": replace(
        ICEBREAKER, window=8, lanes=8, spike_rows=512, neuron_groups=64, **CONVOLVING
    ),
}


@pytest.mark.parametrize("array", ARRAYS)
def test_no_array_takes_more_multipliers_than_the_device_has(array, tmp_path):
    elaborate(BOARDS["icebreaker"], ARRAYS[array], bytes(16), tmp_path)
    assert (tmp_path / "top.il").read_text().count("cell \\SB_MAC16 ") == 8


@pytest.mark.parametrize(
    ("width", "device", "multipliers"),
    [(32, UP5K, 1), (61, UP5K, 2), (64, UP5K, 2), (82, UP5K, 2), (64, None, 0)],
)
def test_a_register_takes_at_most_two_multipliers(width, device, multipliers):
    text = rtlil.convert(EnableRegister(width), platform=device, emit_src=False)
    assert text.count("cell \\SB_MAC16 ") == multipliers
