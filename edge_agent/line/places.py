"""On which line of a TOML text a table begins or a key stands, which its parsers do not tell."""

from __future__ import annotations

import re
from collections import Counter

_HEADER = re.compile(r"\s*(\[{1,2})\s*([\w-]+)\s*\]")
_KEY = re.compile(r"""\s*("[^"\n]*"|'[^'\n]*'|[\w-]+)\s*(?:\.\s*([\w-]+)\s*)?[=.]""")
#: what a line may have that goes on beyond it, or hides what looks like it
_TOKEN = re.compile(r'"""|\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#|[\[\]{}]')


class Places:
    """The places of one text. Lines count from 1; 0 says that there is none."""

    def __init__(self, text: str) -> None:
        self._tables: dict[tuple[str, int], int] = {}
        self._keys: dict[tuple[str, int, str], int] = {}
        self._read(text)

    def of(self, table: str, number: int, key: str) -> int:
        """Give the line of a key, else that of its table. The table "" is the file itself; number 0 is any."""
        if number or not table:
            return self._keys.get((table, number, key)) or self._of_table(table, number)
        found = [line for (name, _, other), line in self._keys.items() if (name, other) == (table, key)]
        return min(found, default=0) or self._of_table(table, 1)

    def has_table(self, name: str) -> bool:
        """Tell whether there is a table of that name, in any of its forms."""
        return any(name == table for table, _ in self._tables) or ("", 0, name) in self._keys

    def _of_table(self, table: str, number: int) -> int:
        return self._tables.get((table, number)) or self._keys.get(("", 0, table), 0)

    def _read(self, text: str) -> None:
        table, number, seen = "", 0, Counter[str]()
        ending, depth = "", 0  # of a string of several lines, and of brackets
        for line, content in enumerate(text.split("\n"), 1):
            start = 0
            if not ending and not depth:
                if header := _HEADER.match(content):
                    table = header[2]
                    seen[table] += 1
                    number = seen[table]
                    self._tables[table, number] = line
                    continue
                if key := _KEY.match(content):
                    self._keep(table, number, key[1].strip("\"'"), key[2], line)
                    start = key.end()
            ending, depth = _after(content, start, ending, depth)

    def _keep(self, table: str, number: int, key: str, inner: str | None, line: int) -> None:
        self._keys.setdefault((table, number, key), line)
        if inner and not table:  # source.kind = … is [source] with kind = …
            self._tables.setdefault((key, 1), line)
            self._keys.setdefault((key, 1, inner), line)


def _after(content: str, start: int, ending: str, depth: int) -> tuple[str, int]:
    """Say what is still open at the end of a line."""
    while True:
        if ending:
            end = content.find(ending, start)
            if end < 0:
                return ending, depth
            start, ending = end + 3, ""
        found = _TOKEN.search(content, start)
        if found is None or found[0] == "#":
            return "", depth
        start = found.end()
        if found[0] in ('"""', "'''"):
            ending = found[0]
        elif found[0] in "[{":
            depth += 1
        elif found[0] in "]}":
            depth = max(0, depth - 1)
