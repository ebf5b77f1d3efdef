"""What a line has counted, and whether it still runs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_agent.errors import EdgeAgentError
from edge_agent.line.status import FILE_NAME, LastPart, Status, read_status


def test_a_line_that_was_killed_is_not_called_able(tmp_path: Path) -> None:
    status = Status(able=True, problem="")
    for outcome in ("pass", "pass", "reject", "look", "failed"):
        status.count(outcome)
    status.write(tmp_path)
    found = read_status(tmp_path)
    assert (found.able, found.passed, found.rejected, found.looked, found.failed) == (True, 2, 1, 1, 1)
    status.at -= 60
    (tmp_path / FILE_NAME).write_bytes(msgspec.json.encode(status))
    found = read_status(tmp_path)
    assert not found.able
    assert found.problem.startswith("hangs: it has written nothing for 6")
    assert found.passed == 2
    assert read_status(tmp_path, 3600).able
    with pytest.raises(EdgeAgentError, match="the line has not run yet"):
        read_status(tmp_path / "none")


def test_the_days_counts_go_on_and_the_last_parts_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = ["2026-11-29"]
    monkeypatch.setattr("time.strftime", lambda _: day[0])
    status = Status()
    for number in range(30):
        status.decided(LastPart(f"part-{number}", "reject", "", 0, 5))
    assert [part.part for part in status.recent][::19] == ["part-29", "part-10"]
    status.write(tmp_path)
    again = Status()
    again.goes_on(tmp_path)
    again.decided(LastPart("next", "early", "", 0, 0))
    assert (again.today.rejected, again.today.early, again.rejected, len(again.recent)) == (30, 1, 0, 1)
    day[0] = "2026-11-30"
    again.decided(LastPart("tomorrow", "pass", "", 0, 5))
    assert (again.today.day, again.today.rejected, again.today.passed) == ("2026-11-30", 0, 1)
    again.goes_on(tmp_path / "none")
    assert again.today.passed == 1
