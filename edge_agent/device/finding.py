"""What an examination of the device finds."""

from __future__ import annotations

import enum
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
