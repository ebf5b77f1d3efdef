"""Who may do what: users, roles, sessions, attempts; and that others can't reach a studio without them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from edge_agent.errors import TooManyAttempts
from edge_agent.studio.access.attempts import Attempts
from edge_agent.studio.api.table import OPERATIONS
from tests.support.commands import run
from tests.support.studio import Answer, Studio, running_studio

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
        answers: list[Answer] = []
        # Waits begin with a second and double: a busy machine takes the first ones for a password alone.
        while not answers or (answers[-1].status != 429 and len(answers) < 16):
            answers.append(studio.send("POST", "/sign-in", {"name": "anna", "password": f"guess {len(answers)}"}))
        assert [answer.status for answer in answers[:5]] == [401] * 5
        assert answers[-1].status == 429
        assert "too many wrong passwords; try again in" in answers[-1].error
        assert "don't belong together" in answers[0].error
    assert PASSWORD.encode() not in (data / "studio.db").read_bytes()


def test_short_passwords_are_refused(tmp_path: Path) -> None:
    done = studio_command("user", "add", "a", "--data", tmp_path, EDGE_AGENT_STUDIO_PASSWORD="short")
    assert done.returncode == 1
    assert "the password has 5 characters, expected 10 or more" in done.stderr


def test_the_wait_grows_with_each_wrong_password_and_ends() -> None:
    now = 0.0
    attempts = Attempts(lambda: now)

    def waits() -> float:
        """Try until it is let, and return how long that took."""
        nonlocal now
        begun = now
        while True:
            try:
                attempts.begin("anna", "10.0.0.7")
            except TooManyAttempts:
                now += 0.5
            else:
                return now - begun

    assert [waits() for _ in range(9)] == [0, 0, 0, 0, 0, 1, 2, 4, 8]
    assert max(waits() for _ in range(9)) == 300
    now += 3600
    assert waits() == 0


def test_who_tries_a_name_from_elsewhere_locks_nobody_out() -> None:
    attempts = Attempts(lambda: 0.0)
    for _ in range(5):
        attempts.begin("anna", "10.0.0.66")
    with pytest.raises(TooManyAttempts):
        attempts.begin("anna", "10.0.0.66")
    for _ in range(20):
        attempts.begin("anna", "10.0.0.7")
        attempts.right("anna", "10.0.0.7")


def test_one_address_can_not_try_many_names() -> None:
    attempts = Attempts(lambda: 0.0)
    for number in range(30):
        attempts.begin(f"user {number}", "10.0.0.66")
    with pytest.raises(TooManyAttempts):
        attempts.begin("user 30", "10.0.0.66")
    attempts.begin("user 30", "10.0.0.7")


def test_a_proxys_word_counts_if_it_is_trusted(tmp_path: Path) -> None:
    def answers(studio: Studio, most: int) -> list[int]:
        said = [0]
        while said[-1] != 429 and len(said) <= most:
            sent = json.dumps({"name": "anna", "password": "wrong"}).encode()
            said.append(studio.ask("POST", "/api/sign-in", sent, {"x-forwarded-for": f"10.0.0.{len(said)}"}).status)
        return said[1:]

    add_user(tmp_path / "data", "anna", "engineer")
    with running_studio(tmp_path / "data") as studio:
        said = answers(studio, 16)
        assert (said[:5], said[-1]) == ([401] * 5, 429)
    with running_studio(tmp_path / "data", "--trusted-proxy", "127.0.0.1") as studio:
        assert answers(studio, 8) == [401] * 8
