"""What a line has counted, and whether it still runs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_agent.errors import EdgeAgentError
from edge_agent.line.status import FILE_NAME, Status, read_status


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
