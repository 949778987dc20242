"""The contract that both sides read: array, tasks, link, encodings, and the integers they
compute."""

from .array import PRESETS, ArrayConfig, preset
from .layout import Field, Layout, bits_for
from .task import Reset, TaskLayout, task_layout

__all__ = [
    "PRESETS", "ArrayConfig", "Field", "Layout", "Reset", "TaskLayout", "bits_for", "preset",
    "task_layout",
]
