"""What an operation is, and what it gets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from edge_agent.studio.access.users import Role, User, Users
from edge_agent.studio.device import Device
from edge_agent.studio.jobs.table import Jobs
from edge_agent.studio.lines.lines import Lines
from edge_agent.studio.lines.trials import Trials
from edge_agent.studio.store.store import Store
from edge_agent.studio.watching.dashboard import Figures
from edge_agent.studio.watching.feed import Feed
from edge_agent.studio.watching.records import Records


class Parts(NamedTuple):
    """What operations work with."""

    store: Store
    jobs: Jobs
    device: Device
    users: Users
    #: tells the runner that a job was added
    nudge: Callable[[], None]
    #: what the agent has written down, the figures of it, and the line now
    records: Records
    figures: Figures
    feed: Feed
    #: the lines of this device, and trials of them
    lines: Lines
    trials: Trials


class Call(NamedTuple):
    """One request: values in its path, its query and its body, as the operation's types; and who makes it."""

    parts: Parts
    user: User
    path: dict[str, str]
    query: Any
    body: Any

    @property
    def project(self) -> str:
        """The project that the path names."""
        return self.path["project"]

    @property
    def picture(self) -> int:
        """The number of the picture that the path names."""
        return int(self.path["picture"])

    @property
    def job(self) -> int:
        """The number of the job that the path names."""
        return int(self.path["job"])


class File(NamedTuple):
    """An answer that is a file; one that `changes` is asked for again each time."""

    path: Path
    media_type: str
    changes: bool = True
    #: may run scripts of its own, in a frame that can reach nothing else
    is_page: bool = False


class Raw(NamedTuple):
    """An answer of bytes."""

    content: bytes
    media_type: str
    headers: dict[str, str] = {}  # noqa: RUF012, it is never changed


class Events(NamedTuple):
    """An answer that goes on: events of one name, as Server-Sent Events."""

    name: str
    events: AsyncIterator[bytes]


class Operation(NamedTuple):
    """One operation. What it raises becomes an answer in api/answers.py."""

    name: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    role: Role
    summary: str
    run: Callable[[Call], Any]
    query: type | None = None
    #: the type of a body of JSON; `bytes` for one of raw bytes, Path for one that is received into a file
    body: Any = None
    answer: Any = None
