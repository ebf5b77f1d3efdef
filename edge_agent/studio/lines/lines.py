"""The lines of this device, as the pages show them: what their files say, who runs them, and how they are."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge_agent.errors import Conflict, EdgeAgentError, NotThere, StudioError
from edge_agent.line.outputs.shown import PinState
from edge_agent.line.reading import NotToml, values_of
from edge_agent.line.running import SYSTEM_STATE, KnownLine, known_lines
from edge_agent.line.status import DAY, DayCounts, Status
from edge_agent.settings import default_state_dir
from edge_agent.studio.lines.files import LineFiles
from edge_agent.studio.lines.keeping import Keeping
from edge_agent.studio.lines.systemd import Systemd, Unit, Verb

State = Literal["inspecting", "safe", "starting", "stopped", "mistakes"]
#: how long the mistakes of a file are believed: what it names on the device may come and go
_BELIEVED_SECONDS = 10.0
#: files are looked at by this module, what lines have written by the line's own
_NO_FOLDER = Path("/nonexistent")
_PLACES = ("path", "address", "pipeline", "producer", "name", "topic", "port")


class LineState(msgspec.Struct, frozen=True, kw_only=True):
    """A line now."""

    #: of its file, and as the file says
    name: str
    line: str
    source: str
    models: list[str]
    cycle_ms: float
    #: there is a draft besides the file, or nothing but a draft
    has_draft: bool
    is_there: bool
    mistakes: int
    state: State
    #: why it can't inspect, can't be started, or is not right
    why: str
    #: who runs it: this studio, systemd, or somebody else; "" for nobody
    by: Literal["", "studio", "systemd", "other"]
    can_start: bool
    can_stop: bool
    #: started when the device is
    comes_back: bool
    #: what its processes have written; null when it has never run
    status: Status | None
    #: what it has counted since midnight; null when nothing
    today: DayCounts | None
    #: its pins, as they were set last
    pins: list[PinState]
    #: what tells the last part's picture from others; "" where the line shows none
    picture: str


class _Said(msgspec.Struct, frozen=True):
    """What a file says of a line, as far as it can be understood."""

    line: str
    source: str
    models: list[str]
    cycle_ms: float
    mistakes: int
    first: str
    has_draft: bool
    is_there: bool


class Lines:
    """The lines of one folder of files."""

    def __init__(self, folder: Path, runs: Path, systemd: Systemd | None = None) -> None:
        self.files = LineFiles(folder)
        self.keeping = Keeping(runs)
        self._systemd = systemd or Systemd(folder)
        self._lock = threading.Lock()
        self._read: dict[str, tuple[object, float, _Said]] = {}

    def all(self) -> list[LineState]:
        """Describe all lines."""
        names = self.files.names()
        units = self._systemd.units(names)
        written = _written()
        found = [self._state(name, units.get(name), written) for name in names]
        elsewhere = written.keys() - {line.line for line in found} - set(names)
        return [*found, *(_elsewhere(written[name]) for name in sorted(elsewhere) if written[name].is_running)]

    def get(self, name: str) -> LineState:
        """Describe a line; NotThere when there is none."""
        self.files.path(name)
        found = next((line for line in self.all() if line.name == name), None)
        if found is None:
            raise NotThere(f"there is no line '{name}'")
        return found

    def picture(self, name: str) -> Path:
        """Give the file of the last part's picture, JPEG; NotThere when the line shows none."""
        shown = _written().get(self.get(name).line)
        if shown is None or shown.picture is None:
            raise NotThere(f"line '{name}' shows no picture, expected show_picture = true in its file")
        return shown.picture

    def act(self, verb: Verb, name: str) -> LineState:
        """Start, stop or start again a line.

        Raises:
            NotThere: there is none.
            Conflict: it runs already, or not at all, or was started by somebody else.
            StudioError: it has mistakes, or whoever is asked to do it refuses.
        """
        found = self.get(name)
        if found.by == "other":
            raise Conflict(f"line '{name}' was started by somebody else, who has to stop it")
        if verb == "start" and found.by:
            raise Conflict(f"line '{name}' runs already")
        if verb == "stop" and not found.by:
            raise Conflict(f"line '{name}' does not run")
        if verb != "stop" and found.mistakes:
            raise StudioError(f"line '{name}' has mistakes, the first: {found.why}")
        if verb != "stop" and not found.is_there:
            raise StudioError(f"line '{name}' is only a draft, expected a file that was saved")
        if found.by == "systemd" or (found.by == "" and self._systemd.is_there()):
            self._systemd.act(verb, name)
        else:
            if verb != "start":
                self.keeping.stop(name)
            if verb != "stop":
                self.keeping.start(name, self.files.path(name))
        return self.get(name)

    def remove(self, name: str, revision: str, *, draft: bool) -> None:
        """Remove a line's file, or its draft; one that runs has to be stopped before."""
        if not draft and self.get(name).by:
            raise Conflict(f"line '{name}' runs; stop it before it is removed")
        self.files.remove(name, revision, draft=draft)

    def revive(self) -> None:
        """Start lines again that are to run."""
        for name in self.keeping.wanted():
            with contextlib.suppress(StudioError):
                self.keeping.revive(name, self.files.path(name))

    def _state(self, name: str, unit: Unit | None, written: dict[str, KnownLine]) -> LineState:
        said = self._facts(name)
        known = written.get(said.line, KnownLine(said.line, ""))
        by = self._by(name, unit, is_running=known.is_running)
        state, why = self._how(name, said, known.status if known.is_running else None, by)
        return LineState(
            name=name, line=said.line, source=said.source, models=said.models, cycle_ms=said.cycle_ms,
            has_draft=said.has_draft, is_there=said.is_there, mistakes=said.mistakes, state=state, why=why, by=by,
            can_start=not by and not said.mistakes and said.is_there, can_stop=by in ("studio", "systemd"),
            comes_back=by == "studio" or (by == "systemd" and unit is not None and unit.is_enabled),
            **_shown(known),
        )  # fmt: skip

    def _by(self, name: str, unit: Unit | None, *, is_running: bool) -> Literal["", "studio", "systemd", "other"]:
        if self.keeping.process(name):
            return "studio"
        if unit is not None and unit.is_active:
            return "systemd"
        return "other" if is_running else ""

    def _how(self, name: str, said: _Said, status: Status | None, by: str) -> tuple[State, str]:
        if not by:
            return ("mistakes", said.first) if said.mistakes else ("stopped", "")
        if problem := self.keeping.problem(name) if by == "studio" else "":
            return "safe", problem
        if status is None:
            return "starting", ""
        return _how_it_says(status)

    def _facts(self, name: str) -> _Said:
        """Read what a line's files say, when they have changed or some time has passed."""
        path = self.files.path(name)
        signature = [_signature(path), _signature(path.with_name(path.name + ".draft"))]
        now = time.monotonic()
        with self._lock:
            known = self._read.get(name)
        if known is not None and known[0] == signature and now - known[1] < _BELIEVED_SECONDS:
            return known[2]
        said = self._understand(name)
        with self._lock:
            self._read[name] = signature, now, said
        return said

    def _understand(self, name: str) -> _Said:
        try:
            found = self.files.saved(name)
        except EdgeAgentError as error:
            return _Said(name, "", [], 1000.0, 1, str(error), has_draft=False, is_there=True)
        values: dict[str, Any] = {}
        with contextlib.suppress(NotToml):
            values = values_of(found.text)
        first = found.mistakes[0] if found.mistakes else None
        cycle = values.get("cycle_ms", 1000.0)
        return _Said(
            line=str(values.get("name", name)), source=_source(values.get("source")), models=_models(values),
            cycle_ms=float(cycle) if isinstance(cycle, int | float) else 1000.0, mistakes=len(found.mistakes),
            first="" if first is None else first.text, has_draft=found.has_draft, is_there=found.is_there,
        )  # fmt: skip

    def close(self) -> None:
        """Watch no more; lines go on."""
        self.keeping.close()


def _signature(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _source(table: object) -> str:
    if not isinstance(table, dict):
        return ""
    place = next((str(table[key]) for key in _PLACES if key in table), "")
    return f"{table.get('kind', '')} {place}".strip()


def _models(values: dict[str, Any]) -> list[str]:
    tables = values.get("model")
    found = [table.get("name") for table in tables if isinstance(table, dict)] if isinstance(tables, list) else []
    return list(dict.fromkeys(str(name) for name in found if name))


def _written() -> dict[str, KnownLine]:
    """Give what lines have written of themselves, by their names: those of this user, and the system's."""
    return {line.name: line for line in known_lines(_NO_FOLDER, (Path(default_state_dir()), SYSTEM_STATE))}


def _how_it_says(status: Status) -> tuple[State, str]:
    if status.able:
        return "inspecting", ""
    return ("starting", "") if status.problem == "starting" else ("safe", status.problem)


def _shown(known: KnownLine) -> dict[str, Any]:
    """Give what a line shows of itself."""
    status = known.status
    today = status.today if status is not None and status.today.day == time.strftime(DAY) else None
    picture = ""
    with contextlib.suppress(OSError):
        picture = str(known.picture.stat().st_mtime_ns) if known.picture is not None else ""
    return {"status": status, "today": today, "pins": list(known.pins), "picture": picture}


def _elsewhere(known: KnownLine) -> LineState:
    """Describe a line that runs with a file of another folder."""
    assert known.status is not None
    status = known.status
    state, why = _how_it_says(status)
    return LineState(
        name=known.name, line=known.name, source=status.source, models=list(status.models), cycle_ms=status.cycle_ms,
        has_draft=False, is_there=False, mistakes=0, state=state, why=why, by="other", can_start=False, can_stop=False,
        comes_back=False, **_shown(known),
    )  # fmt: skip
