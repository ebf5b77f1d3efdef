"""Lines as systemd's units edge-agent-line@NAME, where systemd runs and the unit is installed.

Whether this user may start and stop them is polkit's to say; docs/studio.md has the rule that lets a studio.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from edge_agent.errors import StudioError

#: where the unit's lines are
UNIT_FOLDER = Path("/etc/edge-agent/lines")
#: systemd runs as the first process where this is, sd_booted(3)
_BOOTED = Path("/run/systemd/system")
_PREFIX, _SUFFIX = "edge-agent-line@", ".service"
_LOOK_SECONDS, _ACT_SECONDS = 5.0, 60.0
#: how long is believed whether the unit is installed, and how its instances stand
_INSTALLED_SECONDS, _BELIEVED_SECONDS = 30.0, 1.5
Verb = Literal["start", "stop", "restart"]


class Unit(NamedTuple):
    """A line's unit."""

    is_active: bool
    #: starts when the device does
    is_enabled: bool


class Systemd:
    """The units of the lines of a folder."""

    def __init__(self, folder: Path, booted: Path = _BOOTED, unit_folder: Path = UNIT_FOLDER) -> None:
        self._program = shutil.which("systemctl") if booted.is_dir() else None
        self._is_here = self._program is not None and folder.absolute() == unit_folder
        self._installed: tuple[float, bool] | None = None
        self._units: tuple[float, tuple[str, ...], dict[str, Unit]] | None = None

    def is_there(self) -> bool:
        """Tell whether lines of the folder are units; asked again now and then, since it may be installed later."""
        if not self._is_here:
            return False
        known = self._installed
        if known is None or time.monotonic() - known[0] > _INSTALLED_SECONDS:
            known = self._installed = time.monotonic(), self._ask(["cat", f"{_PREFIX}{_SUFFIX}"]) is not None
        return known[1]

    def units(self, names: Sequence[str]) -> dict[str, Unit]:
        """Say how the units of lines stand."""
        if not names or not self.is_there():
            return {}
        known = self._units
        if known is not None and known[1] == tuple(names) and time.monotonic() - known[0] < _BELIEVED_SECONDS:
            return known[2]
        properties = "--property=Id,ActiveState,UnitFileState"
        said = self._ask(["show", properties, *(f"{_PREFIX}{name}{_SUFFIX}" for name in names)]) or ""
        found = {}
        for block in said.split("\n\n"):
            values = dict(line.partition("=")[::2] for line in block.splitlines())
            name = values.get("Id", "").removeprefix(_PREFIX).removesuffix(_SUFFIX)
            active = values.get("ActiveState") in ("active", "activating", "reloading", "deactivating")
            found[name] = Unit(active, values.get("UnitFileState", "").startswith("enabled"))
        wanted = {name: found[name] for name in names if name in found}
        self._units = time.monotonic(), tuple(names), wanted
        return wanted

    def act(self, verb: Verb, name: str) -> None:
        """Start, stop or start again the unit of a line.

        Raises:
            StudioError: systemd has refused it, or it failed.
        """
        unit = f"{_PREFIX}{name}{_SUFFIX}"
        self._units = None
        try:
            done = self._run([verb, unit], _ACT_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StudioError(f"systemctl {verb} {unit} was not done: {error}") from None
        self._units = None
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
            raise StudioError(f"systemctl {verb} {unit} was not done: {said}")

    def _ask(self, words: list[str]) -> str | None:
        try:
            done = self._run(words, _LOOK_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    def _run(self, words: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
        assert self._program is not None
        command = [self._program, "--no-ask-password", "--no-pager", *words]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
