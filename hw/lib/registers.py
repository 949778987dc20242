"""Registers that only arrays built for a fast clock need."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from stablespike.spec import ArrayConfig

__all__ = ["pipeline"]


def pipeline(m: Module, config: ArrayConfig) -> Any:
    """The domain for assignments that are registers in a pipelined array and wires in others.

    A signal assigned in it is valid a cycle later than its sources if ``config.pipelined`` is set,
    and in the same cycle otherwise.

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
