"""Refused calls are counted until they have been sent, and written once each."""

from __future__ import annotations

import shutil
from pathlib import Path

from edge_agent.records.keeper import Keeper
from edge_agent.records.refused import Refused, RefusedCalls
from edge_agent.records.store.schema import QUARTER
from tests.support.records import options, rows


def test_what_there_is_no_room_for_is_sent_with_what_comes_later() -> None:
    counted, sent = RefusedCalls(), list[Refused]()
    for _ in range(3):
        counted.count("echo", "wrong_state", "it is STOPPED")
    counted.send(lambda _: False)
    counted.count("echo", "wrong_state", "it is STARTING" + "!" * 1000)
    assert counted
    counted.send(lambda refused: not sent.append(refused))  # type: ignore[func-returns-value]
    assert [(one.model, one.reason, one.calls, one.details[:14]) for one in sent] == [
        ("echo", "wrong_state", 4, "it is STARTING")
    ]
    assert len(sent[0].details) == 300
    assert not counted


def test_they_are_added_up_while_the_disk_is_away_and_then_by_quarter(tmp_path: Path) -> None:
    (tmp_path / "records.db").mkdir()  # nothing can be opened there
    now = 0.0
    keeper = Keeper(options(tmp_path, days=36_500), clock=lambda: now)
    for at, details in ((5, "first"), (7, "second"), (QUARTER, "third")):
        keeper.take_refused(Refused(at, "echo", "overloaded", 2, details))
        keeper.work()
    (tmp_path / "records.db").rmdir()
    now = 60.0
    keeper.take_refused(Refused(9, "", "model_not_found", 1, "no 'x'"))
    keeper.work()
    keeper.take_refused(Refused(QUARTER + 1, "echo", "overloaded", 1, "fourth"))
    keeper.work()
    keeper.close()
    assert rows(tmp_path, "SELECT * FROM refused") == [
        (0, "", "model_not_found", 1, "no 'x'"), (0, "echo", "overloaded", 4, "second"),
        (1, "echo", "overloaded", 3, "fourth"),
    ]  # fmt: skip


def test_what_is_refused_while_the_file_is_deleted_is_counted_in_the_next(tmp_path: Path) -> None:
    now = 0.0
    keeper = Keeper(options(tmp_path / "records", days=36_500), clock=lambda: now)
    keeper.take_refused(Refused(5, "echo", "overloaded", 1, "before"))
    keeper.work()
    shutil.rmtree(tmp_path / "records")
    keeper.take_refused(Refused(6, "echo", "overloaded", 2, "after"))
    keeper.work()  # no time has passed: it is not looked for yet because of that
    now = 60.0
    keeper.work()
    keeper.close()
    assert rows(tmp_path / "records", "SELECT * FROM refused") == [(0, "echo", "overloaded", 2, "after")]
