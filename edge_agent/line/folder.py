"""Pictures that somebody puts into a folder. Nothing is lost: what is not yet decided stays there."""

from __future__ import annotations

import fnmatch
import time
from pathlib import Path

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.line.inotify import Watch
from edge_agent.line.reading import moved_to
from edge_agent.line.source import Part, SourceFailed
from edge_agent.line.tables import Folder

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
#: a folder on a network tells nothing of what other machines do: it is looked at this often, too
_LOOK_SECONDS = 0.25


class FolderSource:
    """A watched folder."""

    def __init__(self, table: Folder) -> None:
        self._table, self._folder = table, Path(table.path)
        self._watch: Watch | None = None
        self._whole: set[str] = set()
        self._seen: dict[str, tuple[int, int, float]] = {}
        #: those that were decided and stay where they are
        self._kept: dict[str, tuple[int, int]] = {}
        self._look_at = 0.0

    def next(self, seconds: float) -> Part | None:
        end = time.monotonic() + seconds
        while True:
            if (path := self._first()) is not None:
                return read_part(path)
            left = end - time.monotonic()
            if left <= 0 or self._watch is None:
                return None
            self._whole |= self._watch.wait(min(left, _LOOK_SECONDS))

    def _first(self) -> Path | None:
        """Give the oldest whole file."""
        try:
            if self._watch is None:
                self._watch = Watch(self._folder)
            self._whole |= self._watch.wait(0)
            listed = [(path, path.stat()) for path in self._folder.iterdir() if self._wants(path)]
        except FileNotFoundError as error:
            if self._folder.is_dir():
                return None  # a file went while it was looked at
            self.close()
            raise SourceFailed(f"{self._folder}: {error.strerror}") from None
        except OSError as error:
            self.close()
            raise SourceFailed(f"{self._folder}: {error.strerror}") from None
        now = time.monotonic()
        found = []
        for path, status in listed:
            state = status.st_size, status.st_mtime_ns
            if self._kept.get(path.name) == state:
                continue
            size, changed, since = self._seen.get(path.name, (-1, -1, now))
            if (size, changed) != state:
                since = now
            self._seen[path.name] = (*state, since)
            if path.name in self._whole or now - since >= self._table.settle_seconds:
                found.append((status.st_mtime_ns, path.name, path))
        names = {path.name for path, _ in listed}
        self._seen = {name: state for name, state in self._seen.items() if name in names}
        self._whole &= names
        return min(found)[2] if found else None

    def _wants(self, path: Path) -> bool:
        return (
            path.suffix.lower() in _SUFFIXES
            and not path.name.startswith(".")
            and fnmatch.fnmatchcase(path.name, self._table.pattern)
            and path.is_file()
        )

    def waiting(self) -> list[Path]:
        """List what lies there now, in the order of its names, whole or not."""
        return sorted(path for path in self._folder.iterdir() if self._wants(path))

    def early(self) -> int:
        return 0  # they wait in the folder

    def is_over(self) -> bool:
        return False

    def done(self, part: Part, outcome: str) -> None:
        path = part.path
        assert path is not None
        self._whole.discard(path.name)
        self._seen.pop(path.name, None)
        if self._table.after == "delete":
            path.unlink(missing_ok=True)
        elif self._table.after == "move":
            folder = moved_to(self._table) / outcome
            folder.mkdir(parents=True, exist_ok=True)
            target, number = folder / path.name, 1
            while target.exists():  # a camera that begins again to count must not replace what was kept
                number += 1
                target = folder / f"{path.stem}-{number}{path.suffix}"
            path.rename(target)
        else:
            status = path.stat()
            self._kept[path.name] = status.st_size, status.st_mtime_ns

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None


def read_part(path: Path) -> Part:
    """Read a file; what is wrong with it stands in the part."""
    try:
        return Part(path.name, read_picture(path), path=path)
    except InvalidRequest as error:
        return Part(path.name, None, str(error), path)
