"""The pictures of the last seconds: there while somebody watches, and otherwise nothing is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_agent.errors import RecordsError
from edge_agent.records.live.frames import DEADLINE
from edge_agent.records.live.place import LivePlace
from edge_agent.records.live.watching import Shown, Watcher
from tests.support.daemon import Daemon, bytes_request, running_daemon, wait_until
from tests.support.fakes import U8, half_bright, picture, write_echo


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("line")
    write_echo(folder / "models", "echo")
    write_echo(folder / "models", "large", 2600, 1300)
    with running_daemon(folder) as found:
        found.stub.start("echo")
        yield found


def seen(daemon: Daemon, watcher: Watcher, model: str, drawn: U8) -> Shown:
    """Send a picture until it is seen, as a line does that goes on."""

    def look() -> Shown | None:
        watcher.ask()
        daemon.stub("DetectAnomalies", bytes_request(model, drawn))
        return next((shown for shown in watcher.news() if shown.frame.model == model), None)

    found: Shown = wait_until(look, "a picture is shown")
    return found


def files(daemon: Daemon) -> list[str]:
    return sorted(path.name for path in (daemon.folder / "state" / "live").iterdir() if path.name != "asked")


def test_pictures_are_seen_with_mask_and_verdict_while_somebody_watches(daemon: Daemon) -> None:
    def is_gone() -> bool:
        daemon.stub("DetectAnomalies", bytes_request("echo", picture(9)))
        return not files(daemon)

    wait_until(is_gone, "nobody has asked, or not for a while")
    watcher = Watcher(daemon.folder / "state")
    shown = seen(daemon, watcher, "echo", picture(200))
    assert (shown.picture == 200).all()
    assert shown.frame.verdict.is_anomalous
    assert shown.frame.verdict.score == pytest.approx(200 / 255, abs=1e-4)
    assert shown.mask is not None
    assert (shown.mask == (0x23, 0xA4, 0x36)).all()
    assert abs(shown.frame.at / 1e6 - time.time()) < 600
    normal = seen(daemon, watcher, "echo", half_bright())
    assert normal.mask is None
    assert np.array_equal(normal.picture, half_bright())
    # Nobody watches any more: the worker takes its file away at one of the next calls.
    (daemon.folder / "state" / "live" / "asked").write_bytes(DEADLINE.pack(0))

    wait_until(is_gone, "the file is removed")
    again = seen(daemon, watcher, "echo", picture(250))
    assert (again.picture == 250).all()


def test_of_a_large_picture_some_pixels_are_shown(daemon: Daemon) -> None:
    daemon.stub.start("large")
    drawn = np.zeros((1300, 2600, 3), np.uint8)
    drawn[::3, ::3] = 255
    shown = seen(daemon, Watcher(daemon.folder / "state"), "large", drawn)
    assert shown.picture.shape == (434, 867, 3)
    assert (shown.picture == 255).all()
    daemon.stub.calls["StopModel"](b"\n\x05large")
    wait_until(lambda: len(files(daemon)) <= 1, "the worker has taken its file with it")


def test_who_asks_where_no_agent_is_or_with_rubbish_gets_nothing(daemon: Daemon, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="no agent shows pictures in"):
        Watcher(tmp_path).ask()
    assert Watcher(tmp_path).news() == []
    asked = daemon.folder / "state" / "live" / "asked"
    for rubbish in (b"", b"abc", b"\xff" * 8, DEADLINE.pack(1 << 62)):
        asked.write_bytes(rubbish)
        daemon.stub("DetectAnomalies", bytes_request("echo", picture(9)))
    (daemon.folder / "state" / "live" / "12").write_bytes(b"x" * 300_000)
    assert all(shown.frame.model == "echo" for shown in Watcher(daemon.folder / "state").news())


def test_what_a_killed_daemon_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    memory = tmp_path / "shm"
    memory.mkdir()
    first, second = LivePlace(tmp_path, memory), LivePlace(tmp_path, memory)
    first.open()
    (first.folder / "77").write_bytes(b"left")
    second.open()
    assert [path.name for path in memory.iterdir()] == [second.folder.name]
    assert (second.folder.stat().st_mode & 0o777, (second.folder / "asked").stat().st_mode & 0o777) == (0o750, 0o660)
    first.close()
    assert (tmp_path / "live" / "asked").exists()
    second.close()
    second.close()
    assert not list(memory.iterdir())
    assert not (tmp_path / "live").is_symlink()
    (tmp_path / "dear").mkdir()
    (tmp_path / "live").symlink_to(tmp_path / "dear")
    LivePlace(tmp_path, memory).open()
    assert (tmp_path / "dear").is_dir()
