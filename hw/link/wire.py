"""What every wire gives the accelerator: bytes from the host, and bytes to it."""

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["wire_signature"]


def wire_signature(link_bytes: int = 1) -> wiring.Signature:
    """The bytes of a wire, as the wire has them, in its own clock domain.

    With ``link_bytes`` of 2, the words that ``wide.words`` makes of them.

    Members
    -------
    o : Out(stream.Signature(8 * link_bytes))
        Bytes from the host. A wire that cannot be stalled drops what is not taken in time: the
        link repairs that.
    i : In(stream.Signature(8 * link_bytes))
        Bytes to the host: COBS-encoded frames. The zero that ends a frame is the last byte for now,
        so a wire that gathers bytes sends what it has.
    idle : Out(1)
        Nothing is on its way behind ``i``. Only a wire whose rate can change needs it; others
        hold 1.
    """
    shape = 8 * link_bytes
    return wiring.Signature({
        "o": Out(stream.Signature(shape)), "i": In(stream.Signature(shape)), "idle": Out(1),
    })
