"""A core: its windows and task lists, its memories, its scan side and its neuron side."""

from __future__ import annotations

from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from stablespike.spec import ArrayConfig
from stablespike.spec.link import Space
from stablespike.spec.report import BUSY_BITS

from ..lib import ports
from ..lib.checks import check_index
from .host_memory import HostMemory
from .neuron_side import ConvolutionNeuronSide, DenseNeuronSide
from .scan_side import ScanSide
from .task_lists import TaskLists
from .windows import Windows

__all__ = ["Core"]


class Core(wiring.Component):
    r"""Computes its partition of every layer, window after window.

                 windows      task lists
                    |     \  /    |
        bus -> scan side -- groups -> neuron side -> rows, reports
                    |                  |
                 weights         biases, thresholds

    One group accumulates in the lanes of the scan side while the neuron side works on the one
    before. Latencies and throughput are those of ``ScanSide`` and of the group schedulers.

    Parameters
    ----------
    config : ArrayConfig
        The array.
    index : int or Value
        This core's number; a value where one module is for all cores.

    Raises
    ------
    TypeError, ValueError
        If the array has no core of that number.

    Members
    -------
    writes : In(writes_signature(config))
        The host's writes; those to other cores are ignored.
    windows : In(windows_signature(config))
        Windows whose input rows are in the spike memory; two may be under way.
    bus : In(bus_signature(config))
        The spike bus.
    rows : Out(rows_signature(config))
        Rows to the bus. If ``groups_overlap``, it must take them at once.
    reports : Out(reports_signature())
        Packets to the host.
    report_flags : In(REPORT_FLAG_BITS)
        ``ReportFlags``.
    time : In(BUSY_BITS)
        The array's busy time.
    busy : Out(1)
        A window is under way.
    arrived : Out(1)
        This core has reached a ``sync`` between cores; up until ``go``.
    go : In(1)
        All cores have reached it.
    """

    def __init__(self, config: ArrayConfig, index: int | Value) -> None:
        self.config, self.index = config, check_index(config, index)
        super().__init__({
            "writes": In(ports.writes_signature(config)),
            "windows": In(ports.windows_signature(config)),
            "bus": In(ports.bus_signature(config)),
            "rows": Out(ports.rows_signature(config)), "reports": Out(ports.reports_signature()),
            "report_flags": In(ports.REPORT_FLAG_BITS), "time": In(BUSY_BITS),
            "busy": Out(1), "arrived": Out(1), "go": In(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        neuron_side = ConvolutionNeuronSide if self.config.convolution else DenseNeuronSide
        m.submodules.windows = windows = Windows(self.config)
        m.submodules.task_lists = lists = TaskLists(self.config)
        m.submodules.scan = scan = ScanSide(self.config)
        m.submodules.neurons = neurons = neuron_side(self.config, self.index)
        weights = [self._memory(m, Space.WEIGHTS, bank) for bank in range(self.config.banks)]
        biases, thresholds, tasks = (
            self._memory(m, space) for space in (Space.BIASES, Space.THRESHOLDS, Space.TASKS)
        )
        for bank, memory in enumerate(weights):
            connect(m, scan.weights[bank], memory.read)
        connect(m, neurons.biases, biases.read)
        connect(m, neurons.thresholds, thresholds.read)
        connect(m, lists.memory, tasks.read)
        connect(m, flipped(self.windows), windows.windows)
        # The scan side may be a window ahead of the neuron side, so each gets its own.
        connect(m, windows.scanned, scan.windows)
        connect(m, windows.drained, neurons.windows)
        connect(m, flipped(self.bus), scan.bus)
        connect(m, scan.tasks, lists.scan)
        connect(m, neurons.tasks, lists.neuron)
        connect(m, scan.groups, neurons.groups)
        connect(m, neurons.rows, flipped(self.rows))
        connect(m, neurons.reports, flipped(self.reports))
        m.d.comb += [
            self.busy.eq(windows.busy),
            # The sequencer reads the first task ahead, and again if the host has written. All cores
            # do if one of their lists is, so that they stay in step while they wait for a window.
            scan.tasks_written.eq(
                self.writes.valid & (self.writes.payload.space == Space.TASKS)
            ),
            scan.shift.eq(neurons.shift),
            neurons.sums.eq(scan.sums),
            neurons.counts.eq(scan.counts),
            self.arrived.eq(scan.arrived),
            scan.go.eq(self.go),
            neurons.report_flags.eq(self.report_flags),
            neurons.time.eq(self.time),
        ]
        return m

    def _memory(self, m: Module, space: Space, bank: int = 0) -> HostMemory:
        """The memory of a space, which the host's writes to this core reach; of the weights a bank
        of it."""
        depth, width = ports.space_shape(self.config, space)
        banks = 1
        if space == Space.WEIGHTS:
            banks, depth = self.config.banks, self.config.bank_rows
        memory = HostMemory(width, depth)
        m.submodules[f"{space.name.lower()}{bank or ''}"] = memory
        write, low = self.writes.payload, banks.bit_length() - 1
        # Writes go to all cores, so each core checks here whether it is addressed.
        m.d.comb += [
            memory.write.eq(
                self.writes.valid & (write.core == self.index) & (write.space == space)
                & (write.row[:low] == bank)
            ),
            memory.write_address.eq(write.row[low:]),
            memory.write_chunk.eq(write.chunk),
            memory.write_data.eq(write.data),
        ]
        return memory
