"""Which models should run, kept across restarts of the daemon and of the device."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)

_FILE_NAME = "running.json"


class RememberedModels:
    """A set of names in a file of the state folder, replaced as a whole so that it is never half-written."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _FILE_NAME
        self._names: set[str] = set()
        try:
            self._names = msgspec.json.decode(self._path.read_bytes(), type=set[str])
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("%s can't be read (%s); no model is started by itself", self._path, error)

    @property
    def names(self) -> frozenset[str]:
        """The models that should run."""
        return frozenset(self._names)

    def add(self, name: str) -> None:
        """Remember that a model should run."""
        if name not in self._names:
            self._names.add(name)
            self._save()

    def discard(self, name: str) -> None:
        """Remember that a model should not run any more."""
        if name in self._names:
            self._names.discard(name)
            self._save()

    def _save(self) -> None:
        temporary = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(msgspec.json.encode(sorted(self._names)))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:  # a full disk must not stop a model from serving
            log.warning("%s can't be written (%s); running models are not remembered", self._path, error)
            with contextlib.suppress(OSError):
                temporary.unlink()
