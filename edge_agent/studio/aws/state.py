"""What only the service's API knows: numbers of models, entries as they were sent, tags, tokens."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from edge_agent.errors import ServiceRefused
from edge_agent.studio.store.database import Database
from edge_agent.studio.store.store import Store

FILE = "service.db"
#: as long a token is remembered
TOKEN_SECONDS = 8 * 3600.0

_FIRST = """
CREATE TABLE datasets (
    project TEXT NOT NULL,                    -- name and time of creation: a project of the same name is another
    type TEXT NOT NULL,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    change TEXT NOT NULL,                     -- CREATE or UPDATE, the job that makes it, 0 for none
    job INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (project, type)
) WITHOUT ROWID;
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    type TEXT NOT NULL,
    reference TEXT NOT NULL,                  -- the source-ref
    line TEXT NOT NULL,                       -- as it was sent
    picture INTEGER NOT NULL,
    created REAL NOT NULL,
    UNIQUE (project, type, reference)
);
CREATE TABLE models (
    project TEXT NOT NULL,                    -- the name: models outlive a project
    number INTEGER NOT NULL,
    version TEXT NOT NULL,                    -- of the component
    job INTEGER NOT NULL DEFAULT 0,           -- that trains it, 0 for one that was made elsewhere
    created REAL NOT NULL,
    details TEXT NOT NULL DEFAULT '{}',       -- what CreateModel was told, and what came of it
    hosting TEXT NOT NULL DEFAULT '',         -- what was asked last: start, stop; and its token and problem
    hosting_token TEXT NOT NULL DEFAULT '',
    hosting_problem TEXT NOT NULL DEFAULT '',
    units TEXT NOT NULL DEFAULT '{}',
    deleted INTEGER NOT NULL DEFAULT 0,       -- its number is not given again
    PRIMARY KEY (project, number)
) WITHOUT ROWID;
CREATE TABLE packagings (
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    job INTEGER NOT NULL,
    asked TEXT NOT NULL,
    PRIMARY KEY (project, name)
) WITHOUT ROWID;
CREATE TABLE tags (
    resource TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (resource, key)
) WITHOUT ROWID;
CREATE TABLE tokens (
    operation TEXT NOT NULL,
    token TEXT NOT NULL,
    project TEXT NOT NULL,
    request TEXT NOT NULL,
    answer TEXT NOT NULL,
    used REAL NOT NULL,
    PRIMARY KEY (operation, token)
) WITHOUT ROWID
"""


class State:
    """The index, `service.db` of the data folder."""

    def __init__(self, data: Path) -> None:
        """Open it, or make it; StudioError when that can't be done."""
        self.database = Database(data / FILE, (_FIRST,))

    def close(self) -> None:
        """Close it."""
        self.database.close()

    def write(self, query: str, *values: object) -> None:
        """Change something."""
        with self.database.writing() as write:
            write.execute(query, values)

    def remembered(self, operation: str, token: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Give the answer that a token has got before; None when it is new.

        Raises:
            ServiceRefused: it was used for another request.
        """
        row = self.database.row(
            "SELECT * FROM tokens WHERE operation = ? AND token = ? AND used > ?",
            (operation, token, time.time() - TOKEN_SECONDS),
        )
        if row is None:
            return None
        if row["request"] != _digest(asked):
            raise ServiceRefused(
                "ConflictException",
                f"client token {token} was used for another {operation}",
                ResourceId=row["project"],
                ResourceType="PROJECT",
            )
        answer: dict[str, Any] = json.loads(row["answer"])
        return answer

    def remember(self, operation: str, token: str, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        """Keep an answer; what undoes other calls of its project makes their tokens new again."""
        project = str(asked.get("ProjectName", ""))
        undone = "Create%" if operation.startswith("Delete") else "Delete%"
        with self.database.writing() as write:
            write.execute("DELETE FROM tokens WHERE project = ? AND operation LIKE ?", (project, undone))
            write.execute("DELETE FROM tokens WHERE used < ?", (time.time() - TOKEN_SECONDS,))
            if token:
                write.execute(
                    "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?, ?)",
                    (operation, token, project, _digest(asked), json.dumps(answer), time.time()),
                )


def project_key(store: Store, name: str) -> str:
    """Tell a project from one of the same name before it; NotThere when there is none."""
    return f"{name}@{store.projects.get(name).created:.6f}"


def _digest(asked: dict[str, Any]) -> str:
    plain = {key: value for key, value in asked.items() if key != "ClientToken"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=repr).encode()).hexdigest()
