"""The folder of line files, which is the truth: what somebody copies there is a line, whoever made it.

NAME.toml          a line, as `edge-agent line` runs it
NAME.toml.draft    what somebody has written and not finished; no line runs it
"""

from __future__ import annotations

import hashlib
import re
import stat
import threading
from pathlib import Path

import msgspec

from edge_agent.errors import Conflict, NotThere, StudioError
from edge_agent.line.checking import Mistake, check_text
from edge_agent.studio.store.writing import write_file

_SUFFIX, _DRAFT = ".toml", ".toml.draft"
#: as a line's own name, and what systemd takes for an instance's; the first letter hides nothing and is no option
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_BYTES = 256 << 10


class LineFile(msgspec.Struct, frozen=True):
    """A line's file and draft; `revision` tells what both hold from anything else."""

    name: str
    #: the draft's, where there is one
    text: str
    has_draft: bool
    #: a line of that name can be run: there is more than a draft
    is_there: bool
    revision: str
    mistakes: list[Mistake]


class LineFiles:
    """The files of one folder. May be used by several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def path(self, name: str) -> Path:
        """Give the file of a line, which may be there or not; StudioError for what can't be a name."""
        if not _NAME.fullmatch(name):
            raise StudioError(
                f"{name[:80]!r} can't be the name of a line, expected 1 to 64 letters, digits, '.', '_' or '-', the "
                "first a letter or a digit"
            )
        return self.folder / (name + _SUFFIX)

    def names(self) -> list[str]:
        """List the lines, also those of which there is only a draft."""
        found = set()
        for suffix in (_SUFFIX, _DRAFT):
            for path in self.folder.glob(f"*{suffix}"):
                name = path.name.removesuffix(suffix)
                if _NAME.fullmatch(name) and path.is_file():
                    found.add(name)
        return sorted(found)

    def read(self, name: str) -> LineFile:
        """Read a line's draft, or its file where there is no draft, and check it.

        Raises:
            NotThere: there is none.
            StudioError: it is no text, or can't be read.
        """
        saved, draft = self._contents(name)
        return self._told(name, saved, draft, saved if draft is None else draft)

    def saved(self, name: str) -> LineFile:
        """Read a line's file, or its draft where there is nothing else; raises as `read`."""
        saved, draft = self._contents(name)
        return self._told(name, saved, draft, draft if saved is None else saved)

    def _told(self, name: str, saved: bytes | None, draft: bytes | None, content: bytes | None) -> LineFile:
        if content is None:
            raise NotThere(f"there is no line '{name}'")
        try:
            text = content.decode().replace("\r\n", "\n")
        except UnicodeDecodeError:
            raise StudioError(f"{self.path(name)} is not UTF-8, which TOML has to be") from None
        revision = _revision(saved, draft)
        return LineFile(name, text, draft is not None, saved is not None, revision, check_text(text))

    def write(self, name: str, text: str, revision: str, *, draft: bool) -> LineFile:
        """Write a line's file, or its draft, in place of what had that revision; "" for one that is not yet there.

        Raises:
            Conflict: somebody else has written meanwhile, or has made a line of that name.
            StudioError: it has mistakes and is not to be a draft, or can't be written.
        """
        path = self.path(name)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise StudioError("the file is no text: it has halves of characters") from None
        mistakes = [] if draft else check_text(text)
        if mistakes:
            count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes, the first"
            raise StudioError(f"the file has {count}: {mistakes[0].text}")
        with self._lock:
            saved, before = self._contents(name)
            self._expect(name, revision, _revision(saved, before))
            target = path.with_name(name + _DRAFT) if draft else path
            self._put(target, text, saved)
            if not draft:
                path.with_name(name + _DRAFT).unlink(missing_ok=True)
        return self.read(name)

    def remove(self, name: str, revision: str, *, draft: bool) -> None:
        """Remove a line's draft, or all of it.

        Raises:
            NotThere: there is none.
            Conflict: somebody else has written meanwhile.
        """
        path = self.path(name)
        with self._lock:
            saved, before = self._contents(name)
            if saved is None and before is None:
                raise NotThere(f"there is no line '{name}'")
            self._expect(name, revision, _revision(saved, before))
            try:
                path.with_name(name + _DRAFT).unlink(missing_ok=True)
                if not draft:
                    path.unlink(missing_ok=True)
            except OSError as error:
                raise StudioError(f"{path} can't be removed: {error.strerror}") from None

    def _expect(self, name: str, given: str, found: str) -> None:
        if given == found:
            return
        if not given:
            raise Conflict(f"there is a line '{name}' already")
        raise Conflict(f"somebody else has changed or removed line '{name}' meanwhile; nothing was overwritten")

    def _put(self, path: Path, text: str, before: bytes | None) -> None:
        content = text.replace("\r\n", "\n")
        if before is not None and b"\r\n" in before:  # a browser has no other ends of lines than \n
            content = content.replace("\n", "\r\n")
        if len(content.encode()) > _MOST_BYTES:
            raise StudioError(f"the file has more than {_MOST_BYTES >> 10} KiB, which no line needs")
        if path.is_symlink():
            raise StudioError(f"{path} is a link to {path.readlink()}, which the studio does not change")
        try:
            mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
            write_file(path, content.encode(), mode)
        except OSError as error:
            raise StudioError(f"{path} can't be written: {error.strerror}") from None

    def _contents(self, name: str) -> tuple[bytes | None, bytes | None]:
        path = self.path(name)
        return _content(path), _content(path.with_name(name + _DRAFT))


def _content(path: Path) -> bytes | None:
    try:
        if not path.is_file():  # a pipe or a device would be read for ever
            return None
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StudioError(f"{path} can't be read: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise StudioError(f"{path} has more than {_MOST_BYTES >> 10} KiB, which no line needs")
    return content


def _revision(saved: bytes | None, draft: bytes | None) -> str:
    if saved is None and draft is None:
        return ""
    parts = [b"-" if content is None else hashlib.sha256(content).digest() for content in (saved, draft)]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:32]
