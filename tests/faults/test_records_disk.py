"""A file system of records that is really full, or read-only: the line goes on, and writing does, by itself."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from edge_agent.device.doctor.finding import Verdict
from edge_agent.device.doctor.records import examine_records
from edge_agent.records import keeper as module
from edge_agent.records.events.post import Post
from edge_agent.records.events.rules import parse_events
from edge_agent.records.keeper import Keeper
from edge_agent.records.record import Notes
from edge_agent.settings import load_settings
from tests.support.daemon import PATIENCE, Daemon, bytes_request, running_daemon, wait_until, whole_lines
from tests.support.fakes import picture, write_echo
from tests.support.records import options, record, rows
from tests.support.scraping import fetch, samples
from tests.support.throttling import slow_disk

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


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB, ext4 on a loop device, mounted where a daemon of `tmp_path` writes its records."""
    folder, image = tmp_path / "state" / "records", tmp_path / "image"
    folder.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(16 << 20)
    if os.getuid() != 0:
        pytest.skip("only root may mount a disk")
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("mkfs.ext4 is not installed: apt install e2fsprogs")
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    if not mount(image, folder):
        pytest.skip("no loop device can be mounted here")
    # Should the test itself wait for a disk that hangs.
    thaw = threading.Timer(120, subprocess.run, (["fsfreeze", "--unfreeze", folder],), {"check": False})
    thaw.start()
    yield folder
    thaw.cancel()
    subprocess.run(["fsfreeze", "--unfreeze", folder], check=False, capture_output=True)
    subprocess.run(["umount", "--lazy", folder], check=False, capture_output=True)


def attached(image: Path) -> bytes:
    return subprocess.run(["losetup", "--associated", image], check=True, capture_output=True).stdout


def mount(image: Path, folder: Path) -> bool:
    return subprocess.run(["mount", "-o", "loop", image, folder], check=False, capture_output=True).returncode == 0


@contextlib.contextmanager
def _inspecting(config: Path, calls: int) -> Iterator[Daemon]:
    """Run a daemon on a configuration beside its models, whose first calls are written."""
    folder = config.parent
    write_echo(folder / "models", "echo")
    with running_daemon(folder, "--config", str(config), "--metrics", f"unix://{folder}/metrics.sock") as daemon:
        daemon.stub.start("echo")
        _inspect(daemon, calls)
        wait_until(lambda: _accounted(daemon) == calls, "they are written")
        yield daemon


def test_a_disk_that_goes_read_only_under_the_daemon(tmp_path: Path, disk: Path) -> None:
    """As the kernel does it when a disk has a fault; an administrator mounts it anew."""
    heard, config = tmp_path / "events", tmp_path / "config.toml"
    config.write_text(
        f'keep_mib = 4\nkeep = ["anomalous"]\n[[event]]\nname = "mes"\nsender = "file"\npath = "{heard}"\n'
    )
    with _inspecting(config, 20) as daemon:
        subprocess.run(["sync", "--file-system", disk], check=True)
        subprocess.run(["mount", "-o", "remount,abort", disk], check=True)
        assert _inspect(daemon, 250) < _HELD_UP
        wait_until(lambda: "records can't be written" in daemon.log.read_text(), "it says so")
        wait_until(lambda: "events are lost: the outbox can't be written" in daemon.log.read_text(), "it says so")
        wait_until(lambda: "pictures can't be kept" in daemon.log.read_text(), "it says so")
        assert _accounted(daemon) == 20, "none is written meanwhile"
        (found,) = (line.found for line in examine_records(load_settings({}, config=_with_state(config, tmp_path)))
                    if line.verdict is Verdict.WRONG and line.check == "records")  # fmt: skip
        assert found == f"records can't be written: {disk} can't be written to: Read-only file system"
        subprocess.run(["umount", "--lazy", disk], check=True)
        # The fault stays until nobody has a file of it open any more.
        wait_until(lambda: not attached(tmp_path / "image"), "the daemon has let it go")
        assert mount(tmp_path / "image", disk)
        assert _inspect(daemon, 10) < _HELD_UP
        wait_until(lambda: _accounted(daemon) == 280, "all are written by itself")
        wait_until(lambda: "records are written again" in daemon.log.read_text(), "it says so")

        def dropped() -> float:
            return samples(fetch(tmp_path / "metrics.sock"))["edge_agent_dropped_events_total", ("mes",)]

        def told() -> int:
            """How many events were told: what perhaps was not taken is told again, by the same number."""
            return len({json.loads(line)["id"] for line in whole_lines(heard)})

        wait_until(lambda: told() + dropped() == 280, "every event is told, or counted as lost")


def _with_state(config: Path, folder: Path) -> Path:
    """Give the same configuration with what the daemon has as flags."""
    other = folder / "asked.toml"
    other.write_text(f'state_dir = "{folder}/state"\nsocket = "unix://{folder}/agent.sock"\n{config.read_text()}')
    return other


def test_a_disk_that_hangs_holds_up_no_call_and_not_the_end(tmp_path: Path, disk: Path) -> None:
    """Whoever writes to it waits in the kernel, where no signal is heard, until it answers again."""
    if shutil.which("fsfreeze") is None:
        pytest.skip("fsfreeze is not installed: apt install util-linux")
    config = tmp_path / "config.toml"
    config.write_text('keep_mib = 4\nkeep = ["anomalous"]\n')
    with _inspecting(config, 20) as daemon:
        subprocess.run(["fsfreeze", "--freeze", disk], check=True)
        assert _inspect(daemon, 300) < _HELD_UP
        assert _accounted(daemon) == 20, "none is written meanwhile"
        settings = load_settings({}, config=_with_state(config, tmp_path))
        found = [line.found for line in examine_records(settings)]
        assert found == [f"records can't be written: the disk of {disk} has not answered for 3 s"]
        subprocess.run(["fsfreeze", "--unfreeze", disk], check=True)
        wait_until(lambda: _accounted(daemon) == 320, "all are written by itself")
        subprocess.run(["fsfreeze", "--freeze", disk], check=True)
        _inspect(daemon, 20)
        daemon.process.terminate()
        assert daemon.process.wait(PATIENCE) == 0
        assert "records waits for a disk that does not answer; it is left behind" in daemon.log.read_text()
        subprocess.run(["fsfreeze", "--unfreeze", disk], check=True)


def test_a_disk_that_is_merely_slow_holds_up_no_call(tmp_path: Path, disk: Path) -> None:
    """What it does not take in time waits, and is written, or counted as lost."""
    config = tmp_path / "config.toml"
    config.write_text('keep_mib = 4\nkeep = ["near=.999"]\n')
    with _inspecting(config, 20) as daemon:
        subprocess.run(["sync", "--file-system", disk], check=True)
        with slow_disk(disk, psutil.Process(daemon.process.pid), 16 << 10) as members:
            # Of the same group, and not to be written while the calls last: it would take minutes.
            (disk / "probe").write_bytes(bytes(4 << 20))
            program = (
                "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); "
                "print(flush=True); os.fsync(os.open(sys.argv[2], os.O_WRONLY))"
            )
            probe = subprocess.Popen([sys.executable, "-c", program, members, disk / "probe"], stdout=subprocess.PIPE)
            assert probe.stdout is not None and probe.stdout.readline()
            assert _inspect(daemon, 500) < _HELD_UP
            assert probe.poll() is None, "it is slow"
        probe.communicate(timeout=PATIENCE)
        assert probe.returncode == 0
        wait_until(lambda: _accounted(daemon) == 520, "all are written, or told of as lost")
        written = samples(fetch(tmp_path / "metrics.sock"))["edge_agent_records_total", ()]
    assert len(rows(disk, "SELECT id FROM records")) == written


def test_a_disk_that_is_pulled_out_and_put_back(tmp_path: Path, disk: Path) -> None:
    """The file system of the records goes under the running daemon: writing goes on where its folder is, and back."""
    heard, config = tmp_path / "events", tmp_path / "config.toml"
    config.write_text(f'[[event]]\nname = "mes"\nsender = "file"\npath = "{heard}"\n')
    with _inspecting(config, 10) as daemon:
        subprocess.run(["umount", "--lazy", disk], check=True)
        assert _inspect(daemon, 10) < _HELD_UP
        wait_until((disk / "records.db").exists, "a file is begun where the disk was")
        wait_until(lambda: _accounted(daemon) == 20, "all are written, here or there")
        wait_until(lambda: mount(tmp_path / "image", disk), "it is back")
        assert _inspect(daemon, 10) < _HELD_UP
        wait_until(lambda: _accounted(daemon) == 30, "all are written")
        wait_until(lambda: len(whole_lines(heard)) == 30, "all are told")
    ids = [json.loads(line)["id"] for line in heard.read_text().splitlines()]
    assert ids == sorted(set(ids)), "in order, none twice"
    assert "it has been deleted" in daemon.log.read_text()
    assert len(rows(disk, "SELECT id FROM records")) >= 20
