"""The agent's socket is taken away under it, beside a line that goes on: it comes back, and says so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

import edge_agent
from tests.support.daemon import PATIENCE, Daemon, running_daemon, wait_until
from tests.support.fakes import write_echo


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("address")
    write_echo(folder / "models", "victim")
    with running_daemon(folder) as running:
        yield running


def _answers(daemon: Daemon) -> bool:
    try:
        with edge_agent.Client(daemon.socket) as client:
            return bool(client.models())
    except edge_agent.AgentUnreachable:
        return False


@pytest.mark.parametrize("way", ["removed", "renamed", "replaced by a file"])
def test_socket_taken_away(daemon: Daemon, way: str) -> None:
    said = daemon.log.read_text().count("it has been bound again")
    if way == "renamed":
        daemon.path.rename(daemon.folder / "elsewhere.sock")
    else:
        daemon.path.unlink()
    if way == "replaced by a file":
        daemon.path.touch()
        wait_until(lambda: "exists and is not a socket" in daemon.log.read_text(), "it is said what stands there")
        daemon.path.unlink()
    wait_until(lambda: _answers(daemon), "the agent is back at its address")
    wait_until(lambda: daemon.log.read_text().count("it has been bound again") == said + 1, "it says so")
    assert daemon.path.stat().st_mode & 0o777 == 0o660
    assert "another agent serves" in _successor(daemon), "it can be reached, and is"


def _successor(daemon: Daemon) -> str:
    command = [sys.executable, "-m", "edge_agent", "serve", "--socket", daemon.socket]
    command += ["--model-dir", str(daemon.models), "--state-dir", str(daemon.folder / "other")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 1
    return done.stderr
