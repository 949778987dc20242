"""The check of every report that benches make, on reports of an interpreter of tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import stablespike as ss
from array_model import ArrayModel
from random_networks import random_maps, random_samples
from stablespike.hw.lib.ports import beat_layout
from stablespike.sim.harness.blocks import Packet
from stablespike.sim.harness.programs import ALL_REPORTS, check, windows
from stablespike.sim.harness.streams import unpack
from stablespike.spec.link import Register, ReportFlags
from stablespike.spec.report import HEAD, PLACE, ReportKind

ARRAY = ss.ArrayConfig(
    cores=4, lanes=8, window=4, weight_bits=8, acc_bits=24, weight_rows=1 << 14, spike_rows=512,
    neuron_groups=64, state_groups=1024, row_beats=2, convolution=True, recurrence=True,
)
WIDE = replace(ARRAY, weight_bits=4, wide_weights=True)


def reported(program: ss.Program, sample: np.ndarray, flags: int) -> Iterator[Packet]:
    """The packets of a sample, whose input is taken from the payloads that a bench would send."""
    config, model = program.config, ArrayModel(program)
    width, part = config.window, config.lanes // config.row_beats
    shape = program.registers[Register.INPUT_ROWS], config.lanes
    for number, (parts, _) in enumerate(windows(program, sample)):
        steps = min(program.window, program.steps - number * program.window)
        beats = [unpack(beat_layout(config), payload)["words"] for payload in parts]
        rows = np.array([
            [words >> lane * width & (1 << width) - 1 for lane in range(part)] for words in beats
        ]).reshape(shape)
        packets = model.window(
            rows, steps, number == 0, number == program.windows - 1, flags
        )
        for core, each in enumerate(packets):
            for data in each:
                words = np.frombuffer(data, "<u2").tolist()
                head, origin = HEAD.unpack(words[0]), PLACE.unpack(words[1])
                yield Packet(
                    ReportKind(head["kind"]), head["layer"], origin["group"], origin["core"],
                    tuple(words[2:]),
                )
            if flags & ReportFlags.TIMES:
                yield Packet(ReportKind.END, 0, 0, core, (0, 0))


def case(seed: int) -> tuple[ss.Program, np.ndarray]:
    rng = np.random.default_rng(seed)
    array = replace((ARRAY, WIDE)[seed % 2], cores=int(rng.integers(1, 5)))
    network, steps = random_maps(rng, pixel_bits=4), int(rng.integers(1, 9))
    return ss.compile(network, array, steps), random_samples(rng, network, 1, steps)[0].astype(int)


@pytest.mark.parametrize("seed", range(40))
def test_what_tasks_say_passes(seed: int) -> None:
    program, sample = case(seed)
    for flags in (0, int(ReportFlags.TRACE), int(ALL_REPORTS)):
        check(program, sample, reported(program, sample, flags), flags)


@pytest.mark.parametrize("kind", [ReportKind.TRACE_SPIKES, ReportKind.COUNTERS])
def test_what_is_wrong_or_missing_fails(kind: ReportKind) -> None:
    program, sample = case(8)
    packets = list(reported(program, sample, int(ALL_REPORTS)))
    at = next(i for i, each in enumerate(packets) if each.kind == kind)
    other = replace(packets[at], body=(packets[at].body[0] ^ 1, *packets[at].body[1:]))
    for wrong in (packets[:at] + packets[at + 1 :], [*packets[:at], other, *packets[at + 1 :]]):
        with pytest.raises((AssertionError, KeyError)):
            check(program, sample, wrong, int(ALL_REPORTS))
