"""Task lists of a core: two readers on one task memory."""

from __future__ import annotations

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig, task_layout
from stablespike.spec.link import Space

from ..lib.ports import read_signature, space_shape, tasks_signature
from .task_reader import TaskReader

__all__ = ["TaskLists"]


class TaskLists(wiring.Component):
    """Reads the tasks for the scan side and for the neuron side, each at its own pace.

    The neuron side's words come one per cycle. The scan side's do too, except in cycles in which
    the neuron side reads: the neuron side goes first, because it reads less often.

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    memory : Out(read_signature(...))
        The task memory.
    scan, neuron : In(tasks_signature(config, ...))
        The two sides, each with its own part of the task's words.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        layout = task_layout(config)
        super().__init__({
            "memory": Out(read_signature(*space_shape(config, Space.TASKS))),
            "scan": In(tasks_signature(config, layout.scan)),
            "neuron": In(tasks_signature(config, layout.neuron)),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        layout = task_layout(self.config)
        m.submodules.scan_task = scan = TaskReader(self.config, layout.scan, 0)
        # A word of 32 bits in an idle multiplier saves as many cells on an iCE40UP5K.
        m.submodules.neuron_task = neuron = TaskReader(
            self.config, layout.neuron, len(layout.scan), held=1
        )
        connect(m, flipped(self.scan), scan.tasks)
        connect(m, flipped(self.neuron), neuron.tasks)
        m.d.comb += [
            self.memory.enable.eq(1),  # a read that nobody requested does no harm
            self.memory.address.eq(Mux(neuron.request, neuron.address, scan.address)),
            neuron.grant.eq(1),
            scan.grant.eq(~neuron.request),
            neuron.data.eq(self.memory.data),
            scan.data.eq(self.memory.data),
        ]
        return m
