"""What doctor says to a user to whom the agent's folders are closed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.users import User, common_folder, run_as

_SOMEBODY = User(61234, 61234)


@pytest.mark.parametrize(
    ("option", "value", "check"),
    [
        ("--model-dir", "{closed}/models", "model folder"),
        ("--registry", "{closed}/registry", "registry"),
        ("--socket", "unix://{closed}/deep/agent.sock", "socket"),
        ("--state-dir", "{closed}/state", "audit trail"),
        ("--lines", "{closed}/lines", "lines"),
    ],
)
def test_a_closed_folder_is_one_finding_among_all(option: str, value: str, check: str) -> None:
    with common_folder() as folder:
        closed = folder / "closed"
        closed.mkdir()
        closed.chmod(0o700)
        options = {"--state-dir": f"{folder}/none", "--socket": f"unix://{folder}/agent.sock"}
        options[option] = value.format(closed=closed)
        arguments = [part for name, given in options.items() for part in (name, given)]
        answer = run_as(_SOMEBODY, "-m", "edge_agent", "doctor", "--json", *arguments)
        findings = json.loads(answer.stdout)
        checks = [finding["check"] for finding in findings]
        assert {"architecture", "storage", "socket", "audit trail", "libraries"} <= set(checks), checks
        (told,) = [finding for finding in findings if finding["check"] == check and finding["verdict"] != "ok"]
        assert f"Permission denied for user {_SOMEBODY.uid}: {closed} belongs to" in told["found"]
        assert "[Errno" not in answer.stdout
        assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("option", ["--model-dir", "--registry", "--state-dir", "--lines"])
@pytest.mark.parametrize("below", ["file", "loop"])
def test_what_can_not_be_a_folder_is_one_finding_among_all(tmp_path: Path, option: str, below: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    options = {"--state-dir": tmp_path / "none"} | {option: tmp_path / below / "folder"}
    done = run("doctor", "--json", *(part for given in options.items() for part in given))
    checks = {finding["check"] for finding in json.loads(done.stdout)}
    assert {"architecture", "storage", "socket", "libraries"} <= checks, done.stderr


def test_a_model_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    file = tmp_path / "models"
    file.touch()
    done = run("doctor", "--json", "--model-dir", file, "--state-dir", tmp_path / "none")
    (told,) = [finding for finding in json.loads(done.stdout) if finding["check"] == "model folder"]
    assert told["verdict"] == "wrong"
    assert told["found"] == f"{file} is not a folder"
