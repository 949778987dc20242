"""The errors this package raises beside plain TypeError and ValueError."""

__all__ = [
    "DeviceError", "DeviceMismatch", "DeviceNotFound", "DeviceTimeout", "DoesNotFit", "FileError",
    "LinkError", "NotExpressible", "StableSpikeError", "TimingError", "ToolError",
]


class StableSpikeError(Exception):
    """Base of every error of this package's own."""


class DoesNotFit(StableSpikeError, ValueError):  # noqa: N818 (the name is the sentence)
    """A network needs more than the array has; says what, how much, and which preset would do."""


class NotExpressible(StableSpikeError, ValueError):  # noqa: N818 (the name is the sentence)
    """A model holds what this array cannot compute.

    Attributes
    ----------
    node, kind : the part's name in the model, and its type there.
    reason : what cannot be expressed.
    nearest : what can.
    """

    def __init__(self, node: str, kind: str, reason: str, nearest: str) -> None:
        super().__init__(f"{node} ({kind}): {reason}; the nearest that can: {nearest}")
        self.node, self.kind, self.reason, self.nearest = node, kind, reason, nearest


class FileError(StableSpikeError, ValueError):
    """A file is missing, foreign, damaged or too new; names the path and what was wrong."""


class DeviceError(StableSpikeError, RuntimeError):
    """A device could not do what was asked of it."""


class DeviceNotFound(DeviceError):  # noqa: N818
    """There is no device at the address given."""


class DeviceTimeout(DeviceError):  # noqa: N818
    """The device did not answer in time."""


class DeviceMismatch(DeviceError):  # noqa: N818
    """The device is not the one the program was compiled for, or speaks another protocol."""


class LinkError(DeviceError):
    """The link to the device broke, or carried what the protocol forbids."""


class ToolError(StableSpikeError, RuntimeError):
    """An external tool is missing or failed; names it, and where its output is."""


class TimingError(StableSpikeError, RuntimeError):
    """A bitstream misses its clock; names the worst path."""
