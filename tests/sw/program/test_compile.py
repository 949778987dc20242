"""Compiling: tiles, images, tasks; everything that does not fit is named with its figures."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import stablespike as ss
from hypothesis import given
from hypothesis import strategies as st
from stablespike.spec import preset, task_layout
from stablespike.spec.link import Register, Space
from stablespike.support.errors import DoesNotFit
from stablespike.timing.estimate import typical_cycles

pytestmark = pytest.mark.usefixtures("dense_presets")

SMALL = ss.ArrayConfig(lanes=4, weight_rows=64, spike_rows=32, neuron_groups=8, tasks=4)


def dense(inputs: int, outputs: int, **neuron: object) -> ss.Dense:
    weight = (np.arange(outputs * inputs) % 16 - 8).reshape(outputs, inputs)
    options = {"threshold": 20, "leak": (1, None), **neuron}
    return ss.Dense(weight, np.arange(outputs), neuron=ss.Neuron(**options))


def network(*sizes: int, **options: object) -> ss.Network:
    layers = [dense(a, b) for a, b in pairwise(sizes)]
    return ss.Network(ss.SpikeInput((sizes[0],)), layers, **options)


@given(outputs=st.integers(1, 200), cores=st.integers(1, 8), lanes=st.sampled_from([4, 8, 16]))
def test_tiles_cover_a_layer_evenly(outputs: int, cores: int, lanes: int) -> None:
    config = ss.ArrayConfig(cores=cores, lanes=lanes)
    (tiles,) = ss.compile(network(3, outputs), config, 4).tiles
    counts = [tile.groups for tile in tiles]
    assert sum(counts) == -(-outputs // lanes)
    assert max(counts) - min(counts) <= 1
    at = 0
    for tile in tiles:
        assert tile.first_group == at
        at += tile.groups


def test_weights_lie_as_the_scanner_reads_them() -> None:
    program = ss.compile(network(5, 6), SMALL, 4)
    rows = program.images[0][Space.WEIGHTS]
    weight = program.network.layers[0].weight
    for group in range(2):
        for j in range(8):  # 5 inputs in rows of 4 words
            word = int(rows[group * 8 + j, 0])
            for lane in range(4):
                nibble = word >> 4 * lane & 15
                value = nibble - 16 if nibble > 7 else nibble
                neuron = group * 4 + lane
                assert value == (weight[neuron, j] if neuron < 6 and j < 5 else 0)


def test_tasks_of_two_cores() -> None:
    config = replace(SMALL, cores=2)
    program = ss.compile(network(5, 10, 3), config, 4)
    layout = task_layout(config)

    def tasks(core: int) -> list[dict[str, int]]:
        chunks = program.images[core][Space.TASKS].astype(int)
        words = (chunks[:, 0] | chunks[:, 1] << 16).tolist()
        starts = range(0, len(words), layout.stride)
        return [layout.unpack(words[at : at + layout.stride]) for at in starts]

    (first, second), (other, last) = tasks(0), tasks(1)
    assert [first["groups"], other["groups"]] == [1, 2]
    assert [second["groups"], last["groups"]] == [0, 1]
    assert first["sync"] == other["sync"] == 1
    assert second["wait"] == last["wait"] == 3
    assert [first["last"], second["last"]] == [0, 1]
    assert other["spikes_row"] == first["spikes_row"] + 1
    assert other["lanes_last"] == 2
    assert last["lanes_last"] == 3
    assert program.registers == {Register.INPUT_ROWS: 2, Register.INPUT_BASE: 0}


@pytest.mark.parametrize(
    ("source", "recurrent", "half"),
    [
        (ss.PixelInput((6,), 4), False, 1),
        (ss.PixelInput((6,), 5), False, 0),
        (ss.SpikeInput((6,)), False, 0),
        (ss.SpikeInput((6,)), True, 1),  # words of one step
    ],
)
def test_narrow_words_travel_as_half_words(
    source: ss.SpikeInput | ss.PixelInput, recurrent: bool, half: int
) -> None:
    array = replace(SMALL, window=8, convolution=True, recurrence=True)
    layer = replace(dense(6, 4), recurrent=np.eye(4, dtype=int) if recurrent else None)
    program = ss.compile(ss.Network(source, [layer]), array, 8)
    assert program.registers[Register.INPUT_HALF] == program.half_words == half


def test_one_core_reads_a_map_as_it_comes() -> None:
    program = ss.compile(network(5, 10, 3), SMALL, 4)
    layout = task_layout(SMALL)
    chunks = program.images[0][Space.TASKS].astype(int)
    words = (chunks[:, 0] | chunks[:, 1] << 16).tolist()
    second = layout.unpack(words[layout.stride :])
    assert second["ordered"] == 1
    assert second["wait"] == 3


@pytest.mark.parametrize(
    ("make", "array", "steps", "message", "remedy"),
    [
        (
            lambda: network(40, 20), SMALL, 4, "weight rows: 200 needed, 64 there",
            {"weight_rows": 200},
        ),
        (
            lambda: network(70, 1), SMALL, 4, "spike rows: 36 needed, 32 there",
            {"weight_rows": 72, "spike_rows": 36},
        ),
        (
            lambda: network(1, 40), SMALL, 4, "neuron groups: 10 needed, 8 there",
            {"neuron_groups": 10},
        ),
        (
            lambda: network(2, 2, 2, 2, 2, 2), SMALL, 4, "tasks: 5 needed, 4 there", {"tasks": 5},
        ),
        (
            lambda: network(40, 20_000), SMALL, 4, "neuron groups: 5000 needed, 8 there",
            {"cores": 8, "weight_rows": 25000, "neuron_groups": 625, "state_groups": 625},
        ),
        (
            lambda: network(20_000, 2), SMALL, 4, "spike rows: 10000 needed, 32 there",
            {"lanes": 16, "acc_bits": 17, "weight_rows": 20_000, "spike_rows": 2500},
        ),
        (
            lambda: network(2, 2, fraction_bits=2), SMALL, 4,
            "fraction_bits: the network has 2, the array 4", {"fraction_bits": 2},
        ),
        (
            lambda: network(2, 2, fraction_bits=8), replace(SMALL, state_bits=8), 4,
            "fraction_bits: the network has 8, the array 4", {"state_bits": 12, "fraction_bits": 8},
        ),
        (
            lambda: ss.Network(ss.PixelInput((2,), 8), [dense(2, 2)]), SMALL, 4,
            "pixels of 8 bits, the window takes 4", {"window": 8},
        ),
        (
            lambda: ss.Network(ss.PixelInput((2,), 16), [dense(2, 2)]), "icebreaker", 4,
            "pixels of 16 bits, the window takes 4", {"window": 16},
        ),
        (
            lambda: network(2, 2), replace(SMALL, state=False), 5,
            "5 steps: without state memory a sample is one window of 4", {"state": True},
        ),
        (
            lambda: network(2, 2, weight_bits=8), SMALL, 4,
            "layers[0] (Dense 2 -> 2): weights of 8 bits, the lanes take 4", {"weight_bits": 8},
        ),
        (
            lambda: network(2, 2, weight_bits=8), replace(SMALL, acc_bits=8), 4,
            "weights of 8 bits, the lanes take 4", {"weight_bits": 8, "acc_bits": 9},
        ),
        (
            lambda: ss.Network(ss.SpikeInput((2,)), [dense(2, 2, synapse_leak=(1, None))]),
            "icebreaker", 4, "layers[0] (Dense 2 -> 2): the array has no synaptic current",
            {"synaptic_current": True},
        ),
        (
            lambda: ss.Network(ss.SpikeInput((2,)), [dense(2, 2, threshold=[5, 200])]),
            replace(SMALL, state_bits=8), 4,
            "threshold 200 of neuron 1, membranes of 8 bits take -128 to 127", {"state_bits": 9},
        ),
        (
            lambda: ss.Network(ss.SpikeInput((2,)), [dense(2, 2, v_init=-129)]),
            replace(SMALL, state_bits=8), 4, "v_init -129 of neuron 0", {"state_bits": 9},
        ),
        (
            lambda: ss.Network(
                ss.SpikeInput((20,)),
                [ss.Dense(np.full((2, 20), 7), neuron=ss.Neuron(threshold=1))],
            ),
            replace(SMALL, acc_bits=8), 4,
            "the sums of neuron 0 reach 0 to 140, accumulators of 8 bits hold -128 to 127",
            {"acc_bits": 9},
        ),
    ],
)
def test_what_does_not_fit_is_named_and_what_would_do(make, array, steps, message, remedy) -> None:
    net = make()
    fields = ", ".join(f"{name}={value}" for name, value in remedy.items())
    with pytest.raises(DoesNotFit, match=re.escape(message)) as raised:
        ss.compile(net, array, steps)
    assert raised.value.what.endswith(f" an ArrayConfig like this with {fields})")
    config = preset(array) if isinstance(array, str) else array
    ss.compile(net, replace(config, **remedy), steps)
    names = {"network": net, "stablespike": ss}
    exec(str(raised.value).splitlines()[-1], names)  # the last line can be pasted
    assert names["program"].config == raised.value.array


def maps() -> ss.Network:
    neuron = ss.Neuron(threshold=[20, 30, 40, 50, 60])
    conv = ss.Conv2d(np.ones((5, 1, 3, 3)), neuron=neuron, pool_after=ss.MaxPool2d(2))
    back = ss.Dense(np.ones((3, 20)), neuron=ss.Neuron(threshold=20), recurrent=np.eye(3))
    return ss.Network(ss.SpikeInput((1, 6, 6)), [conv, back])


def test_options_that_the_array_lacks_are_named() -> None:
    with pytest.raises(DoesNotFit) as raised:
        ss.compile(maps(), "icebreaker", 4)
    for part in (
        "layers[0] (Conv2d 1 -> 5, 3 x 3): the array has no convolution",
        "layers[1] (recurrent Dense 20 -> 3): the array has no recurrence",
        "device='golden:'",
        "an ArrayConfig like this with planes=1, convolution=True, recurrence=True",
    ):
        assert part in str(raised.value)


def test_recurrence_needs_no_convolution() -> None:
    back = replace(dense(6, 4), recurrent=np.eye(4, dtype=int))
    net = ss.Network(ss.SpikeInput((6,)), [back])
    with pytest.raises(DoesNotFit) as raised:
        ss.compile(net, "icebreaker", 4)
    for part in (
        "layers[0] (recurrent Dense 6 -> 4): the array has no recurrence",
        "it fits the preset 'icebreaker-recurrent', or",
        "an ArrayConfig like this with planes=1, recurrence=True",
    ):
        assert part in str(raised.value)
    assert "convolution" not in str(raised.value)
    assert ss.compile(net, "icebreaker-recurrent", 4).window == 1


def test_a_program_for_the_golden_model(tmp_path: Path) -> None:
    program = ss.compile(maps(), replace(SMALL, cores=2), 9, device="golden:")
    assert (program.images, program.registers, program.needed) == ((), {}, {})
    assert (program.window, program.windows) == (1, 9)
    assert program.group_counts == [[1, 1], [0, 1]]
    assert list(program.writes()) == []
    text = program.report()
    assert "for the device golden: only" in text
    assert "layers[0] (Conv2d 1 -> 5, 3 x 3)" in text
    assert "memory" not in text.partition("for the device")[0]
    assert program.cycles() == {}
    with pytest.raises(ValueError, match="the program is for golden: only"):
        typical_cycles(program, 0.2)
    ss.save_program(program, tmp_path / "p.safetensors")
    again = ss.load_program(tmp_path / "p.safetensors")
    assert (again.network, again.device, again.partitions) == (
        maps(), "golden:", program.partitions
    )
    slow = ss.Network(ss.SpikeInput((2,)), [dense(2, 2, synapse_leak=(1, None))])
    compiled = ss.compile(slow, "icebreaker", 4, device="golden:")
    assert not compiled.config.synaptic_current
    samples = np.ones((1, 4, 2))
    with ss.open_device("golden:") as device:
        device.load(compiled)
        assert (device.run(samples).readout == ss.Golden(slow).run(samples).readout).all()
    large = ss.compile(network(500, 900), "icebreaker", 4, device="golden:")
    assert (large.window, large.device) == (4, "golden:")
    assert ss.compile(network(5, 6), SMALL, 4).device is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"acc_bits": 8, "weight_bits": 4}, "of neuron 0 reach 0 to 135, accumulators of 8 bits"),
        ({"state_bits": 8}, "threshold 150 of channel 1, membranes of 8 bits take -128 to 127"),
        ({"fraction_bits": 2}, "fraction_bits: the network has 4, the array 2"),
        ({"state": False}, "9 steps: without state memory a sample is one window of 4"),
    ],
)
def test_widths_count_for_the_golden_model_too(changes, message) -> None:
    layer = ss.Conv2d(np.full((2, 1, 3, 3), 15), neuron=ss.Neuron(threshold=[20, 150]))
    net = ss.Network(ss.SpikeInput((1, 6, 6)), [layer], weight_bits=8)
    array = replace(SMALL, **{"weight_bits": 8, **changes})
    with pytest.raises(DoesNotFit, match=re.escape(message)) as refused:
        ss.compile(net, array, 9, device="golden:")
    names = {"network": net, "stablespike": ss}
    exec(str(refused.value).splitlines()[-1], names)
    assert names["program"].device == "golden:"


def test_an_import_for_the_array_is_named() -> None:
    """Where integers are too large, a larger scale makes them smaller."""
    layer = ss.Dense(np.full((2, 300), 7), neuron=ss.Neuron(threshold=16))
    net = ss.Network(ss.SpikeInput((300,)), [layer])
    for device in (None, "golden:"):
        with pytest.raises(DoesNotFit, match=r"reach 0 to 2100, .*imported with array=, or with a"):
            ss.compile(net, "icebreaker", 4, device=device)
    with pytest.raises(DoesNotFit) as caught:
        ss.compile(network(40, 20), SMALL, 4)
    assert "array=, or" not in str(caught.value)


def test_a_preset_that_would_do_is_named() -> None:
    with pytest.raises(DoesNotFit, match="it fits the preset 'icebreaker', or an ArrayConfig like"):
        ss.compile(network(40, 20), SMALL, 4)
    with pytest.raises(DoesNotFit, match=r"it fits no preset, but .* weight_rows=38304"):
        ss.compile(network(1000, 600), "icebreaker", 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: network(*[2] * 71), "no array can: tasks is at most 64"),
        (lambda: network(270_000, 1), "no array can: spike_rows is at most 4096"),
        (
            lambda: ss.Network(
                ss.SpikeInput((70_000,)),
                [ss.Dense(np.full((1, 70_000), 127), neuron=ss.Neuron(threshold=1))],
                weight_bits=8,
            ),
            "no array can: acc_bits is at most 24",
        ),
    ],
)
def test_what_no_array_holds(make, message) -> None:
    with pytest.raises(DoesNotFit, match=re.escape(message)):
        ss.compile(make(), SMALL, 4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("net", "icebreaker", 4), TypeError, "network must be a Network, not 'net'"),
        ((None, "icebreaker", 0), ValueError, "steps must be"),
        ((None, "icebreaker", 65_537), ValueError,
         r"from 1 to 65536, not 65537: cut longer .* --carry-state\), or, in Python, send"),
        ((None, "nothing", 4), ValueError, "array must be an ArrayConfig or one of"),
        ((None, 5, 4), TypeError, "array must be an ArrayConfig or one of"),
        ((None, "icebreaker", 4, "sim:"), ValueError, "device must be one of 'golden:', not 's"),
        ((None, "icebreaker", 4, 3), ValueError, "device must be one of 'golden:', not 3"),
    ],
)
def test_wrong_arguments(arguments, error, message) -> None:
    given_network, *others = arguments
    with pytest.raises(error, match=message):
        ss.compile(network(2, 2) if given_network is None else given_network, *others)


def test_the_longest_sample_is_reported() -> None:
    program = ss.compile(network(40, 20), ss.ArrayConfig(), 65_536)
    report = program.report()
    assert "65536 steps in 16384 window(s)" in report
    short = typical_cycles(ss.compile(network(40, 20), ss.ArrayConfig(), 256), 0.2)
    assert typical_cycles(program, 0.2) == pytest.approx(256 * short, rel=0.01)


def test_the_report_says_what_is_needed() -> None:
    text = ss.compile(network(5, 10, 3), SMALL, 9).report()
    assert re.search(r"weight rows +36 +64", text)
    assert "3 window(s)" in text
    assert "layers[1] (Dense 10 -> 3)" in text
    assert "cycles per sample" in text


@pytest.mark.parametrize(
    ("array", "way"),
    [
        ("icebreaker", "planes"),
        (replace(preset("icebreaker"), planes=1), "steps"),  # more lines would take longer
        ("ecp5-25f", "narrow"),
        (preset("ecp5-25f-conv"), "lines"),
    ],
)
def test_the_way_of_frames_with_the_fewest_cycles(array: str | ss.ArrayConfig, way: str) -> None:
    rng = np.random.default_rng(0)
    layers = [
        ss.Dense(rng.integers(-8, 8, (b, a)), neuron=ss.Neuron(threshold=600))
        for a, b in pairwise((32, 128, 64, 10))
    ]
    assert ss.compile(ss.Network(ss.FrameInput((32,)), layers), array, steps=32).frames == way
