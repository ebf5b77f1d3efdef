"""One daemon a socket and a state folder: a second one refuses to start, and takes nothing from the first."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.daemon import PATIENCE, Daemon, running_daemon


def _serve(socket_path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge_agent", "serve", "--socket", f"unix://{socket_path}"]
    command += ["--model-dir", str(folder), "--state-dir", str(folder / "other-state")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)


def test_a_second_daemon_on_a_live_socket_refuses_to_start(daemon: Daemon) -> None:
    second = _serve(daemon.path, daemon.models)
    assert second.returncode == 1
    assert second.stderr.startswith(f"edge-agent: another agent serves {daemon.path}")
    assert daemon.stub.listed() == {}, "the first goes on"


def test_a_second_daemon_of_a_state_folder_refuses_to_start(daemon: Daemon, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_agent", "serve", "--socket", f"unix://{tmp_path}/other.sock"]
    command += ["--model-dir", str(tmp_path), "--state-dir", str(daemon.folder / "state")]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert second.returncode == 1
    assert second.stderr == (
        f"edge-agent: another agent (process {daemon.process.pid}) keeps its state in {daemon.folder}/state, "
        "expected a folder of its own for each agent (--state-dir)\n"
    )
    assert not (tmp_path / "other.sock").exists()
    assert daemon.stub.listed() == {}, "the first goes on"


def test_a_socket_of_another_program_is_not_stolen(tmp_path: Path) -> None:
    path = tmp_path / "other.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen()
        assert f"another agent serves {path}" in _serve(path, tmp_path).stderr
    plain = tmp_path / "file"
    plain.write_text("precious")
    assert "is not a socket" in _serve(plain, tmp_path).stderr
    assert plain.read_text() == "precious"


def test_the_sockets_mode_is_0660_or_what_is_set(tmp_path: Path) -> None:
    with running_daemon(tmp_path / "a") as daemon:
        assert daemon.path.stat().st_mode & 0o777 == 0o660
    with running_daemon(tmp_path / "b", "--socket-mode", "0600", "--socket-group", str(os.getgid())) as daemon:
        assert daemon.path.stat().st_mode & 0o777 == 0o600
