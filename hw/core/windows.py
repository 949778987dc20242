"""Windows of a core: two slots, which the scan side and the neuron side work through."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig

from ..lib.ports import window_layout, windows_signature

__all__ = ["Windows", "drained_signature", "scanned_signature"]


def scanned_signature(config: ArrayConfig) -> wiring.Signature:
    """The next window, given to the scan side.

    Members
    -------
    waiting : Out(1)
        There is a window that the scan side has not taken.
    window : Out(window_layout(config))
        The first such window, while ``waiting``.
    take : In(1)
        The scan side takes it; up for one cycle.
    """
    window = window_layout(config)
    return wiring.Signature({"waiting": Out(1), "window": Out(window), "take": In(1)})


def drained_signature(config: ArrayConfig) -> wiring.Signature:
    """The window under way, given to the neuron side.

    Members
    -------
    held : Out(1)
        There is a window that has not ended.
    window : Out(window_layout(config))
        The first such window, while ``held``.
    odd : Out(1)
        The number of the window, counted from reset, is odd.
    settled : In(1)
        All results of the window are out; up for one cycle.
    ended : In(1)
        Its last packet is out too; up for one cycle, not before ``settled``.
    """
    return wiring.Signature({
        "held": Out(1), "window": Out(window_layout(config)), "odd": Out(1),
        "settled": In(1), "ended": In(1),
    })


class Windows(wiring.Component):
    """Keeps each window from the loader's last row to its last packet; at most two at once.

    The scan side is at most one window ahead of the neuron side:

        in slot 0    | window 0                  | window 2
        in slot 1         | window 1                  | window 3
        scanned      | window 0   | window 1     | window 2
        drained      | window 0                  | window 1

    Parameters
    ----------
    config : ArrayConfig
        The array.

    Members
    -------
    windows : In(windows_signature(config))
        Windows from the loader. There is room while a slot is free.
    scanned : Out(scanned_signature(config))
        The scan side.
    drained : Out(drained_signature(config))
        The neuron side.
    busy : Out(1)
        A window is under way: the scan side has taken it, and it has not settled.
    """

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__({
            "windows": In(windows_signature(config)),
            "scanned": Out(scanned_signature(config)),
            "drained": Out(drained_signature(config)),
            "busy": Out(1),
        })

    def elaborate(self, platform) -> Module:
        m = Module()
        scanned, drained = self.scanned, self.drained
        slots = [Signal(self.windows.payload.shape(), name=f"window{i}") for i in range(2)]
        load = Signal()  # the slot of the next window
        # Each side counts for itself, so that neither waits for the other.
        # ``under_way`` falls before ``held``: busy time ends with the last result, not with
        # counters and END.
        held, unscanned, under_way = (
            Signal(range(3), name=name) for name in ("held", "unscanned", "under_way")
        )
        m.d.comb += [
            self.windows.room.eq(held != 2),
            scanned.waiting.eq(unscanned != 0),
            # If one window is left to scan, it is the one loaded last; if two, the one before that.
            scanned.window.eq(Mux(load ^ unscanned[0], slots[1], slots[0])),
            drained.held.eq(held != 0),
            drained.window.eq(Mux(drained.odd, slots[1], slots[0])),
            self.busy.eq(under_way != 0),
        ]
        m.d.sync += [
            held.eq(held + self.windows.valid - drained.ended),
            unscanned.eq(unscanned + self.windows.valid - scanned.take),
            under_way.eq(under_way + scanned.take - drained.settled),
            drained.odd.eq(drained.odd ^ drained.ended),
        ]
        with m.If(self.windows.valid):
            m.d.sync += load.eq(~load)
            for i, slot in enumerate(slots):
                with m.If(load == i):
                    m.d.sync += slot.eq(self.windows.payload)
        return m
