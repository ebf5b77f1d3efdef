"""A file system of records that is really full, or read-only: the line goes on, and writing does, by itself."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.records import keeper as module
from edge_agent.records.events.post import Post
from edge_agent.records.events.rules import parse_events
from edge_agent.records.keeper import Keeper
from edge_agent.records.record import Notes
from tests.support.daemon import Daemon, bytes_request, running_daemon, wait_until, whole_lines
from tests.support.fakes import picture, write_echo
from tests.support.records import options, record, rows
from tests.support.scraping import fetch, samples

pytestmark = pytest.mark.long

#: seconds: on a machine that is busy with other things a call may take some, one that waits for the disk waits for ever
_HELD_UP = 30.0


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
            keeper.take(Notes([record(begun + count, part=f"part {count:060}")]))
        keeper.work()
    assert "disk is full" in keeper.state.problem or "disk I/O" in keeper.state.problem
    for _ in range(8000):
        count += 1
        keeper.take(Notes([record(begun + count)]))
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
    keeper.take(Notes([record(begun + 1)]))
    assert len(keeper.work()) == 1
    keeper._close()
    keeper._writer = None
    remount(small, "ro")
    keeper.take(Notes([record(begun + 2)]))
    assert keeper.work() == [] and "records.db: " in keeper.state.problem
    remount(small, "rw")
    for _ in range(3):
        keeper.work()
    assert not keeper.state.waiting and not keeper.state.problem
    keeper.close()
    assert len(rows(small / "records", "SELECT id FROM records")) == 2


def _inspect(daemon: Daemon, count: int) -> float:
    """Send pictures one after the other, and return the longest time that one took, in seconds."""
    longest = 0.0
    for number in range(count):
        begun = time.monotonic()
        daemon.stub("DetectAnomalies", bytes_request("echo", picture(number % 250)))
        longest = max(longest, time.monotonic() - begun)
    return longest


def _accounted(daemon: Daemon) -> float:
    """Count the records that are written, and those that the daemon says are lost."""
    found = samples(fetch(daemon.folder / "metrics.sock"))
    lost = (found["edge_agent_lost_records_total", (reason,)] for reason in ("no_room", "not_written"))
    return found["edge_agent_records_total", ()] + sum(lost)


def test_a_disk_that_takes_seconds_for_a_write_holds_up_no_call(tmp_path: Path) -> None:
    """Somebody else holds the database's lock, so that each write waits as it does on a disk that has failed."""
    write_echo(tmp_path / "models", "echo")
    with running_daemon(tmp_path, "--metrics", f"unix://{tmp_path}/metrics.sock") as daemon:
        daemon.stub.start("echo")
        _inspect(daemon, 20)
        wait_until(lambda: _accounted(daemon) == 20, "they are written")
        holder = sqlite3.connect(tmp_path / "state" / "records" / "records.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        assert _inspect(daemon, 300) < _HELD_UP
        assert _accounted(daemon) == 20, "none is written meanwhile"
        wait_until(lambda: "can't be written" in daemon.log.read_text(), "it says so")
        holder.execute("ROLLBACK")
        holder.close()
        wait_until(lambda: _accounted(daemon) == 320, "all are written, or told of as lost")
        wait_until(lambda: "records are written again" in daemon.log.read_text(), "it says so")
    assert len(rows(tmp_path / "state" / "records", "SELECT id FROM records")) == 320


def test_a_disk_that_is_pulled_out_and_put_back(tmp_path: Path) -> None:
    """The file system of the records goes under the running daemon: writing goes on where its folder is, and back."""
    write_echo(tmp_path / "models", "echo")
    folder, heard, config = tmp_path / "state" / "records", tmp_path / "events", tmp_path / "config.toml"
    config.write_text(f'[[event]]\nname = "mes"\nsender = "file"\npath = "{heard}"\n')
    image = tmp_path / "image"
    folder.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(16 << 20)
    made = subprocess.run(["mkfs.ext4", "-q", image], check=False, capture_output=True)
    mount = ["mount", "-o", "loop", str(image), str(folder)]
    if os.getuid() != 0 or made.returncode or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    try:
        flags = ["--config", str(config), "--metrics", f"unix://{tmp_path}/metrics.sock"]
        with running_daemon(tmp_path, *flags) as daemon:
            daemon.stub.start("echo")
            _inspect(daemon, 10)
            wait_until(lambda: _accounted(daemon) == 10, "they are written")
            subprocess.run(["umount", "--lazy", folder], check=True)
            assert _inspect(daemon, 10) < _HELD_UP
            wait_until((folder / "records.db").exists, "a file is begun where the disk was")
            wait_until(lambda: _accounted(daemon) == 20, "all are written, here or there")
            while subprocess.run(mount, check=False, capture_output=True).returncode:
                time.sleep(0.1)
            assert _inspect(daemon, 10) < _HELD_UP
            wait_until(lambda: _accounted(daemon) == 30, "all are written")
            wait_until(lambda: len(whole_lines(heard)) == 30, "all are told")
        ids = [json.loads(line)["id"] for line in heard.read_text().splitlines()]
        assert ids == sorted(set(ids)), "in order, none twice"
        assert "it has been deleted" in daemon.log.read_text()
        assert len(rows(folder, "SELECT id FROM records")) >= 20
    finally:
        subprocess.run(["umount", "--lazy", folder], check=False, capture_output=True)
