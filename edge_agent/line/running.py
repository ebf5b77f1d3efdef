"""Which lines there are on this device, and how they stand: for `line list`, doctor and whoever shows them.

Lines are configured in a folder of files, NAME.toml, and have a folder each among the state of who runs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import EdgeAgentError
from edge_agent.line.outputs.shown import PinState, read_pins
from edge_agent.line.reading import read_line
from edge_agent.line.status import PICTURE_NAME, Status, read_status
from edge_agent.settings import default_state_dir

#: where edge-agent-line@.service has its lines, and what they remember
CONFIGURED = Path("/etc/edge-agent/lines")
SYSTEM_STATE = Path("/var/lib/edge-agent")
_PATIENCE = 10.0


class KnownLine(NamedTuple):
    """A line that runs, has run, or is configured."""

    name: str
    #: its file: the configured one, or the one that it was run with
    file: str
    is_configured: bool = False
    #: what its processes have written; None when it has not run
    status: Status | None = None
    #: its pins, as they were written last; of a line that does not run they may be otherwise by now
    pins: tuple[PinState, ...] = ()
    #: the last part's picture, where the line may show it; None: there is none
    picture: Path | None = None
    #: what is wrong with its file, or with reading what it wrote; "" for nothing
    problem: str = ""

    @property
    def is_running(self) -> bool:
        """Tell whether its processes are there."""
        return self.status is not None and self.status.is_running()

    @property
    def state(self) -> Literal["able", "safe", "stopped"]:
        """Say how it stands; `safe`: it runs and can't inspect."""
        if self.status is None or not self.is_running:
            return "stopped"
        return "able" if self.status.able else "safe"


def known_lines(configured: Path = CONFIGURED, states: Iterable[Path] = ()) -> list[KnownLine]:
    """Give all lines by name: those of the folder `configured`, and those that have written in one of `states`.

    Without `states` these are this user's state folder and that of the systemd unit. Only files are read: it neither
    connects to anything nor opens a camera.

    Raises:
        EdgeAgentError: the folder may not be looked at.
    """
    found: dict[str, KnownLine] = {}
    for state in dict.fromkeys(states or (Path(default_state_dir()), SYSTEM_STATE)):
        for folder in _folders(state / "lines"):
            line = _written(folder)
            if line.name not in found or line.is_running:
                found[line.name] = line
    for path in _files(configured):
        name, problem = path.stem, ""
        try:
            name = read_line(path).name
        except EdgeAgentError as error:
            problem = str(error)
        line = found.get(name, KnownLine(name, ""))
        found[name] = line._replace(file=str(path), is_configured=True, problem=problem or line.problem)
    return [found[name] for name in sorted(found)]


def read_standing(folder: Path, patience: float) -> tuple[Status, tuple[PinState, ...]]:
    """Read what both processes of a line wrote last, as `read_status`. One with a pin that can't be set is not able.

    Raises:
        EdgeAgentError: there is nothing, or it can't be read.
    """
    status, pins = read_status(folder, patience), read_pins(folder).pins
    broken = [f"'{pin.on}' ({pin.place})" for pin in pins if pin.value is None]
    if status.able and broken:
        status.able, status.problem = False, f"pin {' and '.join(broken)} can't be set"
    return status, pins


def _written(folder: Path) -> KnownLine:
    try:
        status, pins = read_standing(folder, _PATIENCE)
    except EdgeAgentError as error:
        return KnownLine(folder.name, "", problem=str(error))
    picture = folder / PICTURE_NAME if status.picture and (folder / PICTURE_NAME).exists() else None
    return KnownLine(folder.name, status.file, False, status, pins, picture)


def _folders(parent: Path) -> Iterator[Path]:
    """Give the folders of lines that have run; none where this user may not look."""
    try:
        yield from sorted(path.parent for path in parent.glob("*/status.json"))
    except OSError:
        return


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise EdgeAgentError(f"{folder} can't be looked at: {describe_refusal(error, folder)}") from None
