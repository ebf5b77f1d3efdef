"""The objects of one bucket, which are the files below a folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mimetypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.storage.described import Description, Descriptions
from edge_agent.studio.aws.storage.keys import ITSELF, OWN, is_own, key_of, path_of

_PIECE = 1 << 20
#: digests that are remembered, each of a file as it was
_REMEMBERED = 100_000


class Found(NamedTuple):
    """An object: its file, its size in bytes, when it was written (seconds since 1970)."""

    key: str
    path: Path
    size: int
    modified: float


class Objects:
    """What is in a bucket. Names and folders that a person has copied in are objects as well."""

    def __init__(self, bucket: str, folder: Path) -> None:
        self.bucket = bucket
        self.folder = folder
        self.descriptions = Descriptions(folder / OWN / "described")
        self._digests: dict[tuple[str, int, int, int], str] = {}

    def find(self, key: str) -> Found:
        """Find an object.

        Raises:
            ServiceRefused: NoSuchKey: there is none.
        """
        for path in self._candidates(key):
            with contextlib.suppress(OSError):
                return self._found(key, path)
        raise ServiceRefused("NoSuchKey", f"bucket {self.bucket!r} has no object {key!r}")

    def digest(self, found: Found) -> str:
        """Give the MD5 of an object's content in hex, which is its ETag, however it was sent."""
        state = found.path.stat()
        known = (str(found.path), state.st_ino, state.st_size, state.st_mtime_ns)
        if known not in self._digests:
            digest = hashlib.md5(usedforsecurity=False)
            with found.path.open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
            if len(self._digests) >= _REMEMBERED:
                self._digests.clear()
            self._digests[known] = digest.hexdigest()
        return self._digests[known]

    def describe(self, found: Found) -> Description:
        """Say what was said of an object when it was put, or what its name says."""
        kept = self.descriptions.of(found.key)
        if kept is not None:
            return kept
        return Description(mimetypes.guess_type(found.key)[0] or "binary/octet-stream", {})

    @contextlib.contextmanager
    def receiving(self) -> Iterator[Path]:
        """Give a file to receive an object into; it is gone afterwards unless `put` has taken it."""
        place = self.folder / OWN
        self._make(place)
        handle, name = tempfile.mkstemp(prefix="receiving-", dir=place)
        os.close(handle)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def put(self, key: str, received: Path, description: Description) -> Found:
        """Make an object of a file that is moved to its place: readers see the old one or the new one.

        Raises:
            ServiceRefused: its name can't be a file's, or there is no place for it.
        """
        if not key or len(key.encode()) > 1024:
            raise ServiceRefused("KeyTooLongError", f"a key has 1 to 1024 bytes, this one {len(key.encode())}")
        path = self._place_for(key)
        with received.open("rb") as file:
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        received.replace(path)
        plain = mimetypes.guess_type(key)[0]
        says_more = bool(description.metadata or description.headers) or description.media_type not in (
            plain,
            "binary/octet-stream",
        )
        self.descriptions.keep(key, description if says_more else None)
        return self._found(key, path)

    def delete(self, key: str) -> None:
        """Remove an object, and folders that are empty then; nothing happens where there is none."""
        try:
            path = self.find(key).path
        except ServiceRefused:
            return
        path.unlink(missing_ok=True)
        self.descriptions.keep(key, None)
        for folder in path.parents:
            if folder == self.folder:
                break
            try:
                folder.rmdir()
            except OSError:
                break

    def keys(self, prefix: str = "", *, one_level: bool = False) -> list[Found]:
        """List objects whose keys begin with `prefix`, in the order of their keys' bytes.

        With `one_level`, a folder below the prefix's is given as a key that ends with '/', and not looked into.
        """
        found = [each for each in self._walk(prefix, one_level=one_level) if each.key.startswith(prefix)]
        return sorted(found, key=lambda each: each.key.encode())

    def is_empty(self) -> bool:
        """Tell whether there is no object."""
        return next(self._walk("", one_level=False), None) is None

    def _walk(self, prefix: str, *, one_level: bool) -> Iterator[Found]:
        start = prefix.rpartition("/")[0]
        folder = path_of(start) if start else ""
        if not (self.folder / folder).is_dir():
            folder = start
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            for entry in _entries(self.folder / folder):
                path = f"{folder}/{entry.name}" if folder else entry.name
                if is_own(path) or not _is_text(entry.name):
                    continue
                if not entry.is_dir(follow_symlinks=False):
                    with contextlib.suppress(OSError):
                        yield self._listed(entry, path)
                elif one_level and not entry.name.endswith("%-"):
                    yield from self._as_prefix(path)
                elif _reaches(key_of(path), prefix):
                    waiting.append(path)

    def _listed(self, entry: os.DirEntry[str], path: str) -> Found:
        if entry.is_file(follow_symlinks=False):  # which can't lead out of the bucket
            state = entry.stat(follow_symlinks=False)
            return Found(key_of(path), Path(entry.path), state.st_size, state.st_mtime)
        return self._found(key_of(path), self.folder / path)

    def _as_prefix(self, path: str) -> Iterator[Found]:
        folder = self.folder / path
        with contextlib.suppress(OSError):
            yield self._found(key_of(f"{path}/{ITSELF}"), folder / ITSELF)
        if any(name != ITSELF for _, _, names in os.walk(folder) for name in names):
            yield Found(key_of(path) + "/", folder, 0, 0.0)

    def _candidates(self, key: str) -> Iterator[Path]:
        made = path_of(key)
        yield self.folder / made
        yield self.folder / made / ITSELF
        if made != key and "\0" not in key and key_of(key) == key and ".." not in key.split("/") and not is_own(key):
            yield self.folder / key

    def _found(self, key: str, path: Path) -> Found:
        state = path.stat()
        if not path.is_file() or not path.resolve().is_relative_to(self.folder.resolve()):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return Found(key, path, state.st_size, state.st_mtime)

    def _place_for(self, key: str) -> Path:
        with contextlib.suppress(ServiceRefused):
            return self.find(key).path
        path = self.folder / path_of(key)
        if not path.parent.resolve().is_relative_to(self.folder.resolve()):
            raise ServiceRefused("AccessDenied", f"object {key!r} would be outside of its bucket {self.bucket!r}")
        for folder in reversed(path.parents):
            if folder.is_relative_to(self.folder) and folder != self.folder and folder.is_file():
                _make_a_folder_of(folder)
        self._make(path.parent)
        return path / ITSELF if path.is_dir() else path

    def _make(self, folder: Path) -> None:
        if not self.folder.is_dir():
            raise ServiceRefused("NoSuchBucket", f"the folder {self.folder} of bucket {self.bucket!r} is not there")
        folder.mkdir(parents=True, exist_ok=True)


def _reaches(folder: str, prefix: str) -> bool:
    """Tell whether objects in a folder may have keys that begin with a prefix."""
    return folder.startswith(prefix) or prefix.startswith(folder)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _make_a_folder_of(file: Path) -> None:
    """Move an object aside whose name is needed for a folder: into that folder, under the name that says so."""
    aside = file.with_name(file.name + "%~")
    file.rename(aside)
    file.mkdir()
    aside.rename(file / ITSELF)


def copy_file(source: Path, target: Path) -> None:
    """Copy an object's content."""
    shutil.copyfile(source, target)
