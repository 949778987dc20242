"""The application: all verbs, and the exit codes for their errors."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from .board import boards, build, flash
from .console import ToStandardError, level
from .doctor import doctor
from .networks import compile_, import_, report
from .options import (
    CHECK_FAILED,
    DEVICE_FAILED,
    DONE,
    INTERRUPTED,
    UNREAD,
    WRONG_USE,
    Quiet,
    Verbose,
)
from .running import run, verify
from .shipped import bench, demo
from .training import frames, train

__all__ = ["app", "main"]

app = typer.Typer(
    help="Spiking networks trained in PyTorch, bit for bit on a low-cost FPGA.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # main() turns errors into a line and an exit code
    rich_markup_mode=None,           # otherwise --help imports rich
    context_settings={"help_option_names": ["-h", "--help"]},
)

_VERBS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "train": train,
    "frames": frames,
    "import": import_,
    "compile": compile_,
    "report": report,
    "run": run,
    "verify": verify,
    "bench": bench,
    "build": build,
    "flash": flash,
    "boards": boards,
    "doctor": doctor,
}
for _name, _verb in _VERBS.items():
    app.command(_name)(_verb)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"stablespike {version('stablespike')}")
        raise typer.Exit


@app.callback()
def _all(
    verbose: Verbose = 0,
    quiet: Quiet = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Spiking networks trained in PyTorch, bit for bit on a low-cost FPGA."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    arguments : list of str or None
        The arguments; None for those of this process.

    Returns
    -------
    int
        The exit code: 0 done, 1 a check failed, 2 wrong use or bad input, 3 the device or a tool
        failed, 130 interrupted, 141 nobody reads the output any more.
    """
    level.value = 0  # main() may be called more than once in a process
    logger, handler = logging.getLogger("stablespike"), ToStandardError()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        return _flushed(_called(arguments))
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


def _called(arguments: list[str] | None) -> int:
    from ..support.errors import DeviceError, StableSpikeError, TimingError, ToolError

    try:
        code = typer.main.get_command(app).main(
            arguments, prog_name="stablespike", standalone_mode=False
        )
        if code == INTERRUPTED:
            print("interrupted", file=sys.stderr)
        return int(code or DONE)
    except (DeviceError, ToolError) as error:
        return _failed(error, DEVICE_FAILED)
    except TimingError as error:
        return _failed(error, CHECK_FAILED)
    except (StableSpikeError, TypeError, ValueError) as error:
        return _failed(error, WRONG_USE)
    except MemoryError as error:
        hint = f"out of memory ({error}): give fewer steps or a smaller --batch"
        return _failed(MemoryError(hint), WRONG_USE)
    except OSError as error:
        return _failed(error, DEVICE_FAILED)
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):  # typer exits when a pipe breaks
            return UNREAD
        raise
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        # Typer reports wrong use by exceptions of click, of whatever copy of click it has: so they
        # are recognized by their attributes and names.
        message = getattr(error, "format_message", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error, file=sys.stderr)
            return WRONG_USE
        if message is not None:
            context = getattr(error, "ctx", None)
            path = context.command_path if context is not None else "stablespike"
            print(f"error: {message()} ({path} --help lists what there is)", file=sys.stderr)
            return WRONG_USE
        if type(error).__name__ == "Abort":
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        raise


def _flushed(code: int) -> int:
    """The exit code, or another one if standard output does not take what was printed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python flushes once more when it ends: let it not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return UNREAD
        return _failed(OSError(f"standard output: {error.strerror}"), DEVICE_FAILED)
    return code


def _failed(error: Exception, code: int) -> int:
    if level.value >= 2:
        import traceback

        traceback.print_exception(error)
    else:
        print(f"error: {error}", file=sys.stderr)
    return code
