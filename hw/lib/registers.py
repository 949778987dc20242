"""Registers that only arrays built for a fast clock have."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from stablespike.spec import ArrayConfig

__all__ = ["pipeline"]


def pipeline(m: Module, config: ArrayConfig) -> Any:
    """The domain of assignments that are a register in a pipelined array and a wire in others.

    What is assigned in it is valid a cycle later than its sources where ``config.pipelined``, in
    the same cycle elsewhere.

    Parameters
    ----------
    m : Module
        The module the assignments belong to.
    config : ArrayConfig
        The array.

    Returns
    -------
    domain
        ``m.d.sync`` or ``m.d.comb``.
    """
    return m.d.sync if config.pipelined else m.d.comb
