"""A disk that is full, may only be read or gives back something else: it costs a warning, never an error."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.inference.plan_cache.cache import PlanCache
from tests.inference.plan_cache.plans import KEY, PLAN, ROOM, Builder, changed, files, flip, use


def _under_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file" / "cache"


def _read_only(tmp_path: Path) -> Path:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "cache").mkdir(mode=0o500)
    return tmp_path / "cache"


@pytest.mark.parametrize("make", [_under_a_file, _read_only])
def test_a_folder_that_cant_be_written_costs_a_warning(
    tmp_path: Path, make: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    cache, build = PlanCache(make(tmp_path), ROOM), Builder()
    with cache.open(KEY, build) as path:
        assert path.read_bytes() == PLAN
    assert not path.exists()
    assert len(build.paths) == 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("the plan of 'cookies' can't be kept in ")
    assert cache.entries() == []
    assert cache.remove("cookies") == 0


def test_what_may_only_be_read_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    build = Builder()
    use(PlanCache(tmp_path, ROOM), build)

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("open", "mkdir", "unlink", "rename", "utime"):
        monkeypatch.setattr(os, name, read_only)
    assert use(PlanCache(tmp_path, ROOM), build) == PLAN
    assert len(build.paths) == 1
    assert caplog.records == []
    assert use(PlanCache(tmp_path, ROOM), build, changed(driver="new")) == PLAN
    assert "Read-only file system" in caplog.text


def test_a_disk_that_is_full_while_building(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    build = Builder()

    def on_a_full_disk(path: Path) -> None:
        build(path)
        if path.is_relative_to(tmp_path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    cache = PlanCache(tmp_path, ROOM)
    assert use(cache, on_a_full_disk) == PLAN
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left on device" in caplog.text
    assert files(tmp_path) == [f"cookies/{KEY.digest}/lock"]
    assert use(cache, build) == PLAN
    assert len(build.paths) == 3
    assert len(cache.entries()) == 1


@pytest.mark.parametrize("calls", range(5))
def test_a_disk_that_is_full_while_publishing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, calls: int
) -> None:
    """What is built is used all the same, without building it again."""
    left = calls

    def full(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    build = Builder()
    monkeypatch.setattr(os, "fsync", full)
    with PlanCache(tmp_path, ROOM).open(KEY, build) as path:
        assert path.read_bytes() == PLAN
    assert len(build.paths) == 1
    assert len(caplog.records) == (calls < 4)
    monkeypatch.undo()
    assert use(PlanCache(tmp_path, ROOM), build) == PLAN
    assert len(build.paths) == (2 if calls < 4 else 1)


def test_a_disk_that_gives_back_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rename = Path.rename

    def damaging(path: Path, target: Path) -> None:
        rename(path, target)
        if target.name == "model.plan":
            flip(target)

    monkeypatch.setattr(Path, "rename", damaging)
    assert use(PlanCache(tmp_path, ROOM), Builder()) == PLAN
    assert "Input/output error" in caplog.text
