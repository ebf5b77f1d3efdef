"""Users of the studio: names, roles, and passwords of which only a scrypt hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Literal, NamedTuple, get_args

from edge_agent.errors import NotThere, SignInNeeded, StudioError
from edge_agent.studio.store.database import Database

Role = Literal["viewer", "operator", "engineer"]
ROLES: tuple[Role, ...] = get_args(Role)
SESSION_SECONDS = 12 * 3600.0
_SHORTEST_PASSWORD = 10
#: RFC 7914 parameters that take about 60 ms and 16 MiB
_COST, _BLOCK, _PARALLEL = 1 << 14, 8, 1


class User(NamedTuple):
    """Somebody who may use the studio."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Tell whether what needs `role` is allowed."""
        return ROLES.index(self.role) >= ROLES.index(role)


#: whoever sits at the machine, where no user was made
LOCAL = User("local", "engineer")


class Users:
    """The users and sessions of a studio."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def any(self) -> bool:
        """Tell whether there are users at all."""
        return bool(self._database.value("SELECT count(*) FROM users"))

    def all(self) -> list[User]:
        """List the users."""
        return [User(row["name"], row["role"]) for row in self._database.rows("SELECT * FROM users ORDER BY name")]

    def set(self, name: str, role: Role, password: str) -> None:
        """Add a user, or change one, whose sessions then end.

        Raises:
            StudioError: the name is empty or the password short.
        """
        if not name or len(name) > 64 or not name.isprintable():
            raise StudioError(f"{name[:64]!r} can't be a user's name, expected 1 to 64 printable characters")
        if len(password) < _SHORTEST_PASSWORD:
            raise StudioError(f"the password has {len(password)} characters, expected {_SHORTEST_PASSWORD} or more")
        salt = secrets.token_bytes(16)
        with self._database.writing() as write:
            write.execute("DELETE FROM users WHERE name = ?", (name,))
            write.execute(
                "INSERT INTO users (name, role, salt, hash) VALUES (?, ?, ?, ?)",
                (name, role, salt, _hash(password, salt)),
            )

    def remove(self, name: str) -> None:
        """Remove a user; NotThere when there is none of that name."""
        with self._database.writing() as write:
            if not write.execute("DELETE FROM users WHERE name = ?", (name,)).rowcount:
                raise NotThere(f"there is no user '{name[:64]}'")

    def sign_in(self, name: str, password: str) -> str:
        """Open a session and return its token.

        Raises:
            SignInNeeded: there is no such user, or the password is another; which of the two is not said.
        """
        row = self._database.row("SELECT * FROM users WHERE name = ?", (name,))
        # The same work for a name that does not exist: time does not tell who is a user.
        salt, expected = (row["salt"], row["hash"]) if row else (b"\0" * 16, b"")
        if not hmac.compare_digest(_hash(password, salt), expected):
            raise SignInNeeded("this name and password don't belong together")
        token = secrets.token_urlsafe(32)
        with self._database.writing() as write:
            write.execute("DELETE FROM sessions WHERE ends < ?", (time.time(),))
            write.execute(
                "INSERT INTO sessions (token, user, ends) VALUES (?, ?, ?)",
                (_token_hash(token), name, time.time() + SESSION_SECONDS),
            )
        return token

    def sign_out(self, token: str) -> None:
        """End a session."""
        with self._database.writing() as write:
            write.execute("DELETE FROM sessions WHERE token = ?", (_token_hash(token),))

    def of_session(self, token: str) -> User | None:
        """Return whose session this is; None for none that lasts."""
        row = self._database.row(
            "SELECT users.name, users.role FROM sessions JOIN users ON users.name = sessions.user"
            " WHERE token = ? AND ends > ?",
            (_token_hash(token), time.time()),
        )
        return None if row is None else User(row["name"], row["role"])


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL)


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
