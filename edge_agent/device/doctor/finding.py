"""What an examination of the device finds."""

from __future__ import annotations

import enum
import os
from pathlib import Path
from typing import NamedTuple


class Verdict(enum.Enum):
    """ok; worth a note; or wrong: it has to be mended before models are served."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


class Finding(NamedTuple):
    """One line of the examination; the remedy is a command where there is one."""

    verdict: Verdict
    check: str
    found: str
    remedy: str = ""


def group_of(path: Path) -> str:
    """Return the name of the group that a file belongs to, its number where it has none."""
    try:
        return path.group()
    except KeyError:
        return str(path.stat().st_gid)


def join_group_of(path: Path) -> str:
    """Return the remedy for a user who may not open a file that its group may."""
    return f"sudo usermod -a -G {group_of(path)} {os.environ.get('USER', 'USER')}, and log in again"
