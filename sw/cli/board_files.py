"""Where a build's files go."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ..support.errors import FileError

if TYPE_CHECKING:
    from ..boards.build import Build

__all__ = ["copy_build"]


def copy_build(build: Build, target: Path) -> Path:
    """Copy a bitstream to a file or into a folder, or a vendor's project to a folder; where it is.

    Raises
    ------
    FileError
        If it cannot be written there.
    """
    source = Path(build.bitstream)
    try:
        if build.project:
            target.mkdir(parents=True, exist_ok=True)
            for each in sorted(source.iterdir()):
                shutil.copy(each, target)
            return target
        if target.is_dir():
            target = target / f"{build.board}{source.suffix}"
        shutil.copy(source, target)
    except OSError as error:
        raise FileError(f"{target} cannot be written: {error.strerror or error}") from error
    return target
