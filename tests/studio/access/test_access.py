"""Who may do what: users, roles, sessions, attempts; and that others can't reach a studio without them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge_agent.errors import StudioError
from edge_agent.studio.access.attempts import Attempts
from edge_agent.studio.api.table import OPERATIONS
from tests.support.commands import run
from tests.support.studio import Studio, running_studio

PASSWORD = "correct horse"


def studio_command(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return run("studio", *arguments, **environ)


def add_user(data: Path, name: str, role: str) -> None:
    done = studio_command("user", "add", name, "--role", role, "--data", data, EDGE_AGENT_STUDIO_PASSWORD=PASSWORD)
    assert done.returncode == 0, done.stderr


def sign_in(studio: Studio, name: str, password: str = PASSWORD) -> str:
    answer = studio.send("POST", "/sign-in", {"name": name, "password": password})
    assert answer.status == 200, answer.content
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    return cookie.partition(";")[0]


def test_nobody_else_is_let_in_before_there_are_users(tmp_path: Path) -> None:
    done = studio_command("--host", "0.0.0.0", "--data", tmp_path / "data")
    assert done.returncode == 1
    assert "edge-agent: others can reach 0.0.0.0, so users have to sign in" in done.stderr


def test_each_role_may_do_what_the_table_says(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for role in ("viewer", "operator", "engineer"):
        add_user(data, role, role)
    with running_studio(data) as studio:
        assert studio.ask("GET", "/api/projects").status == 401
        page = studio.ask("GET", "/projects/x")
        assert b"sign-in" in page.content
        ranks = {"viewer": 1, "operator": 2, "engineer": 3}
        for name, rank in ranks.items():
            studio.cookie = sign_in(studio, name)
            for operation in OPERATIONS:
                path = operation.path.format_map(_Any()).replace("{picture:int}", "1")
                answer = studio.ask(operation.method, "/api" + path, None if operation.method == "GET" else b"")
                assert (answer.status == 403) == (rank < ranks[operation.role]), (name, operation.name, answer)
                assert answer.status != 500, answer.content
        studio.send("POST", "/sign-out")
        assert studio.ask("GET", "/api/projects").status == 401
        studio.cookie = ""


class _Any(dict[str, str]):
    """Stands for whatever a path names."""

    def __missing__(self, key: str) -> object:
        return _Value()


class _Value:
    def __format__(self, kind: str) -> str:
        return "1"


def test_a_removed_user_is_out_at_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    add_user(data, "anna", "engineer")
    with running_studio(data) as studio:
        studio.cookie = sign_in(studio, "anna")
        assert studio.ask("GET", "/api/projects").status == 200
        assert studio_command("user", "list", "--data", data).stdout.split()[-2:] == ["anna", "engineer"]
        assert studio_command("user", "remove", "anna", "--data", data).returncode == 0
        assert studio.ask("GET", "/api/projects").status == 401


def test_passwords_can_not_be_guessed_for_long(tmp_path: Path) -> None:
    data = tmp_path / "data"
    add_user(data, "anna", "engineer")
    with running_studio(data) as studio:
        answers = [studio.send("POST", "/sign-in", {"name": "anna", "password": f"guess {n}"}) for n in range(10)]
        assert [answer.status for answer in answers[:8]] == [401] * 8
        assert "8 attempts in a minute are enough" in answers[9].error
        assert "don't belong together" in answers[0].error
    assert PASSWORD.encode() not in (data / "studio.db").read_bytes()


def test_short_passwords_are_refused(tmp_path: Path) -> None:
    done = studio_command("user", "add", "a", "--data", tmp_path, EDGE_AGENT_STUDIO_PASSWORD="short")
    assert done.returncode == 1
    assert "the password has 5 characters, expected 10 or more" in done.stderr


def test_attempts_are_forgotten_after_a_minute() -> None:
    now = 0.0
    attempts = Attempts(lambda: now)
    for _ in range(8):
        attempts.check("name a")
    with pytest.raises(StudioError):
        attempts.check("name a")
    attempts.check("name b")
    now = 61.0
    attempts.check("name a")
