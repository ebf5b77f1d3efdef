"""Names that are nearly those of a reference: encoded, in another case, with accents or colons written otherwise."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

# What programs and systems put for a colon, which Windows does not allow: as it is, _ and -, and look-alikes.
_COLONS = re.compile("[:_\\-\uf03a\ua789\uff1a]|%3A", re.IGNORECASE)


class Nearly:
    """Looks for files by names that are nearly right. Each folder is listed once."""

    def __init__(self) -> None:
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, root: Path, parts: tuple[str, ...]) -> Path | None:
        """Find the one file whose path is nearly `parts` below `root`; None when there is none, or more than one."""
        path = root
        for part in parts:
            known = self._list(path)
            names = known.get(_loose(part)) or (known.get(_without_colons(part)) if _has_colon(part) else None)
            if names is None:
                return None
            if part in names:
                path = path / part
            elif len(names) == 1:
                path = path / names[0]
            else:
                return None
        return path if path.is_file() else None

    def _list(self, folder: Path) -> dict[str, list[str]]:
        known = self._listed.get(folder)
        if known is None:
            known = {}
            try:
                names = [entry.name for entry in folder.iterdir()]
            except OSError:
                names = []
            for name in names:
                for key in {_loose(name), _without_colons(name)}:
                    known.setdefault(key, []).append(name)
            self._listed[folder] = known
        return known


def _loose(name: str) -> str:
    return unicodedata.normalize("NFC", unquote(name).replace("+", " ")).casefold()


def _has_colon(name: str) -> bool:
    return ":" in unquote(name)


def _without_colons(name: str) -> str:
    return "\0" + _COLONS.sub("_", _loose(name))  # no name of a file begins so
