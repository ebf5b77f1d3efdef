"""Picks of many inputs the few that reach all of a target's code that the others do."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import edge_agent

_PACKAGE = str(Path(edge_agent.__file__).parent)

#: from one line to the next, of a file
Step = tuple[str, int, int]


def keep(target: ModuleType, found: Iterable[Path], folder: Path) -> int:
    """Write to `folder` the inputs among `found` that add something, the smallest first; return how many."""
    folder.mkdir(parents=True, exist_ok=True)
    reached: set[Step] = set()
    kept = 0
    for path in sorted(found, key=lambda path: (path.stat().st_size, path.name)):
        data = path.read_bytes()
        steps = _steps(target, data)
        if not steps <= reached:
            reached |= steps
            (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
            kept += 1
    return kept


def _steps(target: ModuleType, data: bytes) -> set[Step]:
    """Run a target, and note the ways that it takes through the package."""
    steps: set[Step] = set()
    last: dict[int, int] = {}  # by frame, which is not held: it would hold the buffers that the code wants to resize

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        if event in ("call", "line"):
            steps.add((frame.f_code.co_filename, last.get(id(frame), 0), frame.f_lineno))
            last[id(frame)] = frame.f_lineno
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        target.consume(data)
    finally:
        sys.settrace(before)
    return steps
