"""The outbox: what waits in it, how much of it, what it says of that, and how it is found again."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from edge_agent.records.events import delivery
from edge_agent.records.events.delivery import _words
from edge_agent.records.events.outbox import Outbox, line_states
from edge_agent.records.events.post import Post
from edge_agent.records.events.sender import SendFailed, foreign
from tests.support.daemon import wait_until
from tests.support.records import record, rules, told


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.1)


def test_what_a_server_answers_is_told_in_a_line_that_harms_no_terminal() -> None:
    answer = foreign("500 \x1b[2J\r\n" + "x" * 100_000)
    said = _words(SendFailed(f"h answered {answer}; is it the right h?"))
    assert said.startswith("h answered 500 ?[2J??xxx")
    assert said.endswith("xxx…; is it the right h?")
    assert len(said) < 300


@pytest.mark.parametrize(("keep", "left"), [("newest", [3, 4, 5]), ("oldest", [1, 2, 3])])
def test_a_full_line_keeps_what_it_is_told_to_and_counts_the_rest(tmp_path: Path, keep: str, left: list[int]) -> None:
    box = Outbox(tmp_path, rules(sender="file", path="/x", most=3, keep=keep))
    assert [box.put({"line": [b"%d" % number]}) for number in range(1, 4)] == [0, 0, 0]
    assert box.put({"line": [b"4", b"5"]}) == 2
    found = box.next("line", 10)
    assert [int(event.payload) for event in found] == left
    box.done("line", found[:2])
    box.close()
    assert [(state.waiting, state.sent, state.dropped) for state in line_states(tmp_path)] == [(1, 2, 2)]
    again = Outbox(tmp_path, rules(sender="file", path="/x", most=3, keep=keep))
    assert [int(event.payload) for event in again.next("line", 10)] == left[2:]
    again.close()


@pytest.mark.parametrize(("keep", "first"), [("newest", 4801), ("oldest", 1)])
def test_a_day_without_the_other_side_takes_as_much_disk_as_it_may(tmp_path: Path, keep: str, first: int) -> None:
    """5000 verdicts of three models, of which 200 may wait; nobody listens until then."""
    path = tmp_path / "socket"
    post = Post(tmp_path, rules(sender="datagram", path=str(path), keep=keep, most=200), "d")
    sizes = []
    for number in range(1, 5001, 50):
        post.take([record(number + offset, model=("a", "b", "c")[offset % 3]) for offset in range(50)])
        sizes.append(sum(file.stat().st_size for file in tmp_path.glob("outbox.db*")))
    assert max(sizes) < 6 << 20
    assert max(sizes[50:]) == max(sizes), "it does not grow any more"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(180)
        found = [json.loads(listener.recv(1 << 16))["id"] for _ in range(200)]
    assert found == list(range(first, first + 200))
    post.close()
    (state,) = line_states(tmp_path)
    assert state.sent + state.waiting >= 200
    assert state.dropped == 4800


def test_an_outbox_whose_folder_was_moved_goes_on_in_a_new_one(tmp_path: Path) -> None:
    """What waits is taken along; when the folder comes back, nothing of it is sent twice."""
    folder, moved, path = tmp_path / "records", tmp_path / "moved", tmp_path / "socket"
    post = Post(folder, rules(sender="datagram", path=str(path)), "d")

    def look() -> None:
        post._look_at = 0.0
        post.lines()

    post.take(told(1, 2, 3))
    folder.rename(moved)
    look()
    assert [state.waiting for state in line_states(folder)] == [3]
    assert [state.waiting for state in line_states(moved)] == [0]
    post.take(told(4))
    folder.rename(tmp_path / "second")
    moved.rename(folder)
    look()
    post.take(told(5))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(180)
        assert [json.loads(listener.recv(1 << 16))["id"] for _ in range(5)] == [1, 2, 3, 4, 5]
        wait_until(lambda: [state.sent for state in line_states(folder)] == [5], "they are taken out")
    post.close()
    assert [state.waiting for state in line_states(folder)] == [0]


def test_how_lines_stand_is_told(tmp_path: Path) -> None:
    path = tmp_path / "not there" / "events"
    post = Post(tmp_path, rules(sender="file", path=str(path), most=2), "d")
    now = time.time_ns() // 1000
    post.take([record(now - age) for age in (3, 2, 1)])
    wait_until(lambda: (post.lines()[0].failed, post.lines()[0].dropped) >= (2, 1), "attempts fail")
    (line,) = post.lines()
    assert (line.rule, line.waiting, line.sent, line.dropped) == ("line", 2, 0, 1)
    assert line.oldest == pytest.approx((now - 2) / 1e6, abs=1e-5)
    path.parent.mkdir()
    wait_until(lambda: post.lines()[0].sent == 2, "they are sent")
    assert post.lines()[0].oldest == 0
    post.close()


def test_events_that_the_outbox_can_not_take_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "outbox.db").mkdir()  # as if somebody had put a folder there
    post = Post(tmp_path, rules(sender="file", path=str(tmp_path / "events")), "d")
    post.take(told(1, 2))
    post.take(told(3))
    assert post.lines()[0].dropped == 3
    assert "the outbox can't be opened, events are lost" in caplog.text
    post.close()


def test_what_was_not_sent_is_sent_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "not there yet"
    table = {"sender": "file", "path": str(folder / "events")}
    post = Post(tmp_path, rules(**table), "d")
    post.take(told(1, 2))
    wait_until(lambda: line_states(tmp_path)[0].problem, "it says why it can't")
    post.close()
    folder.mkdir()
    again = Post(tmp_path, rules(**table), "d")
    again.take(told(3))
    wait_until(
        lambda: (folder / "events").exists() and (folder / "events").read_text().count("\n") == 3, "all are there"
    )
    again.close()
    assert [json.loads(line)["id"] for line in (folder / "events").read_text().splitlines()] == [1, 2, 3]


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(range(256)) * 40])
def test_a_damaged_outbox_is_set_aside_and_a_new_one_begun(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "outbox.db").write_bytes(content)
    post = Post(tmp_path, rules(sender="file", path=str(tmp_path / "events")), "d")
    post.take(told(1, 2))
    wait_until(lambda: post.lines()[0].sent == 2, "they are sent")
    post.close()
    (aside,) = tmp_path.glob("outbox.db.damaged-*")
    assert aside.read_bytes() == content


def test_an_outbox_that_turns_out_to_be_damaged_is_left_and_what_can_be_read_of_it_taken_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "socket"
    post = Post(tmp_path, rules(sender="datagram", path=str(path)), "d")
    post.take(told(1, 2))
    with monkeypatch.context() as patch:

        def damaged(*_: object) -> int:
            raise sqlite3.DatabaseError("database disk image is malformed")

        patch.setattr(Outbox, "put", damaged)
        post.take(told(3))
    post.take(told(4))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(180)
        assert [json.loads(listener.recv(1 << 16))["id"] for _ in range(3)] == [1, 2, 4]
    assert len(list(tmp_path.glob("outbox.db.damaged-*"))) == 1
    wait_until(lambda: post.lines()[0].sent == 3, "they are taken out")
    assert post.lines()[0].dropped == 1, "what came while it was damaged"
    post.close()
