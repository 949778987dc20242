"""An adder that also chooses, in the carry cells of an ECP5."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Instance, Module, Mux, Signal, Value, signed

from .devices import has_ecp5_cells

__all__ = ["add_or_load"]


def _lut(a: int, b: int, c: int, d: int) -> int:
    """The LUT of half a CCU2C; see ``add_or_load``."""
    if d:
        return a ^ b
    return 1 if c else b


_LUT_INIT = sum(_lut(i & 1, i >> 1 & 1, i >> 2 & 1, i >> 3) << i for i in range(16))


def add_or_load(
    m: Module, platform, name: str, acc: Value, weight: Value, load: Value, stay: Value
) -> Value:
    """``acc + weight`` while ``stay``, else ``load``; ``weight`` must be 0 then.

    Combinational. On an ECP5 the choice costs nothing, because it fits into the adder's own LUTs.
    Half a CCU2C outputs ``LUT(A, B, C, D) ^ carry``. If the LUT is 1, it passes the carry on;
    otherwise the carry out is the LUT's value for the same A and B with C = D = 0. Here A is the
    bit of the accumulator, B that of the weight, C that of the value to load, and D is ``stay``:

    - D = 1: the LUT is A ^ B whatever C is.
    - D = 0, and so B = 0: the LUT is C.
    - C = D = 0: the LUT is B. That is the carry out of A + B if A = B, and 0 if a 0 is loaded.

    Parameters
    ----------
    m : Module
        The module that receives the cells as submodules.
    platform
        Names the device; without one the result is plain logic.
    name : str
        Distinguishes the cells of this adder from those of others in ``m``.
    acc : Value
        Signed; the result has its width.
    weight : Value
        Signed, at most as wide as ``acc``.
    load : Value
        Signed, as wide as ``acc``.
    stay : Value
        One bit.

    Returns
    -------
    Value
        Signed.
    """
    bits = len(acc)
    if not has_ecp5_cells(platform):
        return (Mux(stay, acc, load) + weight)[:bits].as_signed()
    total = Signal(signed(bits), name=f"total_{name}")
    carry: Value = Const(0)
    for low in range(0, bits, 2):
        # If the width is odd, the second half of the last cell has no output.
        high = min(low + 1, bits - 1)
        pins: dict[str, Any] = {"i_CIN": carry, "o_S0": total[low]}
        for half, bit in enumerate((low, high)):
            pins |= {
                f"i_A{half}": acc[bit],
                f"i_B{half}": weight[min(bit, len(weight) - 1)],
                f"i_C{half}": load[bit],
                f"i_D{half}": stay,
                f"p_INIT{half}": Const(_LUT_INIT, 16),
                f"p_INJECT1_{half}": "NO",
            }
        if high > low:
            pins["o_S1"] = total[high]
        # For a carry out that nothing reads, nextpnr would spend a cell.
        if low + 2 < bits:
            carry = pins["o_COUT"] = Signal(name=f"carry_{name}_{low}")
        m.submodules[f"adder_{name}_{low}"] = Instance("CCU2C", **pins)
    return total
