"""The right to use a device, which one run or stream has at a time."""

from __future__ import annotations

from ..support.errors import DeviceError

__all__ = ["Lease"]


class Lease:
    """The right of one run or stream to use a device.

    A device hands out one lease per run or stream. The newest lease is valid until the device ends
    it or its holder releases it.
    """

    def __init__(self) -> None:
        self._ended: str | None = None

    @property
    def holds(self) -> bool:
        """Whether the holder may still use the device."""
        return self._ended is None

    def check(self) -> None:
        """Refuse to continue once the lease has ended.

        Raises
        ------
        DeviceError
            If the lease has ended. The message says why, and what to do.
        """
        if self._ended is not None:
            raise DeviceError(self._ended)

    def end(self, reason: str) -> None:
        """End the lease, unless it has ended already.

        Parameters
        ----------
        reason : str
            Why it ended and what to do next: the message of later errors.
        """
        if self._ended is None:
            self._ended = reason

    def release(self) -> None:
        """Release the lease, because its holder has finished."""
        self.end("this stream has ended: open another one with device.stream")
