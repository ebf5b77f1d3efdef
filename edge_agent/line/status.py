"""What a line has done, for `edge-agent line status`: a file that is replaced whole."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from edge_agent.errors import EdgeAgentError

FILE_NAME = "status.json"
#: seconds: a line that runs writes far more often, at least once a cycle
STALE_SECONDS = 10.0
_NOT_RUNNING = "not running"


class Status(msgspec.Struct):
    """Counts since the line was started, and how it stands."""

    able: bool = False
    problem: str = "starting"
    passed: int = 0
    rejected: int = 0
    looked: int = 0
    failed: int = 0
    early: int = 0
    #: seconds since 1970
    began: float = msgspec.field(default_factory=time.time)
    at: float = 0.0

    def count(self, outcome: str) -> None:
        """Count a part."""
        name = {"pass": "passed", "reject": "rejected", "look": "looked"}.get(outcome, outcome)
        setattr(self, name, getattr(self, name) + 1)

    def is_running(self, patience: float = STALE_SECONDS) -> bool:
        """Tell whether it was written by a line that has not ended, and lately."""
        return self.problem != _NOT_RUNNING and time.time() - self.at <= patience

    def ended(self) -> None:
        """Note that the line runs no more."""
        self.able, self.problem = False, _NOT_RUNNING

    def write(self, folder: Path) -> None:
        """Write it down."""
        self.at = time.time()
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".{FILE_NAME}.new"
        new.write_bytes(msgspec.json.encode(self))
        new.replace(folder / FILE_NAME)


def read_status(folder: Path, patience: float = STALE_SECONDS) -> Status:
    """Read what a line wrote last. One that has written nothing for `patience` seconds does not run any more.

    Raises:
        EdgeAgentError: there is nothing, or it can't be read.
    """
    try:
        found = msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=Status)
    except FileNotFoundError:
        raise EdgeAgentError(f"{folder / FILE_NAME} is not there: the line has not run yet") from None
    except (OSError, msgspec.DecodeError) as error:
        raise EdgeAgentError(f"{folder / FILE_NAME} can't be read: {error}") from None
    silent = time.time() - found.at
    if found.able and silent > patience:  # its processes were killed, or the device lost its power
        found.able, found.problem = False, f"{_NOT_RUNNING}: it has written nothing for {silent:.0f} s"
    return found
