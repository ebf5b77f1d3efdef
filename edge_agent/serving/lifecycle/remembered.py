"""Which models should run, kept across restarts of the daemon and of the device."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)

_FILE_NAME = "running.json"


class RememberedModels:
    """A set of names in a file of the state folder, replaced as a whole so that it is never half-written."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / _FILE_NAME
        self._lock = threading.Lock()
        #: the models that should run
        self.names: frozenset[str] = frozenset()
        try:
            self.names = msgspec.json.decode(self._path.read_bytes(), type=frozenset[str])
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("%s can't be read (%s); no model is started by itself", self._path, error)
        self._saved = self.names
        self._problem = ""  # why it could not be written the last time

    @property
    def is_saved(self) -> bool:
        """Whether the file says what it should."""
        return self.names == self._saved

    def add(self, name: str) -> None:
        """Remember that a model should run, once `save` is called."""
        self.names |= {name}

    def discard(self, name: str) -> None:
        """Remember that a model should not run any more, once `save` is called."""
        self.names -= {name}

    def save(self) -> None:
        """Write what has changed. Blocking, for as long as the disk takes: meant for a thread."""
        with self._lock:
            names = self.names
            if names == self._saved:
                return
            temporary = self._path.with_suffix(".new")
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                temporary.unlink(missing_ok=True)  # what a killed daemon left, or a link that somebody put there
                with temporary.open("xb") as file:
                    file.write(msgspec.json.encode(sorted(names)))
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self._path)
                self._saved, self._problem = names, ""
            except OSError as error:  # a full disk must not stop a model from serving
                if str(error) != self._problem:  # it is tried again and again
                    log.warning("%s can't be written (%s); running models are not remembered", self._path, error)
                self._problem = str(error)
                with contextlib.suppress(OSError):
                    temporary.unlink()
