"""The bytes of a wire at a stream, one or two in a transfer (``link_bytes`` of the array)."""

from __future__ import annotations

from collections.abc import Iterable

from .streams import Bench

__all__ = ["WireSink", "WireSource", "from_words", "to_words"]


def to_words(data: Iterable[int], rest: bytearray | None = None) -> list[int]:
    """Words of the bytes of a wire, as ``hw.link.wide`` describes them.

    ``rest`` keeps a byte whose word is not complete for the next call; without it, there must be
    none.
    """
    begun = bytearray() if rest is None else rest
    words = []
    for byte in data:
        begun.append(byte)
        if len(begun) == 2 or not byte:
            words.append(int.from_bytes(begun, "little"))
            begun.clear()
    if rest is None and begun:
        raise ValueError(f"the word of the last byte, {begun[0]}, is not complete")
    return words


def from_words(words: Iterable[int]) -> bytes:
    """The bytes of words."""
    return b"".join(
        word.to_bytes(2, "little")[: 2 if word & 0xFF else 1] for word in words
    )


class WireSource:
    """Puts bytes into the stream ``name``.

    Parameters
    ----------
    bench : Bench
        Bench of the device.
    name : str
        Name of the stream.
    stall : float
        Probability of a pause in a cycle in which a transfer is waiting.
    link_bytes : int
        Bytes in a transfer.
    """

    def __init__(self, bench: Bench, name: str, stall: float = 0.0, link_bytes: int = 1) -> None:
        self.source, self._wide = bench.source(name, stall), link_bytes > 1
        self._rest = bytearray()

    @property
    def idle(self) -> bool:
        """Whether the device has taken all bytes whose words are complete."""
        return self.source.idle

    def put(self, data: Iterable[int]) -> None:
        """Queue bytes."""
        self.source.put(to_words(data, self._rest) if self._wide else data)

    async def send(self, data: Iterable[int]) -> None:
        """Queue bytes and wait until the device has taken them."""
        await self.source.send(to_words(data, self._rest) if self._wide else data)


class WireSink:
    """Takes bytes from the stream ``name``; the parameters are those of ``WireSource``."""

    def __init__(self, bench: Bench, name: str, stall: float = 0.0, link_bytes: int = 1) -> None:
        self.sink, self._wide = bench.sink(name, stall), link_bytes > 1

    def take(self) -> bytes:
        """The bytes that have come since the last call."""
        got = list(self.sink.received)
        self.sink.received.clear()
        return from_words(got) if self._wide else bytes(got)
