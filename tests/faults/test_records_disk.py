"""A file system of records that is really full, or read-only: the line goes on, and writing does, by itself."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.records import keeper as module
from edge_agent.records.events.post import Post
from edge_agent.records.events.rules import parse_events
from edge_agent.records.keeper import Keeper
from edge_agent.records.record import Note
from tests.support.records import options, record, rows

pytestmark = pytest.mark.long


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=False)
    if os.getuid() != 0 or mounted.returncode != 0:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        self.now += 60  # so that what failed is tried again at once
        return self.now


def test_a_full_disk_loses_the_oldest_and_writing_goes_on_when_there_is_room(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 5000)
    begun = time.time_ns() // 1000
    keeper = Keeper(options(small / "records", mib=512), Clock())
    count = 0
    while not keeper.state.problem and count < 200_000:
        for _ in range(1000):
            count += 1
            keeper.take(Note(record(begun + count, part=f"part {count:060}"), 0))
        keeper.work()
    assert "disk is full" in keeper.state.problem or "disk I/O" in keeper.state.problem
    for _ in range(8000):
        count += 1
        keeper.take(Note(record(begun + count), 0))
        if count % 1000 == 0:
            keeper.work()
    state = keeper.state
    assert state.waiting == 5000 and state.lost_by["not_written"] == state.lost > 0
    remount(small, "size=64m")
    while keeper.state.waiting:
        keeper.work()
    assert not keeper.state.problem
    keeper.close()
    (told,) = rows(small / "records", "SELECT sum(records) FROM losses")[0]
    assert told == state.lost
    found = [number for (number,) in rows(small / "records", "SELECT id - ? FROM records ORDER BY id", begun)]
    assert len(found) == count - state.lost
    assert found[-5000:] == list(range(count - 4999, count + 1))


def test_a_full_disk_loses_events_and_says_how_many(small: Path) -> None:
    rules = parse_events([{"name": "plc", "sender": "file", "path": str(small / "no" / "events")}])
    post = Post(small, rules, "d")
    number = 0
    while not post.lines()[0].dropped and number < 100_000:
        post.take([record(number + offset, part="x" * 100) for offset in range(500)])
        number += 500
        post._look_at = 0.0
    assert post.lines()[0].dropped >= 500
    remount(small, "size=64m")
    post.take([record(number)])
    post._look_at = 0.0
    (line,) = post.lines()
    assert line.waiting + line.dropped == number + 1
    post.close()


def test_a_disk_that_has_become_read_only(small: Path) -> None:
    begun = time.time_ns() // 1000
    keeper = Keeper(options(small / "records"), Clock())
    keeper.take(Note(record(begun + 1), 0))
    assert len(keeper.work()) == 1
    keeper._close()
    keeper._writer = None
    remount(small, "ro")
    keeper.take(Note(record(begun + 2), 0))
    assert keeper.work() == [] and "records.db: " in keeper.state.problem
    remount(small, "rw")
    for _ in range(3):
        keeper.work()
    assert not keeper.state.waiting and not keeper.state.problem
    keeper.close()
    assert len(rows(small / "records", "SELECT id FROM records")) == 2
