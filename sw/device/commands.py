"""Commands that load a program and set registers, as bodies of DATA frames."""

from __future__ import annotations

from collections.abc import Iterator

from ..program.program import Program
from ..spec.link import BODY_BYTES, Command, Register

__all__ = ["program_commands", "register_command"]

_WRITE_HEAD = 6  # bytes: opcode, core, space, row


def program_commands(program: Program) -> Iterator[bytes]:
    """All commands that load a program."""
    for core, space, first, rows in program.writes():
        at_once = (BODY_BYTES - _WRITE_HEAD) // (2 * rows.shape[1])
        for at in range(0, len(rows), at_once):
            head = bytes((Command.WRITE, core, space)) + (first + at).to_bytes(3, "little")
            yield head + rows[at : at + at_once].astype("<u2").tobytes()
    for register, value in program.registers.items():
        yield register_command(register, value)


def register_command(register: Register, value: int) -> bytes:
    """The command that sets a register."""
    return bytes((Command.REGISTER, register)) + int(value).to_bytes(2, "little")
