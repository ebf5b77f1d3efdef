"""What a line has done and how it stands, for whoever asks: a file that is replaced whole, at most so often.

The inspecting process writes it; `outputs/shown.py` writes what the supervisor's pins say beside it.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Literal

import msgspec

from edge_agent.access.rights import describe_refusal
from edge_agent.children.living import is_alive, process_start
from edge_agent.errors import EdgeAgentError
from edge_agent.line.tables.whole import Line

FILE_NAME = "status.json"
PICTURE_NAME = "last.jpg"
_PATIENCE = 10.0
_RECENT = 20
DAY = "%Y-%m-%d"
#: of a source: what says where its pictures come from
_PLACES = ("path", "address", "pipeline", "name", "producer", "topic", "port")


#: how the camera is: `gone` gives nothing; `dark` and `frozen` are about the last picture that it gave
CameraState = Literal["well", "dark", "frozen", "gone"]


class LastPart(msgspec.Struct):
    """The part that was decided last."""

    part: str
    outcome: str
    reason: str
    #: seconds since 1970, when it was decided
    at: float
    #: from when it came until it was decided, which has to be less than the cycle
    milliseconds: float
    #: None: there was no verdict
    score: float | None = None
    verdict: str = ""


class DayCounts(msgspec.Struct):
    """Counts of one day, of the device's local time."""

    day: str = ""
    passed: int = 0
    rejected: int = 0
    looked: int = 0
    failed: int = 0
    early: int = 0

    def count(self, name: str) -> None:
        """Count a part."""
        setattr(self, name, getattr(self, name) + 1)


class Status(msgspec.Struct):
    """Counts since the line was started, and how it stands."""

    able: bool = False
    problem: str = "starting"
    passed: int = 0
    rejected: int = 0
    looked: int = 0
    failed: int = 0
    early: int = 0
    #: decided, but only after the cycle was over
    late: int = 0
    #: seconds since 1970
    began: float = msgspec.field(default_factory=time.time)
    at: float = 0.0
    name: str = ""
    #: the line's file
    file: str = ""
    source: str = ""
    models: tuple[str, ...] = ()
    cycle_ms: float = 0.0
    #: the longest time that a part took, and the last
    longest_ms: float = 0.0
    camera: CameraState = "well"
    #: how often the source has failed, and come back
    source_failures: int = 0
    source_reconnects: int = 0
    last: LastPart | None = None
    #: the last parts, the newest first
    recent: tuple[LastPart, ...] = ()
    #: of the day on which the last part came; it goes on when the line is started again
    today: DayCounts = msgspec.field(default_factory=DayCounts)
    #: there is a picture of the last part beside this file (`show_picture`)
    picture: bool = False
    #: the inspecting process, and the supervisor that has the pins, each with when it started
    process: int = msgspec.field(default_factory=os.getpid)
    process_started: int = msgspec.field(default_factory=lambda: process_start(os.getpid()))
    supervisor: int = msgspec.field(default_factory=os.getppid)
    supervisor_started: int = msgspec.field(default_factory=lambda: process_start(os.getppid()))

    @classmethod
    def of(cls, path: Path, line: Line) -> Status:
        """Make that of the line in this file, in the process that inspects: its parent is the supervisor."""
        place = next((str(value) for key in _PLACES if (value := getattr(line.source, key, ""))), "")
        return cls(
            name=line.name,
            file=str(path.absolute()),
            source=f"{line.source.kind} {place}".strip(),
            models=tuple(dict.fromkeys(model.name for model in line.model)),
            cycle_ms=line.cycle_ms,
        )

    def decided(self, part: LastPart) -> None:
        """Count a part, and keep what became of it."""
        self.count(part.outcome)
        self.last = part
        self.recent = (part, *self.recent[: _RECENT - 1])
        if part.outcome not in ("failed", "early"):
            self.longest_ms = max(self.longest_ms, part.milliseconds)
            self.late += self.cycle_ms < part.milliseconds

    def count(self, outcome: str) -> None:
        """Count a part."""
        name = {"pass": "passed", "reject": "rejected", "look": "looked"}.get(outcome, outcome)
        setattr(self, name, getattr(self, name) + 1)
        if (day := time.strftime(DAY)) != self.today.day:
            self.today = DayCounts(day)
        self.today.count(name)

    def goes_on(self, folder: Path) -> None:
        """Take up the day's counts of what the line wrote before it was started."""
        with contextlib.suppress(EdgeAgentError):
            self.today = read_status(folder).today

    def write(self, folder: Path) -> None:
        """Write it down."""
        self.at = time.time()
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".{FILE_NAME}.new"
        new.write_bytes(msgspec.json.encode(self))
        new.replace(folder / FILE_NAME)

    def is_running(self) -> bool:
        """Tell whether one of the line's two processes is still there: both are the ones that wrote this."""
        return is_alive(self.supervisor, self.supervisor_started) or is_alive(self.process, self.process_started)


def read_status(folder: Path, patience: float = _PATIENCE) -> Status:
    """Read what a line wrote last; `able` is false, and `problem` says why, when it does not run any more.

    A line whose processes run but that has written nothing for `patience` seconds hangs, and is not able either.

    Raises:
        EdgeAgentError: there is nothing, or it can't be read.
    """
    path = folder / FILE_NAME
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Status)
    except FileNotFoundError:
        raise EdgeAgentError(f"{path} is not there: the line has not run yet") from None
    except OSError as error:
        raise EdgeAgentError(f"{path} can't be read: {describe_refusal(error, path)}") from None
    except msgspec.DecodeError as error:
        raise EdgeAgentError(f"{path} can't be read: {error}") from None
    silent = time.time() - found.at
    if not found.is_running():  # its processes were killed, or the device lost its power
        since = f": it has written nothing for {silent:.0f} s" if found.problem != "not running" else ""
        found.able, found.problem = False, f"not running{since}"
    elif found.able and silent > patience:
        found.able, found.problem = False, f"hangs: it has written nothing for {silent:.0f} s"
    return found
