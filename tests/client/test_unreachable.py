"""Why no agent answers, in one sentence for each reason that can be seen from the client's side."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import edge_agent
from edge_agent.client.unreachable import why_unreachable
from tests.support.daemon import PATIENCE, Daemon, running_daemon
from tests.support.users import User, common_folder, run_as

STRANGER = User(64003, 64003)
ASK = (
    "import sys, edge_agent\n"
    "try: edge_agent.Client(sys.argv[1]).models()\n"
    "except edge_agent.AgentUnreachable as e: print(e)\n"
)
OF_ROOT = "belongs to user 'root' (0) and group 'root' (0), with mode"


def test_missing(tmp_path: Path) -> None:
    said = why_unreachable(tmp_path / "none.sock")
    assert said.startswith(f"is `edge-agent serve` running? There is no {tmp_path}/none.sock")
    assert why_unreachable(Path("/run/none.sock")) == "is `edge-agent serve` running? There is no /run/none.sock"
    assert "another /tmp than this process (PrivateTmp= of a systemd unit, a container)" in why_unreachable(
        Path("/tmp/none.sock")
    )


def test_left_over(tmp_path: Path) -> None:
    path = tmp_path / "old.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    assert "is there, but nobody listens any more" in why_unreachable(path)


def test_not_a_socket(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert why_unreachable(tmp_path / "file") == f"{tmp_path}/file is not a socket"


@pytest.fixture
def common() -> Iterator[Path]:
    with common_folder() as folder:
        yield folder


def test_forbidden(common: Path) -> None:
    with running_daemon(common) as daemon:
        asked = run_as(STRANGER, "-c", ASK, daemon.socket)
        assert f"user 64003 may not connect; the socket {OF_ROOT} 0660" in asked.stdout, asked.stderr
        common.chmod(0o700)
        asked = run_as(STRANGER, "-c", ASK, daemon.socket)
        assert f"user 64003 may not enter {common}, which {OF_ROOT} 0700" in asked.stdout, asked.stderr


def test_another_tmp(daemon: Daemon) -> None:
    """As for a client whose unit has PrivateTmp=: the agent lives, but its socket's folder is another."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare(1) of util-linux is not there")
    script = f'mount -t tmpfs tmpfs {daemon.folder} && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-c", ASK, daemon.socket]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    if asked.returncode and "unshare" in asked.stderr:
        pytest.skip(f"no mount namespace can be made here: {asked.stderr.strip()}")
    assert "though something listens on a socket of that name: it was removed or renamed, or the agent has another" in (
        asked.stdout
    ), asked.stderr


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("unix-abstract:agent", "is not an address such as unix:///tmp/.*: an abstract socket has no owner and mode"),
        ("unix:@agent", "an abstract socket has no owner and mode"),
        ("unix:agent.sock", r"it is relative; the absolute one would be unix:///.*/agent\.sock"),
        ("localhost:50051", r"'localhost:50051' is not an address such as unix:///tmp/"),
    ],
)
def test_addresses_that_are_refused(address: str, said: str) -> None:
    with pytest.raises(edge_agent.EdgeAgentError, match=said):
        edge_agent.Client(address)


@contextlib.contextmanager
def turning_away(path: Path) -> Iterator[list[float]]:
    """Close every connection to a socket at once; gives when there was one."""
    attempts: list[float] = []
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(path))
        nobody.listen()

        def turn_away() -> None:
            with contextlib.suppress(OSError):  # it is shut down below
                while True:
                    nobody.accept()[0].close()
                    attempts.append(time.monotonic())

        thread = threading.Thread(target=turn_away)
        thread.start()
        try:
            yield attempts
        finally:
            nobody.shutdown(socket.SHUT_RDWR)
            thread.join()
            path.unlink()


@pytest.mark.long
def test_an_agent_that_was_away_is_found_within_a_second(daemon: Daemon) -> None:
    """gRPC's own waits double up to two minutes: after so many attempts it would wait for ten seconds."""

    def seconds() -> float:
        """Have a client's agent go and come back, and give how long the client took to find it."""
        client = edge_agent.Client(daemon.socket)
        client.models()
        daemon.stop()
        with turning_away(daemon.path) as attempts:
            while len(attempts) < 6:
                with pytest.raises(edge_agent.AgentUnreachable):
                    client.models()
                time.sleep(0.01)
        daemon.restart()
        back = time.monotonic()
        while True:
            try:
                client.models()
                break
            except edge_agent.AgentUnreachable:
                time.sleep(0.05)
        client.close()
        return time.monotonic() - back

    # Within one, where the processor isn't busy with other things; with gRPC's waits no try would be as good.
    assert any(seconds() < 4.0 for _ in range(5))
