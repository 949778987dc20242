"""Where the cache is, and that one process at a time holds a lock in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from stablespike.support.cache import (
    cache_folder,
    cached,
    digest,
    locked,
    tool_environment,
    tools_have_a_cache,
    user_cache,
)
from stablespike.support.errors import ToolError


def test_the_folder_is_the_named_one_or_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    monkeypatch.delenv("STABLESPIKE_CACHE")
    assert cache_folder() == user_cache()
    assert user_cache().name == "stablespike"


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_the_folder_of_earlier_versions_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("STABLESPIKE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "stablespike"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "stablespike"


_TAKE = """
import sys
from pathlib import Path
from stablespike.support.cache import locked
print("waits", flush=True)
with locked(Path(sys.argv[1])):
    print("holds", flush=True)
"""


def test_a_lock_keeps_another_process_out(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "one"
    with locked(lock):
        other = subprocess.Popen(
            [sys.executable, "-c", _TAKE, str(lock)], stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None
        assert other.stdout.readline() == "waits\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.3)
    assert other.communicate(timeout=60)[0] == "holds\n"
    with locked(lock):
        pass


def test_a_lock_that_cannot_be_made_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path / "file"))
    refused = pytest.raises(ToolError, match=rf"{tmp_path}/file .*\$STABLESPIKE_CACHE")
    with refused, locked(cache_folder() / "locks" / "one"):
        pass


def test_digests_tell_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("ab", b"c") == digest(b"ab", "c")
    assert len(digest("ab", length=8)) == 8


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("STABLESPIKE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _build(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "one").write_text("one")
    (folder / "two").write_text("two")


@pytest.mark.parametrize("damage", [
    lambda folder: (folder / "two").unlink(),
    lambda folder: (folder / "two").write_text("tw"),
    lambda folder: (folder / "inner" / "one").write_text("eno"),
    lambda folder: (folder / "contents.json").unlink(),
    lambda folder: (folder / "contents.json").write_text('{"two"'),
    lambda folder: (folder / "contents.json").write_text("[1]"),
    lambda folder: (folder / "contents.json").write_text('{"two": 3}'),
])
def test_a_damaged_entry_is_built_anew(cache: Path, damage: Callable[[Path], None]) -> None:
    built = []

    def build(folder: Path) -> None:
        built.append(folder)
        _build(folder)

    folder = cached("kind", "key", build)
    assert cached("kind", "key", build) == folder == cache / "kind" / "key"
    assert len(built) == 1
    (folder / "three").write_text("a file that is no part of it")
    cached("kind", "key", build)
    assert len(built) == 1
    damage(folder)
    assert cached("kind", "key", build) == folder
    assert len(built) == 2
    assert (folder / "two").read_text() == "two"
    assert (folder / "inner" / "one").read_text() == "one"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_entries_have_the_permissions_of_other_folders(cache: Path) -> None:
    before = os.umask(0o002)
    try:
        assert cached("kind", "key", _build).stat().st_mode & 0o777 == 0o775
    finally:
        os.umask(before)


@pytest.mark.parametrize("error", [RuntimeError("no home"), KeyError("uid")])
def test_a_user_without_a_home(
    monkeypatch: pytest.MonkeyPatch, cache: Path, error: Exception
) -> None:
    def nowhere(*arguments: object, **options: object) -> Path:
        raise error

    monkeypatch.setattr("platformdirs.user_cache_path", nowhere)
    assert cached("kind", "key", _build).is_dir()
    assert tool_environment()["XDG_CACHE_HOME"] == str(cache / "tools")
    before = dict(os.environ)
    with tools_have_a_cache():
        assert os.environ["YOWASP_CACHE_DIR"] == str(cache / "tools" / "YoWASP")
    assert dict(os.environ) == before
    monkeypatch.delenv("STABLESPIKE_CACHE")
    for use in (user_cache, cache_folder, tool_environment):
        with pytest.raises(ToolError, match=r"no home folder .*\$STABLESPIKE_CACHE"):
            use()


def test_tools_use_the_users_cache_if_they_can(
    monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *a, **o: tmp_path / "u" / "own")
    assert tool_environment() == {}
    (tmp_path / "file").touch()
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *a, **o: tmp_path / "file" / "own")
    assert set(tool_environment()) == {"XDG_CACHE_HOME", "YOWASP_CACHE_DIR"}
