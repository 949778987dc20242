"""Windows of a core: two slots, which the scan side and the neuron side work through."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from stablespike.spec import ArrayConfig

from ..lib.ports import window_layout, windows_signature

__all__ = ["Windows"]


class Windows(wiring.Component):
    """Keeps a window from the loader's last row to its END, at most two at once.

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
    waiting : Out(1)
        There is a window that the scan side has not taken.
    scanned : Out(window_layout(config))
        The first of those, while ``waiting``.
    take : In(1)
        The scan side takes it; up for one cycle.
    held : Out(1)
        There is a window that has not ended.
    drained : Out(window_layout(config))
        The first of those, while ``held``.
    odd : Out(1)
        Its number, counted from reset on, is odd.
    settled : In(1)
        The results of a window are out; up for one cycle.
    ended : In(1)
        So is its END, the last packet of it; up for one cycle, not before ``settled``.
    busy : Out(1)
        A window is under way: taken, and not settled.
    """

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        window = window_layout(config)
        super().__init__(
            {
                "windows": In(windows_signature(config)),
                "waiting": Out(1),
                "scanned": Out(window),
                "take": In(1),
                "held": Out(1),
                "drained": Out(window),
                "odd": Out(1),
                "settled": In(1),
                "ended": In(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        slots = [Signal(self.windows.payload.shape(), name=f"window{i}") for i in range(2)]
        load = Signal()  # the slot of the next window
        held, unscanned, under_way = (
            Signal(range(3), name=name) for name in ("held_count", "unscanned", "under_way")
        )
        m.d.comb += [
            self.windows.room.eq(held != 2),
            self.waiting.eq(unscanned != 0),
            # With one window left to scan it is the one loaded last, with two the one before.
            self.scanned.eq(Mux(load ^ unscanned[0], slots[1], slots[0])),
            self.held.eq(held != 0),
            self.drained.eq(Mux(self.odd, slots[1], slots[0])),
            self.busy.eq(under_way != 0),
        ]
        m.d.sync += [
            held.eq(held + self.windows.valid - self.ended),
            unscanned.eq(unscanned + self.windows.valid - self.take),
            under_way.eq(under_way + self.take - self.settled),
            self.odd.eq(self.odd ^ self.ended),
        ]
        with m.If(self.windows.valid):
            m.d.sync += load.eq(~load)
            for i, slot in enumerate(slots):
                with m.If(load == i):
                    m.d.sync += slot.eq(self.windows.payload)
        return m
