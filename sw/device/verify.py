"""Comparison of the results of two devices, word for word."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..program.program import Program
from .device import Device
from .result import HARDWARE_FIELDS, Result

__all__ = ["Comparison", "Difference", "compare", "run_against"]


@dataclass(frozen=True)
class Difference:
    """One value that differs.

    Attributes
    ----------
    what : str
        "spike", "stable spike", "readout", "readout of the skeleton", or the name of a counter.
    sample : int
        The number of the sample, from 0.
    layer : int
        The number of the layer, from 0.
    step : int or None
        The step; None for a readout or a counter. For the readout "words", the first step of the
        word.
    neuron : int or None
        The number of the neuron, maps in C order (channel, height, width); None for a counter.
    expected : int
        The value that was expected.
    got : int
        The other value.
    """

    what: str
    sample: int
    layer: int
    step: int | None
    neuron: int | None
    expected: int
    got: int

    def __str__(self) -> str:
        where = [f"sample {self.sample}", f"layer {self.layer}"]
        where += [f"step {self.step}"] if self.step is not None else []
        where += [f"neuron {self.neuron}"] if self.neuron is not None else []
        return f"{self.what}: {', '.join(where)}: expected {self.expected}, got {self.got}"


@dataclass
class Comparison:
    """What has been compared so far, and what differed.

    Attributes
    ----------
    samples : int
        Samples compared.
    words : int
        Spike words and stable spike words of all layers compared.
    word_mismatches : int
        Words that differ.
    readout_mismatches : int
        Values of readouts that differ.
    counter_mismatches : int
        Counters that differ.
    first : Difference or None
        The first difference; None if there is none.
    """

    samples: int = 0
    words: int = 0
    word_mismatches: int = 0
    readout_mismatches: int = 0
    counter_mismatches: int = 0
    first: Difference | None = field(default=None)

    @property
    def mismatches(self) -> int:
        """The number of all values that differ."""
        return self.word_mismatches + self.readout_mismatches + self.counter_mismatches

    def as_dict(self) -> dict[str, Any]:
        """The figures by name, as ``--json`` prints them."""
        return {**asdict(self), "mismatches": self.mismatches}


def compare(
    expected: Result, got: Result, program: Program, into: Comparison | None = None
) -> Comparison:
    """Compare two results of the same samples: traces, readouts and counters.

    Parameters
    ----------
    expected : Result
        The result to compare with, such as that of ``golden:``.
    got : Result
        The other result, with a trace exactly if ``expected`` has one.
    program : Program
        The program that both were run with.
    into : Comparison or None
        The comparison of earlier samples, to which these are added. None for a new one.

    Returns
    -------
    Comparison
        ``into``, or the new one.
    """
    total = Comparison() if into is None else into
    first: list[Difference] = []
    for what, theirs, ours in (
        ("spike", expected.trace, got.trace), ("stable spike", expected.skeleton, got.skeleton)
    ):
        for layer, (a, b) in enumerate(zip(theirs, ours, strict=True)):
            windows = -(-expected.lengths // program.window)
            total.words += int(windows.sum()) * prod(program.network.neuron_shapes[layer])
            _words(total, first, what, layer, a, b, program.window)
    last = len(program.network.layers) - 1
    for what, read, other in (
        ("readout", expected.readout, got.readout),
        ("readout of the skeleton", expected.readout_skeleton, got.readout_skeleton),
    ):
        if read is not None and other is not None:
            positions = np.argwhere(read != other)
            total.readout_mismatches += len(positions)
            if len(positions):
                first.append(_readout(what, last, read, other, positions[0], program.config.window))
    for name in expected.layer_counters.dtype.names or ():
        if name in HARDWARE_FIELDS:  # golden has none, and boards may differ in them
            continue
        counted, theirs_counted = got.layer_counters[name], expected.layer_counters[name]
        positions = np.argwhere(counted != theirs_counted)
        total.counter_mismatches += len(positions)
        if len(positions):
            at = sample, layer = int(positions[0][0]), int(positions[0][1])
            values = int(theirs_counted[at]), int(counted[at])
            first.append(Difference(name, sample, layer, None, None, *values))
    if first and total.first is None:
        total.first = replace(first[0], sample=first[0].sample + total.samples)
    total.samples += len(expected)
    return total


def run_against(
    golden: Device,
    device: Device,
    batches: Iterable[Any],
    into: Comparison,
    options: dict[str, Any],
    of_batch: Callable[[int], dict[str, Any]] | None = None,
) -> Iterator[Result]:
    """Run batches on a device and, in a thread beside it, on the golden model, and compare.

    Parameters
    ----------
    golden, device : Device
        The devices, with the same program loaded.
    batches : iterable
        The batches.
    into : Comparison
        The comparison to which they are added.
    options : dict
        Keywords of ``Device.run``.
    of_batch : callable or None
        Returns the keywords of the batch of a number, from 0, where they differ from those of all
        batches.

    Yields
    ------
    Result
        The result of the device, batch after batch, once it has been compared.
    """
    expected: deque[Future[Result]] = deque()
    program = device.program
    assert program is not None, "load a program first"
    with ThreadPoolExecutor(1) as beside:

        def begun() -> Iterator[Any]:
            for number, batch in enumerate(batches):
                own = options if of_batch is None else of_batch(number)
                expected.append(beside.submit(golden.run, batch, **own))
                yield batch

        for result in device.run(begun(), **options):
            compare(expected.popleft().result(), result, program, into)
            yield result


def _words(
    total: Comparison,
    first: list[Difference],
    what: str,
    layer: int,
    expected: npt.NDArray[np.bool_],
    got: npt.NDArray[np.bool_],
    window: int,
) -> None:
    batch, steps = expected.shape[:2]
    differ = (expected != got).reshape(batch, steps, -1)
    positions = np.argwhere(differ)
    if not len(positions):
        return
    # A word is the spikes of a neuron in a window: several bits of it may differ.
    words = {(sample, step // window, neuron) for sample, step, neuron in positions.tolist()}
    total.word_mismatches += len(words)
    sample, step, neuron = (int(i) for i in positions[0])
    values = (int(each.reshape(differ.shape)[sample, step, neuron]) for each in (expected, got))
    first.append(Difference(what, sample, layer, step, neuron, *values))


def _readout(
    what: str,
    layer: int,
    expected: npt.NDArray[np.int64],
    got: npt.NDArray[np.int64],
    position: npt.NDArray[np.intp],
    window: int,
) -> Difference:
    at = tuple(int(i) for i in position)
    step = at[2] * window if len(at) > 2 else None
    return Difference(what, at[0], layer, step, at[1], int(expected[at]), int(got[at]))
