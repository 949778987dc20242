"""The errors that this package raises besides plain TypeError and ValueError, and its warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..spec.array import ArrayConfig

__all__ = [
    "DeviceError", "DeviceMismatch", "DeviceNotFound", "DeviceTimeout", "DoesNotFit",
    "FidelityWarning", "FileError", "LinkError", "NotExpressible", "StableSpikeError",
    "TimingError", "ToolError",
]


class StableSpikeError(Exception):
    """The base class of all errors of this package."""


class DoesNotFit(StableSpikeError, ValueError):  # noqa: N818 (the name is the sentence)
    """A network needs more than the array has, or an array more than a board.

    The message says what is missing, how much of it, and what has it. Its last line is one to
    paste, where something is known to fit.

    Attributes
    ----------
    what : str
        The message without that line.
    array : ArrayConfig or None
        An array that the network would fit; None if none is known.
    """

    def __init__(
        self, what: str, line: str | None = None, array: ArrayConfig | None = None
    ) -> None:
        super().__init__(what if line is None else f"{what}\n{line}")
        self.what, self.array = what, array

    def with_line(self, line: str) -> DoesNotFit:
        """The same error with another line to paste."""
        return DoesNotFit(self.what, line, self.array)


class NotExpressible(StableSpikeError, ValueError):  # noqa: N818 (the name is the sentence)
    """A model contains something that the array cannot compute.

    Attributes
    ----------
    node : str
        The name of that part in the model.
    kind : str
        Its type there.
    reason : str
        What cannot be expressed.
    nearest : str
        The nearest thing that can.
    """

    def __init__(self, node: str, kind: str, reason: str, nearest: str) -> None:
        super().__init__(f"{node} ({kind}): {reason}; the nearest that can: {nearest}")
        self.node, self.kind, self.reason, self.nearest = node, kind, reason, nearest


class FidelityWarning(UserWarning):
    """An imported network is of no use as it is, or the comparison with its source says little.

    The lines are those of ``Fidelity.warnings``."""


class FileError(StableSpikeError, ValueError):
    """A file is missing, of another format, damaged or too new. Names the path and the reason."""


class DeviceError(StableSpikeError, RuntimeError):
    """A device could not do what it was asked to do."""


class DeviceNotFound(DeviceError):  # noqa: N818
    """There is no device at the given address."""


class DeviceTimeout(DeviceError):  # noqa: N818
    """The device did not answer in time."""


class DeviceMismatch(DeviceError):  # noqa: N818
    """The program was compiled for another device, or the device speaks another protocol."""


class LinkError(DeviceError):
    """The link to the device broke, or carried something that the protocol forbids."""


class ToolError(StableSpikeError, RuntimeError):
    """An external tool is missing or failed. Names the tool, and where its output is."""


class TimingError(StableSpikeError, RuntimeError):
    """A bitstream misses its clock. Names the critical path."""
