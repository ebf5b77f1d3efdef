"""A daemon of one's own: ended with its user, and at once explained when it can't serve."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge_agent.client.client import Client
from edge_agent.client.own_daemon import own_daemon
from edge_agent.errors import AgentUnreachable
from tests.support.daemon import PATIENCE


def test_it_serves_and_is_gone_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    with own_daemon(patience=PATIENCE) as socket, Client(socket) as client:
        assert client.models() == []
    assert not Path(socket.removeprefix("unix://")).parent.exists()
    assert capfd.readouterr().err == ""


def test_why_it_could_not_serve_is_said_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(AgentUnreachable) as raised, own_daemon("--queue-size", "-1", patience=1000.0):
        raise AssertionError("it serves with such a queue")
    assert str(raised.value) == (
        "the agent that was started for this could not serve: "
        "in the command line: Expected 'int' >= 0 at setting 'queue_size'"
    )
    assert time.monotonic() - begun < 1000.0


def test_an_end_without_a_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(7)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        pytest.raises(AgentUnreachable, match="could not serve: it ended with status 7"),
        own_daemon(patience=PATIENCE),
    ):
        raise AssertionError("it serves")
