"""Access keys of this machine's own: who may call the service's API, and for what."""

from __future__ import annotations

import json
import secrets
import threading
import time
from pathlib import Path
from typing import get_args

import msgspec

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import NotThere, StudioError
from edge_agent.studio.aws.table.shape import Scope
from edge_agent.studio.store.writing import write_file

FILE = "access-keys.json"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ORDER = get_args(Scope)


class AccessKey(msgspec.Struct, frozen=True):
    """A key: what it is for, and since when (seconds since 1970). The secret signs, so it has to be kept as it is."""

    id: str
    secret: str
    scope: Scope
    name: str
    created: float

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"

    def allows(self, scope: Scope) -> bool:
        """Tell whether the key is good for what needs a scope."""
        return _ORDER.index(self.scope) >= _ORDER.index(scope)


class AccessKeys:
    """The keys in the data folder's file, which only its owner can read. What is removed there counts at once."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, AccessKey] = {}

    def all(self) -> list[AccessKey]:
        """List the keys, the oldest first; StudioError when the file can't be read."""
        return list(self._read().values())

    def find(self, id_: str) -> AccessKey | None:
        """Find a key."""
        return self._read().get(id_)

    def add(self, name: str, scope: Scope) -> AccessKey:
        """Make a key."""
        id_ = "EDGE" + "".join(secrets.choice(_LETTERS) for _ in range(16))
        key = AccessKey(id_, secrets.token_urlsafe(30), scope, name, time.time())
        self._write([*self.all(), key])
        return key

    def remove(self, id_: str) -> None:
        """Remove a key; NotThere when there is none of that id."""
        keys = self.all()
        left = [key for key in keys if key.id != id_]
        if len(left) == len(keys):
            raise NotThere(f"there is no access key {id_[:40]!r}")
        self._write(left)

    def _read(self) -> dict[str, AccessKey]:
        with self._lock:
            try:
                status = self._path.stat()
                mark = (status.st_mtime_ns, status.st_ino, status.st_size)
                if mark != self._seen:
                    keys = msgspec.json.decode(self._path.read_bytes(), type=list[AccessKey])
                    self._keys, self._seen = {key.id: key for key in keys}, mark
            except FileNotFoundError:
                self._keys, self._seen = {}, None
            except OSError as error:
                raise StudioError(f"{self._path} can't be read: {describe_refusal(error, self._path)}") from None
            except msgspec.DecodeError as error:
                raise StudioError(f"the access keys in {self._path} can't be read: {error}") from None
            return self._keys

    def _write(self, keys: list[AccessKey]) -> None:
        try:
            write_file(self._path, json.dumps([msgspec.to_builtins(key) for key in keys], indent=2).encode(), 0o600)
        except OSError as error:
            raise StudioError(f"{self._path} can't be written: {describe_refusal(error, self._path)}") from None
