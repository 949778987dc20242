"""The folder in which what tools built is kept, by the content it was made from."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cache_folder", "cached", "digest", "locked", "source_digest"]


def cache_folder() -> Path:
    """Where builds are kept: ``$STABLESPIKE_CACHE``, or ``stablespike`` in the user's cache."""
    if own := os.environ.get("STABLESPIKE_CACHE"):
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stablespike"


def digest(*parts: str | bytes, length: int = 24) -> str:
    """A name of ``length`` hex digits for the content of the parts: equal parts, equal name."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little") + data)
    return state.hexdigest()[:length]


def source_digest(*packages: str) -> str:
    """A hash of the Python files of packages, none of which is imported."""
    state = hashlib.sha256()
    for package in packages:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        for path in sorted(Path(spec.origin).parent.rglob("*.py")):
            data = path.read_bytes()
            state.update(f"{package}/{path.name}:{len(data)}:".encode() + data)
    return state.hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file ``path`` as a lock between processes; released when the holder ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder ``build`` filled for ``key``, built now if it is not there.

    The folder appears under its name only when it is complete, so an interrupted build leaves
    nothing that is taken for one; of several processes that want it, one builds.
    """
    place = cache_folder() / kind / key
    if place.is_dir():
        return place
    with locked(cache_folder() / "locks" / f"{kind}-{key}"):
        if not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=".building-", dir=place.parent))
            try:
                build(work)
                work.replace(place)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return place
