"""Who did what to which model: written by a daemon, read by the command."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.serving.auditing.files import NAME
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.support.commands import run
from tests.support.daemon import running_daemon, wait_until
from tests.support.fakes import write_echo


def _command(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("audit", "--state-dir", state, *arguments)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of a daemon that has ended."""
    folder = tmp_path_factory.mktemp("audited")
    write_echo(folder / "models", "echo")
    (write_echo(folder / "models", "broken") / "model.onnx").write_bytes(b"not what it was")
    with running_daemon(folder, "--queue-size", "7") as daemon:
        daemon.stub.start("echo")
        audited = folder / "state" / NAME
        # The answer to a call comes after its entry is on the disk.
        assert (
            daemon.stub.refusal("StopModel", pb2.StopModelRequest(model_component="broken"))[0] == "FAILED_PRECONDITION"
        )
        assert b'"WrongState"' in audited.read_bytes()
        write_echo(folder / "models", "echo", version="2.0.0")
        wait_until(lambda: "changed over" in daemon.log.read_text(), "the new version serves")
        daemon.stub("StopModel", pb2.StopModelRequest(model_component="echo"))
        assert daemon.stop() == 0
    yield folder / "state"


def _entries(state: Path, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _command(state, *arguments, "--json").stdout.splitlines()]


def test_everything_that_happened_is_there_in_its_order(state: Path) -> None:
    found = _entries(state)
    assert [entry["entry"] for entry in found] == list(range(1, len(found) + 1))
    assert found[0]["event"] == "agent started"
    assert found[0]["settings"]["queue_size"] == 7
    assert found[-1]["event"] == "agent ended"
    assert found[-1]["how"] == "graceful"
    of_echo = [entry for entry in found if entry.get("model") == "echo"]
    assert [entry["event"] for entry in of_echo] == [
        "version came", "StartModel", "running", "version came", "changed over", "StopModel",
    ]  # fmt: skip
    (refused,) = [entry for entry in found if entry["event"] == "version refused"]
    assert refused["model"] == "broken"
    assert "SHA-256" in refused["details"]


def test_a_call_is_written_with_who_made_it_and_what_came_of_it(state: Path) -> None:
    (started,) = [entry for entry in _entries(state) if entry["event"] == "StartModel"]
    assert started["outcome"] == "done"
    assert (started["uid"], started["pid"]) == (os.getuid(), os.getpid())
    assert started["program"].startswith(("python", "pytest"))
    assert str(os.getuid()) in started["user"]
    (refused,) = [entry for entry in _entries(state) if entry.get("outcome") == "WrongState"]
    assert refused["event"] == "StopModel"
    assert "expected RUNNING" in refused["details"]


def test_a_table_for_people_and_what_was_asked_for(state: Path) -> None:
    shown = _command(state).stdout
    assert "agent started" in shown
    assert "settings (--json shows them)" in shown
    assert {entry["model"] for entry in _entries(state, "--model", "echo")} == {"echo"}
    assert _entries(state, "--since", "2999-01-01") == []
    assert len(_entries(state, "--since", "1h")) == len(_entries(state))
    wrong = _command(state, "--since", "yesterday")
    assert wrong.returncode == 2
    assert "'yesterday' is not a time such as" in wrong.stderr


def test_verify_tells_whether_it_is_whole(state: Path, tmp_path: Path) -> None:
    whole = _command(state, "verify")
    assert whole.returncode == 0
    assert whole.stdout.startswith("whole: ")
    for path in state.glob("audit*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = (tmp_path / NAME).read_bytes().splitlines()
    (tmp_path / NAME).write_bytes(b"\n".join([*lines[:2], *lines[3:]]) + b"\n")
    changed = _command(tmp_path, "verify")
    assert changed.returncode == 1
    assert "entry 4 follows entry 2: what stood between them was removed" in changed.stdout
    assert json.loads(_command(tmp_path, "verify", "--json").stdout)["problems"]


def test_a_folder_without_a_trail_is_named(tmp_path: Path) -> None:
    missing = _command(tmp_path)
    assert missing.returncode == 1
    assert f"there is no audit trail in {tmp_path}" in missing.stderr


def test_off_means_off(tmp_path: Path) -> None:
    write_echo(tmp_path / "models", "echo")
    with running_daemon(tmp_path, "--audit", "off") as daemon:
        daemon.stub.start("echo")
    assert not list((tmp_path / "state").glob("audit*"))


def test_a_trail_that_cant_be_written_stops_no_call_and_is_written_when_it_can(tmp_path: Path) -> None:
    write_echo(tmp_path / "models", "echo")
    in_the_way = tmp_path / "state" / NAME
    in_the_way.mkdir(parents=True)
    with running_daemon(tmp_path) as daemon:
        daemon.stub.start("echo")
        wait_until(lambda: "can't be written (Is a directory)" in daemon.log.read_text(), "it is said")
        in_the_way.rmdir()
        daemon.stub("StopModel", pb2.StopModelRequest(model_component="echo"))
    found = _entries(tmp_path / "state")
    assert [entry["event"] for entry in found] == ["gap", "StopModel", "agent ended"]
    assert (found[0]["missing"], found[0]["reason"]) == (4, "Is a directory")
    log = daemon.log.read_text()
    known = re.search("the audit trail ends with entry ([0-9a-f:]+)", log)
    assert known is not None, log
    assert _command(tmp_path / "state", "verify", "--known", known[1]).returncode == 0
