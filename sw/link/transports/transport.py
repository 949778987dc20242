"""What every transport gives the session: an unreliable pipe of bytes to a device."""

from __future__ import annotations

import abc

from ...support.errors import LinkError

__all__ = ["Transport"]

_RESET_READS = 1000  # the limit for a device that never stops sending


class Transport(abc.ABC):
    """An unreliable pipe of bytes to a device. The session above it repairs losses.

    Attributes
    ----------
    name : str
        The address, for messages.
    timeout : float
        Seconds without an answer after which a device of this kind is given up.
    poll : float
        Seconds of silence after which the device is asked whether something was lost.
    poll_most : float or None
        Where answers take longer, or nothing comes, silence may last up to this; None for ``poll``.
    broken : bool
        Nothing can be read or written any more, and the transport must be opened again.
    ahead : int
        Bytes of commands that may be on their way beyond what the device has room for, because it
        makes room while they are. If it does not, it drops them, and the session sends them again
        and stays closer to the room.
    own_baud : int or None
        The rate to use if none is requested; None to stay at the default.
    has_traces : bool
        Packets of traces come beside the bytes, by ``take_traces``.
    clocked : bool
        Whether the clock that the device reports is that of a board.
    foreign : str
        What to check if something other than a device answers, for messages.
    """

    name: str
    timeout: float = 5.0
    poll: float = 0.25
    poll_most: float | None = None
    broken: bool = False
    ahead: int = 0
    own_baud: int | None = None
    has_traces: bool = False
    clocked: bool = True
    foreign: str = "check what is connected there"

    @abc.abstractmethod
    def write(self, data: bytes) -> None:
        """Send all of ``data``. It may be buffered.

        Raises
        ------
        LinkError
            If the pipe broke.
        DeviceTimeout
            If it takes nothing for too long.
        """

    @abc.abstractmethod
    def read(self, timeout: float) -> bytes:
        """Return what has come, as soon as there is at least a byte.

        Parameters
        ----------
        timeout : float
            Seconds to wait before nothing is returned. It may be less if nothing can come any more.

        Raises
        ------
        LinkError
            If the pipe broke.
        """

    def reset(self) -> None:
        """Return to the state after opening: drop received bytes, set the default rate."""
        for _ in range(_RESET_READS):
            if not self.read(0):
                return

    def set_baud(self, baud: int) -> None:
        """Continue at another rate, once everything that was written has been sent.

        Raises
        ------
        LinkError
            If this transport has no rate, or not that one.
        """
        raise LinkError(
            f"{self.name} has no baud rate to change to {baud}: open it without ?baud="
        )

    def take_traces(self) -> bytes:
        """Packets of traces (``spec.report``) that came since the last call, each of them whole:
        nothing unless ``has_traces``."""
        return b""

    def drop_traces(self) -> None:
        """Drop the packets of traces that came, and what came of others, because a new session
        begins."""
        return

    @abc.abstractmethod
    def close(self) -> None:
        """Close the pipe. Closing it twice does no harm."""
