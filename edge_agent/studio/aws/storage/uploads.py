"""Objects that come in parts."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.storage.described import Description
from edge_agent.studio.aws.storage.keys import OWN
from edge_agent.studio.aws.storage.objects import Found, Objects

MOST_PARTS = 10_000
#: an upload that nobody has gone on with for so long is removed
_ABANDONED_SECONDS = 7 * 86_400
_ID = re.compile("[0-9a-f]{32}")


class _Told(msgspec.Struct):
    key: str
    description: Description


class Part(NamedTuple):
    """A part that has arrived: its number, its size, when, and the MD5 of its content."""

    number: int
    size: int
    modified: float
    digest: str


class Uploads:
    """The uploads of one bucket that are under way; they outlive a restart."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._folder = objects.folder / OWN / "uploads"

    def begin(self, key: str, description: Description) -> str:
        """Begin an upload and return its id."""
        self._remove_abandoned()
        upload = secrets.token_hex(16)
        folder = self._folder / upload
        folder.mkdir(parents=True)
        (folder / "told.json").write_bytes(msgspec.json.encode(_Told(key, description)))
        return upload

    def add(self, upload: str, key: str, number: int, received: Path, digest: str) -> None:
        """Take a part; one of the same number is replaced.

        Raises:
            ServiceRefused: there is no such upload, or the number is out of range.
        """
        folder, _ = self._look(upload, key)
        if not 1 <= number <= MOST_PARTS:
            raise ServiceRefused("InvalidArgument", f"part number {number} is not 1 to {MOST_PARTS}")
        for old in folder.glob(f"{number:05}-*"):
            old.unlink(missing_ok=True)
        received.replace(folder / f"{number:05}-{digest}")

    def parts(self, upload: str, key: str) -> list[Part]:
        """List the parts that have arrived, by their numbers."""
        folder, _ = self._look(upload, key)
        found = []
        for file in sorted(folder.glob("?????-*")):
            state = file.stat()
            number, _, digest = file.name.partition("-")
            found.append(Part(int(number), state.st_size, state.st_mtime, digest))
        return found

    def complete(self, upload: str, key: str, wanted: list[tuple[int, str]]) -> Found:
        """Join parts, given as numbers and MD5 sums (empty: any), to an object.

        Raises:
            ServiceRefused: a part is missing or another one, their order is wrong, or there is none.
        """
        folder, told = self._look(upload, key)
        here = {part.number: part for part in self.parts(upload, key)}
        if not wanted:
            raise ServiceRefused("MalformedXML", "the list of parts is empty")
        if [number for number, _ in wanted] != sorted({number for number, _ in wanted}):
            raise ServiceRefused("InvalidPartOrder", "the parts are not listed in ascending order of their numbers")
        for number, digest in wanted:
            if number not in here or digest not in ("", here[number].digest):
                raise ServiceRefused("InvalidPart", f"part {number} of upload {upload} has not arrived as it is listed")
        with self._objects.receiving() as received:
            with received.open("wb") as joined:
                for number, _ in wanted:
                    with (folder / f"{number:05}-{here[number].digest}").open("rb") as part:
                        shutil.copyfileobj(part, joined, 1 << 20)
            found = self._objects.put(key, received, told.description)
        shutil.rmtree(folder, ignore_errors=True)
        return found

    def abort(self, upload: str, key: str) -> None:
        """Forget an upload and its parts."""
        folder, _ = self._look(upload, key)
        shutil.rmtree(folder, ignore_errors=True)

    def under_way(self) -> list[tuple[str, str, float]]:
        """List what is under way: key, id, and when it began."""
        found = []
        for folder in self._folder.glob("*"):
            try:
                file = folder / "told.json"
                found.append((_told(file).key, folder.name, file.stat().st_mtime))
            except (OSError, msgspec.DecodeError):
                continue
        return sorted(found)

    def _look(self, upload: str, key: str) -> tuple[Path, _Told]:
        folder = self._folder / upload
        try:
            if not _ID.fullmatch(upload):
                raise FileNotFoundError
            told = _told(folder / "told.json")
        except (OSError, msgspec.DecodeError):
            raise ServiceRefused("NoSuchUpload", f"there is no upload {upload[:64]!r}") from None
        if told.key != key:
            raise ServiceRefused("NoSuchUpload", f"upload {upload} is of object {told.key!r}, not of {key!r}")
        return folder, told

    def _remove_abandoned(self) -> None:
        for folder in self._folder.glob("*"):
            if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _told(file: Path) -> _Told:
    return msgspec.json.decode(file.read_bytes(), type=_Told)
