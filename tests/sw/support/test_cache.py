"""Where the cache is, and that one process at a time holds a lock in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stablespike.support.cache import cache_folder, digest, locked, user_cache
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
