"""Results of a measurement that takes long: each is written as it comes, so that a run that was ended can go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Results:
    """Rows by their key, in a file of JSON lines; without a path they live as long as the process."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: dict[str, dict[str, Any]] = {}
        if path and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self._rows[row.pop("key")] = row

    def get(self, key: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the row of a key; measure and write it where it is missing."""
        if key not in self._rows:
            self._rows[key] = measure()
            if self._path:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, **self._rows[key]}) + "\n")
        return self._rows[key]
