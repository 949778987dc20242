"""The golden model as a device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from math import prod
from typing import Any

from ..mapping.frames import bit_lines
from ..program.program import Program
from ..spec.array import ArrayConfig
from ..support.errors import ToolError
from .device import Device
from .lease import Lease
from .result import Result, counter_table, with_totals
from .stream import Stream
from .windows import Batch

__all__ = ["GoldenDevice"]


class GoldenDevice(Device):
    """The golden model as a device with whatever array a program is for.

    Parameters
    ----------
    uri : str
        The address, for messages.
    samples_at_once : int
        The most samples that are computed together.
    spikes_at_once : int
        The most spikes of those samples that are kept if only counters are requested; at least one
        sample is always computed.

    Raises
    ------
    ToolError
        If PyTorch is not installed.
    """

    def __init__(
        self, uri: str = "golden:", samples_at_once: int = 512, spikes_at_once: int = 1 << 26
    ) -> None:
        super().__init__(uri)
        try:
            from ..golden import golden
        except ImportError as error:
            raise ToolError(
                f"golden: needs PyTorch ({error}): pip install 'stablespike[golden]'"
            ) from error
        self._module = golden
        self._samples_at_once, self._spikes_at_once = samples_at_once, spikes_at_once
        self._golden: Any = None
        self._changing: Any = None  # the model of pixels that change from step to step
        self._membranes: Any = None  # the state of the model after the last sample

    @property
    def config(self) -> ArrayConfig | None:
        return self.program.config if self.program else None

    def _close(self) -> None:
        self._golden = self._changing = self._membranes = None

    def _load(self, program: Program) -> None:
        network = replace(program.network, encoder=None)  # check_batch encodes
        frames, widths = network.with_changing_pixels, program.config
        self._golden = self._changing = self._module.Golden(
            network, widths.state_bits, widths.window
        )
        if frames is not network:
            self._changing = self._module.Golden(frames, widths.state_bits, widths.window)
        self._membranes = None

    def _run(
        self, lease: Lease, batches: Iterator[Batch], trace: bool, counters: bool
    ) -> Generator[Result, None, None]:
        lease.check()
        for batch in batches:
            yield self._batch(batch, trace, counters)
            lease.check()

    def _stream(
        self, lease: Lease, program: Program, trace: bool, counters: bool,
        restart_every: int | None,
    ) -> Stream:
        def compute(batch: Batch) -> Result:
            return self._batch(batch, trace, counters)

        return _GoldenStream(lease, program, restart_every, compute)

    def _batch(self, batch: Batch, trace: bool, counters: bool) -> Result:
        try:
            return self._computed(batch, trace, counters)
        except BaseException:  # the state is that of any sample of the batch
            self._state.lose()
            raise

    def _computed(self, batch: Batch, trace: bool, counters: bool) -> Result:
        batch, parts, at = self._state.started(batch), [], 0
        together = self._together(batch.steps)
        while at < len(batch):
            # Samples that start afresh run together; a sample that continues needs the one before
            # it.
            fresh = bool(batch.fresh[at])
            stop = at + 1
            while fresh and stop < min(len(batch), at + together) and batch.fresh[stop]:
                stop += 1
            # All of them are fresh, or it is a single one that continues.
            parts.append(self._part(batch.part(at, stop), trace, counters, fresh))
            at = stop
        return parts[0] if len(parts) == 1 else Result.joined(parts)

    def _together(self, steps: int) -> int:
        """The number of samples to run together."""
        assert self.program is not None
        neurons = sum(prod(shape) for shape in self.program.network.neuron_shapes)
        return max(1, min(self._samples_at_once, self._spikes_at_once // (steps * neurons)))

    def _part(self, part: Batch, trace: bool, counters: bool, fresh: bool) -> Result:
        from ..golden.counters import COUNTER_DTYPE, count

        assert self.program is not None
        network, config = self.program.network, self.program.config
        values, lengths = part.values, part.lengths
        samples = values.reshape(*values.shape[:-1], *network.input.shape)
        state = None if fresh else self._membranes
        # Counters are computed from the traces.
        golden = self._changing if part.changing else self._golden
        out = golden.run(samples, part.steps, trace or counters, state, lengths=lengths)
        self._membranes = out.last_state
        self._state.keep()
        table = counter_table(len(values), len(network.layers))
        if counters:
            before = None if state is None else [entry.r for entry in state]
            planes = self.program.planes
            computed = self.program.computed
            counted = count(
                computed.with_changing_pixels if part.changing else computed,
                bit_lines(samples, planes) if planes else samples,
                out.spikes, out.skeleton, config.window, self.program.tiles, before,
                banks=config.banks, lengths=lengths,
            )
            for name in COUNTER_DTYPE.names or ():
                table[name] = counted[name]
        totals, ratios = with_totals(table, lengths, part.fresh)
        return Result(
            readout=out.readout,
            prediction=out.prediction,
            counters=totals,
            layer_counters=table,
            consistency=ratios,
            lengths=lengths,
            trace=out.spikes if trace else (),
            skeleton=out.skeleton if trace else (),
            readout_skeleton=out.readout_skeleton,
            agreement=out.agreement,
        )


class _GoldenStream(Stream):
    """A stream whose windows are computed when they are sent."""

    def __init__(
        self, lease: Lease, program: Program, restart_every: int | None,
        compute: Callable[[Batch], Result],
    ) -> None:
        super().__init__(lease, program, restart_every)
        self._compute = compute
        self._done: deque[Result] = deque()

    def _send(self, batch: Batch) -> None:
        self._done.append(self._compute(batch))

    def _result(self, wait: bool) -> Result | None:
        return self._done.popleft() if self._done else None

    def _abandon(self) -> None:
        self._done.clear()
        self._lease.release()
