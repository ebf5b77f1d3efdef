"""A database's file that is none (any more): put out of the way, for a person to look at."""

from __future__ import annotations

import time
from pathlib import Path

from edge_agent.access.rights import describe_refusal

#: SQLite's words for SQLITE_CORRUPT and SQLITE_NOTADB
_DAMAGED = ("database disk image is malformed", "file is not a database")


def is_damage(error: Exception) -> bool:
    """Tell whether an error of sqlite3 says that the file is damaged."""
    return any(phrase in str(error) for phrase in _DAMAGED)


def set_aside(path: Path) -> str:
    """Give a damaged file another name; returns what was done, in words that follow what was wrong."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
    try:
        path.replace(aside)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        return f" (and can't be put aside: {describe_refusal(error)})"
    return f"; it is {aside.name} now, and a new one is begun"
