"""What was said of an object when it was put, where its file can't say it: its media type and its metadata."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from edge_agent.studio.store.writing import write_file


class Description(msgspec.Struct, frozen=True):
    """An object's media type, and the metadata that its owner gave (names without `x-amz-meta-`)."""

    media_type: str
    metadata: dict[str, str]
    #: other headers that come back with the object: cache-control, content-encoding and the like
    headers: dict[str, str] = {}


class Descriptions:
    """Descriptions by key, each a small file; most objects need none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, key: str) -> Description | None:
        """Give what is kept of an object, None if nothing (or nothing that can be read) is."""
        try:
            return msgspec.json.decode(self._file(key).read_bytes(), type=Description)
        except (OSError, msgspec.DecodeError):
            return None

    def keep(self, key: str, description: Description | None) -> None:
        """Keep what is said of an object, or forget it."""
        if description is not None:
            write_file(self._file(key), msgspec.json.encode(description))
        else:
            self._file(key).unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        return self._folder / (hashlib.sha256(key.encode()).hexdigest() + ".json")
