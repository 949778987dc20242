"""The cache: a folder of build results, named by the content they were built from."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import platformdirs

from .errors import ToolError

__all__ = [
    "cache_folder", "cached", "check_cache", "digest", "locked", "source_digest",
    "tool_environment", "tools_have_a_cache", "user_cache",
]

_CONTENTS = "contents.json"


def user_cache() -> Path:
    """This package's folder in the user's cache, where the system has it.

    Raises
    ------
    ToolError
        If the user has no home.
    """
    try:
        found = platformdirs.user_cache_path("stablespike", appauthor=False)
    except (RuntimeError, KeyError, OSError) as error:
        raise _homeless(str(error)) from error
    # Where the system does not know the user, the path may begin with a plain "~".
    if not found.is_absolute():
        raise _homeless(f"it would be {found}")
    return found


def _homeless(why: str) -> ToolError:
    return ToolError(
        f"there is no home folder for the cache ({why}): name a folder with $STABLESPIKE_CACHE"
    )


def tool_environment() -> dict[str, str]:
    """Variables for tools in WebAssembly, which keep compiled code in a cache of their own.

    It is empty if they can use the user's cache; otherwise they get a folder in this one.

    Raises
    ------
    ToolError
        If there is neither.
    """
    try:
        beside = user_cache().parent
        beside.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=beside).close()
    except (ToolError, OSError):
        own = check_cache() / "tools"
        return {"XDG_CACHE_HOME": str(own), "YOWASP_CACHE_DIR": str(own / "YoWASP")}
    return {}


@contextmanager
def tools_have_a_cache() -> Iterator[None]:
    """Set ``tool_environment`` for tools that are started by a library."""
    added = tool_environment()
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def cache_folder() -> Path:
    """Where builds are kept: ``$STABLESPIKE_CACHE``, or ``stablespike`` in the user's cache."""
    if chosen := os.environ.get("STABLESPIKE_CACHE"):
        return Path(chosen).absolute()
    return user_cache()


def digest(*parts: str | bytes, length: int = 24) -> str:
    """A name for the content of the parts: equal parts have equal names.

    Parameters
    ----------
    *parts : str or bytes
        The content that the name is made from, in this order.
    length : int
        The number of hex digits.
    """
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        # The length comes first, so that parts that are divided differently are not equal.
        state.update(len(data).to_bytes(8, "little") + data)
    return state.hexdigest()[:length]


def source_digest(*packages: str) -> str:
    """A hash of the Python files of packages, without importing them."""
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
def _usable() -> Iterator[None]:
    """Turn an OSError from making files in the cache into an error that names the cache."""
    try:
        yield
    except OSError as error:
        raise ToolError(
            f"{cache_folder()} takes no files ({error.strerror}): name another folder with "
            "$STABLESPIKE_CACHE"
        ) from error


def check_cache() -> Path:
    """The folder of the cache, after a file could be made in it.

    Raises
    ------
    ToolError
        If no file can be made there.
    """
    folder = cache_folder()
    with _usable():
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes. The system releases it when its holder ends.

    Parameters
    ----------
    path : Path
        The file in the cache that is the lock.

    Raises
    ------
    ToolError
        If the cache takes no files.
    """
    lock = filelock.FileLock(path)
    with _usable():
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _write_contents(folder: Path) -> None:
    """Note size and hash of every file, so that a damaged entry is told from a whole one."""
    contents = {
        str(path.relative_to(folder)): [path.stat().st_size, _hash(path)]
        for path in sorted(folder.rglob("*")) if path.is_file()
    }
    (folder / _CONTENTS).write_text(json.dumps(contents))
    # A temporary folder is its owner's alone; the entry has the permissions of any other folder.
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        state = hashlib.sha256()
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def _whole(folder: Path) -> bool:
    """Whether an entry has all its files, as they were built."""
    try:
        contents = json.loads((folder / _CONTENTS).read_text())
        return all(
            (folder / name).stat().st_size == size and _hash(folder / name) == hashed
            for name, (size, hashed) in contents.items()
        )
    except FileNotFoundError:
        return False
    except (ValueError, TypeError, AttributeError):
        return False  # the list itself is damaged


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder that ``build`` filled for ``key``, built now if it is not there.

    The folder gets its name only once it is complete, so an interrupted build is never taken for a
    complete one. A folder whose files are missing, cut off or changed is built anew. If several
    processes want it, one of them builds.

    Parameters
    ----------
    kind : str
        The kind of build: a folder of the cache.
    key : str
        The name of its content, from ``digest``.
    build : callable
        Fills the folder that it is given.

    Raises
    ------
    ToolError
        If the cache takes no files.
    """
    target = cache_folder() / kind / key
    with _usable():
        if _whole(target):
            return target
    with locked(cache_folder() / "locks" / f"{kind}-{key}"):
        with _usable():
            whole = _whole(target)
        if not whole:
            prefix = f".building-{key}-"
            with _usable():
                target.parent.mkdir(parents=True, exist_ok=True)
                # Nobody else is building this key now, so such folders were left by processes that
                # ended.
                for left in target.parent.glob(f"{prefix}*"):
                    shutil.rmtree(left, ignore_errors=True)
                if target.exists():
                    shutil.rmtree(target)  # damaged
                work = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
            try:
                build(work)
                with _usable():
                    _write_contents(work)
                    work.replace(target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return target
