"""The list of jobs in the index, and what a job's folder says of it."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge_agent.errors import NotThere
from edge_agent.studio.jobs.process import JOB, LOG, PROGRESS, RESULT
from edge_agent.studio.store.store import Store
from edge_agent.studio.store.writing import write_file

State = Literal["waiting", "running", "done", "failed", "cancelled"]
_LOG_BYTES = 20_000  # of the end of a log that is shown


class Progress(msgspec.Struct, frozen=True):
    """What a job is at, and how far that is; a total of 0 is not known."""

    progress: str = ""
    done: int = 0
    total: int = 0


class Job(msgspec.Struct, frozen=True):
    """A job; times are seconds since 1970."""

    id: int
    project: str
    kind: str
    title: str
    state: State
    created: float
    started: float | None
    ended: float | None
    problem: str
    progress: Progress


class Jobs:
    """The jobs of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def folder(self, job: int) -> Path:
        """Give a job's folder."""
        return self._store.layout.jobs / str(job)

    def prepare(self, project: str, kind: str, title: str, **about: Any) -> int:
        """Make a job's folder, with `about` in it; it is not begun before it is queued."""
        with self._store.database.writing() as write:
            number = write.execute(
                "INSERT INTO jobs (project, kind, title, state, created, problem) VALUES (?, ?, ?, 'failed', ?, ?)",
                (project, kind, title, time.time(), "it was not begun"),
            ).lastrowid
        assert number is not None
        write_file(self.folder(number) / JOB, json.dumps(about).encode())
        return number

    def about(self, job: int) -> dict[str, Any]:
        """Read what a job was told."""
        found: dict[str, Any] = json.loads((self.folder(job) / JOB).read_bytes())
        return found

    def queue(self, job: int, command: list[str]) -> None:
        """Let a job that was prepared wait for its turn to run a command."""
        write_file(self.folder(job) / JOB, json.dumps({**self.about(job), "command": command}).encode())
        self.set(job, "waiting", problem="")

    def get(self, job: int) -> Job:
        """Describe a job; NotThere when there is none of that number."""
        row = self._store.database.row("SELECT * FROM jobs WHERE id = ?", (job,))
        if row is None:
            raise NotThere(f"there is no job {job}")
        return self._job(row)

    def all(self, project: str = "", *, limit: int = 100) -> list[Job]:
        """List the jobs, of one project or all, the newest first."""
        rows = self._store.database.rows(
            "SELECT * FROM jobs WHERE ? IN ('', project) ORDER BY id DESC LIMIT ?", (project, limit)
        )
        return [self._job(row) for row in rows]

    def of_kind(self, project: str, kind: str, *, limit: int = -1) -> list[Job]:
        """List the jobs of one kind of a project, the newest first; all of them unless there is a limit."""
        rows = self._store.database.rows(
            "SELECT * FROM jobs WHERE project = ? AND kind = ? ORDER BY id DESC LIMIT ?", (project, kind, limit)
        )
        return [self._job(row) for row in rows]

    def unended(self) -> list[Any]:
        """List the rows of the jobs that wait or run, the oldest first."""
        return self._store.database.rows("SELECT * FROM jobs WHERE state IN ('waiting', 'running') ORDER BY id")

    def set(self, job: int, state: State, **columns: object) -> None:
        """Change a job's state and other columns."""
        self._change("id = ?", job, state, columns)

    def go_on(self, job: int, state: State, **columns: object) -> bool:
        """Change the state of a job that waits or runs; False for one that has ended, which stays as it is."""
        return self._change("id = ? AND state IN ('waiting', 'running')", job, state, columns)

    def _change(self, which: str, job: int, state: State, columns: dict[str, object]) -> bool:
        changes = "".join(f", {column} = ?" for column in columns)
        with self._store.database.writing() as write:
            changed = write.execute(
                f"UPDATE jobs SET state = ?{changes} WHERE {which}",  # noqa: S608
                (state, *columns.values(), job),
            )
        return changed.rowcount == 1

    def process(self, job: int) -> tuple[int | None, int]:
        """Give the process that a job was started with, and that process's start; None for none yet."""
        row = self._store.database.row("SELECT process, process_started FROM jobs WHERE id = ?", (job,))
        return (None, 0) if row is None else (row["process"], int(row["process_started"] or 0))

    def log(self, job: int) -> str:
        """Give the end of what a job has said."""
        self.get(job)
        try:
            with (self.folder(job) / LOG).open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - _LOG_BYTES))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def result(self, job: int) -> Any:
        """Give what a job's command has printed, as JSON; None when there is nothing."""
        try:
            return json.loads((self.folder(job) / RESULT).read_bytes())
        except (OSError, ValueError):
            return None

    def _job(self, row: Any) -> Job:
        progress = Progress()
        if row["state"] == "running":
            with contextlib.suppress(OSError, msgspec.DecodeError):
                progress = msgspec.json.decode((self.folder(row["id"]) / PROGRESS).read_bytes(), type=Progress)
        keys = ("id", "project", "kind", "title", "state", "created", "started", "ended", "problem")
        return Job(progress=progress, **{key: row[key] for key in keys})
