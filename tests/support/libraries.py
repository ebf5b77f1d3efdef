"""Libraries that are there and do not work, found before the real ones by PYTHONPATH."""

from __future__ import annotations

from pathlib import Path

#: what importing it does, as processors, loaders and damaged packages do it
WAYS = {
    "illegal instruction": "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
    "static TLS": "raise ImportError('/usr/lib/libgomp-d22c30c5.so.1: cannot allocate memory in static TLS block')",
    "damaged": "raise ImportError('libonnxruntime.so.1: file too short')",
    "no such name": "from onnxruntime import what_is_missing",
}


def break_library(folder: Path, module: str, way: str) -> str:
    """Write a module that can't be imported in that way, and return the value of PYTHONPATH with which it is found."""
    package = folder / module
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(WAYS[way])
    return str(folder)
