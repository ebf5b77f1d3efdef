"""A disk that is full, gone, damaged or not there holds up nobody, and what was lost is counted and said."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path

import pytest

from edge_agent.records import keeper as module
from edge_agent.records.keeper import Keeper
from edge_agent.records.record import Notes
from tests.support.records import options, record, rows
from tests.support.users import User, common_folder, run_as

#: recent: what is old is deleted
NOW = time.time_ns() // 1000


class Clock:
    """A clock that only moves when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_whose_the_folder_is_and_who_may_not_write_there_is_said() -> None:
    """SQLite says "unable to open database file" alone."""
    program = (
        "from edge_agent.records.keeper import Keeper; from edge_agent.records.options import RecordsOptions; "
        "print(Keeper(RecordsOptions(folder='{}', days=1, mib=1, log_level='info')).state.problem)"
    )
    with common_folder() as folder:
        done = run_as(User(51_234, 51_235), "-c", program.format(folder / "records"))
        assert f"Permission denied for user 51234: {folder} belongs to user 'root' (0) and" in done.stdout
        (folder / "records").mkdir(mode=0o755)
        done = run_as(User(51_234, 51_235), "-c", program.format(folder / "records"))
    assert f"{folder}/records belongs to user 'root' (0) and group 'root' (0), with mode 0755" in done.stdout


def test_what_could_not_be_written_is_written_when_the_disk_is_back(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "records"
    folder.write_text("a file where the folder should be")
    keeper = Keeper(options(folder), clock)
    keeper.take(Notes([record(NOW + 1)]))
    assert keeper.work() == []
    assert str(folder) in keeper.state.problem
    assert keeper.state.waiting == 1
    folder.unlink()
    assert keeper.work() == []  # it is not tried all the time
    clock.now += 60
    assert keeper.work() == [record(NOW + 1)]
    assert keeper.state.problem == ""
    keeper.close()
    assert rows(folder, "SELECT id FROM records") == [(NOW + 1,)]


def test_a_full_disk_loses_the_oldest_and_says_how_many(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 10)
    keeper = Keeper(options(tmp_path), clock)
    writer = keeper._writer
    assert writer is not None
    # What SQLite says then is what it says of a full disk: SQLITE_FULL.
    writer._connection.execute("PRAGMA max_page_count = 1")
    with caplog.at_level(logging.WARNING):
        for number in range(13):
            keeper.take(Notes([record(NOW + number, areas={f"label-{kind}": 0.5 for kind in range(200)})]))
        assert keeper.work() == []
        assert "full" in keeper.state.problem
        assert keeper.state.lost == 3
        clock.now += 60
        assert len(keeper.work()) == 10
    keeper.close()
    assert rows(tmp_path, "SELECT min(id), count(*) FROM records") == [(NOW + 3, 10)]
    assert rows(tmp_path, "SELECT why, records FROM losses") == [("they could not be written in time", 3)]
    assert "the line goes on" in caplog.text
    assert "3 were lost" in caplog.text


@pytest.mark.parametrize("seen", ["by what is to be written", "while nothing is"])
def test_a_folder_that_is_deleted_is_made_anew_and_nothing_is_lost(tmp_path: Path, clock: Clock, seen: str) -> None:
    folder = tmp_path / "records"
    keeper = Keeper(options(folder), clock)
    keeper.take(Notes([record(NOW + 1)]))
    assert keeper.work()
    shutil.rmtree(folder)
    if seen == "by what is to be written":
        keeper.take(Notes([record(NOW + 2)]))
        assert keeper.work() == []
    else:
        clock.now += 2
        assert keeper.work() == []
        keeper.take(Notes([record(NOW + 2)]))
    assert "deleted" in keeper.state.problem
    clock.now += 60
    assert keeper.work() == [record(NOW + 2)]
    keeper.close()
    assert rows(folder, "SELECT id FROM records") == [(NOW + 2,)]


def test_a_damaged_file_is_set_aside(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "records.db").write_bytes(b"this was a database once" * 1000)
    keeper = Keeper(options(tmp_path), clock)
    assert "a new one is begun" in keeper.state.problem
    keeper.take(Notes([record(NOW + 1)]))
    clock.now += 60
    assert keeper.work() == [record(NOW + 1)]
    keeper.close()
    assert len(list(tmp_path.glob("records.db.damaged-*"))) == 1


def test_what_the_daemon_dropped_is_written_down(tmp_path: Path, clock: Clock) -> None:
    keeper = Keeper(options(tmp_path), clock)
    keeper.take(Notes([record(NOW + 1)]))
    keeper.take(Notes([record(NOW + 2)], 7))
    keeper.work()
    assert keeper.state.lost == 7
    keeper.close()
    assert rows(tmp_path, "SELECT why, records FROM losses") == [("the daemon had no room for them", 7)]
