"""A folder of a process is removed with it, and by the next one where that was killed."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from pathlib import Path

import pytest

from edge_agent.access.locked_folder import LockedFolder
from tests.support.studio import running_studio

PREFIX = "edge-agent-trials-"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_it_is_there_until_it_is_closed_twice_or_more(temporary: Path) -> None:
    folder = LockedFolder(PREFIX)
    assert folder.path.parent == temporary
    (folder.path / "1").mkdir()
    folder.close()
    folder.close()
    assert not list(temporary.iterdir())


def test_what_is_in_use_and_what_is_no_folder_of_ours_stays(temporary: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (temporary / "edge-agent-trials-link").symlink_to(tmp_path / "elsewhere")
    (temporary / "edge-agent-trials-file").write_text("somebody's")
    (temporary / "edge-agent-trials-left" / "1").mkdir(parents=True)
    first, second = LockedFolder(PREFIX), LockedFolder(PREFIX)
    assert sorted(temporary.iterdir()) == sorted(
        [temporary / "edge-agent-trials-file", temporary / "edge-agent-trials-link", first.path, second.path]
    )
    assert (tmp_path / "elsewhere").is_dir()
    first.close()
    second.close()


def test_there_is_one_where_folders_can_not_be_locked(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    folder = LockedFolder(PREFIX)
    assert list(temporary.iterdir()) == [folder.path]
    folder.close()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EACCES])
def test_one_that_can_not_be_opened_is_told_and_removed(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        with pytest.raises(OSError, match=os.strerror(number)):
            LockedFolder(PREFIX)
    assert not list(temporary.iterdir())


def test_one_that_can_not_be_locked_for_another_reason_is_told_and_removed(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EINTR, os.strerror(errno.EINTR))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match=os.strerror(errno.EINTR)):
        LockedFolder(PREFIX)
    assert not list(temporary.iterdir())


def test_another_is_made_where_somebody_took_the_first(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = fcntl.flock
    taken: list[Path] = []

    def take_first(opened: int, how: int) -> None:
        if not taken:
            taken.append(next(temporary.iterdir()))
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        lock(opened, how)

    monkeypatch.setattr(fcntl, "flock", take_first)
    with LockedFolder(PREFIX) as path:
        assert path not in taken
        assert list(temporary.iterdir()) == [path]


def test_a_studio_removes_that_of_one_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    environment = {"TMPDIR": str(tmp_path / "tmp")}
    with running_studio(tmp_path / "data", environment=environment) as killed:
        (left,) = (tmp_path / "tmp").glob("edge-agent-trials-*")
        killed.process.kill()
        killed.process.wait()
        assert left.exists()
    with running_studio(tmp_path / "data", environment=environment):
        (new,) = (tmp_path / "tmp").glob("edge-agent-trials-*")
        assert new != left
    assert not list((tmp_path / "tmp").glob("edge-agent-trials-*"))
